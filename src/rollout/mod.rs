//! The second verb: applying resources to a cluster in order, and waiting until they are ready.
//!
//! [`order`] makes waves of a set of resources, and [`readiness`] judges what the cluster says of one of them; both are pure.

pub mod order;
pub mod readiness;
