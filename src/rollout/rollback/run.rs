//! Carrying a rollback out: everything that can be brought back is, whatever fails beside it.

use std::fmt;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use serde_json::Value;
use tokio::time::Instant;

use super::plan::{self, Plan, Step, Undo, Written};
use super::stuck;
use crate::cluster::{Apply, Cluster, Deletion, DryRun, FIELD_MANAGER, Force, Newness, Refusal};
use crate::error::Problems;
use crate::journal::{self, Journal};
use crate::resource::Id;
use crate::rollout::Waiting;
use crate::rollout::error::{Error, Stage, Subject};
use crate::rollout::event::{Event, Progress};
use crate::rollout::plan::{Plan as Forward, Step as ForwardStep};
use crate::rollout::wait::{Awaited, Timeout, wait};
use crate::rollout::{renewal, volumes};

const PARALLEL: usize = 12;
/// What requests get beyond the deadline, so that it is the wait that tells what was waited for.
const GRACE: Duration = Duration::from_secs(5);
/// What a rollback is given at least: it isn't to suffer from what the rollout has used up.
const LEAST: Duration = Duration::from_secs(300);
/// How often to begin anew when an object changes between our reading and our writing.
const ATTEMPTS: u32 = 8;

/// How to roll back.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub waiting: Waiting,
    /// For the whole rollback; at least five minutes are given.
    pub timeout: Duration,
}

/// How a rollback ended.
#[derive(Debug)]
pub struct Undone {
    /// Every object that the rollout had written, in the order in which they were undone.
    pub objects: Vec<(Id, Fate)>,
    pub ready: Vec<(Id, Duration)>,
    /// What couldn't be brought back, or doesn't work as it did.
    pub problems: Option<Problems>,
    /// Requests sent by this connection, the rollout's included.
    pub requests: usize,
}

/// What became of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    Restored,
    Removed,
    /// It stays as the rollout has left it.
    Left(String),
    Failed,
}

/// Plans the way back; reads every object that was or may have been written (indices of the rollout's steps).
pub async fn look(cluster: &Cluster, forward: &Forward, written: &[usize]) -> Plan {
    let cluster = &cluster.until(Instant::now() + LEAST);
    let read = written.iter().map(|&at| async move {
        let step = &forward.steps[at];
        let now = cluster.get(&step.endpoint, &step.resource.id.name).await.map_err(|error| error.to_string());
        Written { at, now }
    });
    let written: Vec<Written> = stream::iter(read).buffered(PARALLEL).collect().await;
    plan::plan(forward, &written)
}

/// Undoes what the plan says, and waits until what is back is ready.
pub async fn run(
    cluster: &Cluster,
    forward: &Forward,
    plan: &Plan,
    settings: &Settings,
    journal: &Journal,
    progress: Progress<'_>,
) -> Undone {
    let given = settings.timeout.max(LEAST);
    let timeout = Timeout { deadline: Instant::now() + given, given };
    let run = Run { cluster: &cluster.until(timeout.deadline + GRACE), forward, timeout, journal, progress };
    let before = run.revisions(plan).await;
    let mut undone = Undone { objects: Vec::new(), ready: Vec::new(), problems: None, requests: 0 };
    let mut errors = Vec::new();
    let mut restored: Vec<(usize, Value)> = Vec::new();
    for batch in &plan.batches {
        let ended: Vec<_> = stream::iter(batch).map(|step| async move { (step, run.undo(step).await) }).buffered(PARALLEL).collect().await;
        for (step, ended) in ended {
            let fate = match ended {
                Ok((fate, answer)) => {
                    restored.extend(answer.map(|answer| (step.at, answer)));
                    fate
                }
                Err(error) => {
                    errors.push(error);
                    Fate::Failed
                }
            };
            undone.objects.push((step.id.clone(), fate));
        }
    }
    undone.objects.extend(plan.left.iter().map(|(id, why)| (id.clone(), Fate::Left(why.clone()))));
    if settings.waiting == Waiting::UntilReady {
        let (ready, late) = run.until_ready(&restored, &before, timeout).await;
        undone.ready = ready;
        errors.extend(late);
    }
    undone.problems = Problems::check(errors).err();
    undone.requests = run.cluster.requests();
    undone
}

#[derive(Clone, Copy)]
struct Run<'a> {
    cluster: &'a Cluster,
    forward: &'a Forward,
    timeout: Timeout,
    journal: &'a Journal,
    progress: Progress<'a>,
}

impl Run<'_> {
    /// The revision that each StatefulSet is failing to reach, before it is told to go back.
    async fn revisions(&self, plan: &Plan) -> Vec<(usize, String)> {
        let mut revisions = Vec::new();
        for step in plan.steps().filter(|step| step.id.is("apps", "StatefulSet") && !matches!(step.undo, Undo::Remove { .. })) {
            let live = self.cluster.get(&self.forward.steps[step.at].endpoint, &step.id.name).await;
            // Unreadable now, unreadable later: the wait tells that.
            if let Ok(Some(live)) = live
                && let Some(revision) = stuck::target_revision(&live)
            {
                revisions.push((step.at, revision.to_owned()));
            }
        }
        revisions
    }

    async fn undo(&self, step: &Step) -> Result<(Fate, Option<Value>), Error> {
        let forward = &self.forward.steps[step.at];
        let (verb, stage) = match step.undo {
            Undo::Remove { .. } => ("removed", Stage::Remove),
            _ => ("restored", Stage::Restore),
        };
        let pending = self.journal.begin(journal::Kind::Object, step.id.to_string(), Some("what the rollout made of it".into()), verb);
        let wrong = |error| Error::of(&forward.resource, stage, error);
        let ended = match &step.undo {
            Undo::Remove { uid } => self.cluster.delete(&forward.endpoint, &step.id.name, uid).await.map_err(wrong).map(|how| match how {
                Deletion::Accepted => (Fate::Removed, None),
                Deletion::Gone => (Fate::Left("somebody has removed it".into()), None),
            }),
            Undo::Restore { own, all, before, .. } => {
                self.restore(forward, own.as_ref(), all, before).await.map(|answer| (Fate::Restored, Some(answer)))
            }
            Undo::Replace { before, .. } => self.replace(forward, before).await.map(|answer| (Fate::Restored, Some(answer))),
        };
        match &ended {
            Ok((Fate::Left(_), _)) => pending.failed(),
            Ok((fate, _)) => {
                pending.done();
                (self.progress)(Event::Undone { id: step.id.clone(), how: fate.clone() });
            }
            Err(error) if error.certainly_not_done() => pending.failed(),
            Err(_) => {}
        }
        ended
    }

    /// Applies the old intent, by force: whoever contests a value now has had the rollout's.
    async fn restore(&self, forward: &ForwardStep, own: Option<&Value>, all: &Value, before: &Value) -> Result<Value, Error> {
        let apply = |intent, dry_run| {
            let how = Apply { manager: FIELD_MANAGER, force: Force::Yes, dry_run, newness: Newness::Known };
            self.cluster.apply(&forward.endpoint, &forward.resource.id.name, intent, how)
        };
        let mut intent = all;
        if let Some(own) = own
            && let Ok(rehearsed) = apply(own, DryRun::Yes).await
            && plan::differences(forward, &rehearsed, before).is_empty()
        {
            intent = own;
        }
        if forward.resource.id.is("apps", "StatefulSet") {
            self.make_way(forward, before).await?;
        }
        match apply(intent, DryRun::No).await {
            Ok(answer) => Ok(answer),
            // The server can't make the old state of these fields: it gets the whole of it.
            Err(error) if error.refusal().is_some_and(|refusal| refusal.status != 401 && !refusal.is_forbidden()) => {
                self.replace(forward, before).await
            }
            Err(error) => Err(Error::of(&forward.resource, Stage::Restore, error)),
        }
    }

    /// Templates of claims can't be changed back any more than forth: a set whose volumes have grown is made anew around its pods once more.
    async fn make_way(&self, forward: &ForwardStep, before: &Value) -> Result<(), Error> {
        let wrong = |error| Error::of(&forward.resource, Stage::Restore, error);
        let Some(now) = self.cluster.get(&forward.endpoint, &forward.resource.id.name).await.map_err(wrong)? else { return Ok(()) };
        if !volumes::have_grown(before, &now) {
            return Ok(());
        }
        self.cluster.delete_alone(&forward.endpoint, &forward.resource.id.name, renewal::uid(&now)).await.map_err(wrong)?;
        renewal::until_gone(self.cluster, forward, renewal::uid(&now), self.timeout).await
    }

    /// Puts the whole old state in place of the current one, whatever its version is by then.
    async fn replace(&self, forward: &ForwardStep, before: &Value) -> Result<Value, Error> {
        let wrong = |error| Error::of(&forward.resource, Stage::Restore, error);
        let name = &forward.resource.id.name;
        let mut attempt = 0;
        loop {
            let now = self.cluster.get(&forward.endpoint, name).await.map_err(wrong)?;
            let Some(now) = now else {
                return Err(Error::NotRestored { object: Subject::of(&forward.resource), reason: "somebody has deleted it".into() });
            };
            let error = match self.cluster.replace(&forward.endpoint, name, &replacement(before, &now)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            attempt += 1;
            if attempt == ATTEMPTS || !error.refusal().is_some_and(Refusal::is_conflict) {
                return Err(wrong(error));
            }
        }
    }

    /// Waits for what is back; StatefulSets are freed of pods that hold them up.
    async fn until_ready(
        &self,
        restored: &[(usize, Value)],
        revisions: &[(usize, String)],
        timeout: Timeout,
    ) -> (Vec<(Id, Duration)>, Vec<Error>) {
        let steps = restored.iter().map(|(at, known)| Awaited { step: &self.forward.steps[*at], known });
        // A load balancer's address comes from outside the cluster, or never.
        let awaited: Vec<Awaited<'_>> = steps.filter(|one| !one.step.resource.id.is("", "Service")).collect();
        let sets = revisions.iter().filter(|(at, _)| restored.iter().any(|(known, _)| known == at));
        let freed = sets.map(|(at, bad)| stuck::free(self.cluster, &self.forward.steps[*at], bad, self.journal, self.progress));
        let (ended, freed) = {
            let freeing = futures::future::join_all(freed);
            let waiting = wait(self.cluster, &awaited, timeout, self.progress);
            tokio::pin!(freeing, waiting);
            // Freeing ends when nothing is left to free; the wait ends in any case, and both are pointless after it.
            tokio::select! {
                ended = &mut waiting => (ended, Vec::new()),
                freed = &mut freeing => (waiting.await, freed),
            }
        };
        let ready = awaited.iter().zip(&ended.ready).filter_map(|(one, after)| Some((one.step.resource.id.clone(), (*after)?)));
        let late = ended.errors.into_iter().map(|error| match error {
            Error::Doomed { object, reason } | Error::NotReady { object, reason, .. } => Error::NotRestored { object, reason },
            other => other,
        });
        // That a pod couldn't be freed matters only when its set isn't ready.
        let late: Vec<Error> = late.collect();
        let stuck = freed.into_iter().filter_map(Result::err).filter(|_| !late.is_empty()).collect::<Vec<_>>();
        (ready.collect(), late.into_iter().chain(stuck).collect())
    }
}

/// The old state, for the place of the current one: what only the server writes is the current one's.
fn replacement(before: &Value, now: &Value) -> Value {
    let mut object = before.clone();
    if let Some(object) = object.as_object_mut() {
        object.shift_remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for server in ["managedFields", "generation", "creationTimestamp", "selfLink", "deletionTimestamp"] {
            metadata.shift_remove(server);
        }
        for own in ["uid", "resourceVersion"] {
            metadata.insert(own.into(), now["metadata"][own].clone());
        }
    }
    object
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restored => f.write_str("restored"),
            Self::Removed => f.write_str("removed"),
            Self::Left(why) => write!(f, "left as it is: {why}"),
            Self::Failed => f.write_str("not restored"),
        }
    }
}

impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |wanted: fn(&Fate) -> bool| self.objects.iter().filter(|(_, fate)| wanted(fate)).count();
        write!(f, "{} restored, {} removed", count(|fate| *fate == Fate::Restored), count(|fate| *fate == Fate::Removed))?;
        let (left, failed) = (count(|fate| matches!(fate, Fate::Left(_))), count(|fate| *fate == Fate::Failed));
        if left > 0 {
            write!(f, ", {left} left as they are")?;
        }
        if failed > 0 {
            write!(f, ", {failed} failed")?;
        }
        Ok(())
    }
}
