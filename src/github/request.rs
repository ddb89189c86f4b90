//! One request: sent, repeated where that is safe, its answer read and bounded.

use std::time::Duration;

use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use octocrab::Octocrab;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::UNRESOLVED;
use super::{ApiError, Client, Error, graphql};

/// What is read of an answer at most. A hundred pull requests take some 3 MB.
const LARGEST: usize = 32 << 20;
const TRIES: u32 = 4;
/// A server that wants a longer pause than this is not waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Whether a request may be sent again when it is not known to have had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    Safe,
    /// Sending twice would do it twice.
    Never,
}

pub(super) fn check_token(token: &SecretString) -> Result<(), Error> {
    HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).map(drop).map_err(|_| Error::Token)
}

/// An answer of any status.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// Whom a request is for and what it asks.
#[derive(Clone, Copy)]
struct Ask<'a> {
    session: &'a Octocrab,
    method: &'static str,
    path: &'a str,
}

impl Client {
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.request::<(), T>(self.rest("GET", path), None, Repeat::Safe).await
    }

    /// As [`Client::get`], with an owner's token for a path that does not name them.
    pub(super) async fn get_as<T: DeserializeOwned>(&self, owner: &str, path: &str) -> Result<T, Error> {
        self.request::<(), T>(Ask { session: &self.session(owner).rest, method: "GET", path }, None, Repeat::Safe).await
    }

    /// Changes something to a given state: doing it twice is the same as once.
    pub(super) async fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        self.request(self.rest("PATCH", path), Some(body), Repeat::Safe).await
    }

    /// Adds members to a set: doing it twice is the same as once.
    pub(super) async fn add(&self, path: &str, body: &impl Serialize) -> Result<(), Error> {
        self.request::<_, Value>(self.rest("POST", path), Some(body), Repeat::Safe).await.map(drop)
    }

    /// As [`Client::add`], with an answer to read.
    pub(super) async fn add_for<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        self.request(self.rest("POST", path), Some(body), Repeat::Safe).await
    }

    /// Makes something new; sent again only when the server says that it did not take the request.
    pub(super) async fn create<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        self.request(self.rest("POST", path), Some(body), Repeat::Never).await
    }

    /// Asks for something to be done once; sent again only when the server says that it did not take the request.
    pub(super) async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        self.request(self.rest("PUT", path), Some(body), Repeat::Never).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<(), Error> {
        self.request::<(), Value>(self.rest("DELETE", path), None, Repeat::Safe).await.map(drop)
    }

    /// Sends a GraphQL document about an owner's repository.
    pub(super) async fn document<T: DeserializeOwned>(&self, owner: &str, document: &Value, repeat: Repeat) -> Result<T, Error> {
        let ask = Ask { session: &self.session(owner).graphql, method: "POST", path: graphql::PATH };
        self.request(ask, Some(document), repeat).await
    }

    /// The token is the one of the owner that the path names.
    fn rest<'a>(&'a self, method: &'static str, path: &'a str) -> Ask<'a> {
        let owner = path.strip_prefix("/repos/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
        Ask { session: &self.session(owner).rest, method, path }
    }

    async fn request<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        ask: Ask<'_>,
        body: Option<&B>,
        repeat: Repeat,
    ) -> Result<T, Error> {
        let mut tried = 1;
        loop {
            let (error, pause) = match self.once(ask, body).await {
                Ok(answer) if answer.status.is_success() => return self.read(ask, &answer.body),
                Ok(answer) => {
                    let pause = pause_after(answer.status, &answer.headers, &answer.body, repeat, tried);
                    (self.refusal(ask, &answer), pause)
                }
                Err(error @ Error::TooLarge { .. }) => (error, None),
                Err(error) => (error, (repeat == Repeat::Safe).then(|| backoff(tried))),
            };
            match pause {
                Some(pause) if tried < TRIES && pause <= LONGEST_PAUSE => tokio::time::sleep(pause).await,
                _ => return Err(error),
            }
            tried += 1;
        }
    }

    async fn once<B: Serialize + ?Sized>(&self, ask: Ask<'_>, body: Option<&B>) -> Result<Answer, Error> {
        let Ask { session, method, path } = ask;
        let (host, path) = (self.host.clone(), path.to_owned());
        let fail = |source: Box<dyn std::error::Error + Send + Sync>| Error::Unreachable { host, method, path, source };
        let name = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
        let builder = http::Request::builder().method(name).uri(ask.path).header(http::header::ACCEPT, "application/vnd.github+json");
        let request = match session.build_request(builder, body) {
            Ok(request) => request,
            Err(error) => return Err(fail(error.into())),
        };
        let response = match session.execute(request).await {
            Ok(response) => response,
            Err(error) => return Err(fail(error.into())),
        };
        let (parts, body) = response.into_parts();
        match Limited::new(body, LARGEST).collect().await {
            Ok(body) => Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes().to_vec() }),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(Error::TooLarge { host: self.host.clone(), method, path: ask.path.to_owned(), limit: LARGEST })
            }
            Err(error) => Err(fail(error)),
        }
    }

    fn refusal(&self, ask: Ask<'_>, answer: &Answer) -> Error {
        let accepted = answer.headers.get("x-accepted-github-permissions").and_then(|value| value.to_str().ok());
        let accepted = accepted.map(|text| text.chars().filter(|c| !c.is_control()).take(200).collect());
        let said: ApiError = serde_json::from_slice(&answer.body).unwrap_or_default();
        let (host, path, status) = (self.host.clone(), ask.path.to_owned(), answer.status.as_u16());
        let limit = limit(answer.status, &answer.headers, &answer.body);
        let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let location = location.filter(|_| answer.status.is_redirection());
        Error::Status { host, method: ask.method, path, status, answer: Box::new(ApiError { accepted, limit, location, ..said }) }
    }

    fn read<T: DeserializeOwned>(&self, ask: Ask<'_>, text: &[u8]) -> Result<T, Error> {
        // 204 has no body.
        let text = if text.is_empty() { b"null" } else { text };
        serde_json::from_slice(text).map_err(|source| self.unreadable(ask, source))
    }

    fn unreadable(&self, ask: Ask<'_>, source: serde_json::Error) -> Error {
        Error::Answer { host: self.host.clone(), method: ask.method, path: ask.path.to_owned(), source }
    }

    /// Reads a part of a query's answer.
    pub(super) fn parsed<T: DeserializeOwned>(&self, value: Value) -> Result<T, Error> {
        let fail = |source| Error::Answer { host: self.host.clone(), method: "POST", path: graphql::PATH.to_owned(), source };
        serde_json::from_value(value).map_err(fail)
    }
}

/// How long the server wants no more requests, if it refused one for its rate limits (GitHub docs, "Rate limits for the REST API": 429 or
/// 403 with `retry-after` or `x-ratelimit-remaining: 0`, else "wait for at least one minute").
fn limit(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Duration> {
    let number = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).and_then(|value| value.parse::<u64>().ok());
    let is_limit = status == StatusCode::TOO_MANY_REQUESTS
        || (status == StatusCode::FORBIDDEN
            && (headers.contains_key(RETRY_AFTER)
                || number("x-ratelimit-remaining") == Some(0)
                || String::from_utf8_lossy(body).contains("secondary rate limit")));
    if !is_limit {
        return None;
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let reset = number("x-ratelimit-reset").filter(|_| number("x-ratelimit-remaining") == Some(0)).map(|at| at.saturating_sub(now) + 1);
    Some(number(RETRY_AFTER.as_str()).or(reset).map_or(Duration::from_secs(60), Duration::from_secs))
}

/// How long to wait before the same request, if it may be sent again: always when the server refused it for its rate limits, else for
/// servers in trouble.
fn pause_after(status: StatusCode, headers: &HeaderMap, body: &[u8], repeat: Repeat, tried: u32) -> Option<Duration> {
    if let Some(pause) = limit(status, headers, body) {
        return Some(pause);
    }
    // A pull request that has just been opened is not known to all of GitHub's servers at once.
    let is_unknown_yet = status == StatusCode::UNPROCESSABLE_ENTITY && String::from_utf8_lossy(body).contains(UNRESOLVED);
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
        assert_eq!(pause(StatusCode::TOO_MANY_REQUESTS, &[], Repeat::Never), Some(Duration::from_secs(60)));
        let secondary = pause_after(StatusCode::FORBIDDEN, &headers(&[]), b"You have exceeded a secondary rate limit", Repeat::Never, 1);
        assert_eq!(secondary, Some(Duration::from_secs(60)));
        assert!(pause(StatusCode::FORBIDDEN, &[("retry-after", "3600")], Repeat::Safe).is_some_and(|pause| pause > LONGEST_PAUSE));
        assert!(pause(StatusCode::BAD_GATEWAY, &[], Repeat::Safe).is_some());
        assert_eq!(pause(StatusCode::BAD_GATEWAY, &[], Repeat::Never), None, "a pull request may have been opened");
    }
}
