//! Azure Container Registry: a token of Microsoft Entra ID for the registry service, exchanged at the registry for a refresh token
//! (azure.github.io/acr/AAD-OAuth). And AKS, which takes Entra's tokens themselves.

mod aks;
mod entra;

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::oidc::Oidc;
use super::wire::{Wire, form, remaining};
use super::{Credential, Error, Grant, Step, Variables};
pub(super) use aks::{Plan as ClusterPlan, plan as plan_cluster};
use entra::Entra;

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
    entra: Entra,
    registry: String,
    base: Url,
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
        let entra = self.entra("Azure Container Registry", authority(registry), oidc)?;
        Ok(Plan { entra, registry: registry.to_owned(), base: base.clone() })
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
        self.entra.identity()
    }

    pub(super) async fn login(&self, wire: &Wire) -> Result<Grant, Error> {
        #[derive(Deserialize)]
        struct Body {
            refresh_token: SecretString,
        }
        let token = self.entra.token(wire, SCOPE).await?.token;
        let mut url = self.base.clone();
        url.set_path("oauth2/exchange");
        let fields = [
            ("grant_type", "access_token"),
            ("service", self.registry.as_str()),
            ("tenant", &self.entra.tenant),
            ("access_token", token.expose_secret()),
        ];
        let body: Body = wire.json(Step::AcrExchange, form(url, &fields)).await?;
        let refresh_token = wire.hide(body.refresh_token);
        let lifetime = expiry(refresh_token.expose_secret()).map_or(LIFETIME, remaining);
        Ok(Grant { credential: Credential::Identity(refresh_token), lifetime })
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
