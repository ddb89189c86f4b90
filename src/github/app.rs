//! Tokens of a GitHub App (GitHub docs, "Generating a JSON Web Token (JWT) for a GitHub App", "Create an installation access token").

use std::collections::BTreeMap;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::{Client, Error, Slug};

/// How long the App's claim holds: less than the ten minutes that GitHub takes at most, from a minute ago in case clocks differ.
const SECONDS: i64 = 540;
const EARLIER: i64 = 60;
/// What a token is asked for, and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Commits straight to the base; and closing the pull requests that they make needless, where the App has the right to that anyway.
    Commits,
    PullRequests,
    /// With teams among the reviewers, where the App may see them: only such a token can name them.
    TeamReviews,
}

const PULLS: &str = "pull_requests";
const MEMBERS: &str = "members";

impl Purpose {
    /// Names of permissions and their levels, for an App that has these permissions.
    fn rights(self, granted: &BTreeMap<String, String>) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Commits if granted.get(PULLS).is_none_or(|level| level != "write") => &[("contents", "write")],
            Self::TeamReviews if granted.contains_key(MEMBERS) => &[("contents", "write"), (PULLS, "write"), (MEMBERS, "read")],
            Self::Commits | Self::PullRequests | Self::TeamReviews => &[("contents", "write"), (PULLS, "write")],
        }
    }
}

/// An App that can act where it is installed.
#[derive(Debug, Clone)]
pub struct App {
    id: String,
    client: Client,
    http: reqwest::Client,
    api: Url,
}

/// A token of an App for some repositories of one owner. It holds for an hour, unless it is [given back](Installation::revoke).
#[derive(Debug, Clone)]
pub struct Installation {
    pub owner: String,
    pub token: SecretString,
    client: Client,
}

#[derive(Deserialize)]
struct Found {
    id: u64,
    #[serde(default)]
    permissions: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Minted {
    token: SecretString,
    #[serde(default)]
    permissions: BTreeMap<String, String>,
}

impl App {
    /// `id` is the App's id or client id. The key is PEM; line breaks may be written as `\n`, as in JSON.
    ///
    /// # Errors
    /// When the key can't sign, or the address can't be used.
    pub fn new(http: reqwest::Client, api: &Url, id: &str, key: &SecretString, now: Timestamp) -> Result<Self, Error> {
        let issued = now.as_second() - EARLIER;
        let claims = json!({ "iss": id, "iat": issued, "exp": issued + SECONDS });
        let key = SecretString::from(key.expose_secret().replace("\\n", "\n"));
        let claim = crate::jwt::signed(&claims, &key, None).map_err(|reason| Error::AppKey { id: id.to_owned(), reason })?;
        let client = Client::new(http.clone(), api, Some(claim))?;
        Ok(Self { id: id.to_owned(), client, http, api: api.clone() })
    }

    /// A token for these repositories, which have one owner, and for nothing but the purpose. `mask` hears of it first.
    ///
    /// # Errors
    /// When the App is not installed there, may not reach one of the repositories, or lacks a permission.
    pub async fn installation(
        &self,
        repositories: &[Slug],
        purpose: Purpose,
        mask: impl Fn(&SecretString),
    ) -> Result<Option<Installation>, Error> {
        let Some(first) = repositories.first() else { return Ok(None) };
        let what = repositories.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let fail = |what: String| move |source| Error::App { id: self.id.clone(), what, source: Box::new(source) };
        let Found { id, permissions } = self.client.get(&format!("/repos/{first}/installation")).await.map_err(fail(first.to_string()))?;
        let rights = purpose.rights(&permissions);
        let names: Vec<&str> = repositories.iter().map(|slug| slug.name.as_str()).collect();
        let body = json!({ "repositories": names, "permissions": rights.iter().copied().collect::<BTreeMap<_, _>>() });
        let minted: Minted =
            self.client.add_for(&format!("/app/installations/{id}/access_tokens"), &body).await.map_err(fail(what.clone()))?;
        mask(&minted.token);
        let client = Client::new(self.http.clone(), &self.api, Some(minted.token.clone()))?;
        let installation = Installation { owner: first.owner.clone(), token: minted.token, client };
        let lacks = |(name, level): &&(&str, &str)| minted.permissions.get(*name).is_none_or(|granted| granted != level);
        let missing: Vec<String> = rights.iter().filter(lacks).map(|(name, level)| format!("`{name}: {level}`")).collect();
        if missing.is_empty() {
            return Ok(Some(installation));
        }
        // Nobody will use it; that it can't be given back changes nothing.
        let _ = installation.revoke().await;
        Err(Error::AppRight { id: self.id.clone(), what, missing: missing.join(" and ") })
    }
}

impl Installation {
    /// Makes the token worthless.
    ///
    /// # Errors
    /// When the server can't be reached.
    pub async fn revoke(&self) -> Result<(), Error> {
        self.client.delete("/installation/token").await
    }
}
