//! The client of the OCI distribution API: manifests and tags of any number of registries.

mod auth;
mod blob;
mod challenge;
mod content;
pub mod credentials;
mod endpoint;
mod host;
mod lag;
mod logins;
mod many;
mod page;
mod referrers;
mod refused;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use reqwest::Request;
use url::Url;

pub use credentials::Keychain;
use host::Host;
pub use lag::Lag;

use super::{Access, Error, Pointer};
use crate::http::{Answer, Patience, Traffic};
use crate::image::manifest::MAX_BYTES;
use crate::image::{Digest, Manifest, MediaType, Repository, Tag};
use crate::login::Clouds;
pub(super) use blob::Mount;

/// Docker's name for the header that tells a manifest's digest (distribution-spec §Pulling manifests).
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// How many tags are asked for at once, how many pages are read at most, and how many tags.
const PAGE: usize = 1000;
const MAX_PAGES: usize = 1000;
const MAX_TAGS: usize = 500_000;

/// How registries are reached.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub keychain: Keychain,
    /// Logins to registries of clouds that the keychain has nothing for.
    pub clouds: Clouds,
    /// Hosts, with or without a port, that are spoken to without TLS. Loopback addresses always are.
    pub plain_http: Vec<String>,
    pub patience: Patience,
    pub lag: Lag,
    /// The client of uploads, see [`crate::http::upload_client`]; without one they have to be through in the other's time.
    pub uploads: Option<reqwest::Client>,
}

/// All registries of a run. Connections, tokens and limits are kept for each host.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    settings: Settings,
    hosts: Mutex<BTreeMap<String, Arc<Host>>>,
}

impl Client {
    pub fn new(http: reqwest::Client, settings: Settings) -> Self {
        Self { http, settings, hosts: Mutex::default() }
    }

    pub(super) fn patience(&self) -> Patience {
        self.settings.patience.clone()
    }

    /// See [`super::Store::announce`].
    pub(super) fn announce<'a>(&self, repositories: impl IntoIterator<Item = (&'a Repository, Access)>) {
        for (repository, access) in repositories {
            // A host that isn't one is reported by the first request to it.
            if let Ok(host) = self.host(repository) {
                host.announce(repository, access);
            }
        }
    }

    /// See [`super::Store::manifest`].
    pub(super) async fn manifest(&self, repository: &Repository, pointer: &Pointer) -> Result<Manifest, Error> {
        let what = pointer.of(repository);
        let answer = self.ask(Method::GET, repository, pointer).await?;
        if answer.status != StatusCode::OK {
            return Err(Error::of(what, repository.registry().to_owned(), answer.refusal()));
        }
        let promised = promised(&answer, repository, &what)?;
        let claimed = match pointer {
            Pointer::Digest(digest) => Some(digest),
            Pointer::Tag(_) => promised.as_ref(),
        };
        let content_type = answer.header(header::CONTENT_TYPE);
        Manifest::read(answer.body.clone(), content_type, claimed).map_err(|source| Error::Manifest { what, source })
    }

    /// See [`super::Store::digest`].
    pub(super) async fn digest(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, Error> {
        let pointer = Pointer::from(tag);
        let what = pointer.of(repository);
        let answer = self.ask(Method::HEAD, repository, &pointer).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(Error::of(what, repository.registry().to_owned(), answer.refusal())),
        }
        match promised(&answer, repository, &what)? {
            Some(digest) => Ok(Some(digest)),
            // The header is optional; the bytes themselves are not.
            None => self.manifest(repository, &pointer).await.map(|manifest| Some(manifest.digest().clone())),
        }
    }

    /// See [`super::Store::has_manifest`].
    pub(super) async fn has_manifest(&self, repository: &Repository, digest: &Digest) -> Result<bool, Error> {
        let pointer = Pointer::from(digest);
        let answer = self.ask(Method::HEAD, repository, &pointer).await?;
        match answer.status {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(Error::of(pointer.of(repository), repository.registry().to_owned(), answer.refusal())),
        }
    }

    /// See [`super::Store::tags`]. Pages are followed by `Link` (distribution-spec §Listing tags), always on the same host.
    pub(super) async fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, Error> {
        let host = self.host(repository)?;
        let what = format!("the tags of {repository}");
        let malformed = |reason: String| Error::Malformed { what: what.clone(), registry: repository.registry().to_owned(), reason };
        let plain = host.url(&format!("v2/{}/tags/list", repository.path()));
        let mut url = plain.clone();
        url.set_query(Some(&format!("n={PAGE}")));
        let mut tags = Vec::new();
        for number in 0..MAX_PAGES {
            let mut answer = host.send(request(Method::GET, url.clone()), repository, Access::Pull, MAX_BYTES).await?;
            if number == 0 && answer.status == StatusCode::BAD_REQUEST {
                // Some registries refuse a page as large as this: let them choose.
                answer = host.send(request(Method::GET, plain.clone()), repository, Access::Pull, MAX_BYTES).await?;
            }
            match answer.status {
                StatusCode::OK => {}
                StatusCode::NOT_FOUND if number == 0 => return Ok(tags),
                _ => return Err(Error::of(what, repository.registry().to_owned(), answer.refusal())),
            }
            tags.extend(page::tags(&answer.body).map_err(malformed)?);
            if tags.len() > MAX_TAGS {
                return Err(malformed(format!("it has more than {MAX_TAGS} tags")));
            }
            let Some(next) = page::next(&answer, &url).map_err(malformed)? else { return Ok(tags) };
            url = next;
        }
        Err(malformed(format!("it has more than {MAX_PAGES} pages")))
    }

    /// See [`super::Store::check_push`].
    pub(super) async fn check_push(&self, repository: &Repository) -> Result<(), Error> {
        self.host(repository)?.check_push(repository).await
    }

    /// See [`super::Store::login`].
    pub(super) async fn login(&self, repository: &Repository) -> Result<Option<credentials::Found>, Error> {
        self.host(repository)?.login(repository).await
    }

    /// See [`super::Store::put`]. The `Location` of the answer is ignored: some registries send none.
    pub(super) async fn put(&self, repository: &Repository, pointer: &Pointer, manifest: &Manifest) -> Result<(), Error> {
        let host = self.host(repository)?;
        let what = pointer.of(repository);
        let mut put = request(Method::PUT, manifest_url(&host, repository, pointer));
        put.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(manifest.media_type().as_str()));
        *put.body_mut() = Some(manifest.bytes().clone().into());
        let answer = host.send(put, repository, Access::Push, MAX_BYTES).await?;
        let confirmed = answer.header(CONTENT_DIGEST).map(str::to_owned);
        match (answer.status, confirmed) {
            (StatusCode::CREATED | StatusCode::OK | StatusCode::ACCEPTED, Some(confirmed)) if confirmed == manifest.digest().as_str() => {
                Ok(())
            }
            (StatusCode::CREATED | StatusCode::OK | StatusCode::ACCEPTED, Some(confirmed)) => {
                let registry = repository.registry().to_owned();
                Err(Error::Confirmation { what, registry, sent: manifest.digest().clone(), confirmed })
            }
            // 201 is what the specification asks for and needs no more; anything else could be a portal's page.
            (StatusCode::CREATED, None) => Ok(()),
            _ => Err(refused::refused(what, repository, answer.refusal())),
        }
    }

    /// What was sent to all registries and their token services.
    pub fn traffic(&self) -> Traffic {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts
            .values()
            .map(|host| host.traffic())
            .fold(Traffic::default(), |a, b| Traffic { requests: a.requests + b.requests, writes: a.writes + b.writes })
    }

    async fn ask(&self, method: Method, repository: &Repository, pointer: &Pointer) -> Result<Answer, Error> {
        let host = self.host(repository)?;
        let mut ask = request(method, manifest_url(&host, repository, pointer));
        if let Ok(accept) = HeaderValue::from_str(&MediaType::accept()) {
            ask.headers_mut().insert(header::ACCEPT, accept);
        }
        host.send(ask, repository, Access::Pull, MAX_BYTES).await
    }

    fn host(&self, repository: &Repository) -> Result<Arc<Host>, Error> {
        let registry = repository.registry();
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(registry) {
            return Ok(Arc::clone(host));
        }
        let host = Host::new(registry, self.http.clone(), &self.settings).map_err(|error| Error::Malformed {
            what: repository.to_string(),
            registry: registry.to_owned(),
            reason: format!("its name is not a host ({error})"),
        })?;
        Ok(Arc::clone(hosts.entry(registry.to_owned()).or_insert(Arc::new(host))))
    }
}

fn request(method: Method, url: Url) -> Request {
    Request::new(method, url)
}

fn manifest_url(host: &Host, repository: &Repository, pointer: &Pointer) -> Url {
    host.url(&format!("v2/{}/manifests/{pointer}", repository.path()))
}

/// The digest that an answer's header promises.
fn promised(answer: &Answer, repository: &Repository, what: &str) -> Result<Option<Digest>, Error> {
    let digest = answer.header(CONTENT_DIGEST).map(str::parse).transpose();
    digest.map_err(|error: crate::image::NameError| Error::Malformed {
        what: what.to_owned(),
        registry: repository.registry().to_owned(),
        reason: error.to_string(),
    })
}
