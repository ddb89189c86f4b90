//! An image's configuration, which is a small blob.

use bytes::Bytes;
use http::{Method, StatusCode};

use super::{Access, Client, Error, Pointer, request};
use crate::image::manifest::{self, Descriptor, MAX_BYTES};
use crate::image::{Digest, Repository};

impl Client {
    /// See [`crate::store::Store::config`].
    pub(in crate::store) async fn config(&self, repository: &Repository, config: &Descriptor) -> Result<Bytes, Error> {
        let host = self.host(repository)?;
        let what = Pointer::from(&config.digest).of(repository);
        let get = request(Method::GET, host.url(&format!("v2/{}/blobs/{}", repository.path(), config.digest)));
        let answer = host.send(get, repository, Access::Pull, MAX_BYTES).await?;
        if answer.status != StatusCode::OK {
            return Err(Error::of(what, repository.registry().to_owned(), answer.refusal()));
        }
        match config.digest.matches(&answer.body) {
            true => Ok(answer.body),
            false => {
                let (claimed, actual) = (config.digest.clone(), Digest::sha256(&answer.body));
                Err(Error::Manifest { what, source: manifest::Error::Digest { claimed, actual } })
            }
        }
    }
}
