//! Who a request is from: a known credential, the login of the registry's cloud, or nobody.

use url::Url;

use super::credentials::{self, Found, Keychain, Origin};
use super::{Access, Error, Settings};
use crate::http::Traffic;
use crate::image::Repository;
use crate::login::{Session, Way};

/// The logins of one registry.
#[derive(Debug)]
pub(super) struct Logins {
    registry: String,
    keychain: Keychain,
    way: Way,
}

/// One request's login, before anything is asked for it.
#[derive(Debug)]
pub(super) enum Login {
    Anonymous,
    Known(Found),
    /// That of the registry's cloud.
    Cloud(Origin),
}

impl Login {
    pub(super) fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Anonymous => None,
            Self::Known(found) => Some(&found.origin),
            Self::Cloud(origin) => Some(origin),
        }
    }
}

impl Logins {
    pub(super) fn new(registry: &str, base: &Url, http: reqwest::Client, settings: &Settings) -> Self {
        let keychain = settings.keychain.clone();
        let way = settings.clouds.way(registry, base, keychain.helper(registry), http, settings.patience.clone());
        Self { registry: registry.to_owned(), keychain, way }
    }

    /// The login for a repository. The cloud's own is for where no credential is known, or only a helper that can't run here.
    ///
    /// # Errors
    /// When nothing but a credential helper knows it.
    pub(super) fn of(&self, repository: &Repository, access: Access) -> Result<Login, Error> {
        let cloud = match &self.way {
            Way::Ready(session) if access == Access::Push || !session.only_to_push() => Some(session),
            Way::Ready(_) | Way::Lacking(_) | Way::None => None,
        };
        match (self.keychain.resolve(repository), cloud) {
            (Ok(Some(found)), _) => Ok(Login::Known(found)),
            (Ok(None) | Err(credentials::Error::Helper { .. }), Some(session)) => Ok(Login::Cloud(self.origin(session))),
            (Ok(None), None) => Ok(Login::Anonymous),
            (Err(credentials::Error::Helper { registry, origin, helper, .. }), None) => {
                Err(credentials::Error::Helper { registry, origin, helper, lack: self.lack() }.into())
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    /// The login's credential. That of a cloud is asked for now, unless there is one that still holds.
    pub(super) async fn credential(&self, login: &Login) -> Result<Option<Found>, Error> {
        match (login, &self.way) {
            (Login::Anonymous, _) | (Login::Cloud(_), Way::None | Way::Lacking(_)) => Ok(None),
            (Login::Known(found), _) => Ok(Some(found.clone())),
            (Login::Cloud(origin), Way::Ready(session)) => match session.credential().await {
                Ok(credential) => Ok(Some(Found { origin: origin.clone(), credential })),
                Err(source) => Err(Error::Cloud { registry: self.registry.clone(), source }),
            },
        }
    }

    /// What a login is missing: variables of the registry's cloud, files that were named.
    pub(super) fn missing(&self) -> Vec<String> {
        let absent = self.keychain.absentees().iter().map(|file| format!("{file} is not there"));
        self.lack().into_iter().chain(absent).collect()
    }

    fn lack(&self) -> Option<String> {
        match &self.way {
            Way::Lacking(text) => Some(text.clone()),
            Way::None | Way::Ready(_) => None,
        }
    }

    pub(super) fn traffic(&self) -> Traffic {
        match &self.way {
            Way::Ready(session) => session.traffic(),
            Way::None | Way::Lacking(_) => Traffic::default(),
        }
    }

    fn origin(&self, session: &Session) -> Origin {
        Origin { source: session.identity().to_owned(), entry: self.registry.clone() }
    }
}
