//! What refers to a manifest, by the referrers API (distribution-spec §Listing referrers).

use http::{HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use super::{Access, Client, Error, MAX_BYTES, MAX_PAGES, page, request};
use crate::image::{Digest, MediaType, Repository};

impl Client {
    /// See [`crate::store::Store::referrers`]. That a registry hasn't got the API is found out once.
    pub(in super::super) async fn referrers(&self, repository: &Repository, digest: &Digest) -> Result<Option<Vec<Value>>, Error> {
        let host = self.host(repository)?;
        let mut first = None;
        let there = host.referrers.get_or_try_init(async || -> Result<bool, Error> {
            first = Some(self.list_referrers(repository, digest).await?);
            Ok(matches!(first, Some(Some(_))))
        });
        if !*there.await? {
            return Ok(None);
        }
        match first {
            Some(listed) => Ok(listed),
            None => self.list_referrers(repository, digest).await,
        }
    }

    async fn list_referrers(&self, repository: &Repository, digest: &Digest) -> Result<Option<Vec<Value>>, Error> {
        let host = self.host(repository)?;
        let what = format!("what refers to {repository}@{digest}");
        let malformed = |reason: String| Error::Malformed { what: what.clone(), registry: repository.registry().to_owned(), reason };
        let mut url = host.url(&format!("v2/{}/referrers/{digest}", repository.path()));
        let mut found = Vec::new();
        for number in 0..MAX_PAGES {
            let mut get = request(Method::GET, url.clone());
            get.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(MediaType::OciIndex.as_str()));
            let answer = host.send(get, repository, Access::Pull, MAX_BYTES).await?;
            match answer.status {
                StatusCode::OK => {}
                // 404 is what the specification says; other registries don't know the path in other ways.
                StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
                    if number == 0 =>
                {
                    return Ok(None);
                }
                _ => return Err(Error::of(what, repository.registry().to_owned(), answer.refusal())),
            }
            match serde_json::from_slice::<Value>(&answer.body).ok().and_then(|mut index| match index["manifests"].take() {
                Value::Array(descriptors) => Some(descriptors),
                _ => None,
            }) {
                Some(descriptors) => found.extend(descriptors),
                // A portal's page, or something else that isn't the API.
                None if number == 0 => return Ok(None),
                None => return Err(malformed("it isn't an index".to_owned())),
            }
            let Some(next) = page::next(&answer, &url).map_err(malformed)? else { return Ok(Some(found)) };
            url = next;
        }
        Err(malformed(format!("it has more than {MAX_PAGES} pages")))
    }
}
