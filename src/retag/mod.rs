//! The first verb: giving images their release tag.
//!
//! ```text
//! services → select → Selection ─┐
//! templates → tags → Vec<Wanted> ┴→ plan (reads the store) → Plan, which prints → ready → run (writes)
//! ```
//!
//! Inside a repository nothing but manifests is read or written: a tag is put on the same bytes that another tag names. What goes to
//! another repository is copied there first ([`copy`]).

mod copy;
mod error;
mod plan;
mod route;
mod run;
pub mod select;
pub mod tags;

pub use copy::{Copy, Referrers};
pub use error::{Conflict, Error};
pub use plan::{Action, Image, Intent, Outcome, Overwrite, Pin, Plan, Published, Ready, Rules, Step, decide, plan};
pub use route::Route;
pub use run::{Copied, Event, Summary, run};
pub use select::{Selection, Service, select};
pub use tags::{Role, Values, Wanted, Withheld};
