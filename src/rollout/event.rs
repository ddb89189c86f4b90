//! What a rollout tells while it runs; each event is told once, when something has changed.

use std::fmt;
use std::time::Duration;

use super::rollback::Fate;
use crate::resource::Id;

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A wave begins; counted from 1.
    Wave {
        number: usize,
        of: usize,
        name: String,
        writes: usize,
        unchanged: usize,
    },
    Applied {
        id: Id,
        how: Written,
    },
    Waiting {
        id: Id,
        message: String,
    },
    Ready {
        id: Id,
        after: Duration,
    },
    /// A rollback has brought an object back.
    Undone {
        id: Id,
        how: Fate,
    },
    /// A rollback has deleted a pod that held up its StatefulSet.
    Freed {
        pod: String,
    },
    /// What was no longer needed is deleted.
    Deleted {
        id: Id,
    },
    /// Something that can't be looked at, and what that means for the rollout.
    Blind {
        what: String,
        why: String,
    },
}

/// How an object was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Written {
    Created,
    Changed,
    /// The server had nothing to change after all.
    Confirmed,
}

/// Receives events while a verb runs.
pub type Progress<'a> = &'a (dyn Fn(Event) + Send + Sync);

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wave { number, of, name, writes, unchanged } => {
                write!(f, "wave {number} of {of}: {name} ({writes} to apply, {unchanged} unchanged)")
            }
            Self::Applied { id, how } => write!(f, "{id}: {how}"),
            Self::Waiting { id, message } => write!(f, "{id}: {message}"),
            Self::Ready { id, after } => write!(f, "{id}: ready after {:.1} s", after.as_secs_f64()),
            Self::Undone { id, how } => write!(f, "{id}: {how}"),
            Self::Freed { pod } => write!(f, "{pod}: deleted, it held up the way back"),
            Self::Deleted { id } => write!(f, "{id}: deleted"),
            Self::Blind { what, why } => write!(f, "can't watch {what}: {why}"),
        }
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Confirmed => "unchanged",
        })
    }
}
