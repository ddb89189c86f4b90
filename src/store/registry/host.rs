//! One registry: its address, its way of logging in, and the requests under way to it.

mod stream;

use std::sync::{Mutex, PoisonError};

use http::{HeaderValue, StatusCode, header};
use reqwest::Request;
use url::Url;

use super::auth::{self, Pass, Reach, Service, Tokens};
use super::challenge::{self, Bearer, Challenge};
use super::credentials::{Credential, Found};
use super::logins::{Login, Logins};
use super::{Access, Error, Settings, endpoint};
use crate::http::{Answer, Peer, Refusal, SendError, Traffic};
use crate::image::Repository;

/// How often one request is sent until its 401 is believed: with the shared token, with the repository's own, with one of them renewed.
const ROUNDS: usize = 3;

#[derive(Debug)]
pub(super) struct Host {
    registry: String,
    base: Url,
    peer: Peer,
    /// The client of uploads, which take as long as they take.
    uploads: reqwest::Client,
    logins: Logins,
    plain_http: Vec<String>,
    scheme: Mutex<Option<Scheme>>,
    /// Held by the first request, so that not every one of the first wave learns by a 401 of its own how to log in.
    first: tokio::sync::Mutex<()>,
    tokens: Tokens,
    /// Whether it has the referrers API, once that is known.
    pub(super) referrers: tokio::sync::OnceCell<bool>,
}

/// How a registry wants to be logged in to.
#[derive(Debug, Clone)]
enum Scheme {
    Open,
    Basic,
    Bearer(Service),
}

/// What a request was sent with.
#[derive(Debug)]
enum Proof {
    Nothing,
    /// A password or access token of the user's, which nothing can renew.
    Fixed(HeaderValue),
    Pass(Pass),
}

/// Requests under way to one registry at the same time. A release of six images with four tags reads 36 things at once: two waves of
/// these, and the client keeps as many connections open ([`crate::http::client`]).
const CONCURRENCY: usize = 24;
/// The same for registries that limit the rate of requests: more at a time would only be turned away sooner.
const LIMITED: [(&str, usize); 2] = [("ghcr.io", 8), ("docker.io", 8)];

fn concurrency(registry: &str) -> usize {
    LIMITED.iter().find(|(name, _)| *name == registry).map_or(CONCURRENCY, |(_, limit)| *limit)
}

/// One request's purpose: for error texts, scopes and credentials.
struct Purpose<'a> {
    repository: &'a Repository,
    access: Access,
    login: Login,
}

impl Host {
    pub(super) fn new(registry: &str, http: reqwest::Client, settings: &Settings) -> Result<Self, url::ParseError> {
        let base = endpoint::base(registry, &settings.plain_http)?;
        Ok(Self {
            registry: registry.to_owned(),
            uploads: settings.uploads.clone().unwrap_or_else(|| http.clone()),
            logins: Logins::new(registry, &base, http.clone(), settings),
            base,
            peer: Peer::new(http, concurrency(registry), settings.patience.clone()),
            plain_http: settings.plain_http.clone(),
            scheme: Mutex::default(),
            first: tokio::sync::Mutex::default(),
            tokens: Tokens::default(),
            referrers: tokio::sync::OnceCell::new(),
        })
    }

    pub(super) fn announce(&self, repository: &Repository, access: Access) {
        self.tokens.announce(repository, access);
    }

    /// What was asked of the registry, its token service and the services of its cloud.
    pub(super) fn traffic(&self) -> Traffic {
        let (registry, cloud) = (self.peer.traffic(), self.logins.traffic());
        Traffic { requests: registry.requests + cloud.requests, writes: registry.writes + cloud.writes }
    }

    /// The URL of a path that has only characters of repository names, tags and digests.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url
    }

    /// Sends a request, logging in where the registry asks for it. Any status but 401 is the caller's to judge.
    pub(super) async fn send(&self, request: Request, repository: &Repository, access: Access, limit: usize) -> Result<Answer, Error> {
        let purpose = Purpose { repository, access, login: self.logins.of(repository, access)? };
        if let Some(answer) = self.try_first(&request, &purpose, limit).await? {
            return Ok(answer);
        }
        let mut refused: Option<Box<Refusal>> = None;
        for _ in 0..ROUNDS {
            let proof = self.proof(&purpose, refused.as_deref()).await?;
            let answer = self.exchange(&request, &proof, &purpose, limit).await?;
            if answer.status != StatusCode::UNAUTHORIZED {
                return Ok(answer);
            }
            let refusal = answer.refusal();
            let error = self.learn(&answer)?.and_then(|bearer| bearer.error);
            refused = Some(refusal.clone());
            match &proof {
                Proof::Fixed(_) => return Err(self.denied(&purpose, refusal)),
                // The next token of the repository's own would reach no further: to the other end of a mount, to a right that isn't there.
                Proof::Pass(Pass { reach: Reach::Own(..), .. }) if error.as_deref() == Some("insufficient_scope") => break,
                Proof::Pass(pass) => self.tokens.refused(pass, repository, access, error.as_deref()).await,
                Proof::Nothing => {}
            }
        }
        // ROUNDS is not 0: there was a refusal.
        match (refused, purpose.login.origin()) {
            (None, _) => Err(self.malformed(&purpose, "it never answered".into())),
            (Some(refusal), None) => Err(self.denied(&purpose, refusal)),
            // The token service took the login, the registry didn't take its tokens: rights are missing, not the password.
            (Some(source), Some(_)) => Err(Error::Denied { what: purpose.what(), source }),
        }
    }

    /// Whether pushing is allowed, as far as that can be known without doing it: from the tokens that the token service gives.
    /// Costs no request when the token is there already and says what it is good for.
    pub(super) async fn check_push(&self, repository: &Repository) -> Result<(), Error> {
        let purpose = Purpose { repository, access: Access::Push, login: self.logins.of(repository, Access::Push)? };
        // The shared token first, then the repository's own.
        for _ in 0..2 {
            let Proof::Pass(pass) = self.proof(&purpose, None).await? else { return Ok(()) };
            if pass.grants_push(repository.path()) != Some(false) {
                return Ok(());
            }
            if matches!(pass.reach, Reach::Own(..)) {
                break;
            }
            self.tokens.refused(&pass, repository, Access::Push, None).await;
        }
        let origin =
            purpose.login.origin().map_or_else(|| "without a login".to_owned(), |origin| format!("for the credentials of {origin}"));
        Err(Error::MayNotPush { repository: repository.to_string(), registry: self.registry.clone(), origin })
    }

    /// The credential for pushing. Where nobody has to log in, no cloud is asked for one.
    pub(super) async fn login(&self, repository: &Repository) -> Result<Option<Found>, Error> {
        match (self.logins.of(repository, Access::Push)?, self.scheme()) {
            (Login::Cloud(_), Some(Scheme::Open)) => Ok(None),
            (login, _) => self.logins.credential(&login).await,
        }
    }

    /// The very first request to a registry goes out bare and alone; its answer teaches how to log in. `None` when another one did so.
    async fn try_first(&self, request: &Request, purpose: &Purpose<'_>, limit: usize) -> Result<Option<Answer>, Error> {
        if self.scheme().is_some() {
            return Ok(None);
        }
        let _alone = self.first.lock().await;
        if self.scheme().is_some() {
            return Ok(None);
        }
        let answer = match self.exchange(request, &Proof::Nothing, purpose, limit).await {
            Ok(answer) => answer,
            Err(error) => {
                // The others needn't find out one after the other that the registry is down.
                self.remember(Scheme::Open);
                return Err(error);
            }
        };
        if answer.status == StatusCode::UNAUTHORIZED {
            self.learn(&answer)?;
            return Ok(None);
        }
        self.remember(Scheme::Open);
        Ok(Some(answer))
    }

    async fn exchange(&self, request: &Request, proof: &Proof, purpose: &Purpose<'_>, limit: usize) -> Result<Answer, Error> {
        let Some(mut request) = request.try_clone() else {
            return Err(self.malformed(purpose, "the request can't be sent twice".into()));
        };
        match proof {
            Proof::Nothing => None,
            Proof::Fixed(value) => request.headers_mut().insert(header::AUTHORIZATION, value.clone()),
            Proof::Pass(pass) => request.headers_mut().insert(header::AUTHORIZATION, pass.value.clone()),
        };
        self.peer.send(request, limit).await.map_err(|source| purpose.failed(source))
    }

    async fn proof(&self, purpose: &Purpose<'_>, refused: Option<&Refusal>) -> Result<Proof, Error> {
        let scheme = self.scheme();
        let login = match scheme {
            Some(Scheme::Basic | Scheme::Bearer(_)) => self.logins.credential(&purpose.login).await?,
            Some(Scheme::Open) | None => None,
        };
        let login = login.as_ref();
        let fixed =
            |value: Result<HeaderValue, auth::Error>| value.map(Proof::Fixed).map_err(|error| self.malformed(purpose, error.to_string()));
        match (scheme, login.map(|found| &found.credential)) {
            (None | Some(Scheme::Open), _) => match refused {
                // A 401 without a challenge that is understood.
                Some(refusal) => Err(self.denied(purpose, Box::new(refusal.clone()))),
                None => Ok(Proof::Nothing),
            },
            (Some(_), Some(Credential::Token(token))) => fixed(auth::bearer(token)),
            (Some(Scheme::Basic), Some(Credential::Password { user, password })) => fixed(auth::basic(user, password)),
            (Some(Scheme::Basic), Some(Credential::Identity(_))) => {
                Err(self.malformed(purpose, "it wants a user and a password, but the credentials are an identity token".into()))
            }
            (Some(Scheme::Basic), None) => match refused {
                Some(refusal) => Err(self.denied(purpose, Box::new(refusal.clone()))),
                // Reached when another request learned of the login: this one has no answer of its own to show yet.
                None => Ok(Proof::Nothing),
            },
            (Some(Scheme::Bearer(service)), _) => {
                let origin = login.map(|found| found.origin.clone());
                let same_login =
                    |other: &Repository| self.logins.of(other, purpose.access).is_ok_and(|login| login.origin() == origin.as_ref());
                let wanted = (purpose.repository, purpose.access);
                let pass = self.tokens.pass(&self.peer, &service, wanted, login, same_login).await;
                pass.map(Proof::Pass).map_err(|error| self.no_token(purpose, error))
            }
        }
    }

    /// Takes the way of logging in from a 401; gives its Bearer challenge.
    fn learn(&self, answer: &Answer) -> Result<Option<Bearer>, Error> {
        let values = answer.headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        match challenge::parse(values).into_iter().next() {
            None => {
                if self.scheme().is_none() {
                    self.remember(Scheme::Open);
                }
                Ok(None)
            }
            // Gitea asks for a password when a token has no right to push. The password wouldn't have it either.
            Some(Challenge::Basic) if matches!(self.scheme(), Some(Scheme::Bearer(_))) => Ok(None),
            Some(Challenge::Basic) => {
                self.remember(Scheme::Basic);
                Ok(None)
            }
            Some(Challenge::Bearer(bearer)) => {
                let refuse = |reason| Error::Realm { registry: self.registry.clone(), realm: shown(&bearer.realm), reason };
                let realm = Url::parse(&bearer.realm).map_err(|_| refuse("it isn't a web address"))?;
                endpoint::check_realm(&self.base, &realm, &self.plain_http).map_err(refuse)?;
                self.remember(Scheme::Bearer(Service { realm, name: bearer.service.clone() }));
                Ok(Some(bearer))
            }
        }
    }

    fn scheme(&self) -> Option<Scheme> {
        self.scheme.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, scheme: Scheme) {
        *self.scheme.lock().unwrap_or_else(PoisonError::into_inner) = Some(scheme);
    }

    fn no_token(&self, purpose: &Purpose<'_>, error: auth::Error) -> Error {
        match error {
            auth::Error::Send(source) => purpose.failed(source),
            auth::Error::Malformed(reason) => self.malformed(purpose, reason),
            auth::Error::Refused(refusal) => self.denied(purpose, refusal),
        }
    }

    /// The error of a refusal that logging in could or couldn't cure.
    fn denied(&self, purpose: &Purpose<'_>, source: Box<Refusal>) -> Error {
        let (what, registry) = (purpose.what(), self.registry.clone());
        match purpose.login.origin() {
            None => Error::LoginRequired { what, registry, missing: self.logins.missing(), source },
            Some(_) if source.status == StatusCode::FORBIDDEN => Error::Denied { what, source },
            Some(origin) => Error::LoginRefused { registry, origin: origin.to_string(), source },
        }
    }

    fn malformed(&self, purpose: &Purpose<'_>, reason: String) -> Error {
        Error::Malformed { what: purpose.what(), registry: self.registry.clone(), reason }
    }
}

impl Purpose<'_> {
    fn what(&self) -> String {
        self.repository.to_string()
    }

    fn failed(&self, source: SendError) -> Error {
        Error::Send { what: self.what(), source }
    }
}

/// A realm for an error text: it comes from the registry and needn't be a URL.
fn shown(realm: &str) -> String {
    match Url::parse(realm) {
        Ok(url) => crate::http::redacted(&url),
        Err(_) => format!("{:?}", realm.chars().take(100).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trap: GitHub's and Docker's registries turn away those who ask too much at once.
    #[test]
    fn registries_that_limit_rates_are_asked_less_at_a_time() {
        assert_eq!(["ghcr.io", "docker.io", "quay.io", "127.0.0.1:5000"].map(concurrency), [8, 8, 24, 24]);
    }
}
