//! Pods whose start fails for a reason that waiting doesn't mend (rules after krane, lib/krane/kubernetes_resource/pod.rb).
//!
//! Only pods of the new version count: those of the new replica set, or of the update revision.

use std::fmt;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

/// Why a pod won't start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doom {
    pub container: String,
    /// The kubelet's word: `CrashLoopBackOff`.
    pub reason: String,
    /// What it says about it, or about the container's last end.
    pub message: String,
}

impl fmt::Display for Doom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "container {}: {}", self.container, self.reason)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

/// What a registry answers when the image isn't there or may not be pulled; other failures to pull may pass.
static UNPULLABLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)not found|manifest unknown|name unknown|does not exist|unauthorized|authorization failed|access denied|access to the resource is denied|forbidden|no basic auth credentials|no match for platform")
        .expect("a constant")
});

/// A volume's or variable's source that the kubelet's cache hasn't got yet.
static STALE_CACHE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"failed to sync \w+ cache").expect("a constant"));

/// Answers of the API server to the creation of a pod that repeat until somebody changes something.
static REFUSAL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"exceeded quota|failed quota|is forbidden|violates PodSecurity|denied the request|is invalid|is required")
        .expect("a constant")
});

/// The first container that won't start.
pub fn doom(pod: &Value) -> Option<Doom> {
    // A pod that is going away is replaced by another one; eviction and preemption are the node's affair, not the pod's.
    let leaving = pod.pointer("/metadata/deletionTimestamp").is_some_and(Value::is_string);
    let displaced = matches!(text(pod, "/status/reason"), "Evicted" | "Preempting");
    if leaving || displaced {
        return None;
    }
    containers(pod).find_map(doom_of)
}

/// What the pod waits for, in a few words: a container's reason and message, or the scheduler's.
pub fn state(pod: &Value) -> Option<String> {
    let waiting = containers(pod).find_map(|container| {
        let reason = text(container, "/state/waiting/reason");
        let message = text(container, "/state/waiting/message");
        let shown = if message.is_empty() { reason.to_owned() } else { format!("{reason}: {message}") };
        (!reason.is_empty() && reason != "PodInitializing").then(|| format!("container {}: {shown}", text(container, "/name")))
    });
    waiting.or_else(|| {
        let conditions = pod.pointer("/status/conditions")?.as_array()?;
        let scheduled = conditions.iter().find(|c| c["type"] == "PodScheduled" && c["status"] == "False")?;
        Some(format!("not scheduled: {}", text(scheduled, "/message")))
    })
}

/// Whether a controller's failure to create pods is an answer that stays the same: quota, policy, admission, invalid template.
pub fn is_refusal(message: &str) -> bool {
    REFUSAL.is_match(message)
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["initContainerStatuses", "containerStatuses"];
    lists.into_iter().filter_map(|list| pod.get("status")?.get(list)?.as_array()).flatten()
}

fn doom_of(container: &Value) -> Option<Doom> {
    let reason = text(container, "/state/waiting/reason");
    let message = text(container, "/state/waiting/message");
    let doomed = match reason {
        "CrashLoopBackOff" => return Some(crash(container, reason)),
        "InvalidImageName" | "ErrImageNeverPull" => true,
        "ErrImagePull" | "ImagePullBackOff" => UNPULLABLE.is_match(message),
        "CreateContainerConfigError" => !STALE_CACHE.is_match(message),
        _ => return cannot_run(container),
    };
    doomed.then(|| Doom { container: text(container, "/name").to_owned(), reason: reason.to_owned(), message: message.to_owned() })
}

fn crash(container: &Value, reason: &str) -> Doom {
    let last = container.pointer("/lastState/terminated");
    let ended = last.map(|last| {
        let (why, said) = (text(last, "/reason"), text(last, "/message").trim());
        let code = last.get("exitCode").and_then(Value::as_i64).unwrap_or_default();
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        let times = container.get("restartCount").and_then(Value::as_i64).unwrap_or_default();
        format!("it ended with exit code {code} ({why}) after {times} restarts{said}")
    });
    Doom { container: text(container, "/name").to_owned(), reason: reason.to_owned(), message: ended.unwrap_or_default() }
}

/// The container's command can't be run; exit code 128 is also what a node in trouble gives.
fn cannot_run(container: &Value) -> Option<Doom> {
    let ended = container.pointer("/state/terminated")?;
    let doomed = text(ended, "/reason") == "ContainerCannotRun" && ended["exitCode"] != 128;
    doomed.then(|| Doom {
        container: text(container, "/name").to_owned(),
        reason: "ContainerCannotRun".to_owned(),
        message: text(ended, "/message").to_owned(),
    })
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
