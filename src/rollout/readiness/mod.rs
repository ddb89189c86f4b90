//! Whether an object that was applied does what it is there for: one pure function of the live object for each kind.
//!
//! The rules are kstatus' (cli-utils, pkg/kstatus/status) with these differences: a Job is waited for until it has finished, a
//! failed pod has failed, a load balancer must have an address, and a claim that waits for its first pod holds nobody up.

mod apiservice;
mod claim;
mod daemonset;
mod definition;
mod deployment;
mod generic;
mod job;
mod live;
mod namespace;
mod pod;
pub mod pods;
mod replicaset;
mod service;
mod statefulset;

use std::fmt;

use serde_json::Value;

use live::Live;

use crate::resource::built_in;

/// How far an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    Ready,
    /// Not yet; the message says what is missing.
    Waiting {
        message: String,
    },
    /// It won't become ready by waiting. A controller may still be about to change its mind about what it said of an earlier
    /// version, so believe it when it is said twice.
    Doomed {
        reason: String,
    },
}

impl Status {
    fn waiting(message: impl Into<String>) -> Self {
        Self::Waiting { message: message.into() }
    }

    fn doomed(reason: impl Into<String>) -> Self {
        Self::Doomed { reason: reason.into() }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("ready"),
            Self::Waiting { message } => f.write_str(message),
            Self::Doomed { reason } => write!(f, "failed: {reason}"),
        }
    }
}

/// Judges a live object. `floor` is the `metadata.generation` that our write returned (0 for none): older copies, such as a
/// lagging watch gives, say nothing about our change.
pub fn of(live: &Value, floor: i64) -> Status {
    let live = Live(live);
    if let Some(status) = not_seen(&live, floor) {
        return status;
    }
    match live.group_kind() {
        ("apps", "Deployment") => deployment::of(&live),
        ("apps", "StatefulSet") => statefulset::of(&live),
        ("apps", "DaemonSet") => daemonset::of(&live),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => replicaset::of(&live),
        ("batch", "Job") => job::of(&live),
        ("", "Pod") => pod::of(&live),
        ("", "PersistentVolumeClaim") => claim::of(&live),
        ("", "Service") => service::of(&live),
        ("", "Namespace") => namespace::of(&live),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition::of(&live),
        ("apiregistration.k8s.io", "APIService") => apiservice::of(&live),
        _ => generic::of(&live),
    }
}

/// Whether objects of a kind may need time until they are ready: those with rules here, and what operators look after.
pub fn takes_time(group: &str, kind: &str) -> bool {
    match (group, kind) {
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") | ("batch", "Job") => true,
        ("", "Pod" | "ReplicationController" | "PersistentVolumeClaim" | "Service" | "Namespace") => true,
        ("apiextensions.k8s.io", "CustomResourceDefinition") | ("apiregistration.k8s.io", "APIService") => true,
        _ => built_in(group, kind).is_none(),
    }
}

/// What is true of every kind before its own rules count.
fn not_seen(live: &Live, floor: i64) -> Option<Status> {
    let generation = live.int("/metadata/generation").unwrap_or(0);
    if live.text("/metadata/deletionTimestamp").is_some() {
        return Some(match live.group_kind() {
            ("", "Namespace") => Status::doomed("the namespace is being deleted"),
            _ => Status::waiting("it is being deleted"),
        });
    }
    if generation < floor {
        return Some(Status::waiting("the change has not arrived yet"));
    }
    match live.int("/status/observedGeneration") {
        Some(observed) if observed != generation => Some(Status::waiting("its controller has not seen the change yet")),
        None if must_observe(live) => Some(Status::waiting("its controller has not seen it yet")),
        _ => None,
    }
}

/// Kinds whose controllers always write what they have seen.
fn must_observe(live: &Live) -> bool {
    matches!(live.group_kind(), ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet"))
}

#[cfg(test)]
mod tests;
