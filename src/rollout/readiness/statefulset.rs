use super::Status;
use super::live::{Live, too_few, too_many};

/// The pods are of the new revision, from the partition upwards, and ready (kstatus `stsConditions`).
pub(super) fn of(live: &Live) -> Status {
    // Pods get the new template when somebody deletes them.
    if live.text("/spec/updateStrategy/type") == Some("OnDelete") {
        return Status::Ready;
    }
    let wanted = live.replicas();
    let partition = live.int("/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
    too_few(live.count("replicas"), wanted, "replica", "there")
        .or_else(|| too_few(live.count("updatedReplicas"), (wanted - partition).max(0), "replica", "updated"))
        .or_else(|| too_few(live.count("readyReplicas"), wanted, "replica", "ready"))
        .or_else(|| too_many(live.count("replicas"), wanted, "surplus"))
        .or_else(|| not_available(live, wanted))
        .or_else(|| old_revision(live, partition))
        .unwrap_or(Status::Ready)
}

/// `minReadySeconds`: ready pods become available later. Before Kubernetes 1.25 the field may be missing.
fn not_available(live: &Live, wanted: i64) -> Option<Status> {
    too_few(live.int("/status/availableReplicas")?, wanted, "replica", "available")
}

fn old_revision(live: &Live, partition: i64) -> Option<Status> {
    let old = live.text("/status/currentRevision") != live.text("/status/updateRevision");
    (old && partition == 0).then(|| Status::waiting("the controller has not finished the update yet"))
}
