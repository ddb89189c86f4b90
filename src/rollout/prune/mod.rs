//! Deleting what an earlier release has applied and this one no longer has, by an inventory that is kept in the cluster.
//!
//! ```text
//! store (read) ─→ Inventory ─ candidates ─ look (GET) ─→ plan: pure ─→ Plan ─ run ─→ Pruned
//!                     └─ joined with the new set, written before the first apply, shrunk after the last deletion
//! ```
//!
//! The inventory names what was applied from before the first write on, so that whatever a killed run has left is found by the next.

mod error;
mod inventory;
mod plan;
mod run;
mod store;

pub use error::Error;
pub use inventory::Inventory;
pub use plan::{Doomed, Left, Plan};
pub use run::{Pruned, look, run};
pub use store::{Found, Store};

#[cfg(test)]
mod tests;
