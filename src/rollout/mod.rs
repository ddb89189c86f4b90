//! The second verb: applying resources to a cluster in order, and waiting until they are ready.

pub mod diff;
mod error;
pub mod order;
pub mod ownership;
pub mod plan;
mod preview;
mod revision;
mod submit;

pub use error::{Error, Stage};
pub use ownership::FieldConflicts;
pub use plan::Plan;
pub use preview::plan;
