//! Adapter for the GitHub API: repositories and pull requests.
//!
//! octocrab carries the requests (base address, token, headers) on the shared HTTP client. Answers are read into structs of ours that hold
//! only what is used, so that servers which speak a part of the API can be read too.

mod error;
mod graphql;
mod heads;
mod objects;
mod pulls;
mod request;

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

pub use error::{ApiError, Error};
pub use heads::{Actor, Entry, Heads, Object, Tip};
pub use objects::{Listed, Listing, Made, Recursive, TreeChange, Verification};
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
    /// For queries: an Enterprise server has them beside the REST API, not below it.
    graphql: octocrab::Octocrab,
    host: String,
}

impl Client {
    /// `api` is the base address, as in `GITHUB_API_URL`: `https://api.github.com`, `https://host/api/v3`.
    ///
    /// # Errors
    /// When the address or the token can't be used in a request. Call it inside a Tokio runtime.
    pub fn new(http: reqwest::Client, api: &Url, token: Option<SecretString>) -> Result<Self, Error> {
        if let Some(token) = &token {
            // octocrab panics on a token that is no header value.
            request::check_token(token)?;
        }
        let client = |address: &str| {
            let fail = |source| Error::Setup { api: api.to_string(), source: Box::new(source) };
            let mut builder = octocrab::Octocrab::builder().base_uri(address).map_err(fail)?;
            if let Some(token) = &token {
                builder = builder.personal_token(token.clone());
            }
            builder.build_with_reqwest(http.clone()).map_err(fail)
        };
        // GitHub docs, "Forming calls with GraphQL": `https://HOST/api/graphql` beside `https://HOST/api/v3`.
        let address = api.as_str().trim_end_matches('/');
        Ok(Self {
            octocrab: client(api.as_str())?,
            graphql: client(address.strip_suffix("/v3").unwrap_or(address))?,
            host: api.host_str().unwrap_or_default().to_owned(),
        })
    }

    /// Looks a repository up.
    ///
    /// # Errors
    /// When there is none that the token may see, or the server can't be reached.
    pub async fn repository(&self, slug: &Slug) -> Result<Repository, Error> {
        self.get(&format!("/repos/{slug}")).await
    }
}
