use super::Status;
use super::live::{Condition, Live};

/// The API server serves the new kind (kstatus `crdConditions`).
pub(super) fn of(live: &Live) -> Status {
    if let Some(refused) = live.condition("NamesAccepted").filter(Condition::is_false) {
        return Status::doomed(format!("its names are not accepted: {}", refused.says()));
    }
    match live.condition("Established") {
        Some(established) if established.is_true() => Status::Ready,
        Some(established) if established.is_false() && established.reason != "Installing" => Status::waiting(established.says()),
        _ => Status::waiting("the kind is not served yet"),
    }
}
