//! Several tags with one request: `PUT manifests/<digest>?tag=a&tag=b`, confirmed by `OCI-Tag` (distribution-spec §Pushing manifests,
//! after version 1.1.1). A registry that doesn't know it stores the manifest, which is there already, and makes no tag.

use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::{Access, CONTENT_DIGEST, Client, Error, Pointer, manifest_url, request};
use crate::image::manifest::MAX_BYTES;
use crate::image::{Manifest, Repository, Tag};

const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
/// How many tags a registry should take at once.
const MAX_TAGS: usize = 10;

impl Client {
    /// See [`crate::store::Store::put_tags`].
    pub(in crate::store) async fn put_tags(&self, repository: &Repository, tags: &[&Tag], manifest: &Manifest) -> Result<Vec<Tag>, Error> {
        let host = self.host(repository)?;
        let pointer = Pointer::from(manifest.digest());
        let mut url = manifest_url(&host, repository, &pointer);
        url.query_pairs_mut().extend_pairs(tags.iter().take(MAX_TAGS).map(|tag| ("tag", tag.as_str())));
        let mut put = request(Method::PUT, url);
        put.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(manifest.media_type().as_str()));
        *put.body_mut() = Some(manifest.bytes().clone().into());
        let answer = host.send(put, repository, Access::Push, MAX_BYTES).await?;
        let (what, registry) = (pointer.of(repository), repository.registry().to_owned());
        if !matches!(answer.status, StatusCode::CREATED | StatusCode::OK | StatusCode::ACCEPTED) {
            return Err(Error::of(what, registry, answer.refusal()));
        }
        if let Some(confirmed) = answer.header(CONTENT_DIGEST).filter(|digest| *digest != manifest.digest().as_str()) {
            return Err(Error::Confirmation { what, registry, sent: manifest.digest().clone(), confirmed: confirmed.to_owned() });
        }
        let values = answer.headers.get_all(OCI_TAG).iter().filter_map(|value| value.to_str().ok());
        let confirmed: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
        Ok(tags.iter().filter(|tag| confirmed.contains(&tag.as_str())).map(|&tag| tag.clone()).collect())
    }
}
