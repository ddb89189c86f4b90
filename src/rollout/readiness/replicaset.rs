use super::Status;
use super::live::{Live, too_few, too_many};

/// All replicas are available (kstatus `replicasetConditions`).
pub(super) fn of(live: &Live) -> Status {
    let wanted = live.replicas();
    let failure = if live.count("replicas") < wanted { live.replica_failure() } else { None };
    failure
        .or_else(|| too_few(live.count("replicas"), wanted, "replica", "there"))
        .or_else(|| too_few(live.count("readyReplicas"), wanted, "replica", "ready"))
        .or_else(|| too_few(live.count("availableReplicas"), wanted, "replica", "available"))
        .or_else(|| too_many(live.count("replicas"), wanted, "surplus"))
        .unwrap_or(Status::Ready)
}
