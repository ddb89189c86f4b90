//! A token of Microsoft Entra ID by the client credentials flow (Microsoft identity platform, "client credentials flow").

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::Settings;
use crate::login::oidc::{self, Oidc};
use crate::login::wire::{Wire, form};
use crate::login::{Error, Step};

/// The audience that Entra ID expects in tokens of other issuers.
const AUDIENCE: &str = "api://AzureADTokenExchange";
/// How long a token holds that doesn't tell; they have an hour.
const LIFETIME: Duration = Duration::from_secs(3600);

/// An application, and the proof that we may act as it.
#[derive(Debug)]
pub(super) struct Entra {
    pub(super) client: String,
    pub(super) tenant: String,
    pub(super) proof: Proof,
    pub(super) authority: String,
}

#[derive(Debug)]
pub(super) enum Proof {
    Secret(SecretString),
    File(PathBuf),
    Runner(oidc::Place),
}

/// An access token and how long it holds.
pub(super) struct Access {
    pub(super) token: SecretString,
    pub(super) lifetime: Duration,
}

impl Settings {
    /// The identity that the environment gives, or what is missing for a login to `service`.
    pub(super) fn entra(&self, service: &str, authority: &str, oidc: &Oidc) -> Result<Entra, String> {
        let proof = match (&self.secret, &self.token_file, oidc.place()) {
            (Some(secret), _, _) => Some(Proof::Secret(secret.clone())),
            (None, Some(file), _) => Some(Proof::File(file.clone())),
            (None, None, Some(place)) => Some(Proof::Runner(place.clone())),
            (None, None, None) => None,
        };
        match (&self.client, &self.tenant, proof) {
            (Some(client), Some(tenant), Some(proof)) => {
                let authority = self.authority.clone().unwrap_or_else(|| authority.to_owned());
                Ok(Entra { client: client.clone(), tenant: tenant.clone(), proof, authority })
            }
            (Some(_), Some(_), None) => Err(format!(
                "AZURE_CLIENT_ID and AZURE_TENANT_ID are set, but the runner gives no OIDC token (ACTIONS_ID_TOKEN_REQUEST_URL is not set): \
                 {}, or set AZURE_CLIENT_SECRET",
                oidc::PERMISSION
            )),
            (Some(_), None, _) => Err("AZURE_CLIENT_ID is set, but AZURE_TENANT_ID is not".to_owned()),
            (None, Some(_), _) => Err("AZURE_TENANT_ID is set, but AZURE_CLIENT_ID is not".to_owned()),
            (None, None, _) => Err(format!("to log in to {service}, set AZURE_CLIENT_ID and AZURE_TENANT_ID and {}", oidc::PERMISSION)),
        }
    }
}

impl Entra {
    pub(super) fn identity(&self) -> &'static str {
        match self.proof {
            Proof::Secret(_) => "AZURE_CLIENT_ID with AZURE_CLIENT_SECRET",
            Proof::File(_) => "AZURE_CLIENT_ID with AZURE_FEDERATED_TOKEN_FILE",
            Proof::Runner(_) => "AZURE_CLIENT_ID with the runner's OIDC token",
        }
    }

    /// A token for one service of Azure, with a secret or a federated credential.
    pub(super) async fn token(&self, wire: &Wire, scope: &str) -> Result<Access, Error> {
        #[derive(Deserialize)]
        struct Body {
            access_token: SecretString,
            expires_in: Option<u64>,
        }
        let bad = || wire.bad_value("AZURE_AUTHORITY_HOST", "it isn't a web address");
        let authority = self.authority.trim_end_matches('/');
        let authority = if authority.contains("://") { authority.to_owned() } else { format!("https://{authority}") };
        let mut url = Url::parse(&authority).map_err(|_| bad())?;
        url.path_segments_mut().map_err(|()| bad())?.pop_if_empty().extend([self.tenant.as_str(), "oauth2", "v2.0", "token"]);
        let (assertion, secret) = match &self.proof {
            Proof::Secret(secret) => (None, Some(wire.hide(secret.clone()))),
            Proof::File(path) => (Some(wire.hide(wire.file("AZURE_FEDERATED_TOKEN_FILE", path).await?)), None),
            Proof::Runner(place) => (Some(place.token(wire, AUDIENCE).await?), None),
        };
        let mut fields = vec![("grant_type", "client_credentials"), ("client_id", self.client.as_str()), ("scope", scope)];
        if let Some(assertion) = &assertion {
            fields.push(("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
            fields.push(("client_assertion", assertion.expose_secret()));
        }
        fields.extend(secret.as_ref().map(|secret| ("client_secret", secret.expose_secret())));
        let body: Body = wire.json(Step::EntraToken, form(url, &fields)).await?;
        Ok(Access { token: wire.hide(body.access_token), lifetime: body.expires_in.map_or(LIFETIME, Duration::from_secs) })
    }
}
