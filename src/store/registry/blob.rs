//! Blobs of registries: mount, look, read, upload (distribution-spec §Pushing blobs).

use futures::stream::{StreamExt as _, TryStreamExt as _};
use http::{HeaderValue, Method, StatusCode, header};
use reqwest::{Body, Request};
use tokio::sync::watch;
use url::Url;

use super::host::Host;
use super::{Access, Client, Error, MAX_BYTES, refused, request};
use crate::http::{Answer, Opened};
use crate::image::manifest::Descriptor;
use crate::image::{Digest, Repository};
use crate::store::transfer::Content;

/// What a registry says to a mount.
#[derive(Debug)]
pub(in super::super) enum Mount {
    Done,
    /// It doesn't mount, but has begun an upload, so that nothing is wasted.
    Session(Url),
    Refused,
}

impl Client {
    /// Asks for a blob that another repository of the same registry has; it isn't looked for before, as the answer tells the same.
    ///
    /// What goes wrong here is no error: a plain upload follows, and fails if it must. Registries answer all kinds of statuses
    /// (go-containerregistry#1404, harbor#17097).
    pub(in super::super) async fn mount(&self, repository: &Repository, digest: &Digest, from: &Repository) -> Result<Mount, Error> {
        let host = self.host(repository)?;
        let mut url = uploads(&host, repository);
        url.query_pairs_mut().append_pair("mount", digest.as_str()).append_pair("from", from.path());
        let Ok(answer) = host.send(post(url), repository, Access::Push, MAX_BYTES).await else { return Ok(Mount::Refused) };
        Ok(match (answer.status, host.upload_location(&answer)) {
            (StatusCode::CREATED, _) => Mount::Done,
            (StatusCode::ACCEPTED, Ok(session)) => Mount::Session(session),
            _ => Mount::Refused,
        })
    }

    /// Whether a repository has a blob. Only a plain yes counts: everything else is found out by the upload.
    pub(in super::super) async fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, Error> {
        let host = self.host(repository)?;
        let head = request(Method::HEAD, blob_url(&host, repository, digest));
        Ok(host.send(head, repository, Access::Pull, MAX_BYTES).await?.status == StatusCode::OK)
    }

    /// Begins to read a blob.
    pub(in super::super) async fn open_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<Content, Error> {
        let host = self.host(repository)?;
        let what = what(repository, &blob.digest);
        let mut get = request(Method::GET, blob_url(&host, repository, &blob.digest));
        // A layer is compressed already, and its digest is that of the bytes as they are.
        get.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        match host.open(get, repository).await? {
            Opened::Other(answer) => Err(Error::of(what, repository.registry().to_owned(), answer.refusal())),
            Opened::Body(body) => match body.length() {
                Some(length) if length != blob.size => Err(Error::Length { what, promised: blob.size, got: length }),
                _ => Ok(body.pieces().map_err(move |source| Error::Send { what: what.clone(), source }).boxed()),
            },
        }
    }

    /// Begins an upload; gives the place for the blob.
    pub(in super::super) async fn begin_upload(&self, repository: &Repository) -> Result<Url, Error> {
        let host = self.host(repository)?;
        let answer = host.send(post(uploads(&host, repository)), repository, Access::Push, MAX_BYTES).await?;
        let registry = repository.registry().to_owned();
        match answer.status {
            StatusCode::ACCEPTED => host.upload_location(&answer).map_err(|reason| Error::Malformed {
                what: repository.to_string(),
                registry,
                reason: reason.to_owned(),
            }),
            _ => Err(refused::unplaced(repository.to_string(), repository, answer.refusal())),
        }
    }

    /// Sends a whole blob to the place of its upload.
    pub(in super::super) async fn put_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        mut session: Url,
        body: Body,
        sent: watch::Receiver<u64>,
    ) -> Result<(), Error> {
        let host = self.host(repository)?;
        session.query_pairs_mut().append_pair("digest", blob.digest.as_str());
        let mut put = request(Method::PUT, session);
        put.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        put.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(blob.size));
        *put.body_mut() = Some(body);
        let answer = host.upload(put, repository, sent).await?;
        let (what, registry) = (what(repository, &blob.digest), repository.registry().to_owned());
        match answer.status {
            StatusCode::CREATED => confirmed(&answer, what, registry, &blob.digest),
            // A session that is forgotten, or a token that has expired on the way, says nothing about the blob.
            StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED => Err(Error::Unexpected { what, registry, source: answer.refusal() }),
            _ => Err(Error::of(what, registry, answer.refusal())),
        }
    }
}

fn confirmed(answer: &Answer, what: String, registry: String, digest: &Digest) -> Result<(), Error> {
    match answer.header(super::CONTENT_DIGEST) {
        // A registry may confirm by another algorithm; its own check of the digest in the URL is what counts then.
        Some(confirmed) if confirmed.starts_with(digest.algorithm()) && confirmed != digest.as_str() => {
            Err(Error::Confirmation { what, registry, sent: digest.clone(), confirmed: confirmed.to_owned() })
        }
        _ => Ok(()),
    }
}

fn post(url: Url) -> Request {
    let mut post = request(Method::POST, url);
    post.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    post
}

fn uploads(host: &Host, repository: &Repository) -> Url {
    host.url(&format!("v2/{}/blobs/uploads/", repository.path()))
}

fn blob_url(host: &Host, repository: &Repository, digest: &Digest) -> Url {
    host.url(&format!("v2/{}/blobs/{digest}", repository.path()))
}

fn what(repository: &Repository, digest: &Digest) -> String {
    format!("the blob {repository}@{digest}")
}
