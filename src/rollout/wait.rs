//! Waiting until objects are ready: one watch for each kind and namespace, judged by the pure rules of [`super::readiness`].

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::Value;
use tokio::time::Instant;

use super::error::{Error, Stage, Subject};
use super::event::{Event, Progress};
use super::plan::Step;
use super::readiness::{self, Status, pods};
use super::sight::{Sight, Source};
use super::suspicion::{Opinion, Suspicion, is_passing};
use super::watches::{self, Watch};
use crate::cluster::{self, Cluster, Refusal};

/// One object to wait for.
pub(super) struct Awaited<'a> {
    pub step: &'a Step,
    /// The object as our write (or, where there was none, the plan) has seen it.
    pub known: &'a Value,
}

/// How waiting ended.
pub(super) struct Ended {
    /// When each object became ready, by the order in which they were given; `None` for those that didn't.
    pub ready: Vec<Option<Duration>>,
    /// One for each object that won't be ready, or isn't in time.
    pub errors: Vec<Error>,
    /// What was seen, to gather evidence from.
    pub sight: Sight,
}

struct Wait<'a> {
    cluster: &'a Cluster,
    awaited: &'a [Awaited<'a>],
    progress: Progress<'a>,
    begun: Instant,
    sight: Sight,
    ready: Vec<Option<Duration>>,
    suspicions: Vec<Suspicion>,
    /// What was told last of each object.
    told: Vec<String>,
    /// What is read again and again because it can't be watched.
    polled: BTreeSet<Source>,
}

/// Waits for all of `awaited`; ends early when one of them is lost.
pub(super) async fn wait(cluster: &Cluster, awaited: &[Awaited<'_>], timeout: Timeout, progress: Progress<'_>) -> Ended {
    let mut wait = Wait {
        cluster,
        awaited,
        progress,
        begun: Instant::now(),
        sight: Sight::default(),
        ready: vec![None; awaited.len()],
        suspicions: awaited.iter().map(|_| Suspicion::default()).collect(),
        told: vec![String::new(); awaited.len()],
        polled: BTreeSet::new(),
    };
    for one in awaited {
        wait.sight.put(&Source::of(&one.step.endpoint), one.known.clone());
    }
    let errors = wait.until(timeout).await;
    Ended { ready: wait.ready, errors, sight: wait.sight }
}

/// The one deadline of a rollout.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeout {
    pub deadline: Instant,
    /// How long the whole rollout was given.
    pub given: Duration,
}

impl Wait<'_> {
    async fn until(&mut self, timeout: Timeout) -> Vec<Error> {
        let mut opinion = self.judge(Instant::now());
        if self.pending().next().is_none() {
            return Vec::new();
        }
        let pending: Vec<&Step> = self.pending().map(|at| self.awaited[at].step).collect();
        let mut watches = watches::open(self.cluster, &pending).ready_chunks(256);
        loop {
            let wake = match opinion {
                Verdict::Lost(errors) => return errors,
                Verdict::Open(wake) => wake.unwrap_or(timeout.deadline).min(timeout.deadline),
            };
            if self.pending().next().is_none() {
                return Vec::new();
            }
            tokio::select! {
                Some(seen) = watches.next() => {
                    for (source, seen) in seen {
                        match seen {
                            Ok(seen) => self.sight.take(&source, seen),
                            Err(error) => match self.replacement(&source, error) {
                                Ok(replacement) => watches.get_mut().extend(replacement),
                                Err(error) => return vec![error],
                            },
                        }
                    }
                }
                () = tokio::time::sleep_until(wake) => {
                    if Instant::now() >= timeout.deadline {
                        return self.late(timeout);
                    }
                }
            }
            opinion = self.judge(Instant::now());
        }
    }

    fn pending(&self) -> impl Iterator<Item = usize> + use<'_> {
        (0..self.awaited.len()).filter(|at| self.ready[*at].is_none())
    }

    /// Looks at every object that isn't ready yet, and tells what has changed.
    fn judge(&mut self, now: Instant) -> Verdict {
        let mut wake: Option<Instant> = None;
        let mut lost = Vec::new();
        for at in self.pending().collect::<Vec<_>>() {
            let (status, opinion) = self.look(at, now);
            let id = &self.awaited[at].step.resource.id;
            if status == Status::Ready {
                let after = now - self.begun;
                self.ready[at] = Some(after);
                (self.progress)(Event::Ready { id: id.clone(), after });
                continue;
            }
            match opinion {
                Opinion::Fine => {}
                Opinion::Suspect(due) => wake = Some(wake.map_or(due, |wake| wake.min(due))),
                Opinion::Doomed(reason) => {
                    lost.push(Error::Doomed { object: Subject::of(&self.awaited[at].step.resource), reason });
                }
            }
            let message = self.message(at, &status);
            if self.told[at] != message {
                self.told[at].clone_from(&message);
                (self.progress)(Event::Waiting { id: id.clone(), message });
            }
        }
        if lost.is_empty() { Verdict::Open(wake) } else { Verdict::Lost(lost) }
    }

    fn look(&mut self, at: usize, now: Instant) -> (Status, Opinion) {
        let one = &self.awaited[at];
        let endpoint = &one.step.endpoint;
        let Some(live) = self.sight.awaited(endpoint, &one.step.resource.id.name) else {
            let reason = "somebody deleted it during the rollout".to_owned();
            return (Status::Waiting { message: reason.clone() }, Opinion::Doomed(reason));
        };
        let floor = one.known.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
        let status = readiness::of(live, floor);
        let failure = match &status {
            Status::Doomed { reason } => Some(reason.as_str()),
            _ => None,
        };
        let suspicion = &mut self.suspicions[at];
        let mut opinion = suspicion.of_itself(live, failure, now);
        if let Some(namespace) = endpoint.namespace.as_deref().filter(|_| status != Status::Ready && failure.is_none()) {
            let mut newest = self.sight.newest_pods(live, namespace);
            if live["kind"] == "Job" {
                // A Job counts its pods' crashes itself, and says when there were too many.
                newest.retain(|pod| pods::doom(pod).is_some_and(|doom| !is_passing(&doom)));
            }
            let wanted = live.pointer("/spec/replicas").or(live.pointer("/status/desiredNumberScheduled"));
            let replicas = wanted.and_then(Value::as_i64).unwrap_or(1);
            opinion = suspicion.of_pods(&newest, replicas, now);
        }
        (status, opinion)
    }

    /// The status, and what the first of the new pods that don't start says.
    fn message(&self, at: usize, status: &Status) -> String {
        let endpoint = &self.awaited[at].step.endpoint;
        let live = self.sight.awaited(endpoint, &self.awaited[at].step.resource.id.name);
        let newest = live.zip(endpoint.namespace.as_deref()).map(|(live, namespace)| self.sight.newest_pods(live, namespace));
        let troubled = newest.unwrap_or_default().into_iter().find_map(|pod| Some((pod, pods::state(pod)?)));
        match troubled {
            Some((pod, state)) => {
                format!("{status} (pod {}, {state})", pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default())
            }
            None => status.to_string(),
        }
    }

    fn late(&self, timeout: Timeout) -> Vec<Error> {
        let late = |at: usize| Error::NotReady {
            object: Subject::of(&self.awaited[at].step.resource),
            reason: self.told[at].clone(),
            after: timeout.given,
        };
        self.pending().map(late).collect()
    }

    /// What to do without a watch that the server won't give: surroundings are done without, awaited objects are read again and again.
    fn replacement(&mut self, source: &Source, error: cluster::Error) -> Result<Vec<Watch>, Error> {
        let forbidden = error.refusal().is_some_and(Refusal::is_forbidden);
        let why = error.to_string();
        let progress = self.progress;
        self.sight.lose(source, why.clone());
        let blind = |what: String| progress(Event::Blind { what, why });
        match source {
            Source::Pods(namespace) => blind(format!("pods in {namespace}, failures will be noticed later")),
            Source::ReplicaSets(namespace) => blind(format!("replica sets in {namespace}, failures will be noticed later")),
            Source::Awaited(_, kind, _) if forbidden && self.polled.insert(source.clone()) => {
                blind(format!("objects of kind {kind}, they are read every {} s", watches::POLL.as_secs()));
                let of_source = self.pending().map(|at| self.awaited[at].step).filter(|step| &Source::of(&step.endpoint) == source);
                return Ok(of_source.map(|step| watches::poll(self.cluster, source, step)).collect());
            }
            Source::Awaited(..) => {
                let step = self.awaited.iter().find(|one| &Source::of(&one.step.endpoint) == source).map(|one| &one.step.resource);
                return Err(match step {
                    Some(resource) => Error::of(resource, Stage::Wait, error),
                    None => Error::Cluster(error),
                });
            }
        }
        Ok(Vec::new())
    }
}

enum Verdict {
    /// Nothing is lost; look again at the given time even when nothing is seen.
    Open(Option<Instant>),
    Lost(Vec<Error>),
}
