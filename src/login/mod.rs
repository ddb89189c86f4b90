//! Logins to the registries of clouds, without the clouds' tools: from the runner's OIDC token, or from the variables that the
//! clouds' own tools read. Each yields a short-lived credential for one registry; nothing is asked before it is needed.

mod aws;
mod azure;
mod error;
mod google;
mod oidc;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::time::Instant;
use url::Url;

pub use error::{Error, Step};

use crate::http::{Patience, Peer, Traffic};
use oidc::Oidc;
use wire::Wire;

/// A credential is renewed this long before it expires.
const MARGIN: Duration = Duration::from_secs(300);

/// A proof of identity for a registry.
#[derive(Debug, Clone)]
pub enum Credential {
    Password {
        user: String,
        password: SecretString,
    },
    /// A refresh token, exchanged for access tokens (`identitytoken` in Docker's configuration; ACR, Docker Hub single sign-on).
    Identity(SecretString),
    /// An access token, sent as it is (`registrytoken`).
    Token(SecretString),
}

/// A cloud with registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    Aws,
    Azure,
    Google,
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aws => "Amazon ECR",
            Self::Azure => "Azure Container Registry",
            Self::Google => "Google Artifact Registry",
        })
    }
}

impl Cloud {
    /// The cloud that a registry belongs to: by its name, else by the credential helper that a Docker configuration leaves it to
    /// (a registry behind a name of one's own).
    pub fn of(registry: &str, helper: Option<&str>) -> Option<Self> {
        let name = registry.to_ascii_lowercase();
        let under = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
        if aws::Place::of(&name).is_some() {
            return Some(Self::Aws);
        }
        if under(&[".azurecr.io", ".azurecr.cn", ".azurecr.us"]) {
            return Some(Self::Azure);
        }
        if name == "gcr.io" || under(&[".gcr.io", "-docker.pkg.dev"]) {
            return Some(Self::Google);
        }
        match helper? {
            "ecr-login" => Some(Self::Aws),
            "acr-env" => Some(Self::Azure),
            "gcloud" | "gcr" => Some(Self::Google),
            _ => None,
        }
    }
}

/// Takes every secret that a login comes by, so that it appears in no log.
#[derive(Clone)]
pub struct Mask(Arc<dyn Fn(&str) + Send + Sync>);

impl Mask {
    pub fn new(hide: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hide))
    }
}

impl Default for Mask {
    /// Hides nothing: there is no log.
    fn default() -> Self {
        Self::new(|_| ())
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask")
    }
}

/// What the environment says about logins to clouds. The default knows of none; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Clouds(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    oidc: Oidc,
    aws: aws::Settings,
    azure: azure::Settings,
    google: google::Settings,
    mask: Mask,
}

/// Environment variables, and the folder that paths in them are relative to.
struct Variables<'a> {
    values: &'a BTreeMap<String, String>,
    folder: &'a Path,
}

impl Variables<'_> {
    /// A variable that is set and not empty.
    fn get(&self, name: &str) -> Option<String> {
        self.values.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn secret(&self, name: &str) -> Option<SecretString> {
        self.get(name).map(SecretString::from)
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(|path| self.folder.join(path))
    }
}

/// Whether there is a login for a registry.
#[derive(Debug)]
pub enum Way {
    /// The registry is of no cloud that is known.
    None,
    /// Variables are missing; the text says which, for a hint.
    Lacking(String),
    Ready(Box<Session>),
}

impl Clouds {
    /// Reads the variables that the tools of the clouds read too. `folder` is what relative paths are relative to.
    pub fn read(variables: &BTreeMap<String, String>, folder: &Path, mask: Mask) -> Self {
        let variables = Variables { values: variables, folder };
        Self(Arc::new(Known {
            oidc: Oidc::read(&variables),
            aws: aws::Settings::read(&variables),
            azure: azure::Settings::read(&variables),
            google: google::Settings::read(&variables),
            mask,
        }))
    }

    /// The login for a registry that is reached at `base`. Contacts nobody.
    pub fn way(&self, registry: &str, base: &Url, helper: Option<&str>, client: reqwest::Client, patience: Patience) -> Way {
        let Some(cloud) = Cloud::of(registry, helper) else { return Way::None };
        let Known { oidc, aws, azure, google, mask } = &*self.0;
        let plan = match cloud {
            Cloud::Aws => aws.plan(registry, oidc).map(Plan::Aws),
            Cloud::Azure => azure.plan(registry, base, oidc).map(Plan::Azure),
            Cloud::Google => google.plan(oidc).map(Plan::Google),
        };
        match plan {
            Ok(plan) => {
                let wire = Wire::new(cloud, Peer::new(client, 1, patience), mask.clone());
                Way::Ready(Box::new(Session { plan, wire, held: tokio::sync::Mutex::default() }))
            }
            Err(lack) => Way::Lacking(lack),
        }
    }
}

#[derive(Debug)]
enum Plan {
    Aws(aws::Plan),
    Azure(azure::Plan),
    Google(google::Plan),
}

/// What a login yields, and for how long from now.
#[derive(Debug)]
struct Grant {
    credential: Credential,
    lifetime: Duration,
}

/// The login to one registry. Requests that need it at the same time wait for a single one.
#[derive(Debug)]
pub struct Session {
    plan: Plan,
    wire: Wire,
    held: tokio::sync::Mutex<Held>,
}

#[derive(Debug, Default)]
enum Held {
    #[default]
    Nothing,
    Credential {
        credential: Credential,
        until: Instant,
    },
    /// Asking again would give the same answer.
    Failed(Arc<Error>),
}

impl Session {
    /// Whose login it is, for people: `the federated identity of AZURE_CLIENT_ID`.
    pub fn identity(&self) -> &'static str {
        match &self.plan {
            Plan::Aws(plan) => plan.identity(),
            Plan::Azure(plan) => plan.identity(),
            Plan::Google(plan) => plan.identity(),
        }
    }

    /// Whether everybody may pull there, so that only those who push need log in.
    pub fn only_to_push(&self) -> bool {
        matches!(&self.plan, Plan::Aws(plan) if plan.is_public())
    }

    /// A credential that is good for some minutes at least.
    ///
    /// # Errors
    /// When the cloud refuses the login, or can't be reached. It is then not asked again.
    pub async fn credential(&self) -> Result<Credential, Arc<Error>> {
        let mut held = self.held.lock().await;
        match &*held {
            Held::Credential { credential, until } if Instant::now() < *until => return Ok(credential.clone()),
            Held::Failed(error) => return Err(Arc::clone(error)),
            Held::Credential { .. } | Held::Nothing => {}
        }
        let asked = Instant::now();
        let grant = match &self.plan {
            Plan::Aws(plan) => plan.login(&self.wire).await,
            Plan::Azure(plan) => plan.login(&self.wire).await,
            Plan::Google(plan) => plan.login(&self.wire).await,
        };
        match grant {
            Ok(Grant { credential, lifetime }) => {
                let until = asked + lifetime - MARGIN.min(lifetime / 4);
                *held = Held::Credential { credential: credential.clone(), until };
                Ok(credential)
            }
            Err(error) => {
                let error = Arc::new(error);
                *held = Held::Failed(Arc::clone(&error));
                Err(error)
            }
        }
    }

    /// What was asked of the cloud. None of it changes anything there.
    pub fn traffic(&self) -> Traffic {
        Traffic { requests: self.wire.requests(), writes: 0 }
    }
}

#[cfg(test)]
mod tests;
