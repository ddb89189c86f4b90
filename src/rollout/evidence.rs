//! What a person needs to see of a workload that doesn't start: its new pods' states, the warnings about them, their last words.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use serde_json::Value;
use tokio::time::Instant;

use super::plan::Step;
use super::readiness::pods;
use super::sight::Sight;
use crate::cluster::{self, Cluster, Instance, LogLines};
use crate::resource::Id;

/// Gathering may not hold up the report for longer, whatever the deadline was.
const BUDGET: Duration = Duration::from_secs(20);
/// Pods of one workload fail alike.
const PODS: usize = 3;
const LINES: u32 = 20;
const EVENTS: usize = 5;
const PARALLEL: usize = 8;

/// What was found about one workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    pub workload: Id,
    /// The first few of its newest pods, those in trouble first.
    pub pods: Vec<PodEvidence>,
    /// Recent warnings about the workload and its pods, each text once.
    pub events: Vec<String>,
    /// What couldn't be looked at, and why.
    pub unseen: Vec<String>,
}

/// One pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodEvidence {
    pub name: String,
    pub state: String,
    pub logs: Vec<Log>,
}

/// The last lines of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub container: String,
    /// `the current run`, or `the run before`.
    pub run: &'static str,
    pub lines: Vec<String>,
}

/// Looks around each workload; what can't be looked at is noted and does no harm.
pub(super) async fn gather(cluster: &Cluster, workloads: &[(&Step, Value)], sight: &Sight) -> Vec<Evidence> {
    let cluster = &cluster.until(Instant::now() + BUDGET);
    let mut warnings: BTreeMap<&str, Result<Vec<Value>, cluster::Error>> = BTreeMap::new();
    for namespace in workloads.iter().filter_map(|(step, _)| step.endpoint.namespace.as_deref()) {
        if !warnings.contains_key(namespace) {
            warnings.insert(namespace, cluster.warning_events(namespace).await);
        }
    }
    let looked = workloads.iter().map(|(step, live)| look(cluster, step, live, sight, &warnings));
    stream::iter(looked).buffered(PARALLEL).collect().await
}

async fn look(
    cluster: &Cluster,
    step: &Step,
    live: &Value,
    sight: &Sight,
    warnings: &BTreeMap<&str, Result<Vec<Value>, cluster::Error>>,
) -> Evidence {
    let mut evidence = Evidence { workload: step.resource.id.clone(), pods: Vec::new(), events: Vec::new(), unseen: Vec::new() };
    let Some(namespace) = step.endpoint.namespace.as_deref() else { return evidence };
    evidence.unseen.extend(sight.pods_hidden(namespace).map(|why| format!("pods: {why}")));
    let mut newest = if live["kind"] == "Pod" { vec![live] } else { sight.newest_pods(live, namespace) };
    let mut uids: Vec<&str> =
        newest.iter().copied().chain(sight.newest_replica_set(live, namespace)).chain([live]).filter_map(uid).collect();
    uids.sort_unstable();
    match warnings.get(namespace) {
        Some(Ok(events)) => evidence.events = about(events, &uids),
        Some(Err(error)) => evidence.unseen.push(format!("events: {error}")),
        None => {}
    }
    newest.sort_by_key(|pod| (pods::doom(pod).is_none(), pods::state(pod).is_none()));
    for pod in newest.into_iter().take(PODS) {
        evidence.pods.push(look_at_pod(cluster, namespace, pod, &mut evidence.unseen).await);
    }
    evidence
}

async fn look_at_pod(cluster: &Cluster, namespace: &str, pod: &Value, unseen: &mut Vec<String>) -> PodEvidence {
    let name = text(pod, "/metadata/name");
    let mut found = PodEvidence { name: name.to_owned(), state: state(pod), logs: Vec::new() };
    for (container, instance) in runs(pod) {
        match cluster.logs(&LogLines { namespace, pod: name, container, instance, lines: LINES }).await {
            Ok(lines) if lines.is_empty() => {}
            Ok(lines) => {
                let run = if instance == Instance::Current { "the current run" } else { "the run before" };
                found.logs.push(Log { container: container.to_owned(), run, lines });
            }
            Err(error) => unseen.push(format!("the log of container {container} of pod {name}: {error}")),
        }
    }
    found
}

fn state(pod: &Value) -> String {
    let trouble = pods::doom(pod).map(|doom| doom.to_string()).or_else(|| pods::state(pod));
    trouble.unwrap_or_else(|| {
        let conditions = pod.pointer("/status/conditions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let unready = conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "False");
        let phase = text(pod, "/status/phase").to_lowercase();
        if unready { format!("{phase}, not ready") } else { phase }
    })
}

/// The containers of a pod that have had something to say: started ones, and the earlier runs of restarted ones.
fn runs(pod: &Value) -> Vec<(&str, Instance)> {
    let mut runs = Vec::new();
    for list in ["/status/initContainerStatuses", "/status/containerStatuses"] {
        for status in pod.pointer(list).and_then(Value::as_array).into_iter().flatten() {
            let Some(name) = status["name"].as_str() else { continue };
            if status.pointer("/lastState/terminated").is_some() {
                runs.push((name, Instance::Previous));
            }
            let finished_well = status.pointer("/state/terminated/exitCode") == Some(&Value::from(0));
            if status.pointer("/state/waiting").is_none() && !finished_well {
                runs.push((name, Instance::Current));
            }
        }
    }
    runs
}

/// The newest warnings about objects with these uids, each text once.
fn about(events: &[Value], uids: &[&str]) -> Vec<String> {
    let mut found: Vec<(&str, String)> = events
        .iter()
        .filter(|event| uids.contains(&text(event, "/involvedObject/uid")))
        .map(|event| {
            (moment(event), format!("{} {}: {}", text(event, "/involvedObject/kind"), text(event, "/reason"), text(event, "/message")))
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    let mut texts: Vec<String> = Vec::new();
    for (_, text) in found {
        if !texts.contains(&text) && texts.len() < EVENTS {
            texts.push(text);
        }
    }
    texts
}

/// When an event last happened; the older and the newer API write different fields.
fn moment(event: &Value) -> &str {
    let fields = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    fields.into_iter().map(|field| text(event, field)).find(|time| !time.is_empty()).unwrap_or_default()
}

fn uid(object: &Value) -> Option<&str> {
    object.pointer("/metadata/uid")?.as_str()
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.workload)?;
        for pod in &self.pods {
            write!(f, "\n  pod {}: {}", pod.name, pod.state)?;
            for log in &pod.logs {
                write!(f, "\n    last lines of {}, {}:", log.container, log.run)?;
                log.lines.iter().try_for_each(|line| write!(f, "\n      {line}"))?;
            }
        }
        if self.pods.is_empty() && self.unseen.is_empty() {
            f.write_str("\n  no new pod was seen")?;
        }
        self.events.iter().try_for_each(|event| write!(f, "\n  warning: {event}"))?;
        self.unseen.iter().try_for_each(|what| write!(f, "\n  couldn't read {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn asks_for_the_logs_of_containers_that_have_run() {
        let pod = json!({"status": {
            "initContainerStatuses": [{"name": "init", "state": {"terminated": {"exitCode": 0}}}],
            "containerStatuses": [
                {"name": "api", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 1}}},
                {"name": "new", "state": {"waiting": {"reason": "ErrImagePull"}}, "lastState": {}},
                {"name": "ok", "state": {"running": {}}}]}});
        assert_eq!(runs(&pod), [("api", Instance::Previous), ("ok", Instance::Current)]);
    }

    #[test]
    fn shows_each_warning_about_the_workload_once_newest_first() {
        let event = |uid: &str, time: &str, message: &str| json!({"involvedObject": {"uid": uid, "kind": "Pod"}, "lastTimestamp": time, "reason": "Failed", "message": message});
        let events = [event("a", "1", "old"), event("b", "3", "of others"), event("a", "2", "new"), event("a", "0", "new")];
        assert_eq!(about(&events, &["a"]), ["Pod Failed: new", "Pod Failed: old"]);
    }
}
