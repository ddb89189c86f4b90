//! From a failed rollout back to what was live.

use super::Run;
use super::prune::creates_namespace;
use crate::action::values::OnFailure;
use crate::cluster::Cluster;
use crate::error::Problems;
use crate::report::Object;
use crate::rollout::record::{Place, Record};
use crate::rollout::rollback::{self, Undone};
use crate::rollout::{Failure, Need, Plan};

/// What the cluster has been told to remember for the runs after this one.
pub(super) struct Memory {
    place: Place,
    /// What a release that hasn't ended has left behind.
    older: Option<Record>,
    kept: Kept,
    /// The identity of the Secret that this run has written.
    uid: Option<String>,
}

impl Memory {
    /// Whether a release was cut off, or failed and was kept.
    pub(super) fn is_of_a_cut_off_release(&self) -> bool {
        self.older.is_some()
    }

    /// What the account needs for it.
    pub(super) fn needs(&self) -> Vec<Need> {
        self.place.needs()
    }

    /// The account may not write, or not delete, what would be kept.
    pub(super) fn cannot_be_kept(&mut self) {
        self.kept = Kept::Never;
    }

    /// What that release has left.
    pub(super) fn unfinished(&self) -> Option<&Record> {
        self.older.as_ref()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Yes,
    No,
    /// The account may not: told already.
    Never,
}

impl Run<'_> {
    /// Looks whether an unfinished release has left something to go back to.
    pub(super) async fn recall(&mut self, cluster: &Cluster, namespace: &str) -> Memory {
        let place = Place::of(&self.app_name(), namespace);
        let older = place.read(cluster).await.unwrap_or_else(|error| {
            self.log.say(format!("can't tell whether an earlier release was cut off, {place}: {error}"));
            None
        });
        if let Some(older) = &older {
            self.log.say(format!("the release {} was cut off: a rollback goes back to what was live before it", older.release));
        }
        Memory { place, kept: if older.is_some() { Kept::Yes } else { Kept::No }, older, uid: None }
    }

    /// Keeps what is live before the first write, joined to what an unfinished release has left. Without it this run can still roll
    /// itself back, so trouble with it is told and ends nothing.
    pub(super) async fn remember(&mut self, cluster: &Cluster, plan: &Plan, namespace: &str, memory: &mut Memory) {
        if plan.is_empty() || memory.kept == Kept::Never || creates_namespace(plan, namespace) {
            return;
        }
        let release = self.report.release.as_ref().map_or_else(|| "without a tag".to_owned(), |release| release.tag.clone());
        let record = Record::of(plan, &release);
        let record = match &memory.older {
            Some(older) => record.after(older),
            None => record,
        };
        match memory.place.write(cluster, &record).await {
            Ok(uid) => (memory.kept, memory.uid) = (Kept::Yes, uid),
            Err(error) => {
                self.log.say(format!("what is live can't be kept in {}, so only this very run can roll back: {error}", memory.place));
            }
        }
    }

    /// The release has ended, one way or the other. Whether nothing is left of it.
    pub(super) async fn forget(&mut self, cluster: &Cluster, memory: &Memory) -> bool {
        if memory.kept != Kept::Yes {
            return true;
        }
        let removed = memory.place.remove(cluster, memory.uid.as_deref()).await;
        if let Err(error) = &removed {
            self.warn(None, &format!("couldn't delete {}, a later rollback would go back too far: {error}", memory.place));
        }
        removed.is_ok()
    }

    /// Brings back what was live, unless told to keep what failed; the run has failed either way.
    pub(super) async fn fail(&mut self, cluster: &Cluster, plan: &Plan, failure: Failure, memory: &Memory) -> Problems {
        let next = match self.inputs.on_failure {
            OnFailure::Keep => "correct what the pods say, then run it again: what is in place is not written again",
            OnFailure::Rollback => "correct what the pods say, then run it again",
        };
        self.report.next.push(next.to_owned());
        let Failure { mut problems, mut written, .. } = failure;
        if self.inputs.on_failure == OnFailure::Keep {
            return problems;
        }
        let mut before = plan.clone();
        if let Some(older) = &memory.older {
            let (plan, recalled) = older.recall(plan);
            before = plan;
            written.extend(recalled);
            written.sort_unstable();
            written.dedup();
        }
        if written.is_empty() {
            self.forget(cluster, memory).await;
            return problems;
        }
        let rolled_back = self.timed("Rollback", async |run| run.roll_back(cluster, &before, &written).await).await;
        match rolled_back {
            Ok(()) => {
                self.forget(cluster, memory).await;
            }
            // What is left to bring back is left to the next run.
            Err(trouble) => problems.extend(trouble),
        }
        problems
    }

    async fn roll_back(&mut self, cluster: &Cluster, before: &Plan, written: &[usize]) -> Result<(), Problems> {
        let way_back = rollback::look(cluster, before, written).await;
        self.log.say(&way_back);
        let settings = rollback::Settings { waiting: self.waiting(), timeout: self.inputs.timeout };
        let undone = rollback::run(cluster, before, &way_back, &settings, &self.journal, &|event| self.log.say(event)).await;
        self.log.say(format!("{undone} ({} requests)", undone.requests));
        self.report.rolled_back = Some(undone.to_string());
        note_fates(&mut self.report.objects, &undone);
        undone.problems.map_or(Ok(()), Err)
    }
}

/// Says of each object what the rollback made of it.
fn note_fates(objects: &mut [Object], undone: &Undone) {
    for (id, fate) in &undone.objects {
        if let Some(object) = objects.iter_mut().find(|object| object.object == id.to_string()) {
            object.action = format!("{}, then {fate}", object.action);
            let ready = undone.ready.iter().find(|(known, _)| known == id);
            object.status = ready.map(|(_, after)| format!("ready again after {:.1} s", after.as_secs_f64())).unwrap_or_default();
        }
    }
}
