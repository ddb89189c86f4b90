//! The list of what a run has changed in the world, kept while it happens so that a failed or cancelled run can tell the truth.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What kind of thing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Tag,
    Object,
    Branch,
    PullRequest,
    File,
}

/// One write: what, from which state, to which state. The texts are for people and hold no secrets.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    pub kind: Kind,
    /// The thing that changed, by its full name (`registry/repository:tag`, `Deployment shop/api`).
    pub subject: String,
    /// What it was before; `None` when it did not exist.
    pub before: Option<String>,
    pub after: String,
    pub certainty: Certainty,
}

/// Whether a write is known to have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// The request was sent and no answer has been seen: it may or may not have taken effect.
    Unknown,
    Done,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.before {
            Some(before) => write!(f, "{}: {before} → {}", self.subject, self.after)?,
            None => write!(f, "{}: new, {}", self.subject, self.after)?,
        }
        match self.certainty {
            Certainty::Done => Ok(()),
            Certainty::Unknown => f.write_str(" (sent, no answer seen: may or may not have taken effect)"),
        }
    }
}

/// Shared by everything that writes during one run. Cloning gives another handle to the same list.
#[derive(Debug, Clone, Default)]
pub struct Journal(Arc<Mutex<Vec<Option<Change>>>>);

impl Journal {
    /// Notes a write that is about to be sent. Tell the outcome with [`Pending::done`] or [`Pending::failed`];
    /// a `Pending` that is merely dropped (cancelled future) stays in the list with unknown outcome.
    pub fn begin(&self, kind: Kind, subject: impl Into<String>, before: Option<String>, after: impl Into<String>) -> Pending {
        let mut list = self.lock();
        list.push(Some(Change { kind, subject: subject.into(), before, after: after.into(), certainty: Certainty::Unknown }));
        Pending { journal: self.clone(), index: list.len() - 1 }
    }

    /// All writes so far, in the order in which they were begun.
    pub fn changes(&self) -> Vec<Change> {
        self.lock().iter().flatten().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Change>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A write whose answer is not there yet.
#[derive(Debug)]
#[must_use = "tell the journal how the write ended"]
pub struct Pending {
    journal: Journal,
    index: usize,
}

impl Pending {
    /// The server confirmed the write.
    pub fn done(self) {
        if let Some(change) = &mut self.journal.lock()[self.index] {
            change.certainty = Certainty::Done;
        }
    }

    /// The server confirmed the write, and what the thing is now shows only from its answer.
    pub fn done_as(self, after: impl Into<String>) {
        if let Some(change) = &mut self.journal.lock()[self.index] {
            change.after = after.into();
            change.certainty = Certainty::Done;
        }
    }

    /// The server refused the write: nothing happened.
    pub fn failed(self) {
        self.journal.lock()[self.index] = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_write_leaves_no_trace_and_a_dropped_one_stays_uncertain() {
        let journal = Journal::default();
        journal.begin(Kind::Tag, "r/a:1", None, "sha256:a").done();
        journal.begin(Kind::Tag, "r/b:1", Some("sha256:0".into()), "sha256:b").failed();
        drop(journal.begin(Kind::Tag, "r/c:1", Some("sha256:0".into()), "sha256:c"));
        let lines: Vec<String> = journal.changes().iter().map(Change::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        r/a:1: new, sha256:a
        r/c:1: sha256:0 → sha256:c (sent, no answer seen: may or may not have taken effect)
        ");
    }
}
