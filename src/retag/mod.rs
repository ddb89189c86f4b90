//! The first verb: giving images their release tag.
//!
//! ```text
//! services → select → Selection ─┐
//! templates → tags → Vec<Wanted> ┴→ plan (reads the store) → Plan, which prints → ready → run (writes)
//! ```
//!
//! Inside a repository nothing but manifests is read or written: a tag is put on the same bytes that another tag names. What goes to
//! another repository is copied there first ([`copy`]); an image of the local Docker daemon that its registry hasn't got is pushed first,
//! by the daemon, once.

mod again;
mod copy;
mod error;
mod event;
mod plan;
mod revision;
mod route;
mod run;
pub mod select;
pub mod tags;
mod verify;
mod work;
mod write;

pub use again::Freshness;
pub use copy::{Copy, Referrers};
pub use error::{Conflict, Error, WrongCommit};
pub use event::{Copied, Event};
pub use plan::{Action, Image, Intent, Note, Outcome, Overwrite, Pin, Plan, Published, Ready, Rules, Step, decide, decide_unpushed, plan};
pub use revision::Revision;
pub use route::Route;
pub use run::{Summary, run};
pub use select::{Selection, Service, select};
pub use tags::{Role, Values, Wanted, Withheld};
