use std::time::Duration;

use http::{Method, StatusCode, header};
use tokio::time::Instant;

use super::Answer;

/// How long to insist when a server is busy or broken.
#[derive(Debug, Clone)]
pub struct Patience {
    /// How often one request is sent at most.
    pub tries: u32,
    /// The wait after the first failure; it doubles each time.
    pub first_wait: Duration,
    /// The longest wait between two tries, also when the server asks for more.
    pub longest_wait: Duration,
    /// The deadline for all tries of one request together, waits included.
    pub within: Duration,
    /// How long a body may stand still, on its way here or there; also how long a server may take to store one once it has all of it.
    pub idle: Duration,
    /// The moment after which nothing is waited for any more: one deadline for many requests.
    pub until: Option<Instant>,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 5,
            first_wait: Duration::from_millis(250),
            longest_wait: Duration::from_secs(60),
            within: Duration::from_secs(180),
            idle: Duration::from_secs(180),
            until: None,
        }
    }
}

impl Patience {
    /// The wait before the next try. `failures` counts from 1; `asked` is the server's Retry-After; `chance` is in `0.0..1.0`
    /// and spreads requests that failed together.
    pub fn wait(&self, failures: u32, asked: Option<Duration>, chance: f64) -> Duration {
        let doubled = self.first_wait.saturating_mul(1 << failures.saturating_sub(1).min(16));
        match asked {
            Some(asked) => asked.min(self.longest_wait) + self.first_wait.mul_f64(chance),
            None => doubled.min(self.longest_wait).mul_f64(0.5 + chance / 2.0),
        }
    }
}

/// Whether the same request may succeed a little later, by what the server answered.
///
/// GHCR (and GitHub's API) says 403 instead of 429 when it limits the rate; only the body tells, or, for HEAD, that there is
/// a Retry-After.
pub fn is_passing(answer: &Answer) -> bool {
    match answer.status.as_u16() {
        408 | 429 | 500 | 502..=504 => true,
        403 => answer.headers.contains_key(header::RETRY_AFTER) || is_rate_limit(&answer.body),
        _ => false,
    }
}

/// Whether a body says that requests came too fast.
pub fn is_rate_limit(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    text.contains("rate limit") || text.contains("toomanyrequests")
}

/// Whether a request may be repeated after an answer that [`is_passing`]. What isn't idempotent is repeated only when the server says that
/// it didn't look at it: 429, 503, and the 403 that limits the rate.
pub(super) fn may_repeat(method: &Method, status: StatusCode) -> bool {
    let unseen = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE, StatusCode::FORBIDDEN];
    method.is_idempotent() || unseen.contains(&status)
}

/// The wait that a Retry-After header asks for: seconds or a date (RFC 9110 §10.2.3).
pub(super) fn retry_after(value: &str, now: jiff::Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_are_spread_and_never_exceed_the_cap() {
        let patience = Patience::default();
        let waits: Vec<_> = (1..=10).map(|n| (patience.wait(n, None, 0.0).as_millis(), patience.wait(n, None, 1.0).as_millis())).collect();
        assert_eq!(waits[..3], [(125, 250), (250, 500), (500, 1000)]);
        assert_eq!(waits[9], (30_000, 60_000));
        assert_eq!(patience.wait(1, Some(Duration::from_secs(7)), 0.0), Duration::from_secs(7), "what the server asks for");
        assert_eq!(patience.wait(1, Some(Duration::from_secs(9999)), 0.0), Duration::from_secs(60), "but not for ever");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        let table = [
            ("12", Some(12)),
            ("Fri, 02 Jan 2026 03:05:05 GMT", Some(60)),
            ("Fri, 02 Jan 2026 03:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ];
        for (value, seconds) in table {
            assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn a_403_passes_only_when_it_is_a_rate_limit() {
        let passes = |status: u16, retry_after: Option<&'static str>, body: &'static str| {
            let headers = retry_after.map(|value| (header::RETRY_AFTER, http::HeaderValue::from_static(value)));
            is_passing(&Answer {
                method: Method::GET,
                url: "https://r.example/".parse().unwrap(),
                status: StatusCode::from_u16(status).unwrap(),
                headers: headers.into_iter().collect(),
                body: bytes::Bytes::from_static(body.as_bytes()),
            })
        };
        assert!(passes(403, None, "You have exceeded a secondary rate limit"));
        assert!(passes(403, Some("60"), ""));
        assert!(!passes(403, None, r#"{"errors":[{"code":"DENIED"}]}"#));
        assert!(passes(429, None, "") && passes(502, None, ""));
        assert!(!passes(404, None, "") && !passes(501, None, ""));
        assert!(may_repeat(&Method::POST, StatusCode::FORBIDDEN));
        assert!(!may_repeat(&Method::POST, StatusCode::BAD_GATEWAY) && may_repeat(&Method::PUT, StatusCode::BAD_GATEWAY));
    }
}
