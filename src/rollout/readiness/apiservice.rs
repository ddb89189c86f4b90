use super::Status;
use super::live::Live;

/// The aggregated API answers.
pub(super) fn of(live: &Live) -> Status {
    match live.condition("Available") {
        Some(available) if available.is_true() => Status::Ready,
        Some(available) => Status::waiting(available.says()),
        None => Status::waiting("the API has not answered yet"),
    }
}
