//! The first verb: giving images their release tag.
//!
//! ```text
//! services → select → Selection ─┐
//! templates → tags → Vec<Wanted> ┴→ plan (reads the store) → Plan, which prints → ready → run (writes)
//! ```
//!
//! Nothing but manifests is read or written: a tag is put on the same bytes that another tag names.

mod again;
mod error;
mod plan;
mod revision;
mod run;
pub mod select;
pub mod tags;
mod verify;
mod write;

pub use again::Freshness;
pub use error::{Conflict, Error, WrongCommit};
pub use plan::{Action, Image, Intent, Outcome, Overwrite, Pin, Plan, Published, Ready, Rules, Step, decide, plan};
pub use revision::{Place, Revision};
pub use run::{Event, Summary, run};
pub use select::{Selection, Service, select};
pub use tags::{Role, Values, Wanted, Withheld};
