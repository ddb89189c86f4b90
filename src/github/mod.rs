//! Adapter for the GitHub API: repositories and pull requests.
//!
//! octocrab carries the requests (base address, token, headers) on the shared HTTP client. Answers are read into structs of ours that hold
//! only what is used, so that servers which speak a part of the API can be read too.

mod error;
mod pulls;
mod request;

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

pub use error::{ApiError, Error};
pub use pulls::{Head, Label, NewPull, Pull, PullChange, User};

/// `owner/name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slug {
    pub owner: String,
    pub name: String,
}

impl std::fmt::Display for Slug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

/// What the API says about a repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Repository {
    pub full_name: String,
    pub default_branch: String,
    #[serde(default)]
    pub archived: bool,
    #[serde(default)]
    pub permissions: Option<Permissions>,
}

/// What the token may do with a repository; absent for tokens of which the server does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Permissions {
    pub push: bool,
}

/// A client of one API server with one token.
#[derive(Debug, Clone)]
pub struct Client {
    octocrab: octocrab::Octocrab,
    host: String,
}

impl Client {
    /// `api` is the base address, as in `GITHUB_API_URL`: `https://api.github.com`, `https://host/api/v3`.
    ///
    /// # Errors
    /// When the address or the token can't be used in a request. Call it inside a Tokio runtime.
    pub fn new(http: reqwest::Client, api: &Url, token: Option<SecretString>) -> Result<Self, Error> {
        let fail = |source| Error::Setup { api: api.to_string(), source: Box::new(source) };
        let mut builder = octocrab::Octocrab::builder().base_uri(api.as_str()).map_err(fail)?;
        if let Some(token) = token {
            // octocrab panics on a token that is no header value.
            request::check_token(&token)?;
            builder = builder.personal_token(token);
        }
        let octocrab = builder.build_with_reqwest(http).map_err(fail)?;
        Ok(Self { octocrab, host: api.host_str().unwrap_or_default().to_owned() })
    }

    /// Looks a repository up.
    ///
    /// # Errors
    /// When there is none that the token may see, or the server can't be reached.
    pub async fn repository(&self, slug: &Slug) -> Result<Repository, Error> {
        self.get(&format!("/repos/{slug}")).await
    }
}
