//! The lock of an application: a Lease of `coordination.k8s.io/v1`, which one run at a time holds while it writes, as the leader
//! election of Kubernetes' own controllers does (kubernetes.io/docs/concepts/architecture/leases).

mod place;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

pub use place::{Place, UNLOCKED, Written};

use crate::cluster::FIELD_MANAGER;

/// For how long a run that says nothing any more holds the lock.
pub const DURATION: Duration = Duration::from_secs(60);
/// How far the clocks of two runners may be apart.
const SKEW: Duration = Duration::from_secs(10);
/// Where a Lease says who holds it, for people.
const RUN: &str = "tagboat/run";

/// One run, as a Lease names it: `RUN-ATTEMPT-UNIQUE` for those of a workflow. Jobs of one attempt are different holders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    identity: String,
    url: Option<String>,
}

/// What a Lease says to a run that wants to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    Ours,
    Free,
    /// Its holder hasn't been heard of for longer than it may be silent.
    Expired(Holder),
    /// An earlier attempt of this very run, which has ended: attempts don't overlap.
    EarlierAttempt(Holder),
    Held(Holder),
}

impl Holder {
    /// `run` is a number with that of its attempt, where a workflow runs this.
    pub fn new(run: Option<(&str, &str)>, unique: &str, url: Option<String>) -> Self {
        let identity = match run {
            Some((run, attempt)) => format!("{run}-{attempt}-{unique}"),
            None => format!("run-{unique}"),
        };
        Self { identity, url }
    }

    fn of(lease: &Value) -> Option<Self> {
        let identity = lease.pointer("/spec/holderIdentity").and_then(Value::as_str).filter(|identity| !identity.is_empty())?;
        let url = lease["metadata"]["annotations"][RUN].as_str().map(str::to_owned);
        Some(Self { identity: identity.to_owned(), url })
    }

    fn attempt(&self) -> Option<(u64, u64)> {
        let mut parts = self.identity.split('-');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }

    fn is_later_attempt_of(&self, other: &Self) -> bool {
        matches!((self.attempt(), other.attempt()), (Some((run, mine)), Some((same, before))) if run == same && before < mine)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.url {
            Some(url) => write!(f, "{} ({url})", self.identity),
            None => f.write_str(&self.identity),
        }
    }
}

/// Who may write. `unchanged` is how long we have seen the Lease as it is: that it is silent shows without any clock but ours, as
/// client-go judges it; its own times show it at once.
pub fn judge(lease: &Value, us: &Holder, now: Timestamp, unchanged: Duration) -> Judgement {
    let Some(holder) = Holder::of(lease) else { return Judgement::Free };
    if holder.identity == us.identity {
        return Judgement::Ours;
    }
    if us.is_later_attempt_of(&holder) {
        return Judgement::EarlierAttempt(holder);
    }
    let duration = lease.pointer("/spec/leaseDurationSeconds").and_then(Value::as_u64).map_or(DURATION, Duration::from_secs);
    let by_its_clock = renewed_at(lease).is_some_and(|renewed| now.duration_since(renewed).as_secs_f64() > duration.as_secs_f64());
    if by_its_clock || unchanged > duration { Judgement::Expired(holder) } else { Judgement::Held(holder) }
}

/// Whether another run may have written since `begun`: it holds the lock still, or gave it back later than that.
pub fn was_used_since(lease: &Value, begun: Timestamp) -> bool {
    let since = |renewed: Timestamp| renewed.duration_since(begun).as_secs_f64() > -SKEW.as_secs_f64();
    Holder::of(lease).is_some() || renewed_at(lease).is_some_and(since)
}

fn renewed_at(lease: &Value) -> Option<Timestamp> {
    lease.pointer("/spec/renewTime")?.as_str()?.parse().ok()
}

/// The Lease of an application that has none yet, held by us from `now` on.
pub fn new(place: &Place, us: &Holder, now: Timestamp) -> Value {
    let new = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {
            "name": place.name, "namespace": place.endpoint.namespace, "labels": {"app.kubernetes.io/managed-by": FIELD_MANAGER},
            "annotations": {"kubernetes.io/description": "Held by the run that deploys this application, so that no other does."},
        },
    });
    taken(&new, us, now)
}

/// The Lease held by us from `now` on; `lease` is what is there.
pub fn taken(lease: &Value, us: &Holder, now: Timestamp) -> Value {
    let transitions = lease.pointer("/spec/leaseTransitions").and_then(Value::as_i64).map_or(0, |count| count.saturating_add(1));
    let mut lease = lease.clone();
    lease["metadata"]["annotations"][RUN] = us.url.clone().unwrap_or_default().into();
    if us.url.is_none()
        && let Some(annotations) = lease["metadata"]["annotations"].as_object_mut()
    {
        annotations.remove(RUN);
    }
    lease["spec"] = json!({
        "holderIdentity": us.identity, "leaseDurationSeconds": DURATION.as_secs(),
        "acquireTime": micro(now), "renewTime": micro(now), "leaseTransitions": transitions,
    });
    lease
}

/// The same Lease, its holder heard of `now`.
pub fn renewed(lease: &Value, now: Timestamp) -> Value {
    let mut lease = lease.clone();
    lease["spec"]["renewTime"] = micro(now).into();
    lease
}

/// The Lease without a holder. It stays for the next run, and says when it was used last.
pub fn released(lease: &Value, now: Timestamp) -> Value {
    let mut lease = renewed(lease, now);
    lease["spec"]["holderIdentity"] = "".into();
    lease
}

/// A time as `MicroTime` wants it: exactly six digits (apimachinery, `RFC3339Micro`).
fn micro(time: Timestamp) -> String {
    format!("{time:.6}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const JUST_SEEN: Duration = Duration::ZERO;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn run(attempt: &str, unique: &str) -> Holder {
        Holder::new(Some(("77", attempt)), unique, Some("https://github.example/acme/shop/actions/runs/77".into()))
    }

    fn other() -> Holder {
        Holder::new(None, "b", None)
    }

    fn held(by: &Holder) -> Value {
        taken(&json!({}), by, at(0))
    }

    #[test]
    fn a_lease_that_was_given_back_is_free() {
        assert_eq!(judge(&released(&held(&other()), at(1)), &run("1", "a"), at(2), JUST_SEEN), Judgement::Free);
        assert_eq!(judge(&json!({"metadata": {"name": "tagboat-shop"}}), &run("1", "a"), at(2), JUST_SEEN), Judgement::Free);
    }

    #[test]
    fn a_lease_is_held_for_a_minute_after_its_holder_was_heard_of() {
        let us = run("1", "a");
        let lease = held(&other());
        assert_eq!(judge(&lease, &us, at(60), JUST_SEEN), Judgement::Held(other()));
        assert_eq!(judge(&lease, &us, at(61), JUST_SEEN), Judgement::Expired(other()));
        assert_eq!(judge(&renewed(&lease, at(15)), &us, at(61), JUST_SEEN), Judgement::Held(other()));
        assert_eq!(judge(&lease, &other(), at(61), JUST_SEEN), Judgement::Ours);
    }

    #[test]
    fn a_silent_holder_whose_clock_is_ahead_expires_by_ours() {
        let us = run("1", "a");
        assert_eq!(judge(&held(&other()), &us, at(-3600), Duration::from_secs(60)), Judgement::Held(other()));
        assert_eq!(judge(&held(&other()), &us, at(-3600), Duration::from_secs(61)), Judgement::Expired(other()));
    }

    #[test]
    fn only_a_later_attempt_of_the_same_run_needs_no_wait() {
        let first = run("1", "a");
        assert_eq!(judge(&held(&first), &run("2", "b"), at(1), JUST_SEEN), Judgement::EarlierAttempt(first.clone()));
        let job_beside = run("1", "b");
        assert_eq!(judge(&held(&first), &job_beside, at(1), JUST_SEEN), Judgement::Held(first.clone()));
        assert_eq!(judge(&held(&run("2", "b")), &first, at(1), JUST_SEEN), Judgement::Held(run("2", "b")));
        let another = Holder::new(Some(("78", "2")), "c", None);
        assert_eq!(judge(&held(&first), &another, at(1), JUST_SEEN), Judgement::Held(first));
    }

    #[test]
    fn a_plan_is_old_when_the_lock_was_used_after_it_began() {
        let lease = held(&other());
        assert!(was_used_since(&lease, at(500)), "who was cut off may have written");
        let back = released(&lease, at(100));
        assert!(was_used_since(&back, at(99)));
        assert!(was_used_since(&back, at(109)), "clocks differ");
        assert!(!was_used_since(&back, at(110)));
    }

    #[test]
    fn what_is_written_names_the_run_and_keeps_the_rest() {
        let there = json!({"metadata": {"name": "tagboat-shop", "resourceVersion": "5"}, "spec": {"leaseTransitions": 3}});
        insta::assert_snapshot!(taken(&there, &run("2", "a"), at(0)), @r#"{"metadata":{"name":"tagboat-shop","resourceVersion":"5","annotations":{"tagboat/run":"https://github.example/acme/shop/actions/runs/77"}},"spec":{"holderIdentity":"77-2-a","leaseDurationSeconds":60,"acquireTime":"2027-01-15T08:00:00.000000Z","renewTime":"2027-01-15T08:00:00.000000Z","leaseTransitions":4}}"#);
        let next = taken(&held(&run("2", "a")), &other(), at(0));
        assert_eq!(next["metadata"]["annotations"], json!({}), "the link of another run is gone");
        assert_eq!(Place::of("Shop.API_v2/", "shop").to_string(), "Lease shop/tagboat-shop-api-v2");
    }
}
