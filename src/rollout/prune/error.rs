//! Why nothing, or not everything, was pruned.

use crate::cluster::{self, Permission, Permissions};
use crate::error::{Exit, Explain};
use crate::resource::Id;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("couldn't read what earlier releases have applied, {place}")]
    Read { place: String, source: cluster::Error },
    #[error("couldn't understand what earlier releases have applied, {place}: {reason}")]
    Content { place: String, reason: String },
    #[error("couldn't keep what is applied in {place}")]
    Write { place: String, source: cluster::Error },
    #[error("couldn't keep what is applied in {place}: {objects} objects are too many for it")]
    TooLarge { place: String, objects: usize },
    #[error("`prune` would delete {} of the {of} objects that earlier releases have applied: {}", doomed.len(), names(doomed))]
    TooMany { doomed: Vec<Id>, of: usize, place: String },
    #[error("couldn't plan to delete {id}: the account may not {permission}")]
    Forbidden { id: Box<Id>, permission: Box<Permission> },
    #[error("couldn't look at {id}, which this release no longer has")]
    Look { id: Box<Id>, source: cluster::Error },
    #[error("couldn't ask what the account may delete")]
    Ask { source: cluster::Error },
    #[error("couldn't delete {id}, which this release no longer has")]
    Delete { id: Box<Id>, source: cluster::Error },
    #[error("couldn't see {id} go: it is being deleted, and something holds it (see its finalizers)")]
    Held { id: Box<Id> },
}

/// The first few; a person has to recognise a mistake, not to read everything.
fn names(ids: &[Id]) -> String {
    const SHOWN: usize = 8;
    let shown = ids.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match ids.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

impl Explain for Error {
    fn hint(&self) -> String {
        match self {
            Self::Read { source, .. } | Self::Write { source, .. } if source.refusal().is_some_and(cluster::Refusal::is_forbidden) => {
                "`prune` needs the verbs get, create and patch on configmaps; list makes it see other applications".into()
            }
            Self::Read { source, .. } | Self::Write { source, .. } | Self::Look { source, .. } | Self::Ask { source } => source.hint(),
            Self::Content { place, .. } => {
                format!("somebody has changed it; delete {place}, and this release begins a new one, without deleting anything")
            }
            Self::TooLarge { .. } => "deploy the application in parts, each with its own `app`".into(),
            Self::TooMany { place, .. } => format!(
                "check `manifests`, and that no other workflow uses the same `app`. If it is meant: release with `prune: false`, then delete \
                 them by hand (kubectl delete), or delete {place} to keep them for good"
            ),
            Self::Forbidden { permission, .. } => [(**permission).clone()].into_iter().collect::<Permissions>().advice(),
            Self::Delete { .. } => "the release itself is in place; run it again to delete the rest".into(),
            Self::Held { .. } => "the release itself is in place; find out who should remove the finalizer".into(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::TooMany { .. } | Self::Forbidden { .. } => Exit::Refused,
            Self::Read { source, .. } | Self::Write { source, .. } if source.refusal().is_some_and(cluster::Refusal::is_forbidden) => {
                Exit::Refused
            }
            Self::Content { .. } | Self::TooLarge { .. } => Exit::Refused,
            Self::Read { source, .. } | Self::Write { source, .. } | Self::Look { source, .. } | Self::Ask { source } => source.exit(),
            Self::Delete { source, .. } => source.exit(),
            Self::Held { .. } => Exit::TimedOut,
        }
    }
}
