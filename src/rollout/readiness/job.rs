use super::Status;
use super::live::{Condition, Live};

/// The job has finished. (kstatus is content when it has started.)
pub(super) fn of(live: &Live) -> Status {
    let holds = |kind| live.condition(kind).filter(Condition::is_true);
    if let Some(failed) = holds("Failed").or_else(|| holds("FailureTarget")) {
        return Status::doomed(match failed.says() {
            "" => "the job has failed".to_owned(),
            text => text.to_owned(),
        });
    }
    if holds("Complete").or_else(|| holds("SuccessCriteriaMet")).is_some() {
        return Status::Ready;
    }
    // A suspended job starts when a person or a queue resumes it.
    if live.flag("/spec/suspend") {
        return Status::Ready;
    }
    let (active, succeeded, failed) = (live.count("active"), live.count("succeeded"), live.count("failed"));
    let wanted = live.int("/spec/completions").unwrap_or(1);
    let failures = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    match active + succeeded + failed {
        0 => Status::waiting("the job has not started yet"),
        _ => Status::waiting(format!("{succeeded} of {wanted} completed, {active} running{failures}")),
    }
}
