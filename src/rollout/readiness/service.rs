use super::Status;
use super::live::Live;

/// A service is there at once; a load balancer when it has an address.
pub(super) fn of(live: &Live) -> Status {
    if live.text("/spec/type") != Some("LoadBalancer") {
        return Status::Ready;
    }
    let addresses = live.0.pointer("/status/loadBalancer/ingress").and_then(serde_json::Value::as_array);
    match addresses.is_some_and(|list| !list.is_empty()) {
        true => Status::Ready,
        false => Status::waiting("the load balancer has no address yet"),
    }
}
