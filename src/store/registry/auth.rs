//! Tokens of one registry: fetched once for many repositories, kept until shortly before they expire.
//!
//! The token service is asked for all announced repositories at once. Servers that refuse such a request, or give a token that
//! is good for the first or the last of them only, are asked again for each repository (distribution docs, spec/auth/token.md).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderValue, Method, StatusCode, header};
use reqwest::Request;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::{Url, form_urlencoded};

use super::Access;
use super::credentials::{Credential, Found, Origin};
use crate::http::{Peer, Refusal, SendError};
use crate::image::Repository;

const MAX_TOKEN_BYTES: usize = 64 * 1024;
/// The lifetime of a token whose server doesn't tell (distribution docs, spec/auth/token.md: 60 seconds).
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);

/// Where a registry's tokens come from.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) realm: Url,
    pub(super) name: Option<String>,
}

/// What a token is good for: everything announced (per credential), or one repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Reach {
    Shared(Option<Origin>),
    Own(String, Access),
}

/// A token as it is sent, and which one it is, so that the same refused token is renewed only once.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    pub(super) value: HeaderValue,
    pub(super) reach: Reach,
    serial: u64,
}

impl Pass {
    /// Whether the token says by itself that it grants the right to push; `None` when it can't be read, as most clouds' can't.
    ///
    /// The claims are those of distribution docs, spec/auth/jwt.md. The signature isn't looked at: the registry does that, this
    /// is only to know earlier.
    pub(super) fn grants_push(&self, path: &str) -> Option<bool> {
        #[derive(Deserialize)]
        struct Claims {
            access: Vec<Entry>,
        }
        #[derive(Deserialize)]
        struct Entry {
            name: String,
            actions: Vec<String>,
        }
        let payload = self.value.to_str().ok()?.strip_prefix("Bearer ")?.split('.').nth(1)?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?).ok()?;
        let granted = |entry: &Entry| entry.name == path && entry.actions.iter().any(|action| action == "push" || action == "*");
        Some(claims.access.iter().any(granted))
    }
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("the token service refused")]
    Refused(Box<Refusal>),
    #[error("{0}")]
    Malformed(String),
}

/// The tokens of one registry. Concurrent requests for the same one wait for a single answer.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    announced: Mutex<BTreeMap<Repository, Access>>,
    slots: Mutex<HashMap<Reach, Arc<tokio::sync::Mutex<Slot>>>>,
    /// Repositories that the shared token turned out not to be good for.
    excluded: Mutex<HashSet<(String, Access)>>,
    serials: AtomicU64,
}

#[derive(Debug, Default)]
enum Slot {
    #[default]
    Empty,
    Held {
        pass: Pass,
        until: Instant,
    },
    /// The service said no; asking again would give the same answer.
    Denied(Box<Refusal>),
}

impl Tokens {
    pub(super) fn announce(&self, repository: &Repository, access: Access) {
        let mut announced = lock(&self.announced);
        let known = announced.entry(repository.clone()).or_insert(access);
        *known = access.max(*known);
    }

    /// A token for a repository. `same_login` tells which of the announced repositories have the same credential.
    pub(super) async fn pass(
        &self,
        peer: &Peer,
        service: &Service,
        wanted: (&Repository, Access),
        login: Option<&Found>,
        same_login: impl Fn(&Repository) -> bool,
    ) -> Result<Pass, Error> {
        let (repository, access) = wanted;
        let announced = self.announced(same_login);
        let own = (repository.path().to_owned(), access);
        let excluded = [Access::Pull, access].iter().any(|access| lock(&self.excluded).contains(&(own.0.clone(), *access)));
        let shareable = announced.get(repository).is_some_and(|known| *known >= access) && !excluded;
        // Nobody pushes anonymously; asking for it could cost the right to pull.
        let shareable = shareable && (login.is_some() || access == Access::Pull);
        if shareable {
            let reach = Reach::Shared(login.map(|found| found.origin.clone()));
            let rest = announced.iter().filter(|(other, _)| *other != repository);
            let first = announced.get_key_value(repository);
            let scopes = first.into_iter().chain(rest).map(|(r, a)| scope(r, if login.is_some() { *a } else { Access::Pull })).collect();
            match self.take(peer, service, reach, scopes, login).await {
                Err(Error::Refused(_)) => {}
                other => return other,
            }
        }
        self.take(peer, service, Reach::Own(own.0, own.1), vec![scope(repository, access)], login).await
    }

    /// Tells that a token was refused for a repository. The same token isn't tried for it again: an expired one is renewed,
    /// a shared one that doesn't reach so far is replaced by one of the repository's own.
    pub(super) async fn refused(&self, pass: &Pass, repository: &Repository, access: Access, error: Option<&str>) {
        if matches!(pass.reach, Reach::Shared(_)) && error != Some("invalid_token") {
            lock(&self.excluded).insert((repository.path().to_owned(), access));
            return;
        }
        let slot = self.slot(&pass.reach);
        let mut slot = slot.lock().await;
        if matches!(&*slot, Slot::Held { pass: held, .. } if held.serial == pass.serial) {
            *slot = Slot::Empty;
        }
    }

    async fn take(&self, peer: &Peer, service: &Service, reach: Reach, scopes: Vec<String>, login: Option<&Found>) -> Result<Pass, Error> {
        let slot = self.slot(&reach);
        let mut slot = slot.lock().await;
        match &*slot {
            Slot::Held { pass, until } if Instant::now() < *until => return Ok(pass.clone()),
            Slot::Denied(refusal) => return Err(Error::Refused(refusal.clone())),
            Slot::Held { .. } | Slot::Empty => {}
        }
        let asked = Instant::now();
        let grant = match fetch(peer, service, &scopes, login).await {
            Ok(grant) => grant,
            Err(Error::Refused(refusal)) => {
                *slot = Slot::Denied(refusal.clone());
                return Err(Error::Refused(refusal));
            }
            Err(error) => return Err(error),
        };
        let pass = Pass { value: bearer(&grant.token)?, reach, serial: self.serials.fetch_add(1, Ordering::Relaxed) };
        // A little earlier than it says, so that it doesn't expire on its way.
        let until = asked + grant.lifetime - (grant.lifetime / 4).min(Duration::from_secs(15));
        *slot = Slot::Held { pass: pass.clone(), until };
        Ok(pass)
    }

    fn slot(&self, reach: &Reach) -> Arc<tokio::sync::Mutex<Slot>> {
        Arc::clone(lock(&self.slots).entry(reach.clone()).or_default())
    }

    fn announced(&self, same_login: impl Fn(&Repository) -> bool) -> BTreeMap<Repository, Access> {
        lock(&self.announced).iter().filter(|(repository, _)| same_login(repository)).map(|(r, a)| (r.clone(), *a)).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn scope(repository: &Repository, access: Access) -> String {
    let actions = match access {
        Access::Pull => "pull",
        Access::Push => "pull,push",
    };
    format!("repository:{}:{actions}", repository.path())
}

struct Grant {
    token: SecretString,
    lifetime: Duration,
}

/// Asks the token service: GET with the password, or POST with a refresh token (distribution docs, spec/auth/oauth.md).
async fn fetch(peer: &Peer, service: &Service, scopes: &[String], login: Option<&Found>) -> Result<Grant, Error> {
    let request = match login.map(|found| &found.credential) {
        Some(Credential::Identity(token)) => refresh(service, scopes, token),
        Some(Credential::Password { user, password }) => {
            let mut request = ask(service, scopes);
            request.headers_mut().insert(header::AUTHORIZATION, basic(user, password)?);
            request
        }
        Some(Credential::Token(_)) | None => ask(service, scopes),
    };
    let answer = peer.ask(request, MAX_TOKEN_BYTES).await?;
    match answer.status {
        StatusCode::OK => {}
        status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => return Err(Error::Refused(answer.refusal())),
        _ => return Err(Error::Malformed(answer.refusal().to_string())),
    }
    #[derive(Deserialize)]
    struct Body {
        token: Option<String>,
        access_token: Option<String>,
        expires_in: Option<f64>,
    }
    // The parser's message could quote the token.
    let body: Body = serde_json::from_slice(&answer.body).map_err(|_| Error::Malformed("the token service gave no JSON".into()))?;
    let token = [body.token, body.access_token].into_iter().flatten().find(|token| !token.is_empty());
    let token = token.map(SecretString::from).ok_or_else(|| Error::Malformed("the token service gave no token".into()))?;
    let lifetime = body.expires_in.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).filter(|l| !l.is_zero());
    Ok(Grant { token, lifetime: lifetime.unwrap_or(DEFAULT_LIFETIME).min(Duration::from_secs(24 * 3600)) })
}

fn ask(service: &Service, scopes: &[String]) -> Request {
    let mut url = service.realm.clone();
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(service.name.iter().map(|name| ("service", name)));
        query.extend_pairs(scopes.iter().map(|scope| ("scope", scope)));
    }
    Request::new(Method::GET, url)
}

fn refresh(service: &Service, scopes: &[String], token: &SecretString) -> Request {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "refresh_token")
        .append_pair("client_id", "tagboat")
        .append_pair("service", service.name.as_deref().unwrap_or_default())
        .append_pair("scope", &scopes.join(" "))
        .append_pair("refresh_token", token.expose_secret())
        .finish();
    let mut request = Request::new(Method::POST, service.realm.clone());
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    *request.body_mut() = Some(form.into());
    request
}

/// The header of a user and password (RFC 7617).
pub(super) fn basic(user: &str, password: &SecretString) -> Result<HeaderValue, Error> {
    secret_header("Basic", &STANDARD.encode(format!("{user}:{}", password.expose_secret())))
}

/// The header of an access token (RFC 6750).
pub(super) fn bearer(token: &SecretString) -> Result<HeaderValue, Error> {
    secret_header("Bearer", token.expose_secret())
}

fn secret_header(scheme: &str, secret: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(&format!("{scheme} {secret}"))
        .map_err(|_| Error::Malformed("a token holds characters that no header can carry".into()))?;
    value.set_sensitive(true);
    Ok(value)
}
