//! The second verb: applying resources to a cluster in order, and waiting until they are ready.
//!
//! ```text
//! resources ─ order ─→ waves ─ plan (live, rehearsed apply) ─→ Plan ─ run ─→ Outcome
//!              pure             preview · live · submit              │  submit, wave by wave
//!                     settled, diff, ownership, restarts: pure       │  wait: sight, readiness, suspicion: pure
//!                                                                    └─→ Failure with Evidence ─ rollback ─→ Undone
//! ```
//!
//! [`order`] makes waves of a set of resources, and [`readiness`] judges what the cluster says of one of them; both are pure.

mod autoscalers;
pub mod collect;
pub mod diff;
mod error;
mod event;
mod evidence;
mod hooks;
mod keep;
mod live;
pub mod lock;
mod needs;
pub mod order;
mod outcome;
pub mod owned;
pub mod ownership;
pub mod plan;
mod preflight;
mod preview;
pub mod prune;
pub mod readiness;
pub mod record;
mod renewal;
mod restarts;
mod revision;
pub mod rollback;
mod run;
mod settled;
mod sight;
mod submit;
mod suspicion;
mod sweep;
pub mod takeover;
pub mod trace;
pub mod volumes;
mod wait;
mod watches;

pub use error::{Error, Stage, Subject};
pub use event::{Event, Progress, Written};
pub use evidence::{Evidence, PodEvidence};
pub use needs::{Gap, Need, Purposes, Without};
pub use outcome::{Failure, Outcome, Result, WaveOutcome};
pub use ownership::FieldConflicts;
pub use plan::Plan;
pub use preflight::preflight;
pub use preview::plan;
pub use restarts::ConfigUpdates;
pub use run::{Settings, Waiting, run};
pub use sweep::sweep;
