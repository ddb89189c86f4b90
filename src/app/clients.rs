//! The clients of a run, made from inputs and environment. Nothing is contacted here.

use std::time::Duration;

use secrecy::SecretString;
use tokio::time::Instant;
use url::Url;

use super::Run;
use super::error::Error;
use crate::action::values::{Mode, Source, Target};
use crate::cluster::{self, Cluster};
use crate::error::Problems;
use crate::infra::{self, Entry, Infra};
use crate::release::TagSource;
use crate::retag::Route;
use crate::store::registry::{self, Keychain};
use crate::store::{Store, docker, layout};
use crate::{forge, git, http};

/// How long one fetch or push may take.
const GIT_LIMIT: Duration = Duration::from_secs(120);

/// Both ends of a retag.
pub(super) struct Stores {
    source: Store,
    /// The target, where it is another store.
    target: Option<Store>,
}

impl Stores {
    pub(super) fn route(&self) -> Route<'_> {
        Route { source: &self.source, target: self.target.as_ref().unwrap_or(&self.source) }
    }

    /// What was sent to both so far.
    pub(super) fn requests(&self) -> u64 {
        self.source.traffic().requests + self.target.as_ref().map_or(0, |target| target.traffic().requests)
    }
}

impl Run<'_> {
    fn http(&self) -> Result<reqwest::Client, Error> {
        Ok(http::client(&self.http_settings()?)?)
    }

    fn http_settings(&self) -> Result<http::Settings, Error> {
        let ca_bundle = match &self.inputs.ca_bundle {
            Some(path) => {
                let path = self.environment.path(path);
                Some(std::fs::read(&path).map_err(|source| Error::CaBundle { path, source })?)
            }
            None => None,
        };
        Ok(http::Settings { ca_bundle })
    }

    /// Where the images are and where they go; `None` for `source: none`.
    pub(super) fn stores(&self) -> Result<Option<Stores>, Problems> {
        let source = match &self.inputs.source {
            Source::None => return Ok(None),
            Source::Layout(folder) => {
                Store::Layout(layout::Layout::open(self.environment.path(folder)).map_err(crate::store::Error::from)?)
            }
            Source::Registry => Store::Registry(self.registries(self.keychain()?)?),
            Source::Docker => Store::Daemon(self.daemon()?),
        };
        let target = match (&self.inputs.target, &source) {
            // One client for all registries: a token is then good for both ends.
            (None, _) | (Some(Target::Registry(_)), Store::Registry(_) | Store::Daemon(_)) => None,
            (Some(Target::Registry(_)), Store::Layout(_)) => Some(Store::Registry(self.registries(self.keychain()?)?)),
            (Some(Target::Layout(_)), Store::Daemon(_)) => return Err(Error::DaemonToFolder.into()),
            (Some(Target::Layout(folder)), _) => {
                Some(Store::Layout(layout::Layout::prepare(self.environment.path(folder)).map_err(crate::store::Error::from)?))
            }
        };
        Ok(Some(Stores { source, target }))
    }

    fn daemon(&self) -> Result<docker::Daemon, Problems> {
        let address = match self.environment.get("DOCKER_HOST").filter(|host| !host.is_empty()) {
            Some(host) => host.parse().map_err(crate::store::Error::from)?,
            None => docker::Address::default(),
        };
        Ok(docker::Daemon::new(address, self.registries(self.keychain()?)?))
    }

    fn registries(&self, keychain: Keychain) -> Result<registry::Client, Error> {
        let http = self.http_settings()?;
        let settings = registry::Settings {
            keychain,
            clouds: self.clouds(),
            plain_http: self.inputs.insecure_registries.clone(),
            patience: http::Patience { until: Some(Instant::now() + self.inputs.timeout), ..http::Patience::default() },
            uploads: Some(http::upload_client(&http)?),
            ..registry::Settings::default()
        };
        Ok(registry::Client::new(http::client(&http)?, settings))
    }

    /// The cluster of `kubeconfig`, else of KUBECONFIG, else the one that we run in.
    pub(super) async fn cluster(&mut self) -> Result<Cluster, Problems> {
        let given = self.inputs.kubeconfig.clone();
        let given = given.or_else(|| self.environment.get("KUBECONFIG").map(SecretString::from));
        let source = match given {
            Some(kubeconfig) => cluster::Source::Kubeconfig(kubeconfig),
            None if self.environment.get("KUBERNETES_SERVICE_HOST").is_some() => cluster::Source::InCluster,
            None => return Err(Error::NoCluster.into()),
        };
        let http = self.http_settings()?;
        let roots =
            http.ca_bundle.as_deref().map(http::certificates).transpose().map_err(|reason| Error::Http(http::Error::CaBundle(reason)))?;
        let access = cluster::Access {
            source,
            context: self.inputs.context.clone(),
            proxies: self.proxies(),
            roots: roots.unwrap_or_default(),
            logins: cluster::Logins { clouds: self.clouds(), client: Some(http::client(&http).map_err(Error::Http)?) },
        };
        let cluster = Cluster::connect(&access).await?;
        for caveat in cluster.caveats() {
            match caveat {
                cluster::Caveat::Unverified { .. } => self.warn(None, &caveat.to_string()),
                cluster::Caveat::NoFile(_) => self.log.say(caveat),
            }
        }
        Ok(cluster)
    }

    /// The proxies of the environment; capitals come first, as with kubectl.
    fn proxies(&self) -> cluster::Proxies {
        let get = |upper: &str, lower: &str| self.environment.get(upper).or_else(|| self.environment.get(lower)).map(str::to_owned);
        cluster::Proxies {
            https: get("HTTPS_PROXY", "https_proxy"),
            http: get("HTTP_PROXY", "http_proxy"),
            none: get("NO_PROXY", "no_proxy"),
        }
    }

    /// The verb that changes infrastructure repositories, with the tokens that these entries need.
    pub(super) async fn infra(&mut self, entries: &[Entry], content: infra::Content) -> Result<Infra, Problems> {
        let (http, server, api) = (self.http()?, self.server()?, self.api()?);
        let tokens = self.tokens(&http, &api, &server, entries).await?;
        let is_asked = self.report.release.as_ref().is_some_and(|release| release.source == TagSource::Input);
        let settings = infra::Settings {
            app: self.app_name(),
            release: self.infra_release(),
            publish: if self.inputs.mode == Mode::Commit { infra::Publish::Commit } else { infra::Publish::PullRequest },
            content,
            author: infra::default_author(),
            server,
            tokens: tokens.clone(),
            downgrades: if is_asked { infra::Downgrades::Asked } else { infra::Downgrades::Refuse },
            workspace: self.environment.workspace(),
        };
        let home = forge::Home::new(http.clone(), settings.server.clone(), &api, tokens.clone())?;
        let forges = forge::Forges::new(http.clone(), home, tokens);
        Ok(Infra::new(settings, self.git(http)?, forges, self.journal.clone()))
    }

    /// The client for git, with the keys that it logs in and signs with.
    fn git(&self, http: reqwest::Client) -> Result<git::Client, Problems> {
        let key = |input: &'static str, text: &Option<SecretString>| text.as_ref().map(|text| git::Key::parse(input, text)).transpose();
        let known_hosts = git::KnownHosts::parse(self.inputs.infra_ssh_known_hosts.as_deref().unwrap_or_default())?;
        let login = git::Login { key: key("infra-ssh-key", &self.inputs.infra_ssh_key)?, known_hosts };
        let signer = key("infra-signing-key", &self.inputs.infra_signing_key)?;
        Ok(git::Client::new(http, GIT_LIMIT).with_login(login).with_signer(signer))
    }

    /// The forge that `owner/name` lies on.
    pub(super) fn server(&self) -> Result<Url, Error> {
        Ok(self.address("GITHUB_SERVER_URL")?.unwrap_or_else(|| Url::parse("https://github.com").expect("a constant")))
    }

    /// Where its API is; a laptop has no variable for it.
    pub(super) fn api(&self) -> Result<Url, Error> {
        Ok(self.address("GITHUB_API_URL")?.unwrap_or(crate::github::api_of(&self.server()?)))
    }

    fn address(&self, name: &'static str) -> Result<Option<Url>, Error> {
        let value = self.environment.get(name).filter(|value| !value.is_empty());
        value.map(|value| Url::parse(value).map_err(|source| Error::Address { name, value: value.to_owned(), source })).transpose()
    }

    /// The input `app`, else the repository's name, else that of the workspace's folder.
    pub(super) fn app_name(&self) -> String {
        let repository = || self.environment.repository().and_then(|name| name.rsplit('/').next()).map(str::to_owned);
        let folder = || self.environment.workspace().file_name().map(|name| name.to_string_lossy().into_owned());
        self.inputs.app.clone().or_else(repository).or_else(folder).unwrap_or_else(|| "app".to_owned())
    }
}
