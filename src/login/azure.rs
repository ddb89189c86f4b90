//! Azure Container Registry: a token of Microsoft Entra ID for the registry service, exchanged at the registry for a refresh token
//! (azure.github.io/acr/AAD-OAuth).

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::oidc::{self, Oidc};
use super::wire::{Wire, form, remaining};
use super::{Credential, Error, Grant, Step, Variables};

/// The audience that Entra ID expects in tokens of other issuers.
const AUDIENCE: &str = "api://AzureADTokenExchange";
/// The registry service itself: unlike one for Azure Resource Manager, such a token is good for nothing else, and registries with
/// `azureADAuthenticationAsArmPolicy` disabled take no other.
const SCOPE: &str = "https://containerregistry.azure.net/.default";
/// The lifetime of a refresh token that doesn't tell; they have three hours.
const LIFETIME: Duration = Duration::from_secs(3600);

/// The variables of Azure's SDKs (azure-identity, EnvironmentCredential and WorkloadIdentityCredential).
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    client: Option<String>,
    tenant: Option<String>,
    secret: Option<SecretString>,
    token_file: Option<PathBuf>,
    authority: Option<String>,
}

/// A login that has all it needs.
#[derive(Debug)]
pub(super) struct Plan {
    client: String,
    tenant: String,
    proof: Proof,
    authority: String,
    registry: String,
    base: Url,
}

#[derive(Debug)]
enum Proof {
    Secret(SecretString),
    File(PathBuf),
    Runner(oidc::Place),
}

impl Settings {
    pub(super) fn read(variables: &Variables<'_>) -> Self {
        Self {
            client: variables.get("AZURE_CLIENT_ID"),
            tenant: variables.get("AZURE_TENANT_ID"),
            secret: variables.secret("AZURE_CLIENT_SECRET"),
            token_file: variables.path("AZURE_FEDERATED_TOKEN_FILE"),
            authority: variables.get("AZURE_AUTHORITY_HOST"),
        }
    }

    /// The login to a registry, or what is missing for it.
    pub(super) fn plan(&self, registry: &str, base: &Url, oidc: &Oidc) -> Result<Plan, String> {
        let proof = match (&self.secret, &self.token_file, oidc.place()) {
            (Some(secret), _, _) => Some(Proof::Secret(secret.clone())),
            (None, Some(file), _) => Some(Proof::File(file.clone())),
            (None, None, Some(place)) => Some(Proof::Runner(place.clone())),
            (None, None, None) => None,
        };
        match (&self.client, &self.tenant, proof) {
            (Some(client), Some(tenant), Some(proof)) => {
                let authority = self.authority.clone().unwrap_or_else(|| authority(registry).to_owned());
                let (client, tenant, registry) = (client.clone(), tenant.clone(), registry.to_owned());
                Ok(Plan { client, tenant, proof, authority, registry, base: base.clone() })
            }
            (Some(_), Some(_), None) => Err(format!(
                "AZURE_CLIENT_ID and AZURE_TENANT_ID are set, but the runner gives no OIDC token (ACTIONS_ID_TOKEN_REQUEST_URL is not set): \
                 {}, or set AZURE_CLIENT_SECRET",
                oidc::PERMISSION
            )),
            (Some(_), None, _) => Err("AZURE_CLIENT_ID is set, but AZURE_TENANT_ID is not".to_owned()),
            (None, Some(_), _) => Err("AZURE_TENANT_ID is set, but AZURE_CLIENT_ID is not".to_owned()),
            (None, None, _) => {
                Err(format!("to log in to Azure Container Registry, set AZURE_CLIENT_ID and AZURE_TENANT_ID and {}", oidc::PERMISSION))
            }
        }
    }
}

/// Where the identities of a registry's cloud are.
fn authority(registry: &str) -> &'static str {
    match registry.rsplit('.').next() {
        Some("cn") => "https://login.chinacloudapi.cn",
        Some("us") => "https://login.microsoftonline.us",
        _ => "https://login.microsoftonline.com",
    }
}

impl Plan {
    pub(super) fn identity(&self) -> &'static str {
        match self.proof {
            Proof::Secret(_) => "AZURE_CLIENT_ID with AZURE_CLIENT_SECRET",
            Proof::File(_) => "AZURE_CLIENT_ID with AZURE_FEDERATED_TOKEN_FILE",
            Proof::Runner(_) => "AZURE_CLIENT_ID with the runner's OIDC token",
        }
    }

    pub(super) async fn login(&self, wire: &Wire) -> Result<Grant, Error> {
        #[derive(Deserialize)]
        struct Body {
            refresh_token: SecretString,
        }
        let token = self.entra_token(wire).await?;
        let mut url = self.base.clone();
        url.set_path("oauth2/exchange");
        let fields = [
            ("grant_type", "access_token"),
            ("service", self.registry.as_str()),
            ("tenant", &self.tenant),
            ("access_token", token.expose_secret()),
        ];
        let body: Body = wire.json(Step::AcrExchange, form(url, &fields)).await?;
        let refresh_token = wire.hide(body.refresh_token);
        let lifetime = expiry(refresh_token.expose_secret()).map_or(LIFETIME, remaining);
        Ok(Grant { credential: Credential::Identity(refresh_token), lifetime })
    }

    /// The client credentials flow with a secret or a federated credential (Microsoft identity platform, "client credentials flow").
    async fn entra_token(&self, wire: &Wire) -> Result<SecretString, Error> {
        #[derive(Deserialize)]
        struct Body {
            access_token: SecretString,
        }
        let bad = || wire.bad_value("AZURE_AUTHORITY_HOST", "it isn't a web address");
        let authority = self.authority.trim_end_matches('/');
        let authority = if authority.contains("://") { authority.to_owned() } else { format!("https://{authority}") };
        let mut url = Url::parse(&authority).map_err(|_| bad())?;
        url.path_segments_mut().map_err(|()| bad())?.pop_if_empty().extend([self.tenant.as_str(), "oauth2", "v2.0", "token"]);
        let common = [("grant_type", "client_credentials"), ("client_id", self.client.as_str()), ("scope", SCOPE)];
        let (assertion, secret) = match &self.proof {
            Proof::Secret(secret) => (None, Some(wire.hide(secret.clone()))),
            Proof::File(path) => (Some(wire.hide(wire.file("AZURE_FEDERATED_TOKEN_FILE", path).await?)), None),
            Proof::Runner(place) => (Some(place.token(wire, AUDIENCE).await?), None),
        };
        let mut fields = common.to_vec();
        if let Some(assertion) = &assertion {
            fields.push(("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
            fields.push(("client_assertion", assertion.expose_secret()));
        }
        fields.extend(secret.as_ref().map(|secret| ("client_secret", secret.expose_secret())));
        let body: Body = wire.json(Step::EntraToken, form(url, &fields)).await?;
        Ok(wire.hide(body.access_token))
    }
}

/// When a JWT says that it expires. Its signature is the registry's business.
fn expiry(token: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Claims {
        exp: i64,
    }
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?.trim_end_matches('=')).ok()?;
    Timestamp::from_second(serde_json::from_slice::<Claims>(&payload).ok()?.exp).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_tells_when_it_expires() {
        let token = |claims: &str| format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims));
        assert_eq!(expiry(&token(r#"{"exp":1700000000,"jti":"x"}"#)), Some("2023-11-14T22:13:20Z".parse().unwrap()));
        assert_eq!(expiry(&token("{}")), None);
        assert_eq!(expiry("opaque"), None);
    }

    #[test]
    fn each_cloud_of_azure_has_its_own_authority() {
        assert_eq!(authority("acme.azurecr.cn"), "https://login.chinacloudapi.cn");
        assert_eq!(authority("acme.azurecr.us"), "https://login.microsoftonline.us");
        assert_eq!(authority("registry.acme.example"), "https://login.microsoftonline.com");
    }
}
