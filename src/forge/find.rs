//! Which server a repository is on, and which API that speaks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use reqwest::Request;
use serde::Deserialize;
use tokio::sync::OnceCell;
use url::Url;

use super::{Error, Forge, Hosted, gitea};
use crate::github::{self, Slug, Tokens};
use crate::http::{Patience, Peer, is_loopback};

/// The largest answer to the question that is read; it is a version number.
const MAX_ANSWER: usize = 64 * 1024;

/// The forge that the workflow runs on.
#[derive(Debug, Clone)]
pub struct Home {
    /// Where people see it, as in `GITHUB_SERVER_URL`.
    pub server: Url,
    pub forge: Forge,
}

impl Home {
    /// `api` is the base address of the API, as in `GITHUB_API_URL`. Runners of Gitea and Forgejo set it too; theirs ends in
    /// `/api/v1`.
    ///
    /// # Errors
    /// When the address or the token can't be used in a request.
    pub fn new(http: reqwest::Client, server: Url, api: &Url, tokens: impl Into<Tokens>) -> Result<Self, Error> {
        let tokens = tokens.into();
        let forge = match api.path().trim_end_matches('/').ends_with("/api/v1") {
            true => Forge::Gitea(gitea::Client::new(http, api, tokens.any().cloned())?),
            false => Forge::GitHub(github::Client::new(http, api, tokens)?),
        };
        Ok(Self { server, forge })
    }
}

/// What a server was found to be, once somebody has asked; nothing when it is no forge.
type Recognised = Arc<OnceCell<Option<Forge>>>;

/// All forges of a run. Servers other than home are asked what they are, once each.
#[derive(Debug, Clone)]
pub struct Forges {
    http: reqwest::Client,
    home: Home,
    tokens: Tokens,
    others: Arc<Mutex<HashMap<Url, Recognised>>>,
}

impl Forges {
    /// Nothing is contacted yet. The tokens are for all of them.
    pub fn new(http: reqwest::Client, home: Home, tokens: impl Into<Tokens>) -> Self {
        Self { http, home, tokens: tokens.into(), others: Arc::default() }
    }

    /// A repository of the server that the workflow runs on.
    pub fn at_home(&self, slug: &Slug) -> Hosted {
        Hosted { forge: self.home.forge.clone(), slug: slug.clone() }
    }

    /// The repository with this address; `None` when its server is no forge that is known here.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn find(&self, url: &Url) -> Result<Option<Hosted>, Error> {
        if let Some(slug) = slug_below(&self.home.server, url) {
            return Ok(Some(self.at_home(&slug)));
        }
        // To another machine, a token never goes over a connection that others can read.
        let is_private = url.scheme() == "https" || is_loopback(url);
        let Some((root, slug)) = split(url).filter(|_| is_private) else { return Ok(None) };
        let cell = Arc::clone(self.others.lock().unwrap_or_else(PoisonError::into_inner).entry(root.clone()).or_default());
        let forge = cell.get_or_try_init(|| self.recognise(&root)).await?;
        Ok(forge.clone().map(|forge| Hosted { forge, slug }))
    }

    /// The repository with this path on a host that is reached over SSH: of home, or of github.com. Port and address of SSH say nothing
    /// about a web server, so no other is asked; without a token none would answer.
    ///
    /// # Errors
    /// As [`Forges::find`].
    pub async fn behind_ssh(&self, host: &str, path: &str) -> Result<Option<Hosted>, Error> {
        let Some(url) = page_behind_ssh(&self.home.server, host, path) else { return Ok(None) };
        let token = match slug_below(&self.home.server, &url) {
            Some(slug) => self.tokens.of(&slug.owner),
            None => self.tokens.any(),
        };
        if token.is_none() {
            return Ok(None);
        }
        self.find(&url).await
    }

    /// Gitea and Forgejo tell their version under `/api/v1/version`, servers that hide everything only to those with a token.
    async fn recognise(&self, root: &Url) -> Result<Option<Forge>, Error> {
        if root.host_str() == Some("github.com") {
            let api = Url::parse("https://api.github.com").ok();
            let client = api.map(|api| github::Client::new(self.http.clone(), &api, self.tokens.any().cloned())).transpose()?;
            return Ok(client.map(Forge::GitHub));
        }
        let mut api = root.clone();
        api.set_path(&format!("{}/api/v1", root.path().trim_end_matches('/')));
        let client = gitea::Client::new(self.http.clone(), &api, self.tokens.any().cloned())?;
        let mut question = Request::new(Method::GET, client.url("/version"));
        client.sign(&mut question);
        let patience = Patience { tries: 3, within: Duration::from_secs(30), ..Patience::default() };
        let host = || root.host_str().unwrap_or_default().to_owned();
        let answer = Peer::new(self.http.clone(), 1, patience).send(question, MAX_ANSWER).await;
        let answer = answer.map_err(|source| Error::Unreachable { host: host(), source })?;
        if matches!(answer.status.as_u16(), 429 | 502..=504) {
            return Err(Error::Troubled { host: host(), source: answer.refusal() });
        }
        Ok((answer.status.is_success() && is_version(&answer.body)).then_some(Forge::Gitea(client)))
    }
}

fn is_version(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        version: String,
    }
    serde_json::from_slice(body).is_ok_and(|answer: Answer| !answer.version.is_empty())
}

/// The name of a repository on a known server.
pub fn slug_below(server: &Url, url: &Url) -> Option<Slug> {
    let is_there = server.host_str() == url.host_str() && server.port_or_known_default() == url.port_or_known_default();
    let path = url.path().strip_prefix(server.path().trim_end_matches('/'))?.trim_matches('/');
    let (owner, name) = path.strip_suffix(".git").unwrap_or(path).split_once('/')?;
    (is_there && !name.contains('/')).then(|| Slug { owner: owner.to_owned(), name: name.to_owned() })
}

/// The page of a repository that is reached over SSH, when its host is that of home or github.com.
pub fn page_behind_ssh(home: &Url, host: &str, path: &str) -> Option<Url> {
    let is = |name: &str| host == name || host.strip_prefix("ssh.") == Some(name);
    let mut url = match () {
        () if is(home.host_str().unwrap_or_default()) => home.clone(),
        () if is("github.com") => Url::parse("https://github.com").ok()?,
        () => return None,
    };
    url.set_path(&format!("{}/{}", url.path().trim_end_matches('/'), path.trim_start_matches('/')));
    Some(url)
}

/// The root of an unknown server, and the name of the repository: the last two parts of the path. What is before them is the folder
/// that the server is in.
fn split(url: &Url) -> Option<(Url, Slug)> {
    let path = url.path().trim_end_matches('/');
    let (rest, name) = path.strip_suffix(".git").unwrap_or(path).rsplit_once('/')?;
    let (folder, owner) = rest.rsplit_once('/')?;
    if owner.is_empty() || name.is_empty() {
        return None;
    }
    let mut root = url.clone();
    root.set_path(folder);
    root.set_query(None);
    root.set_fragment(None);
    Some((root, Slug { owner: owner.to_owned(), name: name.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Url {
        url.parse().unwrap()
    }

    #[test]
    fn the_last_two_parts_of_an_address_are_the_repository() {
        let split = |url: &str| split(&parse(url)).map(|(root, slug)| format!("{root} {slug}"));
        assert_eq!(split("https://git.example/acme/infra.git"), Some("https://git.example/ acme/infra".into()));
        assert_eq!(split("https://example.org:3000/git/acme/infra/"), Some("https://example.org:3000/git acme/infra".into()));
        assert_eq!(split("https://git.example/infra.git"), None);
    }

    #[test]
    fn a_repository_of_the_own_server_is_known_by_its_address() {
        let slug = |url: &str| slug_below(&parse("https://git.example/hub"), &parse(url)).map(|slug| slug.to_string());
        assert_eq!(slug("https://git.example/hub/acme/infra.git"), Some("acme/infra".into()));
        assert_eq!(slug("https://git.example:443/hub/acme/infra"), Some("acme/infra".into()));
        assert_eq!(slug("https://git.example/hub/acme/group/infra"), None);
        assert_eq!(slug("https://other.example/hub/acme/infra"), None);
    }

    #[test]
    fn only_a_version_tells_that_it_is_gitea() {
        assert!(is_version(br#"{"version":"1.26.0"}"#) && is_version(br#"{"version":"11.0.1+gitea-1.22.0"}"#));
        assert!(!is_version(b"<html>") && !is_version(br#"{"version":""}"#) && !is_version(b"{}"));
    }

    #[test]
    fn the_runners_api_address_tells_what_home_is() {
        crate::http::install_tls_provider();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _inside = runtime.enter();
        let http = crate::http::client(&crate::http::Settings::default()).unwrap();
        let home = |api: &str| Home::new(http.clone(), parse("https://git.example"), &parse(api), None).unwrap().forge;
        assert!(matches!(home("https://git.example/api/v1"), Forge::Gitea(_)));
        assert!(matches!(home("https://git.example/api/v3"), Forge::GitHub(_)));
        assert!(matches!(home("https://api.github.com"), Forge::GitHub(_)));
    }
}
