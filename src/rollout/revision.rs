//! Which pods belong to the newest revision of a workload: only those say whether the rollout will succeed.

use serde_json::Value;

/// The pods of the newest revision of `workload`; empty as long as its controller hasn't taken up the newest generation.
pub(super) fn newest_pods<'p>(workload: &Value, replica_sets: &[&Value], pods: &[&'p Value]) -> Vec<&'p Value> {
    if !is_observed(workload) {
        return Vec::new();
    }
    let owner = match workload["kind"].as_str() {
        Some("Deployment") => newest_replica_set(workload, replica_sets),
        _ => Some(workload),
    };
    let Some(owner) = owner else { return Vec::new() };
    let owned = pods.iter().copied().filter(|pod| is_controlled_by(pod, owner) && pod.pointer("/metadata/deletionTimestamp").is_none());
    owned.filter(|pod| is_of_newest_revision(workload, pod)).collect()
}

/// The newest ReplicaSet of a Deployment: the one with its revision number, which the controller writes into both.
pub(super) fn newest_replica_set<'r>(deployment: &Value, replica_sets: &[&'r Value]) -> Option<&'r Value> {
    let revision = revision(deployment)?;
    replica_sets.iter().copied().find(|set| is_controlled_by(set, deployment) && self::revision(set) == Some(revision))
}

fn revision(object: &Value) -> Option<&str> {
    object.pointer("/metadata/annotations/deployment.kubernetes.io~1revision")?.as_str()
}

fn is_observed(workload: &Value) -> bool {
    let observed = workload.pointer("/status/observedGeneration").and_then(Value::as_i64);
    let generation = workload.pointer("/metadata/generation").and_then(Value::as_i64);
    // Jobs and pods don't say what they have observed; their templates can't change.
    observed.is_none() && !matches!(workload["kind"].as_str(), Some("Deployment" | "StatefulSet" | "DaemonSet")) || observed == generation
}

fn is_controlled_by(object: &Value, owner: &Value) -> bool {
    let uid = owner.pointer("/metadata/uid").and_then(Value::as_str);
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    uid.is_some() && owners.iter().any(|reference| reference["controller"] == true && reference["uid"].as_str() == uid)
}

/// StatefulSets and DaemonSets own the pods of all their revisions; labels tell them apart.
fn is_of_newest_revision(workload: &Value, pod: &Value) -> bool {
    let label = |name: &str| pod.pointer(&format!("/metadata/labels/{name}")).and_then(Value::as_str);
    match workload["kind"].as_str() {
        Some("StatefulSet") => label("controller-revision-hash") == workload.pointer("/status/updateRevision").and_then(Value::as_str),
        Some("DaemonSet") => {
            let template = workload.pointer("/metadata/annotations/deprecated.daemonset.template.generation").and_then(Value::as_str);
            label("pod-template-generation") == template
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(pods: &[&Value]) -> Vec<String> {
        pods.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }

    fn pod(name: &str, owner: &str, labels: Value) -> Value {
        json!({"metadata": {"name": name, "labels": labels, "ownerReferences": [{"uid": owner, "controller": true}]}})
    }

    #[test]
    fn a_deployment_answers_for_the_pods_of_its_newest_replica_set() {
        let annotated = |revision: &str| json!({"deployment.kubernetes.io/revision": revision});
        let deployment = |observed: i64| {
            json!({"kind": "Deployment", "metadata": {"uid": "d", "generation": 2, "annotations": annotated("2")},
            "status": {"observedGeneration": observed}})
        };
        let set = |uid: &str, revision: &str| {
            json!({"metadata": {"uid": uid, "annotations": annotated(revision),
            "ownerReferences": [{"uid": "d", "controller": true}]}})
        };
        let (old, new) = (set("1", "1"), set("2", "2"));
        let pods = [pod("old", "1", json!({})), pod("new", "2", json!({})), pod("other", "x", json!({}))];
        let pods: Vec<&Value> = pods.iter().collect();
        assert_eq!(names(&newest_pods(&deployment(2), &[&old, &new], &pods)), ["new"]);
        assert!(newest_pods(&deployment(1), &[&old, &new], &pods).is_empty(), "the controller hasn't seen generation 2 yet");
    }

    #[test]
    fn a_stateful_set_answers_for_the_pods_of_its_update_revision() {
        let set = json!({"kind": "StatefulSet", "metadata": {"uid": "s", "generation": 1},
            "status": {"observedGeneration": 1, "updateRevision": "b"}});
        let pods = [pod("0", "s", json!({"controller-revision-hash": "a"})), pod("1", "s", json!({"controller-revision-hash": "b"}))];
        assert_eq!(names(&newest_pods(&set, &[], &pods.iter().collect::<Vec<_>>())), ["1"]);
    }
}
