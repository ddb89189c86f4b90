//! Carrying out a plan: wave by wave, in parallel inside a wave, and then waiting until everything is ready.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use serde_json::Value;
use tokio::time::Instant;

use super::error::{Error, Stage, Subject};
use super::event::{Event, Progress, Written};
use super::evidence::{self, Evidence};
use super::order;
use super::outcome::{Failure, Outcome, Result as ObjectResult, WaveOutcome};
use super::ownership::FieldConflicts;
use super::plan::{Action, Plan, Step};
use super::preview::is_definition;
use super::readiness::{self, Status};
use super::renewal;
use super::restarts;
use super::sight::Sight;
use super::submit::{Submission, hold_replicas, merge_managers, submit};
use super::wait::{Awaited, Timeout, wait};
use crate::cluster::{Cluster, DryRun, Endpoint};
use crate::error::Problems;
use crate::journal::{self, Journal};

/// Applies under way at the same time.
const PARALLEL: usize = 24;
/// What requests get beyond the deadline, so that it is the wait that tells what was waited for.
const GRACE: Duration = Duration::from_secs(5);

/// How to carry out a plan.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub conflicts: FieldConflicts,
    pub waiting: Waiting,
    /// For the whole rollout, from the first write to the last pod.
    pub timeout: Duration,
}

/// Whether to wait at the end. Between waves is always waited, where the next one depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    UntilReady,
    No,
}

/// Writes what the plan says, in its order, and waits.
///
/// Objects that the plan leaves unchanged are not written, but waited for: an earlier run may have been cut off.
/// May be dropped at any time; the journal knows what was sent.
///
/// # Errors
/// The objects that were refused, doomed or late, with evidence and what had been done by then.
pub async fn run(
    cluster: &Cluster,
    plan: &Plan,
    settings: &Settings,
    journal: &Journal,
    progress: Progress<'_>,
) -> Result<Outcome, Box<Failure>> {
    let timeout = Timeout { deadline: Instant::now() + settings.timeout, given: settings.timeout };
    let cluster = cluster.until(timeout.deadline + GRACE);
    let mut run = Run {
        cluster: &cluster,
        plan,
        settings,
        journal,
        progress,
        timeout,
        known: plan.steps.iter().map(|step| step.live.clone()).collect(),
        results: plan.steps.iter().map(|_| ObjectResult::NotReached).collect(),
        waves: Vec::new(),
        ready: Vec::new(),
        uncertain: Vec::new(),
    };
    let ended = run.all().await;
    let (outcome, written) = (run.outcome(), run.written());
    match ended {
        Ok(()) => Ok(outcome),
        Err((problems, evidence)) => Err(Box::new(Failure { problems, evidence, outcome, written })),
    }
}

struct Run<'a> {
    cluster: &'a Cluster,
    plan: &'a Plan,
    settings: &'a Settings,
    journal: &'a Journal,
    progress: Progress<'a>,
    timeout: Timeout,
    /// Each object as it was last seen: the answer to our write, or the plan's.
    known: Vec<Option<Value>>,
    results: Vec<ObjectResult>,
    waves: Vec<WaveOutcome>,
    ready: Vec<(usize, Duration)>,
    /// Objects whose write had no answer, or of which only a part was written.
    uncertain: Vec<usize>,
}

type Lost = (Problems, Vec<Evidence>);

impl Run<'_> {
    async fn all(&mut self) -> Result<(), Lost> {
        let waves = &self.plan.order.waves;
        for (number, wave) in waves.iter().enumerate() {
            let begun = Instant::now();
            let writes = wave.resources.iter().filter(|at| self.plan.steps[**at].action.writes()).count();
            (self.progress)(Event::Wave {
                number: number + 1,
                of: waves.len(),
                name: wave.name.clone(),
                writes,
                unchanged: wave.resources.len() - writes,
            });
            let applied = self.apply_wave(&wave.resources).await;
            let ended = match (&applied, &wave.wait) {
                (Ok(()), order::Wait::Ready(awaited)) => self.until_usable(awaited).await,
                _ => applied,
            };
            self.waves.push(WaveOutcome { name: wave.name.clone(), took: begun.elapsed() });
            ended?;
        }
        match self.settings.waiting {
            Waiting::UntilReady => {
                // A load balancer's address comes from outside the cluster, or never; the application runs without it.
                let awaited = |at: &usize| !self.plan.steps[*at].resource.id.is("", "Service");
                self.until_ready(&(0..self.plan.steps.len()).filter(awaited).collect::<Vec<_>>()).await
            }
            // What proves nothing when it isn't waited for.
            Waiting::No => self.until_ready(&self.checks()).await,
        }
    }

    fn checks(&self) -> Vec<usize> {
        (0..self.plan.steps.len()).filter(|at| order::is_check(&self.plan.steps[*at].resource)).collect()
    }

    /// Applies what the plan wants written. After a failure nothing more is begun, and what is under way is seen through.
    async fn apply_wave(&mut self, resources: &[usize]) -> Result<(), Lost> {
        let failed = AtomicBool::new(false);
        let this = &*self;
        let applied = stream::iter(resources).map(|&at| {
            let failed = &failed;
            async move {
                if failed.load(Ordering::Relaxed) {
                    return None;
                }
                let applied = this.apply(&this.plan.steps[at]).await;
                failed.fetch_or(applied.is_err(), Ordering::Relaxed);
                Some((at, applied))
            }
        });
        let mut applied: Vec<_> = applied.buffer_unordered(PARALLEL).filter_map(std::future::ready).collect().await;
        applied.sort_by_key(|(at, _)| *at);
        let mut problems = Vec::new();
        for (at, applied) in applied {
            match applied {
                Ok(None) => self.results[at] = ObjectResult::Unchanged,
                Ok(Some((answer, how))) => {
                    self.results[at] = ObjectResult::Written(how);
                    self.known[at] = Some(answer);
                }
                Err(error) => {
                    let begun = self.plan.steps[at].takeover.writes() || self.plan.steps[at].action.makes_anew();
                    if begun || !error.certainly_not_done() {
                        self.uncertain.push(at);
                    }
                    self.results[at] = ObjectResult::Failed;
                    problems.push(error);
                }
            }
        }
        Problems::check(problems).map_err(|problems| (problems, Vec::new()))
    }

    async fn apply(&self, step: &Step) -> Result<Option<(Value, Written)>, Error> {
        if !step.action.writes() {
            return Ok(None);
        }
        let id = &step.resource.id;
        let version = |object: &Value| object.pointer("/metadata/resourceVersion").and_then(Value::as_str).map(str::to_owned);
        let before = step.live.as_ref().and_then(version);
        let noted = before.as_ref().map(|version| format!("version {version}"));
        let pending = self.journal.begin(journal::Kind::Object, id.to_string(), noted, "applied");
        let identified = restarts::identified(&step.resource, &self.plan.steps, &self.known);
        let submission = Submission {
            resource: identified.as_ref().unwrap_or(&step.resource),
            endpoint: &step.endpoint,
            newness: step.newness,
            dry_run: DryRun::No,
            stage: Stage::Apply,
        };
        if let Err(error) = renewal::make_way(self.cluster, step, self.timeout, self.journal).await {
            if error.certainly_not_done() {
                pending.failed();
            }
            return Err(error);
        }
        if let Err(error) = self.take_over(step).await {
            if error.certainly_not_done() {
                pending.failed();
            }
            return Err(error);
        }
        let answer = match submit(self.cluster, &submission, self.settings.conflicts).await {
            Ok(answer) => answer,
            Err(error) => {
                if error.certainly_not_done() && !step.action.makes_anew() {
                    pending.failed();
                }
                return Err(error);
            }
        };
        let how = match (&step.action, before) {
            (Action::Unseen | Action::Recreate | Action::Renew | Action::Grow { .. }, _) => Written::Changed,
            (_, None) => Written::Created,
            (_, before) if version(&answer) == before => Written::Confirmed,
            _ => Written::Changed,
        };
        match how {
            Written::Confirmed => pending.failed(),
            _ => pending.done(),
        }
        (self.progress)(Event::Applied { id: id.clone(), how });
        Ok(Some((answer, how)))
    }

    /// Lets fields change hands before the apply that relies on it.
    async fn take_over(&self, step: &Step) -> Result<(), Error> {
        let Some(live) = &step.live else { return Ok(()) };
        if let Some(replicas) = step.takeover.hold {
            hold_replicas(self.cluster, step, live, replicas).await?;
        }
        if !step.takeover.from.is_empty() {
            merge_managers(self.cluster, step, live).await?;
        }
        Ok(())
    }

    /// Waits until the next wave can stand on these objects.
    async fn until_usable(&mut self, objects: &[usize]) -> Result<(), Lost> {
        self.until_ready(objects).await?;
        for at in objects.iter().filter(|at| is_definition(&self.plan.steps[**at].resource.id)) {
            self.until_served(&self.plan.steps[*at]).await.map_err(|error| (Problems::one(error), Vec::new()))?;
        }
        Ok(())
    }

    /// Waits for those of the objects that aren't known to be ready.
    async fn until_ready(&mut self, objects: &[usize]) -> Result<(), Lost> {
        let unready: Vec<usize> = objects.iter().copied().filter(|at| !self.is_known_ready(*at)).collect();
        let awaited: Vec<Awaited<'_>> =
            unready.iter().filter_map(|at| Some(Awaited { step: &self.plan.steps[*at], known: self.known[*at].as_ref()? })).collect();
        let ended = wait(self.cluster, &awaited, self.timeout, self.progress).await;
        let pending: Vec<&Step> = awaited.iter().zip(&ended.ready).filter(|(_, ready)| ready.is_none()).map(|(one, _)| one.step).collect();
        let evidence = if ended.errors.is_empty() { Vec::new() } else { self.evidence(&pending, &ended.sight).await };
        for (at, after) in unready.iter().zip(&ended.ready) {
            self.ready.extend(after.map(|after| (*at, after)));
        }
        Problems::check(ended.errors).map_err(|problems| (problems, evidence))?;
        Ok(())
    }

    fn is_known_ready(&self, at: usize) -> bool {
        if self.ready.iter().any(|(ready, _)| *ready == at) {
            return true;
        }
        // What was never seen can't be waited for: an object that may be written but not read, and wasn't written.
        let Some(known) = &self.known[at] else { return true };
        let floor = known.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
        readiness::of(known, floor) == Status::Ready
    }

    async fn evidence(&self, pending: &[&Step], sight: &Sight) -> Vec<Evidence> {
        let live = |step: &&Step| sight.awaited(&step.endpoint, &step.resource.id.name).cloned().unwrap_or_default();
        let workloads: Vec<(&Step, Value)> = pending.iter().map(|step| (*step, live(step))).collect();
        evidence::gather(self.cluster, &workloads, sight).await
    }

    /// An established definition is served a moment later.
    async fn until_served(&self, definition: &Step) -> Result<(), Error> {
        if definition.action == Action::Keep {
            return Ok(());
        }
        let value = &definition.resource.value;
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let versions = value.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten();
        for version in versions.filter(|version| version["served"] == true).filter_map(|version| version["name"].as_str()) {
            let endpoint = Endpoint::built_in(text("/spec/group"), version, text("/spec/names/kind"), text("/spec/names/plural"), None);
            let mut pause = Duration::from_millis(10);
            loop {
                if self.cluster.serves(&endpoint).await.map_err(|error| Error::of(&definition.resource, Stage::Wait, error))? {
                    break;
                }
                if Instant::now() + pause > self.timeout.deadline {
                    let reason = format!("the server doesn't serve {version} of it yet");
                    return Err(Error::NotReady { object: Subject::of(&definition.resource), reason, after: self.timeout.given });
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(500));
            }
        }
        Ok(())
    }

    fn written(&self) -> Vec<usize> {
        let changed = |at: &usize| matches!(self.results[*at], ObjectResult::Written(Written::Created | Written::Changed));
        (0..self.results.len()).filter(|at| changed(at) || self.uncertain.contains(at)).collect()
    }

    fn outcome(&self) -> Outcome {
        let id = |at: usize| self.plan.steps[at].resource.id.clone();
        let in_order = self.plan.order.waves.iter().flat_map(|wave| &wave.resources);
        Outcome {
            objects: in_order.map(|at| (id(*at), self.results[*at])).collect(),
            waves: self.waves.clone(),
            ready: self.ready.iter().map(|(at, after)| (id(*at), *after)).collect(),
            uids: self.known.iter().map(|known| Some(known.as_ref()?.pointer("/metadata/uid")?.as_str()?.to_owned())).collect(),
            warnings: self.cluster.warnings(),
            requests: self.cluster.requests(),
        }
    }
}
