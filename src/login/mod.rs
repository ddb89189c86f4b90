//! Logins to the registries and clusters of clouds, without the clouds' tools: from the runner's OIDC token, or from the variables
//! that the clouds' own tools read. Each yields a short-lived credential for one place; nothing is asked before it is needed.

mod aws;
mod azure;
mod error;
mod google;
mod oidc;
mod plugin;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use url::Url;

pub use error::{Error, Step};
pub use plugin::Exec;

use crate::http::{Patience, Peer, Traffic};
use oidc::Oidc;
use wire::Wire;

/// A credential is renewed this long before it expires.
const MARGIN: Duration = Duration::from_secs(300);

/// How long to wait after a renewal that failed, while the old credential still holds.
const RENEWAL: Duration = Duration::from_secs(20);

/// A proof of identity for a registry or cluster.
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

/// A cloud with registries and clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    Aws,
    Azure,
    Google,
}

/// What a login is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Registry(Cloud),
    Cluster(Cloud),
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Registry(Cloud::Aws) => "Amazon ECR",
            Self::Registry(Cloud::Azure) => "Azure Container Registry",
            Self::Registry(Cloud::Google) => "Google Artifact Registry",
            Self::Cluster(Cloud::Aws) => "Amazon EKS",
            Self::Cluster(Cloud::Azure) => "Azure Kubernetes Service",
            Self::Cluster(Cloud::Google) => "Google Kubernetes Engine",
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
    variables: BTreeMap<String, SecretString>,
    folder: PathBuf,
    oidc: Oidc,
    aws: aws::Settings,
    azure: azure::Settings,
    google: google::Settings,
    mask: Mask,
}

/// Environment variables, and the folder that paths in them are relative to.
struct Variables<'a> {
    values: &'a BTreeMap<String, SecretString>,
    folder: &'a Path,
}

impl Variables<'_> {
    /// A variable that is set and not empty.
    fn get(&self, name: &str) -> Option<String> {
        self.values.get(name).map(|value| value.expose_secret().to_owned()).filter(|value| !value.is_empty())
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
        let kept: BTreeMap<String, SecretString> =
            variables.iter().map(|(name, value)| (name.clone(), SecretString::from(value.as_str()))).collect();
        let variables = Variables { values: &kept, folder };
        Self(Arc::new(Known {
            oidc: Oidc::read(&variables),
            aws: aws::Settings::read(&variables),
            azure: azure::Settings::read(&variables),
            google: google::Settings::read(&variables),
            mask,
            folder: folder.to_owned(),
            variables: kept,
        }))
    }

    /// The login that an exec plugin of a kubeconfig would make. Contacts nobody, runs nothing.
    pub fn way_by_plugin(&self, exec: &Exec<'_>, client: reqwest::Client, patience: Patience) -> Way {
        let Known { variables, folder, oidc, mask, .. } = &*self.0;
        let mut values = variables.clone();
        values.extend(exec.env.iter().map(|(name, value)| (name.clone(), SecretString::from(value.as_str()))));
        let variables = Variables { values: &values, folder };
        let aws = || Some((Cloud::Aws, aws::Settings::read(&variables).plan_cluster(exec, oidc)?.map(Plan::Eks)));
        let azure = || Some((Cloud::Azure, azure::plan_cluster(exec, &variables, oidc)?.map(Plan::Aks)));
        let google = || Some((Cloud::Google, google::Settings::read(&variables).plan_cluster(exec, oidc)?.map(Plan::Google)));
        match aws().or_else(azure).or_else(google) {
            None => Way::None,
            Some((_, Err(lack))) => Way::Lacking(lack),
            Some((cloud, Ok(plan))) => {
                let wire = Wire::new(Service::Cluster(cloud), Peer::new(client, 1, patience), mask.clone());
                Way::Ready(Box::new(Session { plan, wire, held: tokio::sync::Mutex::default() }))
            }
        }
    }

    /// What a program that is run for a login gets to see: all variables but the inputs of the action, which hold credentials for
    /// other places.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let inputs = |name: &str| name.starts_with("INPUT_");
        self.0.variables.iter().filter(move |(name, _)| !inputs(name)).map(|(name, value)| (name.as_str(), value.expose_secret()))
    }

    /// Takes care that a secret is never shown.
    pub fn hide(&self, secret: &SecretString) {
        if !secret.expose_secret().trim().is_empty() {
            (self.0.mask.0)(secret.expose_secret());
        }
    }

    /// The login for a registry that is reached at `base`. Contacts nobody.
    pub fn way(&self, registry: &str, base: &Url, helper: Option<&str>, client: reqwest::Client, patience: Patience) -> Way {
        let Some(cloud) = Cloud::of(registry, helper) else { return Way::None };
        let Known { oidc, aws, azure, google, mask, .. } = &*self.0;
        let plan = match cloud {
            Cloud::Aws => aws.plan(registry, oidc).map(Plan::Aws),
            Cloud::Azure => azure.plan(registry, base, oidc).map(Plan::Azure),
            Cloud::Google => google.plan(google::Purpose::Registry, oidc).map(Plan::Google),
        };
        match plan {
            Ok(plan) => {
                let wire = Wire::new(Service::Registry(cloud), Peer::new(client, 1, patience), mask.clone());
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
    Eks(aws::ClusterPlan),
    Aks(azure::ClusterPlan),
}

/// What a login yields, and for how long from now.
#[derive(Debug)]
struct Grant {
    credential: Credential,
    lifetime: Duration,
}

/// The login to one registry or cluster. Requests that need it at the same time wait for a single one.
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
        /// When it is to be renewed.
        until: Instant,
        /// When it expires.
        end: Instant,
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
            Plan::Eks(plan) => plan.identity(),
            Plan::Aks(plan) => plan.identity(),
        }
    }

    /// Whether everybody may pull there, so that only those who push need log in.
    pub fn only_to_push(&self) -> bool {
        matches!(&self.plan, Plan::Aws(plan) if plan.is_public())
    }

    /// A credential that is good for some minutes at least. Where one is held that couldn't be renewed, it is used to its end.
    ///
    /// # Errors
    /// When the cloud refuses the login, or can't be reached. The first login isn't tried again then; a renewal is.
    pub async fn credential(&self) -> Result<Credential, Arc<Error>> {
        let mut held = self.held.lock().await;
        match &*held {
            Held::Credential { credential, until, .. } if Instant::now() < *until => return Ok(credential.clone()),
            Held::Failed(error) => return Err(Arc::clone(error)),
            Held::Credential { .. } | Held::Nothing => {}
        }
        let asked = Instant::now();
        match self.login().await {
            Ok(Grant { credential, lifetime }) => {
                let (until, end) = (asked + lifetime - MARGIN.min(lifetime / 4), asked + lifetime);
                *held = Held::Credential { credential: credential.clone(), until, end };
                Ok(credential)
            }
            Err(error) => {
                let error = Arc::new(error);
                match &mut *held {
                    Held::Credential { credential, until, end } if Instant::now() < *end => {
                        *until = (Instant::now() + RENEWAL).min(*end);
                        return Ok(credential.clone());
                    }
                    Held::Credential { .. } => {}
                    Held::Nothing | Held::Failed(_) => *held = Held::Failed(Arc::clone(&error)),
                }
                Err(error)
            }
        }
    }

    async fn login(&self) -> Result<Grant, Error> {
        match &self.plan {
            Plan::Aws(plan) => plan.login(&self.wire).await,
            Plan::Azure(plan) => plan.login(&self.wire).await,
            Plan::Google(plan) => plan.login(&self.wire).await,
            Plan::Eks(plan) => plan.login(&self.wire).await,
            Plan::Aks(plan) => plan.login(&self.wire).await,
        }
    }

    /// The token of a cluster; see [`Self::credential`].
    ///
    /// # Errors
    /// As [`Self::credential`].
    pub async fn token(&self) -> Result<SecretString, Arc<Error>> {
        Ok(match self.credential().await? {
            Credential::Password { password, .. } => password,
            Credential::Identity(token) | Credential::Token(token) => token,
        })
    }

    /// The cluster doesn't take this token any more: the next one is asked for anew, once for all who hold the old one.
    pub async fn refused(&self, token: &SecretString) {
        let now = Instant::now();
        if let Held::Credential { credential: Credential::Token(held), until, end } = &mut *self.held.lock().await
            && held.expose_secret() == token.expose_secret()
        {
            (*until, *end) = (now, now);
        }
    }

    /// What was asked of the cloud. None of it changes anything there.
    pub fn traffic(&self) -> Traffic {
        Traffic { requests: self.wire.requests(), writes: 0 }
    }
}

#[cfg(test)]
mod tests;
