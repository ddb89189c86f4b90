use super::Status;
use super::live::{Condition, Live, too_few, too_many};

/// The new pods have replaced the old ones and are available (kubectl rollout status; kstatus `deploymentConditions`).
pub(super) fn of(live: &Live) -> Status {
    // A paused rollout makes no progress until a person resumes it: the change is stored, and that was the order.
    if live.flag("/spec/paused") {
        return Status::Ready;
    }
    let (wanted, updated) = (live.replicas(), live.count("updatedReplicas"));
    let progressing = live.condition("Progressing");
    if let Some(condition) = progressing.as_ref().filter(|c| c.reason == "ProgressDeadlineExceeded") {
        let seconds = live.int("/spec/progressDeadlineSeconds").unwrap_or(600);
        return Status::doomed(format!("no progress for {seconds} s: {}", condition.says()));
    }
    // While all new pods exist, a failure to create pods is the old replica set's.
    let failure = if updated < wanted { live.replica_failure() } else { None };
    failure
        .or_else(|| too_few(updated, wanted, "replica", "updated"))
        .or_else(|| too_many(live.count("replicas"), updated, "old"))
        .or_else(|| too_few(live.count("availableReplicas"), updated, "replica", "available"))
        .or_else(|| too_few(live.count("readyReplicas"), wanted, "replica", "ready"))
        .or_else(|| not_available(live))
        .or_else(|| not_complete(progressing))
        .unwrap_or(Status::Ready)
}

fn not_available(live: &Live) -> Option<Status> {
    let condition = live.condition("Available").filter(Condition::is_false)?;
    Some(Status::waiting(condition.says()))
}

/// There is no such condition where no progress deadline is set.
fn not_complete(progressing: Option<Condition>) -> Option<Status> {
    progressing.filter(|c| c.reason != "NewReplicaSetAvailable").map(|c| Status::waiting(c.says()))
}
