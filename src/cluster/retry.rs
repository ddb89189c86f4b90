//! Whether a request that failed is worth repeating, and when.
//!
//! Every request of the adapter may be repeated: reads, reviews, server-side applies, which have the same effect twice as once, and
//! writes with a precondition, which have none the second time; so have creations, because the name is taken then.

use std::time::Duration;

use super::error::{Body, Error, Refusal};
use super::wire::{Guard, Served};

/// What has happened so far in a call.
#[derive(Debug)]
pub(super) struct State {
    /// Attempts before the one that failed.
    pub number: u32,
    pub elapsed: Duration,
    /// Whether the server has answered anything yet in this run.
    pub reached: bool,
    pub served: Served,
    pub guard: Guard,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Again {
    No,
    After(Duration),
}

/// How long servers are given to learn of a kind that was just defined.
const LEARNING: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

pub(super) fn again(error: &Error, state: &State) -> Again {
    match error {
        Error::Refused(refusal) => after_refusal(refusal, state),
        Error::Unreachable { source, .. } if !is_about_certificates(source.as_ref()) => {
            // A server that has answered before is restarting; one that never did is more likely misspelt.
            if state.reached || state.number < 2 { Again::After(pause(state.number)) } else { Again::No }
        }
        Error::NoAnswer { .. } => Again::After(pause(state.number)),
        _ => Again::No,
    }
}

fn after_refusal(refusal: &Refusal, state: &State) -> Again {
    let busy = matches!(refusal.status, 429 | 503 | 504);
    // etcd's and the webhooks' passing troubles come as 500 with a text.
    let passing = ["failed calling webhook", "conversion webhook for", "etcdserver: leader changed", "etcdserver: request timed out"];
    let passing = refusal.status == 500 && passing.iter().any(|text| refusal.message.contains(text));
    let moved = refusal.status == 409
        && state.guard == Guard::None
        && refusal.conflicts().is_empty()
        && refusal.message.contains("the object has been modified");
    if busy || passing || moved {
        return Again::After(refusal.retry_after.unwrap_or(pause(state.number)).max(pause(state.number)));
    }
    let unlearnt = refusal.status == 404 && refusal.kind == Body::Text;
    if unlearnt && state.served == Served::JustDefined && state.elapsed < LEARNING {
        return Again::After(pause(state.number).min(Duration::from_millis(500)));
    }
    Again::No
}

/// 50 ms, doubling up to five seconds, shortened at random by up to half so that parallel requests don't come back in step.
fn pause(number: u32) -> Duration {
    let full = Duration::from_millis(50).saturating_mul(1 << number.min(10)).min(LONGEST_PAUSE);
    full.mul_f64(rand::random_range(0.5..=1.0))
}

fn is_about_certificates(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // An I/O error hides what it carries from `source()`.
        let carried = error.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref());
        if error.is::<rustls::Error>() || carried.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, message: &str, kind: Body) -> Error {
        Error::Refused(Box::new(Refusal {
            method: http::Method::PATCH,
            path: "/x".into(),
            status,
            reason: String::new(),
            message: message.into(),
            causes: Vec::new(),
            retry_after: None,
            kind,
        }))
    }

    fn repeats(error: &Error, served: Served, elapsed: u64) -> bool {
        again(error, &State { number: 0, elapsed: Duration::from_secs(elapsed), reached: true, served, guard: Guard::None }) != Again::No
    }

    #[test]
    fn repeats_what_passes_and_nothing_else() {
        for (status, message, expected) in [
            (429, "", true),
            (503, "", true),
            (504, "", true),
            (500, "failed calling webhook \"a.b\": connection refused", true),
            (500, "failed to create typed patch object: .spec.replica: field not declared in schema", false),
            (409, "Operation cannot be fulfilled on x: the object has been modified; please apply your changes", true),
            (403, "forbidden", false),
            (422, "field is immutable", false),
            (404, "deployments \"x\" not found", false),
        ] {
            assert_eq!(repeats(&refusal(status, message, Body::Status), Served::Long, 0), expected, "{status} {message}");
        }
    }

    #[test]
    fn waits_ten_seconds_for_a_kind_that_was_just_defined() {
        let unserved = refusal(404, "404 page not found", Body::Text);
        assert!(repeats(&unserved, Served::JustDefined, 9));
        assert!(!repeats(&unserved, Served::JustDefined, 10));
        assert!(!repeats(&unserved, Served::Long, 0));
    }

    #[test]
    fn a_wrong_certificate_is_not_tried_again() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let error = |source: std::io::Error| Error::Unreachable { server: "s".into(), loopback: false, source: source.into() };
        assert!(!repeats(&error(std::io::Error::new(std::io::ErrorKind::InvalidData, tls)), Served::Long, 0));
        assert!(repeats(&error(std::io::ErrorKind::ConnectionReset.into()), Served::Long, 0));
    }
}
