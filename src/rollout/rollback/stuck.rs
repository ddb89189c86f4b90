//! StatefulSets that can't go back by themselves: the controller waits for a pod of the bad revision to become ready before it
//! replaces it (<https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback>, kubernetes#67250).

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::cluster::{Cluster, Endpoint};
use crate::journal::{self, Journal};
use crate::rollout::error::{Error, Stage};
use crate::rollout::event::{Event, Progress};
use crate::rollout::plan::Step;

/// A pod that is still there, and still not ready, after this long isn't being replaced.
const LOOK: Duration = Duration::from_secs(2);

/// The revision that a StatefulSet is on its way to.
pub(super) fn target_revision(set: &Value) -> Option<&str> {
    set.pointer("/status/updateRevision")?.as_str()
}

/// Deletes the pods of the bad revision that aren't ready, until none is left.
pub(super) async fn free(cluster: &Cluster, step: &Step, bad: &str, journal: &Journal, progress: Progress<'_>) -> Result<(), Error> {
    let wrong = |error| Error::of(&step.resource, Stage::Restore, error);
    let pods = Endpoint::built_in("", "v1", "Pod", "pods", step.endpoint.namespace.as_deref());
    let selector = format!("controller-revision-hash={bad}");
    let mut seen: BTreeSet<String> = BTreeSet::new();
    loop {
        let Some(set) = cluster.get(&step.endpoint, &step.resource.id.name).await.map_err(wrong)? else { return Ok(()) };
        if has_turned_back(&set, bad) {
            let all = cluster.list(&pods, &[("labelSelector", &selector)]).await.map_err(wrong)?;
            let stuck: Vec<&Value> = all.iter().filter(|pod| is_stuck(pod, &set)).collect();
            if stuck.is_empty() && all.is_empty() {
                return Ok(());
            }
            for pod in &stuck {
                let (name, uid) = (text(pod, "/metadata/name"), text(pod, "/metadata/uid"));
                // Only at the second look: the controller may be at it already.
                if seen.insert(uid.to_owned()) {
                    continue;
                }
                let subject = format!("Pod {}/{name}", step.endpoint.namespace.as_deref().unwrap_or_default());
                let pending = journal.begin(journal::Kind::Object, &subject, Some("not ready".into()), "deleted to free its StatefulSet");
                // Told before: the set may be ready, and this loop pointless, before the answer is there.
                progress(Event::Freed { pod: subject });
                cluster.delete(&pods, name, uid).await.map_err(wrong)?;
                pending.done();
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether the controller has taken up the old state again.
fn has_turned_back(set: &Value, bad: &str) -> bool {
    let generation = set.pointer("/metadata/generation").and_then(Value::as_i64);
    generation == set.pointer("/status/observedGeneration").and_then(Value::as_i64) && target_revision(set).is_some_and(|to| to != bad)
}

/// A pod of this very set that isn't ready, and isn't on its way out.
fn is_stuck(pod: &Value, set: &Value) -> bool {
    let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let owned = owners.iter().any(|owner| owner["controller"] == true && owner["uid"] == set["metadata"]["uid"]);
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let ready = conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    owned && !ready && pod.pointer("/metadata/deletionTimestamp").is_none()
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_unready_pods_of_the_very_set_are_stuck() {
        let set = json!({"metadata": {"uid": "s"}});
        let pod = |owner: &str, ready: &str, extra: Value| {
            let mut pod = json!({"metadata": {"ownerReferences": [{"controller": true, "uid": owner}]}, "status": {"conditions": [{"type": "Ready", "status": ready}]}});
            if let (Some(metadata), Some(extra)) = (pod["metadata"].as_object_mut(), extra.as_object()) {
                metadata.extend(extra.clone());
            }
            pod
        };
        assert!(is_stuck(&pod("s", "False", json!({})), &set));
        assert!(!is_stuck(&pod("s", "True", json!({})), &set));
        assert!(!is_stuck(&pod("other", "False", json!({})), &set));
        assert!(!is_stuck(&pod("s", "False", json!({"deletionTimestamp": "now"})), &set));
    }

    #[test]
    fn nothing_is_freed_before_the_controller_has_turned_back() {
        let set = |observed: i64, to: &str| json!({"metadata": {"generation": 3}, "status": {"observedGeneration": observed, "updateRevision": to}});
        assert!(has_turned_back(&set(3, "old"), "bad"));
        assert!(!has_turned_back(&set(2, "old"), "bad"));
        assert!(!has_turned_back(&set(3, "bad"), "bad"));
    }
}
