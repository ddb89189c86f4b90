//! Adapter for Gitea's API, which Forgejo speaks too: repositories and pull requests.
//!
//! Answers are read into small structs that hold only what is used: typed models made for GitHub fail on them, after the server has
//! acted. Names of operations in comments are those of Gitea's own description (`/swagger.v1.json`).

mod closing;
mod compare;
mod draft;
mod error;
mod labels;
mod merging;
mod pulls;

use std::sync::Arc;

use http::{HeaderValue, Method, header};
use reqwest::Request;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

pub use error::{Error, RIGHTS};

use crate::github::{Repository, Slug};
use crate::http::{Answer, Patience, Peer};

/// Requests under way to one server at the same time.
const CONCURRENCY: usize = 8;
const MAX_BODY: usize = 32 * 1024 * 1024;
/// The page that is asked for; servers give less when they are set up so (`MAX_RESPONSE_ITEMS`, 50 by default).
const PAGE: usize = 50;
const MAX_PAGES: usize = 200;

/// A client of one API server with one token.
#[derive(Debug, Clone)]
pub struct Client {
    peer: Arc<Peer>,
    api: Url,
    token: Option<HeaderValue>,
}

/// Whether a request may be sent again when it is not known to have had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeat {
    /// It sets a state: twice is the same as once.
    Safe,
    /// Sending twice would do it twice.
    Never,
}

impl Client {
    /// `api` is the base address: `https://host/api/v1`.
    ///
    /// # Errors
    /// When the token can't be used in a request.
    pub fn new(http: reqwest::Client, api: &Url, token: Option<SecretString>) -> Result<Self, Error> {
        let header = |token: SecretString| {
            let mut value = HeaderValue::from_str(&format!("token {}", token.expose_secret())).map_err(|_| Error::Token)?;
            value.set_sensitive(true);
            Ok(value)
        };
        let token = token.map(header).transpose()?;
        Ok(Self { peer: Arc::new(Peer::new(http, CONCURRENCY, Patience::default())), api: api.clone(), token })
    }

    /// Looks a repository up (`repoGet`).
    ///
    /// # Errors
    /// When there is none that the token may see, or the server can't be reached.
    pub async fn repository(&self, slug: &Slug) -> Result<Repository, Error> {
        self.get(&format!("look up {slug}"), self.url(&format!("/repos/{slug}"))).await
    }

    /// The URL of a path of the API.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.api.clone();
        url.set_path(&format!("{}{path}", self.api.path().trim_end_matches('/')));
        url
    }

    pub(super) fn sign(&self, request: &mut Request) {
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = &self.token {
            request.headers_mut().insert(header::AUTHORIZATION, token.clone());
        }
    }

    async fn get<T: DeserializeOwned>(&self, what: &str, url: Url) -> Result<T, Error> {
        let answer = self.send(what, Request::new(Method::GET, url), Repeat::Safe).await?;
        read(what, &answer)
    }

    /// All pages of a list.
    async fn list<T: DeserializeOwned>(&self, what: &str, url: Url) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        for page in 1..=MAX_PAGES {
            let mut url = url.clone();
            url.query_pairs_mut().append_pair("limit", &PAGE.to_string()).append_pair("page", &page.to_string());
            let answer = self.send(what, Request::new(Method::GET, url), Repeat::Safe).await?;
            let items: Vec<T> = read(what, &answer)?;
            all.extend(items);
            if !answer.header(header::LINK).is_some_and(|links| links.contains("rel=\"next\"")) {
                return Ok(all);
            }
        }
        Err(Error::TooMany { what: what.to_owned(), most: all.len() })
    }

    async fn write<T: DeserializeOwned>(
        &self,
        what: &str,
        method: Method,
        url: Url,
        body: &impl Serialize,
        repeat: Repeat,
    ) -> Result<T, Error> {
        let answer = self.send(what, with_body(what, method, url, body)?, repeat).await?;
        read(what, &answer)
    }

    /// For answers whose status says it all.
    async fn post(&self, what: &str, url: Url, body: &impl Serialize, repeat: Repeat) -> Result<Answer, Error> {
        self.send(what, with_body(what, Method::POST, url, body)?, repeat).await
    }

    async fn send(&self, what: &str, mut request: Request, repeat: Repeat) -> Result<Answer, Error> {
        self.sign(&mut request);
        let sent = match repeat {
            Repeat::Safe => self.peer.ask(request, MAX_BODY).await,
            Repeat::Never => self.peer.send(request, MAX_BODY).await,
        };
        let answer = sent.map_err(|source| Error::Send { what: what.to_owned(), source })?;
        match answer.status.is_success() {
            true => Ok(answer),
            false => Err(Error::Refused { what: what.to_owned(), refusal: refusal(&answer) }),
        }
    }
}

fn with_body(what: &str, method: Method, url: Url, body: &impl Serialize) -> Result<Request, Error> {
    let bytes = serde_json::to_vec(body).map_err(|source| Error::Answer { what: what.to_owned(), source })?;
    let mut request = Request::new(method, url);
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *request.body_mut() = Some(bytes.into());
    Ok(request)
}

fn read<T: DeserializeOwned>(what: &str, answer: &Answer) -> Result<T, Error> {
    serde_json::from_slice(&answer.body).map_err(|source| Error::Answer { what: what.to_owned(), source })
}

/// What the server said. Its errors are `{"message": …, "url": …}`, the url being that of the documentation.
fn refusal(answer: &Answer) -> Box<crate::http::Refusal> {
    #[derive(serde::Deserialize)]
    struct Body {
        message: String,
    }
    let mut refusal = answer.refusal();
    if let Ok(body) = serde_json::from_slice::<Body>(&answer.body) {
        refusal.message = body.message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(1_000).collect();
    }
    refusal
}
