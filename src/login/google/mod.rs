//! Google Artifact Registry and Container Registry: an access token of Google's, sent as the password of `oauth2accesstoken`
//! (Artifact Registry docs, "Configure authentication to Artifact Registry for Docker"). GKE takes it as it is.

mod file;
mod jwt;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, header};
use jiff::Timestamp;
use reqwest::Request;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::oidc::{self, Oidc};
use super::plugin::Exec;
use super::wire::{Wire, form, remaining, secret_header};
use super::{Credential, Error, Grant, Step, Variables};
use file::{External, Format, Identity, Source};
use jwt::Claim;

const FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const PROVIDER: &str = "GOOGLE_WORKLOAD_IDENTITY_PROVIDER";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How long an access token is good for when nobody tells.
const LIFETIME: Duration = Duration::from_secs(3600);

/// The variables of Google's libraries, gcloud and Terraform, and two of ours for a login without a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    token: Option<SecretString>,
    file: Option<PathBuf>,
    provider: Option<String>,
    service_account: Option<String>,
    universe: Option<String>,
}

/// A login that has all it needs.
#[derive(Debug)]
pub(super) struct Plan {
    way: Way,
    purpose: Purpose,
}

/// What the access token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Registry,
    Cluster,
}

impl Purpose {
    fn service(self) -> &'static str {
        match self {
            Self::Registry => "Google Artifact Registry",
            Self::Cluster => "Google Kubernetes Engine",
        }
    }

    /// Clusters name a service account by its address only when they may see it; otherwise by a number, which no role binding has
    /// (GKE docs, "Authorize actions in clusters using RBAC": the scope userinfo.email).
    fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Registry => &[SCOPE],
            Self::Cluster => &[SCOPE, "https://www.googleapis.com/auth/userinfo.email"],
        }
    }
}

#[derive(Debug)]
enum Way {
    Token(SecretString),
    File(PathBuf),
    Runner { place: oidc::Place, provider: String, service_account: Option<String>, universe: String },
}

impl Settings {
    pub(super) fn read(variables: &Variables<'_>) -> Self {
        Self {
            token: variables.secret("GOOGLE_OAUTH_ACCESS_TOKEN").or_else(|| variables.secret("CLOUDSDK_AUTH_ACCESS_TOKEN")),
            file: variables.path(FILE),
            provider: variables.get(PROVIDER),
            service_account: variables.get("GOOGLE_SERVICE_ACCOUNT"),
            universe: variables.get("GOOGLE_CLOUD_UNIVERSE_DOMAIN"),
        }
    }

    /// The login, or what is missing for it.
    pub(super) fn plan(&self, purpose: Purpose, oidc: &Oidc) -> Result<Plan, String> {
        Ok(Plan { way: self.way(purpose, oidc)?, purpose })
    }

    /// The login that `gke-gcloud-auth-plugin` would make; `None` for other programs.
    pub(super) fn plan_cluster(&self, exec: &Exec<'_>, oidc: &Oidc) -> Option<Result<Plan, String>> {
        (exec.program() == "gke-gcloud-auth-plugin").then(|| self.plan(Purpose::Cluster, oidc))
    }

    fn way(&self, purpose: Purpose, oidc: &Oidc) -> Result<Way, String> {
        match (&self.token, &self.file, &self.provider, oidc.place()) {
            (Some(token), ..) => Ok(Way::Token(token.clone())),
            (None, Some(path), ..) => Ok(Way::File(path.clone())),
            (None, None, Some(provider), Some(place)) => Ok(Way::Runner {
                place: place.clone(),
                provider: provider.clone(),
                service_account: self.service_account.clone(),
                universe: self.universe.clone().unwrap_or_else(|| "googleapis.com".to_owned()),
            }),
            (None, None, Some(_), None) => Err(format!(
                "{PROVIDER} is set, but the runner gives no OIDC token (ACTIONS_ID_TOKEN_REQUEST_URL is not set): {}",
                oidc::PERMISSION
            )),
            (None, None, None, _) => Err(format!(
                "to log in to {}, set {FILE} (google-github-actions/auth does), or {PROVIDER} and {}",
                purpose.service(),
                oidc::PERMISSION
            )),
        }
    }
}

/// An access token and how long it holds.
struct Access {
    token: SecretString,
    lifetime: Duration,
}

/// An answer of a token service (RFC 6749 §5.1).
#[derive(Deserialize)]
struct Body {
    access_token: SecretString,
    expires_in: Option<u64>,
}

impl Body {
    fn access(self, wire: &Wire) -> Access {
        Access { token: wire.hide(self.access_token), lifetime: self.expires_in.map_or(LIFETIME, Duration::from_secs) }
    }
}

impl Plan {
    pub(super) fn identity(&self) -> &'static str {
        match self.way {
            Way::Token(_) => "GOOGLE_OAUTH_ACCESS_TOKEN or CLOUDSDK_AUTH_ACCESS_TOKEN",
            Way::File(_) => FILE,
            Way::Runner { .. } => "GOOGLE_WORKLOAD_IDENTITY_PROVIDER with the runner's OIDC token",
        }
    }

    pub(super) async fn login(&self, wire: &Wire) -> Result<Grant, Error> {
        let scopes = self.purpose.scopes();
        let Access { token, lifetime } = match &self.way {
            Way::Token(token) => Access { token: wire.hide(token.clone()), lifetime: LIFETIME },
            Way::File(path) => by_file(wire, path, scopes).await?,
            Way::Runner { place, provider, service_account, universe } => {
                let name = provider.trim_start_matches('/');
                // The audience that a provider expects when it isn't told another one.
                let subject = place.token(wire, &format!("https://iam.googleapis.com/{name}")).await?;
                federated(wire, &external(name, service_account.as_deref(), universe), &subject, scopes).await?
            }
        };
        let credential = match self.purpose {
            Purpose::Registry => Credential::Password { user: "oauth2accesstoken".to_owned(), password: token },
            Purpose::Cluster => Credential::Token(token),
        };
        Ok(Grant { credential, lifetime })
    }
}

async fn by_file(wire: &Wire, path: &Path, scopes: &[&str]) -> Result<Access, Error> {
    let text = wire.file(FILE, path).await?;
    match file::read(text.expose_secret()).map_err(|reason| wire.bad_value(FILE, reason))? {
        Identity::ServiceAccount { client_email, private_key, private_key_id, token_uri } => {
            let claim = Claim { issuer: &client_email, scope: &scopes.join(" "), audience: &token_uri, key_id: private_key_id.as_deref() };
            by_key(wire, &claim, private_key).await
        }
        Identity::ExternalAccount(external) => {
            let subject = subject_token(wire, &external.credential_source, path.parent().unwrap_or(path)).await?;
            federated(wire, &external, &subject, scopes).await
        }
        Identity::AuthorizedUser { client_id, client_secret, refresh_token, token_uri } => {
            let (secret, refresh) = (wire.hide(client_secret), wire.hide(refresh_token));
            let fields = [
                ("grant_type", "refresh_token"),
                ("client_id", client_id.as_str()),
                ("client_secret", secret.expose_secret()),
                ("refresh_token", refresh.expose_secret()),
            ];
            let url = address(wire, FILE, "token_uri", &token_uri)?;
            Ok(wire.json::<Body>(Step::GoogleToken, form(url, &fields)).await?.access(wire))
        }
    }
}

/// What google-github-actions/auth would write into a file.
fn external(provider: &str, service_account: Option<&str>, universe: &str) -> External {
    let impersonation = |account| format!("https://iamcredentials.{universe}/v1/projects/-/serviceAccounts/{account}:generateAccessToken");
    External {
        audience: format!("//iam.googleapis.com/{provider}"),
        subject_token_type: "urn:ietf:params:oauth:token-type:jwt".to_owned(),
        token_url: format!("https://sts.{universe}/v1/token"),
        service_account_impersonation_url: service_account.map(impersonation),
        credential_source: Source { file: None, url: None, headers: BTreeMap::new(), format: Format::Text },
    }
}

/// The JWT bearer grant (RFC 7523 §2.1).
async fn by_key(wire: &Wire, claim: &Claim<'_>, private_key: SecretString) -> Result<Access, Error> {
    let key = wire.hide(private_key);
    let assertion = jwt::signed(claim, &key, Timestamp::now()).map_err(|reason| wire.bad_value(FILE, reason))?;
    let assertion = wire.hide(assertion);
    let url = address(wire, FILE, "token_uri", claim.audience)?;
    let fields = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion.expose_secret())];
    Ok(wire.json::<Body>(Step::GoogleToken, form(url, &fields)).await?.access(wire))
}

async fn subject_token(wire: &Wire, source: &Source, folder: &Path) -> Result<SecretString, Error> {
    let text = match (&source.file, &source.url) {
        (Some(path), _) => wire.file(FILE, &folder.join(path)).await?,
        (None, Some(url)) => {
            let mut request = Request::new(Method::GET, address(wire, FILE, "credential_source.url", url)?);
            for (name, value) in &source.headers {
                if name.eq_ignore_ascii_case("authorization") {
                    // Not the others: they may be words such as `Google`, which logs are full of.
                    value.expose_secret().split_whitespace().for_each(|word| drop(wire.hide(word.into())));
                }
                let header = HeaderName::try_from(name).ok().zip(secret_header(value.expose_secret()));
                let (name, value) = header.ok_or_else(|| wire.bad_value(FILE, "its credential_source has a header that is none"))?;
                request.headers_mut().insert(name, value);
            }
            wire.text(Step::SubjectToken, request).await?.into()
        }
        (None, None) => return Err(wire.bad_value(FILE, "its credential_source has neither `file` nor `url`")),
    };
    let token = source.format.token(text.expose_secret());
    token.map(|token| wire.hide(token)).ok_or_else(|| wire.malformed(Step::SubjectToken, "there is none"))
}

/// Token exchange (RFC 8693), then the service account's own token when one is to be impersonated.
async fn federated(wire: &Wire, external: &External, subject: &SecretString, scopes: &[&str]) -> Result<Access, Error> {
    let all = scopes.join(" ");
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", external.audience.as_str()),
        // One token acts as the service account only; the other goes to the service itself.
        ("scope", if external.service_account_impersonation_url.is_some() { SCOPE } else { &all }),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("subject_token_type", &external.subject_token_type),
        ("subject_token", subject.expose_secret()),
    ];
    let url = address(wire, FILE, "token_url", &external.token_url)?;
    let access = wire.json::<Body>(Step::Federation, form(url, &fields)).await?.access(wire);
    match &external.service_account_impersonation_url {
        Some(url) => impersonated(wire, address(wire, FILE, "service_account_impersonation_url", url)?, &access, scopes).await,
        None => Ok(access),
    }
}

/// `generateAccessToken` of the IAM Service Account Credentials API.
async fn impersonated(wire: &Wire, url: Url, access: &Access, scopes: &[&str]) -> Result<Access, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Generated {
        access_token: SecretString,
        expire_time: Option<Timestamp>,
    }
    let mut request = Request::new(Method::POST, url);
    let bearer = secret_header(&format!("Bearer {}", access.token.expose_secret()));
    let bearer = bearer.ok_or_else(|| wire.malformed(Step::Federation, "its token holds characters that no header can carry"))?;
    request.headers_mut().insert(header::AUTHORIZATION, bearer);
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *request.body_mut() = Some(json!({"scope": scopes, "lifetime": "3600s"}).to_string().into());
    let generated: Generated = wire.json(Step::Impersonation, request).await?;
    let lifetime = generated.expire_time.map_or(LIFETIME, remaining);
    Ok(Access { token: wire.hide(generated.access_token), lifetime })
}

fn address(wire: &Wire, variable: &'static str, field: &str, url: &str) -> Result<Url, Error> {
    Url::parse(url).map_err(|_| wire.bad_value(variable, format!("`{field}` isn't a web address")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_used_as_googles_own_action_would() {
        let provider = "projects/1/locations/global/workloadIdentityPools/github/providers/shop";
        let made = external(provider, Some("deploy@shop.iam.gserviceaccount.com"), "googleapis.com");
        assert_eq!(made.audience, format!("//iam.googleapis.com/{provider}"));
        assert_eq!(made.token_url, "https://sts.googleapis.com/v1/token");
        assert_eq!(
            made.service_account_impersonation_url.unwrap(),
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/deploy@shop.iam.gserviceaccount.com:generateAccessToken"
        );
        assert_eq!(external(provider, None, "example.goog").token_url, "https://sts.example.goog/v1/token");
    }
}
