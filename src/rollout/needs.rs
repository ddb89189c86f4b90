//! What an account needs permission for beyond what rehearsals have proven, and what is missed without it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::error::{Error, Subject};
use super::keep;
use super::order::{self, Wait};
use super::owned::Entry;
use super::plan::{Action, Plan, Step};
use super::readiness::{self, Status};
use super::run::Waiting;
use super::sight::surroundings;
use crate::cluster::{Endpoint, Permission, Permissions, Verb};

/// A permission, and what comes of it when it is missing.
#[derive(Debug, Clone)]
pub struct Need {
    pub permission: Permission,
    pub without: Without,
}

/// What comes of a missing permission.
#[derive(Debug, Clone)]
pub enum Without {
    /// It goes well as far as it goes; what is missed, as the end of a sentence.
    Missed(&'static str),
    /// The object can't be written.
    Refused(Box<Subject>),
    /// The object is awaited, and can't be seen by this nor, it may be, by another way.
    Unseen(Box<Subject>),
}

/// What this release is to do besides applying.
#[derive(Debug, Clone, Copy)]
pub struct Purposes {
    pub waiting: Waiting,
    /// Whether it is rolled back when it fails.
    pub rolls_back: bool,
}

/// Permissions that are missing, and what is missed without them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    permissions: Permissions,
    missed: Vec<&'static str>,
}

impl Gap {
    /// Whether this is what is missed.
    pub fn misses(&self, what: &str) -> bool {
        self.missed.contains(&what)
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { permissions, missed } = self;
        write!(f, "the account may not {permissions}, so {}; {}", missed.join(", and "), permissions.advice())
    }
}

const COMPARED: &str = "what is live of it can't be compared, nor brought back after a failure";
const POLLED: &str = "its state is read every 2 s instead of being watched";
const NOTICED: &str = "pods that can't start are noticed late, and their state isn't shown";
const LOGS: &str = "the last log lines of pods that fail aren't shown";
const EVENTS: &str = "events of what fails aren't shown";
const AUTOSCALED: &str = "nobody knows whether an autoscaler decides on replicas, and the manifest's count";
const REMOVED: &str = "what this release creates stays when it fails and is rolled back";
const REPLACED: &str = "objects that nobody has kept account of can't be brought back after a failure";
const FREED: &str = "pods that hold up a StatefulSet on its way back have to be deleted by hand";

/// Everything that a plan needs.
pub(super) fn of(plan: &Plan, purposes: Purposes) -> Vec<Need> {
    let between: BTreeSet<usize> = plan.order.waves.iter().flat_map(|wave| awaited_after(&wave.wait)).copied().collect();
    plan.steps.iter().enumerate().flat_map(|(at, step)| of_step(step, purposes, between.contains(&at))).collect()
}

fn awaited_after(wait: &Wait) -> &[usize] {
    match wait {
        Wait::Ready(awaited) => awaited,
        _ => &[],
    }
}

fn of_step(step: &Step, purposes: Purposes, between: bool) -> Vec<Need> {
    let Step { resource, endpoint, action, live, .. } = step;
    let id = &resource.id;
    let of = |verb| Permission::for_object(verb, endpoint, &id.name);
    let subject = || Subject::of(resource);
    let mut needs = Needs::default();
    if is_awaited(step, purposes.waiting, between) {
        needs.add(of(Verb::Watch), Without::Unseen(subject()));
        needs.add(of(Verb::Get), Without::Unseen(subject()));
        needs.around(step);
    }
    if action.writes() {
        needs.miss(of(Verb::Get), COMPARED);
    }
    if action.makes_anew() {
        needs.add(Permission::of(Verb::Delete, endpoint), Without::Refused(subject()));
    } else if purposes.rolls_back && is_created(step) && !keep::holds_something(id) {
        needs.miss(of(Verb::Delete), REMOVED);
    }
    if let Some(live) = live
        && purposes.rolls_back
        && action.writes()
    {
        if Entry::all(live).next().is_none() {
            needs.miss(of(Verb::Update), REPLACED);
        }
        if id.is("apps", "StatefulSet") {
            let pods = Endpoint::built_in("", "v1", "Pod", "pods", endpoint.namespace.as_deref());
            needs.miss(Permission::of(Verb::List, &pods), FREED);
            needs.miss(Permission::of(Verb::Delete, &pods), FREED);
        }
    }
    if step.takeover.blind.is_some() {
        let namespace = endpoint.namespace.as_deref();
        let autoscalers = Endpoint::built_in("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", namespace);
        needs.miss(Permission::of(Verb::List, &autoscalers), AUTOSCALED);
    }
    needs.0
}

/// Whether the rollout may have to wait for it.
fn is_awaited(step: &Step, waiting: Waiting, between: bool) -> bool {
    let id = &step.resource.id;
    let at_the_end = match waiting {
        Waiting::UntilReady => !id.is("", "Service"),
        Waiting::No => order::is_check(&step.resource),
    };
    let ready = || step.live.as_ref().is_some_and(|live| readiness::of(live, 0) == Status::Ready);
    (at_the_end || between) && readiness::takes_time(&id.group, &id.kind) && (step.action.writes() || !ready())
}

fn is_created(step: &Step) -> bool {
    step.live.is_none() && step.knows_before() && matches!(step.action, Action::Create | Action::Unvalidated(_))
}

#[derive(Default)]
struct Needs(Vec<Need>);

impl Needs {
    fn add(&mut self, permission: Permission, without: Without) {
        self.0.push(Need { permission, without });
    }

    fn miss(&mut self, permission: Permission, missed: &'static str) {
        self.add(permission, Without::Missed(missed));
    }

    /// What shows early, and afterwards, why a workload doesn't start.
    fn around(&mut self, step: &Step) {
        let seen = surroundings(step);
        for endpoint in seen.iter().filter_map(super::sight::Source::endpoint) {
            self.miss(Permission::of(Verb::Watch, &endpoint), NOTICED);
        }
        if seen.is_empty() && !step.resource.id.is("", "Pod") {
            return;
        }
        let namespace = step.endpoint.namespace.as_deref();
        let pods = Endpoint::built_in("", "v1", "Pod", "pods", namespace);
        self.miss(Permission { subresource: Some("log"), ..Permission::of(Verb::Get, &pods) }, LOGS);
        self.miss(Permission::of(Verb::List, &Endpoint::built_in("", "v1", "Event", "events", namespace)), EVENTS);
    }
}

/// What the missing ones among the needed permissions come to: errors for what can't go well, and gaps for what is done without.
pub(super) fn judge(needs: &[Need], lacking: &BTreeSet<Permission>) -> (Vec<Error>, Vec<Gap>) {
    let mut forbidden: BTreeMap<Permission, Box<Subject>> = BTreeMap::new();
    let mut missed: BTreeMap<&'static str, BTreeSet<Permission>> = BTreeMap::new();
    for Need { permission, without } in needs.iter().filter(|need| lacking.contains(&need.permission)) {
        match without {
            Without::Refused(object) => drop(forbidden.entry(permission.for_all()).or_insert_with(|| object.clone())),
            Without::Unseen(object) => match permission.verb {
                Verb::Watch if lacking.contains(&Permission { verb: Verb::Get, ..permission.clone() }) => {
                    forbidden.entry(permission.for_all()).or_insert_with(|| object.clone());
                }
                Verb::Watch => drop(missed.entry(POLLED).or_default().insert(permission.for_all())),
                _ => {}
            },
            Without::Missed(what) => drop(missed.entry(what).or_default().insert(permission.for_all())),
        }
    }
    let errors = forbidden.into_iter().map(|(permission, object)| Error::Forbidden { object, permission: Box::new(permission) });
    // What the same permissions would mend is told at once.
    let mut gaps: BTreeMap<BTreeSet<Permission>, Vec<&'static str>> = BTreeMap::new();
    for (what, permissions) in missed {
        gaps.entry(permissions).or_default().push(what);
    }
    let gaps = gaps.into_iter().map(|(permissions, missed)| Gap { permissions: permissions.into_iter().collect(), missed });
    (errors.collect(), gaps.collect())
}
