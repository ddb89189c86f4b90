//! What a rollout has done, whichever way it ended.

use std::fmt;
use std::time::Duration;

use super::event::Written;
use super::evidence::Evidence;
use crate::error::{Exit, Problems};
use crate::resource::Id;

/// What was done.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Every object of the plan, in the order of its waves.
    pub objects: Vec<(Id, Result)>,
    /// The waves that were begun.
    pub waves: Vec<WaveOutcome>,
    /// Objects that were waited for until they were ready, and how long that took.
    pub ready: Vec<(Id, Duration)>,
    /// The uid of every object as far as it is known, by the indices of the plan's steps.
    pub uids: Vec<Option<String>>,
    /// What the server warned about, each text once.
    pub warnings: Vec<String>,
    /// Requests sent by this connection, planning included.
    pub requests: usize,
}

/// What became of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Result {
    Written(Written),
    /// The plan had nothing to write.
    Unchanged,
    /// The server refused it, or gave no answer.
    Failed,
    /// The rollout ended before its turn.
    NotReached,
}

/// How a wave went.
#[derive(Debug, Clone)]
pub struct WaveOutcome {
    pub name: String,
    /// Applying and, where the next wave depends on it, waiting.
    pub took: Duration,
}

/// A rollout that didn't end well.
#[derive(Debug)]
pub struct Failure {
    pub problems: Problems,
    /// Of each workload that isn't ready; gathered before anything is undone.
    pub evidence: Vec<Evidence>,
    /// What had been done by then.
    pub outcome: Outcome,
    /// The objects that were written, and those that may have been because no answer came; as indices of the plan's steps.
    pub written: Vec<usize>,
}

impl Failure {
    /// The exit code of the run.
    pub fn exit(&self) -> Exit {
        self.problems.exit()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |wanted: &dyn Fn(&Result) -> bool| self.objects.iter().filter(|(_, result)| wanted(result)).count();
        let created = count(&|result| *result == Result::Written(Written::Created));
        let changed = count(&|result| *result == Result::Written(Written::Changed));
        let unchanged = count(&|result| matches!(result, Result::Unchanged | Result::Written(Written::Confirmed)));
        write!(f, "{created} created, {changed} changed, {unchanged} unchanged")?;
        let (failed, unreached) = (count(&|result| *result == Result::Failed), count(&|result| *result == Result::NotReached));
        if failed > 0 {
            write!(f, ", {failed} failed")?;
        }
        if unreached > 0 {
            write!(f, ", {unreached} not reached")?;
        }
        Ok(())
    }
}
