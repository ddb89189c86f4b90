//! What has to go before an object can be made anew: finished Jobs, what a hook has left, StatefulSets whose volumes grow.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::error::{Error, Stage, Subject};
use super::plan::{Action, Step};
use super::wait::Timeout;
use crate::cluster::{Cluster, DryRun, Endpoint};
use crate::journal::{self, Journal};

/// Makes way for the apply of a step, where its action asks for that; `Ok` also when there is nothing to do.
pub(super) async fn make_way(cluster: &Cluster, step: &Step, timeout: Timeout, journal: &Journal) -> Result<(), Error> {
    let (name, wrong) = (&step.resource.id.name, |error| Error::of(&step.resource, Stage::Apply, error));
    let Some(uid) = step.live.as_ref().map(uid) else { return Ok(()) };
    match &step.action {
        Action::Recreate | Action::Renew => {
            cluster.delete(&step.endpoint, name, uid).await.map_err(wrong)?;
        }
        Action::Grow { claims, .. } => {
            // A claim that has grown stays so, whatever comes after: it is noted for itself.
            for claim in claims {
                let pending = journal.begin(journal::Kind::Object, format!("PersistentVolumeClaim {}", claim.name), None, "grown");
                match cluster.grow(&claims_of(&step.endpoint), &claim.name, &claim.to, DryRun::No).await {
                    Ok(_) => pending.done(),
                    Err(error) => {
                        if error.certainly_not_done() {
                            pending.failed();
                        }
                        return Err(wrong(error));
                    }
                }
            }
            cluster.delete_alone(&step.endpoint, name, uid).await.map_err(wrong)?;
        }
        _ => return Ok(()),
    }
    until_gone(cluster, step, uid, timeout).await
}

/// Where the claims of a StatefulSet are.
pub(super) fn claims_of(set: &Endpoint) -> Endpoint {
    Endpoint::built_in("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", set.namespace.as_deref())
}

/// Waits until the object with this uid is gone: one that is being deleted can't be applied anew.
pub(super) async fn until_gone(cluster: &Cluster, step: &Step, old: &str, timeout: Timeout) -> Result<(), Error> {
    let wrong = |error| Error::of(&step.resource, Stage::Apply, error);
    let mut pause = Duration::from_millis(20);
    while cluster.get(&step.endpoint, &step.resource.id.name).await.map_err(wrong)?.is_some_and(|object| uid(&object) == old) {
        if Instant::now() + pause > timeout.deadline {
            let reason = "it is being deleted, and something holds it (see its finalizers)".to_owned();
            return Err(Error::NotReady { object: Subject::of(&step.resource), reason, after: timeout.given });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
    Ok(())
}

pub(super) fn uid(object: &Value) -> &str {
    object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default()
}
