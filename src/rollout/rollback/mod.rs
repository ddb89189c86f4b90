//! Undoing what a failed rollout has changed: everything goes back to what was live, configuration included.
//!
//! ```text
//! Failure.written ─ look (GET) ─→ plan: pure ─→ Plan ─ run ─→ Undone
//! ```

pub mod plan;
mod run;
mod stuck;

pub use plan::{Plan, Undo};
pub use run::{Fate, Settings, Undone, look, run};

#[cfg(test)]
mod tests;
