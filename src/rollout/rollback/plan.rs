//! What would be undone, and how: a value that prints. Pure.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::resource::Id;
use crate::rollout::diff::{self, Field};
use crate::rollout::keep;
use crate::rollout::owned::{self, Entry, Fields};
use crate::rollout::ownership::ours;
use crate::rollout::plan::{Action, Plan as Forward, Step as ForwardStep};
use crate::rollout::takeover::ours_and_earlier;

/// An object that the rollout has written, or may have written, as it is now.
#[derive(Debug, Clone)]
pub struct Written {
    /// Its index in the rollout's plan.
    pub at: usize,
    /// `None` when it isn't there, an error text when it couldn't be read.
    pub now: Result<Option<Value>, String>,
}

/// What is undone, batch by batch, and what isn't.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub batches: Vec<Vec<Step>>,
    /// Objects that stay as the rollout has left them, and why.
    pub left: Vec<(Id, String)>,
}

/// One object to bring back.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its index in the rollout's plan.
    pub at: usize,
    pub id: Id,
    pub undo: Undo,
}

/// How one object is brought back.
#[derive(Debug, Clone)]
pub enum Undo {
    /// What was live, as far as it was ours (`own`) or has become ours (`all`), is applied by force. What the rollout has added is not in it
    /// and vanishes. The first is enough where it leads to the old state, and leaves nothing in our name that wasn't.
    Restore { own: Option<Value>, all: Value, before: Value, changes: Vec<Field> },
    /// Nobody has kept account of the fields: the whole old state replaces the new one.
    Replace { before: Value, changes: Vec<Field> },
    /// The rollout has created it.
    Remove { uid: String },
}

/// Plans the way back. In the order: what could refuse our writes goes first (created policies and admission rules), then what was there is
/// restored in the rollout's own order (configuration, workloads, routes: old pods start with their old configuration), and at
/// last what was created is removed, in the opposite order.
pub fn plan(forward: &Forward, written: &[Written]) -> Plan {
    let mut plan = Plan::default();
    let (mut first, mut restored, mut removed) = (Vec::new(), Vec::new(), Vec::new());
    for wave in &forward.order.waves {
        let (mut batch, mut gone) = (Vec::new(), Vec::new());
        for &at in &wave.resources {
            let Some(written) = written.iter().find(|written| written.at == at) else { continue };
            let id = forward.steps[at].resource.id.clone();
            match undo(&forward.steps[at], &written.now) {
                Ok(None) => {}
                Ok(Some(undo)) if could_refuse(&id) => first.push(Step { at, id, undo }),
                Ok(Some(undo @ Undo::Remove { .. })) => gone.push(Step { at, id, undo }),
                Ok(Some(undo)) => batch.push(Step { at, id, undo }),
                Err(why) => plan.left.push((id, why)),
            }
        }
        restored.push(batch);
        removed.push(gone);
    }
    removed.reverse();
    plan.batches = [first].into_iter().chain(restored).chain(removed).filter(|batch| !batch.is_empty()).collect();
    plan
}

/// Objects that decide what the server takes.
fn could_refuse(id: &Id) -> bool {
    id.group == "admissionregistration.k8s.io" || id.is("", "ResourceQuota") || id.is("", "LimitRange")
}

fn undo(step: &ForwardStep, now: &Result<Option<Value>, String>) -> Result<Option<Undo>, String> {
    let id = &step.resource.id;
    let now = now.as_ref().map_err(|why| format!("it couldn't be read: {why}"))?;
    let Some(before) = &step.live else { return undo_creation(step, now.as_ref()) };
    let Some(now) = now else {
        // Between the deletion of a StatefulSet and its second creation: its pods wait for one.
        let all = ours_and_earlier(before);
        return match step.action {
            Action::Grow { .. } => {
                Ok(Some(Undo::Restore { own: None, all: intent(step, before, &all), before: before.clone(), changes: Vec::new() }))
            }
            _ if has_its_run(id) => Err("it was to run again: what has run can't be undone".into()),
            _ => Err("somebody has deleted it".into()),
        };
    };
    // The plan says so, or another one is there than before a release that was cut off.
    let is_another = has_its_run(id) && before["metadata"]["uid"] != now["metadata"]["uid"];
    if is_another || matches!(step.action, Action::Recreate | Action::Renew) {
        return Err("it has run: that can't be undone".into());
    }
    let changes = differences(step, now, before);
    if changes.is_empty() {
        return Ok(None);
    }
    if id.is("", "PersistentVolumeClaim") {
        return Err("volumes don't shrink".into());
    }
    if Entry::all(before).next().is_none() {
        return Ok(Some(Undo::Replace { before: before.clone(), changes }));
    }
    let own = ours_and_earlier(before);
    // Fields that are ours only now the rollout may have taken from others.
    let all = ours(now).map_or_else(|| own.clone(), |ours| owned::union(&own, ours));
    let narrow = (own != all && !own.is_empty()).then(|| intent(step, before, &own));
    Ok(Some(Undo::Restore { own: narrow, all: intent(step, before, &all), before: before.clone(), changes }))
}

/// Whether an object is there to run once.
fn has_its_run(id: &Id) -> bool {
    id.is("batch", "Job") || id.is("", "Pod")
}

/// In which fields that are the rollout's business an object differs from what was live.
pub(super) fn differences(step: &ForwardStep, now: &Value, before: &Value) -> Vec<Field> {
    let mut changes = diff::fields(now, before);
    if step.takeover.scaled_by.is_some() {
        // The autoscaler's business, then and now.
        changes.retain(|field| field.path != "spec.replicas");
    }
    changes
}

/// What was live in these fields.
fn intent(step: &ForwardStep, before: &Value, fields: &Fields) -> Value {
    let mut intent = owned::extract(before, fields).unwrap_or_else(|| json!({}));
    intent["apiVersion"] = before["apiVersion"].clone();
    intent["kind"] = before["kind"].clone();
    let metadata = &mut intent["metadata"];
    if !metadata.is_object() {
        *metadata = Value::Object(Map::new());
    }
    for name in ["name", "namespace"] {
        if let Some(value) = before["metadata"].get(name) {
            metadata[name] = value.clone();
        }
    }
    if step.takeover.scaled_by.is_some()
        && let Some(spec) = intent.get_mut("spec").and_then(Value::as_object_mut)
    {
        spec.shift_remove("replicas");
    }
    intent
}

fn undo_creation(step: &ForwardStep, now: Option<&Value>) -> Result<Option<Undo>, String> {
    let id = &step.resource.id;
    let Some(now) = now else { return Ok(None) };
    if !step.knows_before() {
        return Err("what was there before couldn't be read".into());
    }
    // An object of which nothing but the name was applied has no fields that could be anybody's.
    if ours(now).is_none() && sets_fields(&step.resource.value) {
        return Err("somebody else has made it".into());
    }
    if keep::holds_something(id) {
        return Err("its removal would take along what is in it".into());
    }
    if let Some(marker) = keep::marker(now) {
        return Err(format!("its annotation `{marker}` says so"));
    }
    let uid = now["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    Ok(Some(Undo::Remove { uid }))
}

/// Whether a manifest says more than which object it is.
fn sets_fields(manifest: &Value) -> bool {
    let inside = |map: &Map<String, Value>, names: &[&str]| map.keys().any(|key| !names.contains(&key.as_str()));
    let metadata = manifest["metadata"].as_object().is_some_and(|metadata| inside(metadata, &["name", "namespace"]));
    metadata || manifest.as_object().is_some_and(|object| inside(object, &["apiVersion", "kind", "metadata"]))
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.batches.iter().flatten()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.steps().map(ToString::to_string);
        let left = self.left.iter().map(|(id, why)| format!("leave {id}: {why}"));
        f.write_str(&lines.chain(left).collect::<Vec<_>>().join("\n"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes = match &self.undo {
            Undo::Restore { changes, .. } => {
                write!(f, "restore {}", self.id)?;
                changes
            }
            Undo::Replace { changes, .. } => {
                write!(f, "replace {}", self.id)?;
                changes
            }
            Undo::Remove { .. } => {
                let note = if self.id.is("batch", "Job") { " (what it has done stays done)" } else { "" };
                return write!(f, "remove {}{note}", self.id);
            }
        };
        changes.iter().try_for_each(|field| write!(f, "\n    {field}"))
    }
}
