mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, header};
use reqwest::{Client, Request};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use super::answer::MAX_ERROR_BYTES;
use super::retry::{is_passing, may_repeat};
use super::{Answer, Patience, redacted};
pub use stream::{Incoming, Opened};

/// How many redirects of one request are followed.
const MAX_REDIRECTS: usize = 5;

/// Why there is no answer at all.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("couldn't reach the server: {method} {url}")]
    Transport { method: Method, url: String, source: reqwest::Error },
    #[error("couldn't trust the server's certificate: {method} {url}")]
    Certificate { method: Method, url: String, source: reqwest::Error },
    #[error("couldn't get an answer to {method} {url} within {} s", within.as_secs())]
    TimedOut { method: Method, url: String, within: Duration },
    #[error("couldn't get an answer to {method} {url} before the time for all requests together was over")]
    OutOfTime { method: Method, url: String },
    #[error("couldn't go on with {method} {url}: nothing moved for {} s", idle.as_secs())]
    Stalled { method: Method, url: String, idle: Duration },
    #[error("couldn't read the answer to {method} {url}: it is larger than {limit} bytes")]
    TooLarge { method: Method, url: String, limit: usize },
    #[error("couldn't follow the redirect of {method} {url}: {reason}")]
    Redirect { method: Method, url: String, reason: &'static str },
}

/// What was sent to a server so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests of all kinds, repetitions included.
    pub requests: u64,
    /// Those of them that can change something there.
    pub writes: u64,
}

/// Which requests may be sent again after they could have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repetition {
    /// Those whose method is idempotent.
    ByMethod,
    /// This one, whatever its method.
    Harmless,
}

/// One server: a limit on concurrent requests, patience with its faults, and a count of what it was asked.
#[derive(Debug)]
pub struct Peer {
    client: Client,
    permits: Arc<Semaphore>,
    patience: Patience,
    requests: AtomicU64,
    writes: AtomicU64,
}

impl Peer {
    /// `concurrency` is the number of requests that may be under way at the same time.
    pub fn new(client: Client, concurrency: usize, patience: Patience) -> Self {
        Self { client, permits: Arc::new(Semaphore::new(concurrency)), patience, requests: AtomicU64::new(0), writes: AtomicU64::new(0) }
    }

    /// What was sent so far.
    pub fn traffic(&self) -> Traffic {
        Traffic { requests: self.requests.load(Ordering::Relaxed), writes: self.writes.load(Ordering::Relaxed) }
    }

    /// Sends a request and reads its whole answer, of any status. Passing faults (see [`is_passing`], broken connections) are
    /// repeated as far as patience goes and the method allows. Redirects of GET and HEAD are followed, without the
    /// `Authorization` when they lead to another host. A successful body may have `limit` bytes.
    ///
    /// # Errors
    /// When no answer comes, or one that is too large.
    pub async fn send(&self, request: Request, limit: usize) -> Result<Answer, SendError> {
        self.deliver(request, limit, Repetition::ByMethod).await
    }

    /// Like [`Peer::send`], for a request that may be repeated like a GET whatever its method: one that asks for a token, or sets a
    /// state that it names in full.
    ///
    /// # Errors
    /// When no answer comes, or one that is too large.
    pub async fn ask(&self, request: Request, limit: usize) -> Result<Answer, SendError> {
        self.deliver(request, limit, Repetition::Harmless).await
    }

    async fn deliver(&self, mut request: Request, limit: usize, repetition: Repetition) -> Result<Answer, SendError> {
        let deadline = self.deadline();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.insist(&request, limit, deadline, repetition).await?;
            match redirect(&request, &answer)? {
                None => return Ok(answer),
                Some(next) => request = next,
            }
        }
        Err(SendError::Redirect { method: request.method().clone(), url: redacted(request.url()), reason: "it goes in circles" })
    }

    async fn insist(&self, request: &Request, limit: usize, deadline: Instant, repetition: Repetition) -> Result<Answer, SendError> {
        let mut failures = 0;
        let harmless = repetition == Repetition::Harmless;
        loop {
            let result = match timeout_at(deadline, self.attempt(request, limit)).await {
                Ok(result) => result,
                Err(_) => return Err(self.timed_out(request, deadline)),
            };
            failures += 1;
            let asked = match &result {
                Ok(answer) if is_passing(answer) && (harmless || may_repeat(request.method(), answer.status)) => answer.wait(),
                Err(SendError::Transport { source, .. }) if harmless || request.method().is_idempotent() || source.is_connect() => None,
                _ => return result,
            };
            let wait = self.patience.wait(failures, asked, rand::random());
            if failures >= self.patience.tries || Instant::now() + wait >= deadline {
                return result;
            }
            sleep(wait).await;
        }
    }

    async fn attempt(&self, request: &Request, limit: usize) -> Result<Answer, SendError> {
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        let (method, url) = (request.method().clone(), request.url().clone());
        let Some(copy) = request.try_clone() else {
            return Err(SendError::Redirect { method, url: redacted(&url), reason: "its body is a stream that can't be sent twice" });
        };
        self.count(&method);
        let response = self.client.execute(copy).await.map_err(|source| transport(&method, &url, source))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = match status.is_success() {
            true => read(response, limit, &method, &url).await?,
            false => read_start(response, &method, &url).await?,
        };
        Ok(Answer { method, url, status, headers, body })
    }

    /// When a request that begins now is over.
    fn deadline(&self) -> Instant {
        let own = Instant::now() + self.patience.within;
        self.patience.until.map_or(own, |until| until.min(own))
    }

    fn count(&self, method: &Method) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if !method.is_safe() {
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn timed_out(&self, request: &Request, deadline: Instant) -> SendError {
        let (method, url) = (request.method().clone(), redacted(request.url()));
        match self.patience.until == Some(deadline) {
            true => SendError::OutOfTime { method, url },
            false => SendError::TimedOut { method, url, within: self.patience.within },
        }
    }
}

async fn read(mut response: reqwest::Response, limit: usize, method: &Method, url: &Url) -> Result<Bytes, SendError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|source| transport(method, url, source))? {
        if body.len() + chunk.len() > limit {
            return Err(SendError::TooLarge { method: method.clone(), url: redacted(url), limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// The start of an error's body; the rest is not worth reading.
async fn read_start(mut response: reqwest::Response, method: &Method, url: &Url) -> Result<Bytes, SendError> {
    let mut body = BytesMut::new();
    while body.len() < MAX_ERROR_BYTES {
        match response.chunk().await.map_err(|source| transport(method, url, source))? {
            Some(chunk) => body.extend_from_slice(&chunk),
            None => break,
        }
    }
    body.truncate(MAX_ERROR_BYTES);
    Ok(body.freeze())
}

fn transport(method: &Method, url: &Url, source: reqwest::Error) -> SendError {
    let (method, url, source) = (method.clone(), redacted(url), source.without_url());
    match is_certificate_error(&source) {
        true => SendError::Certificate { method, url, source },
        false => SendError::Transport { method, url, source },
    }
}

/// Whether a connection failed because the server's certificate isn't trusted.
pub fn is_certificate_error(error: &(dyn std::error::Error + 'static)) -> bool {
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    let is_rustls = |e: &(dyn std::error::Error + 'static)| matches!(e.downcast_ref(), Some(rustls::Error::InvalidCertificate(_)));
    if is_rustls(error) || wrapped.is_some_and(|inner| is_certificate_error(inner)) {
        return true;
    }
    error.source().is_some_and(is_certificate_error)
}

/// The request that a redirect asks for; `None` when the answer is none.
fn redirect(request: &Request, answer: &Answer) -> Result<Option<Request>, SendError> {
    let fail = |reason| SendError::Redirect { method: request.method().clone(), url: redacted(request.url()), reason };
    let moved = matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308);
    if !moved || !request.method().is_safe() {
        return Ok(None);
    }
    let location = answer.header(header::LOCATION).ok_or_else(|| fail("it names no place"))?;
    let next = request.url().join(location).map_err(|_| fail("its place is not a URL"))?;
    match (request.url().scheme(), next.scheme()) {
        (_, "https") | ("http", "http") => {}
        _ => return Err(fail("it leaves HTTPS")),
    }
    let mut again = request.try_clone().ok_or_else(|| fail("its body is a stream"))?;
    if request.url().origin() != next.origin() {
        again.headers_mut().remove(header::AUTHORIZATION);
        again.headers_mut().remove(header::COOKIE);
    }
    *again.url_mut() = next;
    Ok(Some(again))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, StatusCode};

    fn follow(from: &str, status: u16, location: &'static str) -> Result<Option<(String, bool)>, String> {
        let mut request = Request::new(Method::GET, from.parse().unwrap());
        request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        let headers = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_static(location))]);
        let status = StatusCode::from_u16(status).unwrap();
        let answer = Answer { method: Method::GET, url: request.url().clone(), status, headers, body: Bytes::new() };
        let next = redirect(&request, &answer).map_err(|error| error.to_string())?;
        Ok(next.map(|next| (next.url().to_string(), next.headers().contains_key(header::AUTHORIZATION))))
    }

    /// Trap: a redirect takes the token to another host.
    #[test]
    fn authorization_never_crosses_hosts() {
        let same = follow("https://r.example/v2/", 307, "/elsewhere").unwrap().unwrap();
        assert_eq!(same, ("https://r.example/elsewhere".to_owned(), true));
        let other = follow("https://r.example/v2/", 302, "https://cdn.example/x").unwrap().unwrap();
        assert_eq!(other, ("https://cdn.example/x".to_owned(), false));
        let port = follow("http://127.0.0.1:5000/v2/", 302, "http://127.0.0.1:5001/x").unwrap().unwrap();
        assert!(!port.1, "another port is another server");
        assert!(follow("https://r.example/v2/", 302, "http://r.example/x").is_err(), "nor does it leave HTTPS");
        assert_eq!(follow("https://r.example/v2/", 200, "/x"), Ok(None));
    }
}
