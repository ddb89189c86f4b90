//! What every fetch and push has: the shared HTTP client with git's rules for requests (gitprotocol-http(5)), a deadline, and the reason
//! of a failure, which streams can't carry.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use super::exchange::Exchange;
use super::{Error, Login, Remote, SshAddress};
use crate::http::is_loopback;

/// The user name that GitHub and the servers that follow it expect beside a token.
const USER: &str = "x-access-token";
/// How much of an error's body is shown.
const BODY_LIMIT: usize = 2_000;
const MAX_REDIRECTS: usize = 5;

/// What one fetch or push needs to speak with a server, and where it leaves the reason when that fails.
pub(super) struct Session {
    client: reqwest::Client,
    runtime: Handle,
    origin: Option<Url>,
    token: Option<SecretString>,
    ssh: Option<(SshAddress, Login)>,
    limit: Duration,
    deadline: Instant,
    cancelled: watch::Receiver<()>,
    /// The address after redirects of the first request; later requests go straight there.
    moved: Mutex<Option<Url>>,
    failure: Mutex<Option<Error>>,
}

/// The operation goes on as long as this lives.
pub(super) struct Alive(#[allow(dead_code)] watch::Sender<()>);

impl Session {
    pub(super) fn new(client: reqwest::Client, login: Login, remote: &Remote, limit: Duration) -> (Alive, Arc<Self>) {
        let (sender, cancelled) = watch::channel(());
        let (origin, token) = match remote {
            Remote::Http { url, token } => (Some(url.clone()), token.clone()),
            Remote::Ssh(_) | Remote::Folder(_) => (None, None),
        };
        let ssh = match remote {
            Remote::Ssh(address) => Some((address.clone(), login)),
            Remote::Http { .. } | Remote::Folder(_) => None,
        };
        let session = Self {
            client,
            runtime: Handle::current(),
            origin,
            token,
            ssh,
            limit,
            deadline: Instant::now() + limit,
            cancelled,
            moved: Mutex::default(),
            failure: Mutex::default(),
        };
        (Alive(sender), Arc::new(session))
    }

    /// Where a repository was found after redirects.
    pub(super) fn address(&self, repository: &str) -> String {
        let moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        moved.as_ref().map_or_else(|| repository.to_owned(), Url::to_string)
    }

    /// The server and the login of an operation over SSH.
    pub(super) fn ssh(&self) -> Option<(SshAddress, Login)> {
        self.ssh.clone()
    }

    /// Waits for a network step on this (blocking) thread; ends early when the operation is given up or out of time.
    pub(super) fn wait<T>(&self, method: &'static str, url: &Url, step: impl Future<Output = reqwest::Result<T>>) -> Result<T, Error> {
        let result = self.bounded(method, url.as_str(), step)?;
        result.map_err(|source| Error::Unreachable { method, url: url.to_string(), source: source.without_url() })
    }

    /// As [`Session::wait`], of any step.
    pub(super) fn bounded<T>(&self, method: &'static str, remote: &str, step: impl Future<Output = T>) -> Result<T, Error> {
        let mut cancelled = self.cancelled.clone();
        self.runtime.block_on(async {
            tokio::select! {
                result = step => Ok(result),
                _ = cancelled.changed() => Err(Error::Aborted { remote: remote.to_owned() }),
                () = tokio::time::sleep_until(self.deadline) => Err(Error::TimedOut { method, url: remote.to_owned(), limit: self.limit }),
            }
        })
    }

    /// Sends one request, follows redirects that stay on the host (of `GET` only, as git does), and checks the answer.
    pub(super) fn send(&self, repository: &str, exchange: &Exchange) -> Result<Response, Error> {
        let moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let base = match moved {
            Some(url) => url,
            None => parse(repository)?,
        };
        let suffix = exchange.suffix();
        let mut url = parse(&format!("{}{suffix}", base.as_str().trim_end_matches('/')))?;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.request(&url, exchange)?;
            match (response.status().is_redirection(), exchange.method()) {
                (true, "GET") => url = self.redirected(&url, &response, &suffix)?,
                (true, _) => return Err(Error::Redirected { url: url.to_string(), to: location(&response) }),
                (false, _) => return self.checked(&url, exchange, response),
            }
        }
        Err(Error::Redirected { url: base.to_string(), to: url.to_string() })
    }

    fn request(&self, url: &Url, exchange: &Exchange) -> Result<Response, Error> {
        let service = exchange.service().name();
        let request = match exchange.request() {
            None => self.client.request(Method::GET, url.clone()).header(ACCEPT, format!("application/x-{service}-advertisement, */*")),
            Some(body) => self
                .client
                .request(Method::POST, url.clone())
                .header(CONTENT_TYPE, format!("application/x-{service}-request"))
                .header(ACCEPT, format!("application/x-{service}-result"))
                .body(body),
        };
        let request = match exchange.service().version() {
            Some(version) => request.header("Git-Protocol", version),
            None => request,
        };
        let request = match &self.token {
            Some(token) => {
                self.may_carry_token(url)?;
                request.basic_auth(USER, Some(token.expose_secret()))
            }
            None => request,
        };
        self.wait(exchange.method(), url, request.header(CACHE_CONTROL, HeaderValue::from_static("no-cache")).send())
    }

    /// A token goes only to the host that was given, and never over a readable connection to another machine.
    fn may_carry_token(&self, url: &Url) -> Result<(), Error> {
        if self.origin.as_ref().is_none_or(|origin| !same_host(origin, url)) {
            return Err(Error::Redirected { url: self.origin.as_ref().map_or_else(String::new, Url::to_string), to: url.to_string() });
        }
        if url.scheme() != "https" && !is_loopback(url) {
            return Err(Error::PlainText { url: url.to_string() });
        }
        Ok(())
    }

    fn redirected(&self, from: &Url, response: &Response, suffix: &str) -> Result<Url, Error> {
        let to = location(response);
        let refuse = || Error::Redirected { url: from.to_string(), to: to.clone() };
        let next = from.join(&to).map_err(|_| refuse())?;
        let base = next.as_str().strip_suffix(suffix).and_then(|base| Url::parse(base).ok());
        match base {
            Some(base) if same_host(from, &next) && next.username().is_empty() && next.password().is_none() => {
                *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Some(base);
                Ok(next)
            }
            _ => Err(refuse()),
        }
    }

    fn checked(&self, url: &Url, exchange: &Exchange, mut response: Response) -> Result<Response, Error> {
        let (method, shown, status) = (exchange.method(), url.to_string(), response.status());
        if status == StatusCode::OK {
            let expected = exchange.content_type();
            let found = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            return if found.eq_ignore_ascii_case(&expected) { Ok(response) } else { Err(Error::NotGit { url: shown }) };
        }
        let mut body = Vec::new();
        while body.len() < BODY_LIMIT {
            match self.wait(method, url, response.chunk()) {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                // The status says more than a body that broke off.
                Ok(None) | Err(_) => break,
            }
        }
        body.truncate(BODY_LIMIT);
        let body = printable(&body);
        Err(match status {
            StatusCode::UNAUTHORIZED => Error::Unauthorized { url: shown, token_sent: self.token.is_some() },
            StatusCode::FORBIDDEN => Error::Forbidden { method, url: shown, body },
            StatusCode::NOT_FOUND => Error::NotFound { url: shown },
            _ => Error::Status { method, url: shown, status: status.as_u16(), body },
        })
    }

    pub(super) fn note(&self, error: Error) -> io::Error {
        let told = io::Error::other(error.to_string());
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        told
    }

    /// The result of the operation: where a stream broke, the reason that was noted then.
    pub(super) fn finish<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(failure) if result.is_err() => Err(failure),
            _ => result,
        }
    }
}

fn parse(url: &str) -> Result<Url, Error> {
    Url::parse(url).map_err(|_| Error::NotGit { url: url.to_owned() })
}

fn same_host(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme() && one.host_str() == other.host_str() && one.port_or_known_default() == other.port_or_known_default()
}

fn location(response: &Response) -> String {
    response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("nowhere").to_owned()
}

/// Text of a server as it can be shown: no control characters, trimmed.
pub(super) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split(['\n', '\r']).map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>());
    lines.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}
