//! When to believe that a rollout is lost: some failures pass by themselves, and some statuses are still about the version before.
//!
//! What waiting can't mend (an image that isn't there) is believed when it has been seen twice, or once where there is one pod;
//! what has been known to pass (crash loops while a database starts, configuration that an operator creates a little later)
//! must hold for twenty seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::readiness::pods::{self, Doom};

const PATIENCE: Duration = Duration::from_secs(20);
/// How long a Deployment's failed condition may still be about its previous version.
const STALE: Duration = Duration::from_secs(5);

/// What has been seen of one workload's failures.
#[derive(Debug, Default)]
pub(super) struct Suspicion {
    pods: BTreeMap<String, Suspect>,
    own: Option<Suspect>,
}

#[derive(Debug)]
struct Suspect {
    since: Instant,
    /// Resource versions in which the failure was there.
    sightings: BTreeSet<String>,
    reason: String,
    passing: bool,
}

/// What to think of a workload now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opinion {
    Fine,
    /// Not to be believed before then.
    Suspect(Instant),
    Doomed(String),
}

impl Suspicion {
    /// Weighs the failures of the newest pods. `replicas` is how many pods the workload wants.
    pub(super) fn of_pods(&mut self, newest: &[&Value], replicas: i64, now: Instant) -> Opinion {
        let mut still = BTreeSet::new();
        for pod in newest {
            let Some(doom) = pods::doom(pod) else { continue };
            let name = text(pod, "/metadata/name");
            still.insert(name.clone());
            note(
                self.pods.entry(name.clone()),
                format!("pod {name}, {doom}"),
                text(pod, "/metadata/resourceVersion"),
                is_passing(&doom),
                now,
            );
        }
        self.pods.retain(|name, _| still.contains(name));
        let lasting = self.pods.values().filter(|suspect| !suspect.passing);
        let sightings: usize = lasting.clone().map(|suspect| suspect.sightings.len()).sum();
        let needed = usize::try_from(replicas.clamp(1, 2)).unwrap_or(1);
        if let Some(suspect) = lasting.clone().next().filter(|_| sightings >= needed) {
            return Opinion::Doomed(suspect.reason.clone());
        }
        match self.pods.values().min_by_key(|suspect| suspect.since) {
            None => Opinion::Fine,
            Some(suspect) if now >= suspect.since + PATIENCE => Opinion::Doomed(suspect.reason.clone()),
            Some(suspect) => Opinion::Suspect(suspect.since + PATIENCE),
        }
    }

    /// Weighs what the workload says of itself (`None`: nothing bad).
    pub(super) fn of_itself(&mut self, workload: &Value, failure: Option<&str>, now: Instant) -> Opinion {
        let Some(reason) = failure else {
            self.own = None;
            return Opinion::Fine;
        };
        // Only a Deployment keeps conditions from one version to the next.
        if workload["kind"] != "Deployment" {
            return Opinion::Doomed(reason.to_owned());
        }
        let suspect = self.own.get_or_insert_with(|| Suspect::new(now, false));
        suspect.reason = reason.to_owned();
        suspect.sightings.insert(text(workload, "/metadata/resourceVersion"));
        match suspect.sightings.len() >= 2 || now >= suspect.since + STALE {
            true => Opinion::Doomed(suspect.reason.clone()),
            false => Opinion::Suspect(suspect.since + STALE),
        }
    }
}

impl Suspect {
    fn new(since: Instant, passing: bool) -> Self {
        Self { since, sightings: BTreeSet::new(), reason: String::new(), passing }
    }
}

fn note(entry: std::collections::btree_map::Entry<'_, String, Suspect>, reason: String, version: String, passing: bool, now: Instant) {
    let suspect = entry.or_insert_with(|| Suspect::new(now, passing));
    suspect.reason = reason;
    suspect.passing = passing;
    suspect.sightings.insert(version);
}

/// Failures that often end without anybody's doing.
pub(super) fn is_passing(doom: &Doom) -> bool {
    !matches!(doom.reason.as_str(), "InvalidImageName" | "ErrImageNeverPull" | "ErrImagePull" | "ImagePullBackOff")
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, version: &str, reason: &str) -> Value {
        json!({"metadata": {"name": name, "resourceVersion": version}, "status": {"containerStatuses": [
            {"name": "api", "state": {"waiting": {"reason": reason, "message": "manifest not found"}}}]}})
    }

    #[test]
    fn a_missing_image_is_believed_at_the_second_sighting_or_the_first_of_a_single_pod() {
        let now = Instant::now();
        let (first, again, other) = (pod("a", "1", "ErrImagePull"), pod("a", "2", "ImagePullBackOff"), pod("b", "3", "ErrImagePull"));
        assert!(matches!(Suspicion::default().of_pods(&[&first], 1, now), Opinion::Doomed(_)));
        assert!(matches!(Suspicion::default().of_pods(&[&first, &other], 3, now), Opinion::Doomed(_)));
        let mut suspicion = Suspicion::default();
        assert_eq!(suspicion.of_pods(&[&first], 3, now), Opinion::Suspect(now + PATIENCE));
        assert_eq!(suspicion.of_pods(&[&first], 3, now), Opinion::Suspect(now + PATIENCE), "the same state isn't a second sighting");
        assert!(matches!(suspicion.of_pods(&[&again], 3, now), Opinion::Doomed(_)));
    }

    #[test]
    fn a_crash_loop_must_last() {
        let now = Instant::now();
        let mut suspicion = Suspicion::default();
        let crash = pod("a", "1", "CrashLoopBackOff");
        let later = pod("a", "2", "CrashLoopBackOff");
        assert_eq!(suspicion.of_pods(&[&crash], 1, now), Opinion::Suspect(now + PATIENCE));
        assert_eq!(suspicion.of_pods(&[&later], 1, now + Duration::from_secs(9)), Opinion::Suspect(now + PATIENCE));
        assert_eq!(suspicion.of_pods(&[], 1, now + Duration::from_secs(19)), Opinion::Fine, "it is over");
        let begun = now + Duration::from_secs(30);
        assert_eq!(suspicion.of_pods(&[&crash], 1, begun), Opinion::Suspect(begun + PATIENCE));
        assert!(matches!(suspicion.of_pods(&[&crash], 1, begun + PATIENCE), Opinion::Doomed(_)));
    }

    #[test]
    fn a_deployments_word_about_itself_is_doubted_for_a_moment() {
        let now = Instant::now();
        let deployment = |version: &str| json!({"kind": "Deployment", "metadata": {"resourceVersion": version}});
        let mut suspicion = Suspicion::default();
        assert_eq!(suspicion.of_itself(&deployment("1"), Some("no progress"), now), Opinion::Suspect(now + STALE));
        assert_eq!(suspicion.of_itself(&deployment("2"), Some("no progress"), now), Opinion::Doomed("no progress".into()));
        assert_eq!(suspicion.of_itself(&json!({"kind": "Job"}), Some("failed"), now), Opinion::Doomed("failed".into()));
    }
}
