//! Adapter for the GitHub API: repositories, pull requests, their merging, rules of branches, Apps.
//!
//! octocrab carries the requests (base address, token, headers) on the shared HTTP client. Answers are read into structs of ours that hold
//! only what is used, so that servers which speak a part of the API can be read too.

mod address;
mod app;
mod closing;
mod error;
mod graphql;
mod heads;
mod merge;
mod objects;
mod pulls;
mod request;
mod rules;
mod tokens;

use std::collections::BTreeMap;

use octocrab::Octocrab;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

pub use address::api_of;
pub use app::{App, Installation, Purpose};
pub use closing::Written;
pub use error::{ApiError, Error, RIGHTS};
pub use heads::{Actor, Entry, Heads, Object, Tip};
pub use merge::{Automatic, Merge, MergeMethod};
pub use objects::{Listed, Listing, Made, Recursive, TreeChange, Verification};
pub use pulls::{Head, Label, NewPull, Pull, PullChange, Team, User};
pub use rules::{Bypass, Signature};
pub use tokens::Tokens;

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

/// A client of one API server.
#[derive(Debug, Clone)]
pub struct Client {
    any: Session,
    /// By owner, in small letters.
    owners: BTreeMap<String, Session>,
    host: String,
}

/// What requests with one token go through.
#[derive(Debug, Clone)]
struct Session {
    rest: Octocrab,
    /// GraphQL has another base address on Enterprise servers.
    graphql: Octocrab,
}

impl Session {
    fn new(http: &reqwest::Client, api: &Url, token: Option<&SecretString>) -> Result<Self, Error> {
        let build = |base: &Url| {
            let fail = |source| Error::Setup { api: base.to_string(), source: Box::new(source) };
            let mut builder = Octocrab::builder().base_uri(base.as_str()).map_err(fail)?;
            if let Some(token) = token {
                // octocrab panics on a token that is no header value.
                request::check_token(token)?;
                builder = builder.personal_token(token.clone());
            }
            builder.build_with_reqwest(http.clone()).map_err(fail)
        };
        Ok(Self { rest: build(api)?, graphql: build(&address::graphql_base(api))? })
    }
}

impl Client {
    /// `api` is the base address, as in `GITHUB_API_URL`: `https://api.github.com`, `https://host/api/v3`. Requests about a repository bear
    /// the token of its owner.
    ///
    /// # Errors
    /// When the address or a token can't be used in a request. Call it inside a Tokio runtime.
    pub fn new(http: reqwest::Client, api: &Url, tokens: impl Into<Tokens>) -> Result<Self, Error> {
        let tokens = tokens.into();
        let any = Session::new(&http, api, tokens.any.as_ref())?;
        let owners = tokens.owners.iter().map(|(owner, token)| Ok((owner.clone(), Session::new(&http, api, Some(token))?)));
        Ok(Self { any, owners: owners.collect::<Result<_, Error>>()?, host: api.host_str().unwrap_or_default().to_owned() })
    }

    fn session(&self, owner: &str) -> &Session {
        self.owners.get(&owner.to_ascii_lowercase()).unwrap_or(&self.any)
    }

    /// Looks a repository up. One that has another name by now is told by that.
    ///
    /// # Errors
    /// When there is none that the token may see, or the server can't be reached.
    pub async fn repository(&self, slug: &Slug) -> Result<Repository, Error> {
        let error = match self.get(&format!("/repos/{slug}")).await {
            Err(error) => error,
            found => return found,
        };
        self.moved(&slug.owner, &error).await.ok_or(error)
    }

    /// The repository that a redirect leads to. It is asked for at this server only, by its number.
    async fn moved(&self, owner: &str, error: &Error) -> Option<Repository> {
        let Error::Status { answer, .. } = error else { return None };
        let (_, number) = answer.location.as_ref()?.rsplit_once("/repositories/")?;
        let number: u64 = number.parse().ok()?;
        self.get_as(owner, &format!("/repositories/{number}")).await.ok()
    }
}
