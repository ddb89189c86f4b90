use serde_json::Value;

use super::{Status, pods};

/// A live object, read as leniently as the API demands: what is not there is zero, empty or unknown.
#[derive(Clone, Copy)]
pub(super) struct Live<'v>(pub(super) &'v Value);

pub(super) struct Condition<'v> {
    pub(super) status: &'v str,
    pub(super) reason: &'v str,
    pub(super) message: &'v str,
}

impl Condition<'_> {
    pub(super) fn is_true(&self) -> bool {
        self.status == "True"
    }

    pub(super) fn is_false(&self) -> bool {
        self.status == "False"
    }

    /// The message, or where there is none the reason.
    pub(super) fn says(&self) -> &str {
        if self.message.is_empty() { self.reason } else { self.message }
    }
}

impl<'v> Live<'v> {
    pub(super) fn int(&self, pointer: &str) -> Option<i64> {
        self.0.pointer(pointer)?.as_i64()
    }

    /// A counter of the status; controllers leave out zeros.
    pub(super) fn count(&self, field: &str) -> i64 {
        self.0.get("status").and_then(|status| status.get(field)?.as_i64()).unwrap_or(0)
    }

    pub(super) fn text(&self, pointer: &str) -> Option<&'v str> {
        self.0.pointer(pointer)?.as_str()
    }

    pub(super) fn flag(&self, pointer: &str) -> bool {
        self.0.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(super) fn group_kind(&self) -> (&'v str, &'v str) {
        let group = self.text("/apiVersion").and_then(|version| version.split_once('/')).map_or("", |(group, _)| group);
        (group, self.text("/kind").unwrap_or_default())
    }

    pub(super) fn condition(&self, kind: &str) -> Option<Condition<'v>> {
        let list = self.0.pointer("/status/conditions")?.as_array()?;
        let found = list.iter().find(|condition| condition["type"] == kind)?;
        let text = |field: &str| found.get(field).and_then(Value::as_str).unwrap_or_default();
        Some(Condition { status: text("status"), reason: text("reason"), message: text("message") })
    }

    pub(super) fn replicas(&self) -> i64 {
        self.int("/spec/replicas").unwrap_or(1)
    }

    /// What keeps pods from being made at all, when it is a refusal that doesn't pass by itself.
    pub(super) fn replica_failure(&self) -> Option<Status> {
        let failure = self.condition("ReplicaFailure").filter(Condition::is_true)?;
        Some(match pods::is_refusal(failure.message) {
            true => Status::doomed(format!("its pods can't be created: {}", failure.says())),
            false => Status::waiting(format!("its pods can't be created: {}", failure.says())),
        })
    }
}

/// "2 of 3 replicas are ready", when there are not enough.
pub(super) fn too_few(have: i64, wanted: i64, noun: &str, state: &str) -> Option<Status> {
    let (plural, verb) = if wanted == 1 { ("", "is") } else { ("s", "are") };
    (have < wanted).then(|| Status::waiting(format!("{have} of {wanted} {noun}{plural} {verb} {state}")))
}

/// "2 old replicas are still there", when there are too many.
pub(super) fn too_many(have: i64, wanted: i64, what: &str) -> Option<Status> {
    let extra = have - wanted;
    let (plural, verb) = if extra == 1 { ("", "is") } else { ("s", "are") };
    (extra > 0).then(|| Status::waiting(format!("{extra} {what} replica{plural} {verb} still there")))
}
