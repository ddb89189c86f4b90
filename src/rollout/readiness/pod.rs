use serde_json::Value;

use super::live::{Condition, Live};
use super::{Status, pods};

/// A pod on its own is ready, or has done its work.
pub(super) fn of(live: &Live) -> Status {
    match live.text("/status/phase") {
        Some("Succeeded") => return Status::Ready,
        Some("Failed") => return Status::doomed(failed(live)),
        _ => {}
    }
    if let Some(doom) = pods::doom(live.0) {
        return Status::doomed(doom.to_string());
    }
    match live.condition("Ready") {
        Some(ready) if ready.is_true() => Status::Ready,
        ready => Status::waiting(
            pods::state(live.0).or_else(|| ready.and_then(not_ready)).unwrap_or_else(|| "the pod has not started yet".into()),
        ),
    }
}

fn not_ready(condition: Condition) -> Option<String> {
    (!condition.says().is_empty()).then(|| condition.says().to_owned())
}

fn failed(live: &Live) -> String {
    let own = [live.text("/status/reason"), live.text("/status/message")];
    let own: Vec<&str> = own.into_iter().flatten().collect();
    if !own.is_empty() {
        return format!("the pod has failed: {}", own.join(": "));
    }
    let exits = live.0.pointer("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten().filter_map(|container| {
        let code = container.pointer("/state/terminated/exitCode")?.as_i64().filter(|code| *code != 0)?;
        Some(format!("container {} ended with exit code {code}", container["name"].as_str()?))
    });
    let exits: Vec<String> = exits.collect();
    if exits.is_empty() { "the pod has failed".to_owned() } else { format!("the pod has failed: {}", exits.join(", ")) }
}
