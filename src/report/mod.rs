//! What a run has to tell when it ends, whichever way it ends: for people (summary, closing lines) and for workflows (outputs).

mod outputs;
mod settle;
mod summary;

pub use summary::seconds;

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::action::values::{DryRun, Mode};
use crate::error::Exit;
use crate::journal::{Certainty, Change};
use crate::release::Release;

/// Gathered phase by phase; every field may be empty when the run ended before its phase.
#[derive(Debug, Clone)]
pub struct Report {
    /// Nothing when the inputs couldn't be read.
    pub mode: Option<Mode>,
    pub dry_run: DryRun,
    pub release: Option<Release>,
    pub images: Vec<Image>,
    pub skipped: Vec<Skipped>,
    pub waves: Option<Waves>,
    pub objects: Vec<Object>,
    pub repositories: Vec<Repository>,
    pub files: Vec<String>,
    pub warnings: Vec<String>,
    /// What was seen of workloads that didn't get ready: pod states, events, log lines.
    pub evidence: Option<String>,
    pub phases: Vec<(&'static str, Duration)>,
    pub problems: Vec<Problem>,
    /// What a rollback came to, where there was one.
    pub rolled_back: Option<String>,
    pub next: Vec<String>,
    /// The writes of the run, in order.
    pub changes: Vec<Change>,
}

/// An image of ours and one of its tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    /// The services that run it.
    pub services: Vec<String>,
    /// Canonical name without tag.
    pub repository: String,
    pub source: String,
    pub tag: String,
    /// The digest that the tag names when the run is over; `None` when no registry was asked.
    pub digest: Option<String>,
    /// The digest that the tag named before.
    #[serde(skip)]
    pub before: Option<String>,
    pub action: String,
    /// Whether this is the release tag, which manifests and outputs name; the others are floats.
    #[serde(skip)]
    pub role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Release,
    Float,
}

/// A service whose image is not ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    pub service: String,
    pub image: String,
    pub reason: String,
}

/// The order of the resources, in two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waves {
    pub text: String,
    pub mermaid: String,
}

/// An object of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Object {
    pub object: String,
    pub wave: String,
    /// `created`, `changed`, `unchanged`, `not validated yet`.
    pub action: String,
    /// Fields that differ, without secret values.
    pub changes: Vec<String>,
    /// `ready`, or why not; empty for what isn't waited for.
    pub status: String,
}

/// An infrastructure repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repository {
    pub repository: String,
    pub environment: Option<String>,
    pub branch: String,
    pub number: Option<u64>,
    pub url: Option<String>,
    /// `created`, `updated`, `merged`, `closed`, `unchanged`, `committed`, `pushed`, `planned`, `failed`.
    pub operation: String,
    pub changes: Vec<String>,
    pub error: Option<String>,
}

/// An error as the summary shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub place: Option<String>,
    pub text: String,
}

/// How the run ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Unchanged,
    Planned,
    Failed,
    Refused,
    TimedOut,
    Cancelled,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Unchanged => "unchanged",
            Self::Planned => "planned",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::TimedOut => "timed-out",
            Self::Cancelled => "cancelled",
        })
    }
}

impl Default for Report {
    fn default() -> Self {
        Self {
            mode: None,
            dry_run: DryRun::No,
            release: None,
            images: Vec::new(),
            skipped: Vec::new(),
            waves: None,
            objects: Vec::new(),
            repositories: Vec::new(),
            files: Vec::new(),
            warnings: Vec::new(),
            evidence: None,
            phases: Vec::new(),
            problems: Vec::new(),
            rolled_back: None,
            next: Vec::new(),
            changes: Vec::new(),
        }
    }
}

impl Report {
    pub fn new(mode: Mode, dry_run: DryRun) -> Self {
        Self { mode: Some(mode), dry_run, ..Self::default() }
    }

    /// Whether nothing can be written in this run.
    pub fn is_plan(&self) -> bool {
        self.mode == Some(Mode::Plan) || self.dry_run == DryRun::Yes
    }

    pub fn outcome(&self, exit: Exit) -> Outcome {
        match exit {
            Exit::Done if self.is_plan() => Outcome::Planned,
            Exit::Done if self.changes.is_empty() => Outcome::Unchanged,
            Exit::Done => Outcome::Done,
            Exit::Failed => Outcome::Failed,
            Exit::BadInput | Exit::Refused => Outcome::Refused,
            Exit::TimedOut => Outcome::TimedOut,
            Exit::Cancelled => Outcome::Cancelled,
        }
    }

    /// One sentence: how it ended and what of the world is different now.
    pub fn closing(&self, exit: Exit) -> String {
        let uncertain = self.changes.iter().filter(|change| change.certainty == Certainty::Unknown).count();
        let changed = match (self.changes.len() - uncertain, uncertain) {
            (0, 0) => "nothing was changed".to_owned(),
            (1, 0) => "1 thing was changed".to_owned(),
            (n, 0) => format!("{n} things were changed"),
            (0, m) => format!("{m} changes may or may not have been made"),
            (n, m) => format!("{n} changes were made, {m} more may or may not have been"),
        };
        let changed = match &self.rolled_back {
            Some(undone) => format!("the cluster was rolled back ({undone})"),
            None => changed,
        };
        match self.outcome(exit) {
            Outcome::Planned if self.mode == Some(Mode::Plan) => "planned; nothing was changed".to_owned(),
            Outcome::Planned => "dry run: planned to the last check; nothing was changed".to_owned(),
            Outcome::Unchanged => "everything was in place already; nothing was changed".to_owned(),
            Outcome::Done => format!("done; {changed}"),
            Outcome::Refused => format!("refused; {changed}"),
            Outcome::Failed => format!("failed; {changed}"),
            Outcome::TimedOut => format!("gave up waiting; {changed}"),
            Outcome::Cancelled => format!("cancelled; {changed}"),
        }
    }
}
