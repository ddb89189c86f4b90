//! The workflow runner's own identity (GitHub docs, "OpenID Connect reference"): a JWT for an audience of our choice.

use http::{Method, header};
use reqwest::Request;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::wire::{Wire, secret_header};
use super::{Error, Step, Variables};

/// What to do when the runner gives no tokens.
pub(super) const PERMISSION: &str = "give the job `permissions: id-token: write`";

/// Where the runner's tokens are to be had, if they are.
#[derive(Debug, Clone, Default)]
pub(super) struct Oidc(Option<Place>);

/// The address and the right to ask there; only a job with `id-token: write` has them.
#[derive(Debug, Clone)]
pub(super) struct Place {
    url: String,
    token: SecretString,
}

impl Oidc {
    pub(super) fn read(variables: &Variables<'_>) -> Self {
        let place = || {
            let url = variables.get("ACTIONS_ID_TOKEN_REQUEST_URL")?;
            Some(Place { url, token: variables.secret("ACTIONS_ID_TOKEN_REQUEST_TOKEN")? })
        };
        Self(place())
    }

    pub(super) fn place(&self) -> Option<&Place> {
        self.0.as_ref()
    }
}

impl Place {
    pub(super) async fn token(&self, wire: &Wire, audience: &str) -> Result<SecretString, Error> {
        #[derive(Deserialize)]
        struct Body {
            value: SecretString,
        }
        let mut url = Url::parse(&self.url).map_err(|_| wire.bad_value("ACTIONS_ID_TOKEN_REQUEST_URL", "it isn't a web address"))?;
        url.query_pairs_mut().append_pair("audience", audience);
        let mut request = Request::new(Method::GET, url);
        let bearer = secret_header(&format!("Bearer {}", wire.hide(self.token.clone()).expose_secret()));
        let bearer = bearer.ok_or_else(|| wire.bad_value("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "it isn't a token"))?;
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
        let body: Body = wire.json(Step::RunnerToken, request).await?;
        Ok(wire.hide(body.value))
    }
}
