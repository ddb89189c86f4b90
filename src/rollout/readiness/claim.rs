use super::Status;
use super::live::Live;

/// A claim that is lost won't come back; one that is pending holds the rollout up only while a provisioner works on it.
///
/// The claim doesn't say whether its class binds at once or waits for the first pod, but the controller notes the provisioner on
/// it only when it has asked for a volume. A pod that can't start without its volume says so itself.
pub(super) fn of(live: &Live) -> Status {
    let annotation = |prefix: &str| live.text(&format!("/metadata/annotations/{prefix}.kubernetes.io~1storage-provisioner"));
    match live.text("/status/phase") {
        Some("Lost") => Status::doomed("the volume that the claim was bound to is gone"),
        Some("Bound") => Status::Ready,
        _ => match annotation("volume").or_else(|| annotation("volume.beta")) {
            Some(provisioner) => Status::waiting(format!("{provisioner} has not provided the volume yet")),
            None => Status::Ready,
        },
    }
}
