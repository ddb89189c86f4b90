//! Why a rollout couldn't begin, or didn't end well.

use std::fmt;
use std::time::Duration;

use super::ownership::Held;
use crate::cluster::{self, Conflict, Permission, Permissions};
use crate::error::{Exit, Explain, Location};
use crate::resource::{Id, Resource};

/// What went wrong with one object, or with the wait for all of them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("couldn't find out what {object} is: the cluster doesn't know its kind")]
    UnknownKind { object: Box<Subject> },
    #[error("couldn't plan {object}: the namespace {namespace:?} doesn't exist, and no manifest creates it")]
    NamespaceMissing { object: Box<Subject>, namespace: String },
    #[error("couldn't plan {object}: the account may not {permission}")]
    Forbidden { object: Box<Subject>, permission: Box<Permission> },
    #[error("couldn't {} {object}: another manager holds {}", stage.verb(), Held(conflicts))]
    Held { object: Box<Subject>, conflicts: Vec<Conflict>, stage: Stage },
    #[error("couldn't {} {object}", stage.verb())]
    Object { object: Box<Subject>, stage: Stage, source: cluster::Error },
    #[error("couldn't plan {object}: the one of an earlier release is still running")]
    StillRunning { object: Box<Subject> },
    #[error("couldn't plan {object}: {reason}")]
    Volume { object: Box<Subject>, reason: String },
    #[error("couldn't talk to the cluster")]
    Cluster(#[source] cluster::Error),
    #[error("couldn't roll out {object}: {reason}")]
    Doomed { object: Box<Subject>, reason: String },
    #[error("couldn't see {object} become ready within {}: {reason}", seconds(*.after))]
    NotReady { object: Box<Subject>, reason: String, after: Duration },
    #[error("couldn't bring {object} back to what it was: {reason}")]
    NotRestored { object: Box<Subject>, reason: String },
}

/// The object that an error is about, and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    pub id: Id,
    pub at: Location,
}

impl Subject {
    pub(super) fn of(resource: &Resource) -> Box<Self> {
        Box::new(Self { id: resource.id.clone(), at: resource.at.clone() })
    }

    /// Whether pods do its work, and are shown when they don't.
    fn has_pods(&self) -> bool {
        let Id { group, kind, .. } = &self.id;
        matches!((group.as_str(), kind.as_str()), ("apps" | "batch", _) | ("", "Pod" | "ReplicationController"))
    }

    /// As kubectl wants it: `ships.acme.example one --namespace shop`.
    fn described(&self) -> String {
        let Id { group, kind, namespace, name, .. } = &self.id;
        let dot = if group.is_empty() { "" } else { "." };
        let place = namespace.as_ref().map(|namespace| format!(" --namespace {namespace}")).unwrap_or_default();
        format!("{}{dot}{group} {name}{place}", kind.to_lowercase())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

/// When an object was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// In the rehearsal: nothing is written.
    Plan,
    Apply,
    Wait,
    /// In a rollback.
    Restore,
    Remove,
}

impl Stage {
    fn verb(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Wait => "wait for",
            Self::Restore => "restore",
            Self::Remove => "remove",
        }
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.0} s", duration.as_secs_f64())
}

impl Error {
    /// Whether it is about the connection and not about one object.
    pub(super) fn is_about_the_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// Whether a write that ended with it didn't happen.
    pub(super) fn certainly_not_done(&self) -> bool {
        match self {
            Self::Object { source, .. } | Self::Cluster(source) => source.certainly_not_done(),
            Self::Held { .. } => true,
            _ => false,
        }
    }

    /// Tells the troubles of one object from those that every object would have.
    pub(super) fn of(resource: &Resource, stage: Stage, source: cluster::Error) -> Self {
        let unauthorized = source.refusal().is_some_and(|refusal| refusal.status == 401);
        let about_it = match &source {
            cluster::Error::Refused(_) | cluster::Error::NotServed { .. } => !unauthorized,
            cluster::Error::NoAnswer { .. } => stage != Stage::Plan,
            _ => false,
        };
        match about_it {
            true => Self::Object { object: Subject::of(resource), stage, source },
            false => Self::Cluster(source),
        }
    }
}

impl Explain for Error {
    fn hint(&self) -> String {
        match self {
            Self::UnknownKind { .. } => "add its CustomResourceDefinition to `manifests`, or check apiVersion and kind".into(),
            Self::NamespaceMissing { .. } => "add a Namespace to `manifests`, or correct `namespace`".into(),
            Self::Forbidden { permission, .. } => [(**permission).clone()].into_iter().collect::<Permissions>().advice(),
            Self::Held { .. } => "leave the field out of the manifest, or set `field-conflicts` to `force` to take it over".into(),
            Self::Object { source, .. } => match source.refusal() {
                Some(refusal) if refusal.message.contains("field not declared in schema") => {
                    "check the spelling and the place of the field, and the object's apiVersion".into()
                }
                Some(refusal) if refusal.message.contains("immutable") || refusal.message.contains("are forbidden") => {
                    "the field can't be changed after creation: give the object a new name, or delete the old one first".into()
                }
                Some(refusal) if refusal.message.contains("must support resize") => {
                    "the volume's StorageClass needs `allowVolumeExpansion: true`; or write the size that is there into the manifest".into()
                }
                Some(refusal) if refusal.path.contains("/secrets/") && refusal.message.contains("withheld") => {
                    "the values under a Secret's `data` must be base64; plain text goes under `stringData`".into()
                }
                _ => source.hint(),
            },
            Self::Volume { .. } => {
                "write what is there into the manifest, or give the volume a new name and move its data: what holds data is never replaced"
                    .into()
            }
            Self::Cluster(source) => source.hint(),
            Self::StillRunning { .. } => "wait until it has ended, or delete it if nothing is lost by that, and run this again".into(),
            Self::Doomed { object, .. } | Self::NotReady { object, .. } if !object.has_pods() => {
                format!("see what its controller says (`kubectl describe {}`)", object.described())
            }
            Self::Doomed { .. } => "see the pods' states, events and last log lines above".into(),
            Self::NotReady { .. } => {
                "see the pods' states, events and last log lines above; raise `timeout` when it only needs longer".into()
            }
            Self::NotRestored { .. } => "look at it in the cluster; releasing the version before puts it right as well".into(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::UnknownKind { .. } | Self::NamespaceMissing { .. } | Self::Volume { .. } => Exit::BadInput,
            Self::StillRunning { .. } => Exit::Refused,
            Self::Forbidden { .. } | Self::Held { stage: Stage::Plan, .. } => Exit::Refused,
            Self::Held { .. } => Exit::Failed,
            Self::Object { stage: Stage::Plan, source, .. } => match source.refusal() {
                Some(refusal) if refusal.status == 403 => Exit::Refused,
                Some(refusal) if refusal.status == 429 || refusal.status == 503 || refusal.status == 504 => Exit::Failed,
                // The server rehearsed it and found the manifest wanting.
                _ => Exit::BadInput,
            },
            Self::Object { source, .. } => source.exit(),
            Self::Cluster(source) => source.exit(),
            Self::Doomed { .. } | Self::NotReady { .. } | Self::NotRestored { .. } => Exit::TimedOut,
        }
    }

    fn location(&self) -> Option<&Location> {
        match self {
            Self::UnknownKind { object }
            | Self::NamespaceMissing { object, .. }
            | Self::Forbidden { object, .. }
            | Self::Held { object, .. }
            | Self::StillRunning { object }
            | Self::Volume { object, .. }
            | Self::Object { object, .. }
            | Self::Doomed { object, .. }
            | Self::NotReady { object, .. }
            | Self::NotRestored { object, .. } => Some(&object.at),
            Self::Cluster(_) => None,
        }
    }
}
