use super::Status;
use super::live::Live;

pub(super) fn of(live: &Live) -> Status {
    match live.text("/status/phase") {
        Some("Active") => Status::Ready,
        Some("Terminating") => Status::doomed("the namespace is being deleted"),
        _ => Status::waiting("the namespace is not active yet"),
    }
}
