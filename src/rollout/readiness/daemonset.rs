use super::Status;
use super::live::{Live, too_few};

/// Every node that should have a pod has an up-to-date, available one (kstatus `daemonsetConditions`).
pub(super) fn of(live: &Live) -> Status {
    let wanted = live.count("desiredNumberScheduled");
    // With OnDelete, pods get the new template when somebody deletes them.
    let updated = match live.text("/spec/updateStrategy/type") {
        Some("OnDelete") => wanted,
        _ => live.count("updatedNumberScheduled"),
    };
    too_few(live.count("currentNumberScheduled"), wanted, "pod", "there")
        .or_else(|| too_few(updated, wanted, "pod", "updated"))
        .or_else(|| too_few(live.count("numberAvailable"), wanted, "pod", "available"))
        .or_else(|| too_few(live.count("numberReady"), wanted, "pod", "ready"))
        .unwrap_or(Status::Ready)
}
