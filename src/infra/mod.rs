//! The third verb: changing image tags in infrastructure repositories.

pub mod edit;
