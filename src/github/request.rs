//! One request: sent, repeated where that is safe, its answer read and bounded.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Client, Error, graphql};

const TRIES: u32 = 4;
/// A server that wants a longer pause than this is not waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Whether a request may be sent again when it is not known to have had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Safe,
    /// Sending twice would do it twice.
    Never,
}

pub(super) fn check_token(token: &SecretString) -> Result<(), Error> {
    HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).map(drop).map_err(|_| Error::Token)
}

impl Client {
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.request::<(), T>("GET", path, None, Repeat::Safe).await
    }

    /// Changes something to a given state: doing it twice is the same as once.
    pub(super) async fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        self.request("PATCH", path, Some(body), Repeat::Safe).await
    }

    /// Adds members to a set: doing it twice is the same as once.
    pub(super) async fn add(&self, path: &str, body: &impl Serialize) -> Result<(), Error> {
        self.request::<_, serde_json::Value>("POST", path, Some(body), Repeat::Safe).await.map(drop)
    }

    /// As [`Client::add`], with an answer to read.
    pub(super) async fn add_for<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        self.request("POST", path, Some(body), Repeat::Safe).await
    }

    /// Makes something new; sent again only when the server says that it did not take the request.
    pub(super) async fn create<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        self.request("POST", path, Some(body), Repeat::Never).await
    }

    async fn request<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&B>,
        repeat: Repeat,
    ) -> Result<T, Error> {
        let mut tried = 1;
        loop {
            let (error, pause) = match self.once(method, path, body).await {
                Ok((status, _, text)) if status.is_success() => return self.read(method, path, &text),
                Ok((status, headers, text)) => {
                    let pause = pause_after(status, &headers, &text, repeat, tried);
                    let answer = serde_json::from_slice(&text).unwrap_or_default();
                    (Error::Status { host: self.host.clone(), method, path: path.to_owned(), status: status.as_u16(), answer }, pause)
                }
                Err(error) => (error, (repeat == Repeat::Safe).then(|| backoff(tried))),
            };
            match pause {
                Some(pause) if tried < TRIES && pause <= LONGEST_PAUSE => tokio::time::sleep(pause).await,
                _ => return Err(error),
            }
            tried += 1;
        }
    }

    async fn once<B: Serialize + ?Sized>(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&B>,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), Error> {
        let fail = |source| Error::Unreachable { host: self.host.clone(), method, path: path.to_owned(), source: Box::new(source) };
        let name = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
        let builder = http::Request::builder().method(name).uri(path).header(http::header::ACCEPT, "application/vnd.github+json");
        let client = if path == graphql::PATH { &self.graphql } else { &self.octocrab };
        let request = client.build_request(builder, body).map_err(fail)?;
        let response = client.execute(request).await.map_err(fail)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = client.body_to_string(response).await.map_err(fail)?;
        Ok((status, headers, text.into_bytes()))
    }

    /// Reads a part of a query's answer.
    pub(super) fn parsed<T: DeserializeOwned>(&self, value: serde_json::Value) -> Result<T, Error> {
        let fail = |source| Error::Answer { host: self.host.clone(), method: "POST", path: graphql::PATH.to_owned(), source };
        serde_json::from_value(value).map_err(fail)
    }

    fn read<T: DeserializeOwned>(&self, method: &'static str, path: &str, text: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(text).map_err(|source| Error::Answer { host: self.host.clone(), method, path: path.to_owned(), source })
    }
}

/// How long to wait before the same request, if it may be sent again: always when the server refused it for its rate limits (GitHub
/// docs, "Rate limits for the REST API": 429 or 403 with `retry-after` or `x-ratelimit-remaining: 0`), else for servers in trouble.
fn pause_after(status: StatusCode, headers: &HeaderMap, body: &[u8], repeat: Repeat, tried: u32) -> Option<Duration> {
    let number = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).and_then(|value| value.parse::<u64>().ok());
    let is_limit = status == StatusCode::TOO_MANY_REQUESTS
        || (status == StatusCode::FORBIDDEN
            && (headers.contains_key(RETRY_AFTER)
                || number("x-ratelimit-remaining") == Some(0)
                || String::from_utf8_lossy(body).contains("secondary rate limit")));
    if is_limit {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
        let reset = number("x-ratelimit-reset").filter(|_| number("x-ratelimit-remaining") == Some(0)).map(|at| at.saturating_sub(now) + 1);
        return Some(number(RETRY_AFTER.as_str()).or(reset).map_or_else(|| backoff(tried) * 4, Duration::from_secs));
    }
    // A pull request that has just been opened is not known to all of GitHub's servers at once.
    let is_unknown_yet =
        status == StatusCode::UNPROCESSABLE_ENTITY && String::from_utf8_lossy(body).contains("Could not resolve to a node");
    ((status.is_server_error() || is_unknown_yet) && repeat == Repeat::Safe).then(|| backoff(tried))
}

/// Half a second, doubled each time, with jitter so that many runs do not come back together.
fn backoff(tried: u32) -> Duration {
    let full = 500 * 2_u64.pow(tried.min(6) - 1);
    Duration::from_millis(rand::random_range(full / 2..=full))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_rate_limit_is_waited_for_and_a_missing_permission_is_not() {
        let pause = |status: StatusCode, pairs: &[_], repeat| pause_after(status, &headers(pairs), b"{}", repeat, 1);
        assert_eq!(pause(StatusCode::FORBIDDEN, &[("retry-after", "7")], Repeat::Never), Some(Duration::from_secs(7)));
        assert_eq!(pause(StatusCode::FORBIDDEN, &[], Repeat::Safe), None);
        assert!(pause(StatusCode::TOO_MANY_REQUESTS, &[], Repeat::Never).is_some());
        assert!(pause(StatusCode::BAD_GATEWAY, &[], Repeat::Safe).is_some());
        assert_eq!(pause(StatusCode::BAD_GATEWAY, &[], Repeat::Never), None, "a pull request may have been opened");
    }
}
