//! What an apply would do to each object: a value that prints.

use std::fmt;

use serde_json::Value;

use super::diff::Field;
use super::order::{Order, Wait};
use super::takeover::Takeover;
use super::volumes::{Claim, Growth};
use crate::cluster::{Endpoint, Newness};
use crate::resource::{Id, Resource};

/// All objects in the order in which they will be applied, and what that would change.
#[derive(Debug, Clone)]
pub struct Plan {
    pub order: Order,
    /// By the index that the order uses.
    pub steps: Vec<Step>,
}

/// One object and what happens to it.
#[derive(Debug, Clone)]
pub struct Step {
    /// The object as it is sent.
    pub resource: Resource,
    pub endpoint: Endpoint,
    pub newness: Newness,
    pub action: Action,
    /// The object as it was when the plan was made.
    pub live: Option<Value>,
    /// What changes hands before it is applied.
    pub takeover: Takeover,
    /// What its pods read that makes them outdated, so that they are replaced: `ConfigMap settings changed`.
    pub restarts: Vec<String>,
}

/// What an apply would do to one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Create,
    /// Some fields change. The server has validated it.
    Update(Vec<Field>),
    /// No value changes, but fields that others set become ours too, so that a later run can remove them.
    Adopt,
    /// A hook's object of the last release gives way to a new one, so that it runs again.
    Recreate,
    /// A Job that has finished gives way to a new one: its pods can't be changed.
    Renew,
    /// Volumes grow, and the StatefulSet is made anew around its pods; the fields that change besides.
    Grow {
        growths: Vec<Growth>,
        claims: Vec<Claim>,
        fields: Vec<Field>,
    },
    /// Nothing to write.
    Keep,
    /// It will be applied without knowing what that changes: the account may write it, but not read it.
    Unseen,
    /// It will be applied, but the server can't be asked yet.
    Unvalidated(Why),
}

/// Why the server couldn't be asked about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    NewNamespace(String),
    NewKind(String),
    /// The definition of its kind changes in this run.
    ChangedKind(String),
    /// An admission webhook of the cluster doesn't take part in rehearsals.
    NoRehearsal,
    /// It needs another object that this run creates.
    Missing(String),
}

impl Action {
    /// Whether the object that is there goes before the new one is applied.
    pub fn makes_anew(&self) -> bool {
        matches!(self, Self::Recreate | Self::Renew | Self::Grow { .. })
    }

    /// Whether the object will be written.
    pub fn writes(&self) -> bool {
        *self != Self::Keep
    }
}

impl Plan {
    /// Whether applying it would write nothing.
    pub fn is_empty(&self) -> bool {
        !self.steps.iter().any(|step| step.action.writes())
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for step in &self.steps {
            match (&step.action, &step.live) {
                (Action::Create, _) | (Action::Unvalidated(_), None) => counts.created += 1,
                (Action::Keep, _) => counts.unchanged += 1,
                _ => counts.changed += 1,
            }
        }
        counts
    }
}

#[derive(Default)]
struct Counts {
    created: usize,
    changed: usize,
    unchanged: usize,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, wave) in self.order.waves.iter().enumerate() {
            writeln!(f, "wave {}: {}", number + 1, wave.name)?;
            for &at in &wave.resources {
                writeln!(f, "  {}", self.steps[at])?;
            }
            if let Wait::Ready(awaited) = &wave.wait {
                let names: Vec<String> = awaited.iter().map(|&at| self.steps[at].resource.id.to_string()).collect();
                writeln!(f, "  then wait until ready: {}", names.join(", "))?;
            }
        }
        let counts = self.counts();
        write!(f, "{} to create, {} to change, {} unchanged", counts.created, counts.changed, counts.unchanged)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = &self.resource.id;
        self.action_on(id, f)?;
        self.takeover.fmt(f)?;
        self.restarts.iter().try_for_each(|why| write!(f, "\n      restarts: {why}"))
    }
}

impl Step {
    /// Whether `live` is what was there: an object that couldn't be read may have been there all the same.
    pub fn knows_before(&self) -> bool {
        self.live.is_some() || !matches!(self.action, Action::Unseen | Action::Unvalidated(Why::ChangedKind(_)))
    }

    fn action_on(&self, id: &Id, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.action {
            Action::Create => write!(f, "+ {id}"),
            Action::Keep => write!(f, "= {id}"),
            Action::Recreate => write!(f, "± {id}: runs again"),
            Action::Renew => write!(f, "± {id}: made anew, the one before has finished"),
            Action::Grow { growths, claims, fields } => {
                let sizes: Vec<String> = growths.iter().map(ToString::to_string).collect();
                let claims = match claims.len() {
                    1 => "1 claim".to_owned(),
                    several => format!("{several} claims"),
                };
                write!(f, "± {id}: volumes grow ({}; {claims}), made anew around its pods, which keep running", sizes.join(", "))?;
                fields.iter().try_for_each(|field| write!(f, "\n      {field}"))
            }
            Action::Unseen => write!(f, "? {id}: can't be compared, the account may not read it"),
            Action::Adopt => write!(f, "~ {id}: takes over its fields, no value changes"),
            Action::Unvalidated(why) => {
                let sign = if self.live.is_some() { '~' } else { '+' };
                write!(f, "{sign} {id} (not validated yet: {why})")
            }
            Action::Update(fields) => {
                write!(f, "~ {id}")?;
                fields.iter().try_for_each(|field| write!(f, "\n      {field}"))
            }
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewNamespace(name) => write!(f, "namespace {name} is new"),
            Self::NewKind(kind) => write!(f, "the kind {kind} is new"),
            Self::ChangedKind(kind) => write!(f, "the definition of {kind} changes"),
            Self::NoRehearsal => f.write_str("an admission webhook doesn't support dry runs"),
            Self::Missing(what) => write!(f, "it needs {what}, which is new"),
        }
    }
}
