//! One request and its answer: time limits, retries, warnings, counting. Everything else of the adapter goes through here.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::time::Instant;

use super::bearer::Bearer;
use super::error::Error;
use super::refusal::{self, bounded};
use super::retry::{self, Again};
use crate::http::{is_certificate_error, is_loopback_host};

/// How long one request may take; admission webhooks may take 30 s of it.
const REQUEST: Duration = Duration::from_secs(60);
/// How long a call without a deadline of its own may take, all its retries included.
const CALL: Duration = Duration::from_secs(60);
/// What is read of an answer: the API server's own limit for an object is 3 MiB, a page of a list has 500.
const LARGEST_ANSWER: usize = 256 << 20;
const LARGEST_REFUSAL: usize = 64 << 10;

/// One thing to ask the server, as often as it takes.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub method: Method,
    /// Path and query.
    pub target: String,
    pub content_type: Option<&'static str>,
    pub body: Bytes,
    pub privacy: Privacy,
    pub served: Served,
    pub guard: Guard,
}

/// Whether the server's words may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Privacy {
    Open,
    /// The request is about a Secret: messages may quote its values.
    Secret,
}

/// Whether the API that is called is known to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Served {
    Long,
    /// Its definition was created a moment ago: servers need time to learn of it.
    JustDefined,
}

/// Whether the request holds only for one state of the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    None,
    /// By a resource version or a uid: when that has passed, the same request can't succeed any more.
    Precondition,
}

impl Call {
    pub(super) fn get(target: String) -> Self {
        Self {
            method: Method::GET,
            target,
            content_type: None,
            body: Bytes::new(),
            privacy: Privacy::Open,
            served: Served::Long,
            guard: Guard::None,
        }
    }

    pub(super) fn json(method: Method, target: String, body: &Value) -> Self {
        // Values of JSON always have a text.
        let body = Bytes::from(body.to_string());
        Self { method, content_type: Some("application/json"), body, ..Self::get(target) }
    }

    pub(super) fn path(&self) -> String {
        self.target.split('?').next().unwrap_or_default().to_owned()
    }

    fn request(&self) -> Result<Request<Body>, Error> {
        let mut request = Request::builder().method(&self.method).uri(&self.target).header("accept", "application/json");
        if let Some(content_type) = self.content_type {
            request = request.header("content-type", content_type);
        }
        request.body(Body::from(self.body.clone())).map_err(|cause| self.malformed(cause))
    }

    fn malformed(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::Malformed { method: self.method.clone(), path: self.path(), source: cause.into() }
    }
}

/// The connection that all calls share.
pub(super) struct Wire {
    client: kube::Client,
    bearer: Option<Bearer>,
    /// `https://host:port`, as errors name it.
    server: String,
    loopback: bool,
    sent: AtomicUsize,
    /// Whether the server has ever answered: one that never did is more likely misspelt than restarting.
    reached: AtomicBool,
    warnings: Mutex<BTreeSet<String>>,
}

impl Wire {
    pub(super) fn new(config: kube::Config, bearer: Option<Bearer>) -> Result<Self, Error> {
        let url = config.cluster_url.clone();
        let server = format!("{}://{}", url.scheme_str().unwrap_or("https"), url.authority().map(without_user).unwrap_or_default());
        let client = kube::Client::try_from(config).map_err(|cause| Error::Setup { server: server.clone(), source: cause.into() })?;
        Ok(Self {
            client,
            bearer,
            server,
            loopback: is_loopback_host(url.host().unwrap_or_default()),
            sent: AtomicUsize::new(0),
            reached: AtomicBool::new(false),
            warnings: Mutex::default(),
        })
    }

    /// Requests sent so far, repeated ones counted each time.
    pub(super) fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    /// What the server has warned about so far, each text once.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Asks until there is an answer that repeating wouldn't change, and reads it whole.
    pub(super) async fn call(&self, call: &Call, deadline: Option<Instant>) -> Result<Bytes, Error> {
        self.repeat(deadline, call, |left| async move {
            let response = self.send(call, left).await?;
            let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect();
            let body = tokio::time::timeout(left, body).await.map_err(|_| self.silent(call, left))?;
            body.map(|body| body.to_bytes()).map_err(|source| self.unreachable(source))
        })
        .await
    }

    /// As [`Self::call`], for an answer in JSON.
    pub(super) async fn value(&self, call: &Call, deadline: Option<Instant>) -> Result<Value, Error> {
        let body = self.call(call, deadline).await?;
        serde_json::from_slice(&body).map_err(|cause| call.malformed(cause))
    }

    /// Opens an answer that goes on and on; only its beginning is bounded in time.
    pub(super) async fn stream(&self, call: &Call, deadline: Option<Instant>) -> Result<Body, Error> {
        self.repeat(deadline, call, |left| async move { Ok(self.send(call, left).await?.into_body()) }).await
    }

    async fn repeat<T, F: Future<Output = Result<T, Error>>>(
        &self,
        deadline: Option<Instant>,
        call: &Call,
        attempt: impl Fn(Duration) -> F,
    ) -> Result<T, Error> {
        let begun = Instant::now();
        let deadline = deadline.unwrap_or(begun + CALL);
        let mut number = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).min(REQUEST);
            let error = match attempt(left).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let state = retry::State {
                number,
                elapsed: begun.elapsed(),
                reached: self.reached.load(Ordering::Relaxed),
                served: call.served,
                guard: call.guard,
            };
            match retry::again(&error, &state) {
                Again::After(pause) if Instant::now() + pause < deadline => tokio::time::sleep(pause).await,
                _ => return Err(error),
            }
            number += 1;
        }
    }

    /// One attempt: sends, and turns an answer that isn't a success into an error. A token that the server doesn't take any more is
    /// replaced by a fresh one, once.
    async fn send(&self, call: &Call, left: Duration) -> Result<Response<Body>, Error> {
        let until = Instant::now() + left;
        let token = self.token(call, until).await?;
        let response = self.send_as(call, token.as_ref(), until).await;
        match (&self.bearer, &token, &response) {
            (Some(bearer), Some(token), Err(Error::Refused(refusal))) if refusal.status == 401 => {
                bearer.refused(token).await;
                let fresh = self.token(call, until).await?;
                self.send_as(call, fresh.as_ref(), until).await
            }
            _ => response,
        }
    }

    async fn token(&self, call: &Call, until: Instant) -> Result<Option<SecretString>, Error> {
        let Some(bearer) = &self.bearer else { return Ok(None) };
        let left = until.saturating_duration_since(Instant::now());
        tokio::time::timeout_at(until, bearer.token()).await.map_err(|_| self.silent(call, left))?
    }

    async fn send_as(&self, call: &Call, token: Option<&SecretString>, until: Instant) -> Result<Response<Body>, Error> {
        let mut request = call.request()?;
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).map_err(|cause| call.malformed(cause))?;
            value.set_sensitive(true);
            request.headers_mut().insert(http::header::AUTHORIZATION, value);
        }
        let left = until.saturating_duration_since(Instant::now());
        self.sent.fetch_add(1, Ordering::Relaxed);
        let answer = tokio::time::timeout(left, self.client.send(request)).await;
        let response = answer.map_err(|_| self.silent(call, left))?.map_err(|source| self.unreachable(source))?;
        self.reached.store(true, Ordering::Relaxed);
        self.note_warnings(response.headers());
        if response.status().is_success() {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LARGEST_REFUSAL).collect();
        // The status says enough when the body can't be had.
        let body = match tokio::time::timeout(left, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            _ => Bytes::new(),
        };
        Err(Error::Refused(Box::new(refusal::read(call, head.status, &head.headers, &body))))
    }

    fn note_warnings(&self, headers: &HeaderMap) {
        let texts = headers.get_all(http::header::WARNING).iter().filter_map(|value| value.to_str().ok()).filter_map(warning);
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).extend(texts);
    }

    fn silent(&self, call: &Call, after: Duration) -> Error {
        Error::NoAnswer { method: call.method.clone(), path: call.path(), after }
    }

    pub(super) fn unreachable(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        let (server, source) = (self.server.clone(), source.into());
        match is_certificate_error(&*source) {
            true => Error::Untrusted { server, source },
            false => Error::Unreachable { server, loopback: self.loopback, source },
        }
    }
}

fn without_user(authority: &http::uri::Authority) -> String {
    let text = authority.as_str();
    text.rsplit('@').next().unwrap_or(text).to_owned()
}

/// The text of a `Warning` header (`299 - "text"`, RFC 7234 section 5.5; Kubernetes sends code 299 only).
fn warning(header: &str) -> Option<String> {
    let quoted = header.splitn(3, ' ').nth(2)?.trim();
    let text = quoted.strip_prefix('"')?;
    let mut unquoted = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => unquoted.extend(characters.next()),
            '"' => break,
            other => unquoted.push(other),
        }
    }
    Some(bounded(&unquoted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_warning_headers() {
        assert_eq!(warning(r#"299 - "policy/v1beta1 is \"old\"""#).as_deref(), Some(r#"policy/v1beta1 is "old""#));
        assert_eq!(warning("nonsense"), None);
    }
}
