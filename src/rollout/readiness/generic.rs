use super::Status;
use super::live::{Condition, Live};

/// Kinds without rules of their own: the conditions that most operators write (kstatus `checkGenericProperties`, and `Ready`);
/// what has no condition is ready.
pub(super) fn of(live: &Live) -> Status {
    if let Some(stalled) = live.condition("Stalled").filter(Condition::is_true) {
        return Status::doomed(stalled.says());
    }
    if let Some(reconciling) = live.condition("Reconciling").filter(Condition::is_true) {
        return Status::waiting(reconciling.says());
    }
    match live.condition("Ready") {
        Some(ready) if !ready.is_true() => Status::waiting(match ready.says() {
            "" => "it is not ready yet",
            text => text,
        }),
        _ => Status::Ready,
    }
}
