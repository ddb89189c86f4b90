//! Images of the local Docker daemon, by the Engine API: looked up, and pushed to where they are released.
//!
//! The daemon pushes an image once, under one tag; what else is to be known of it comes from the registry it went to.
//! Paths have no version, so that the daemon answers by the newest it knows; what is read here has been there since 1.24, and what
//! is newer (`Descriptor`, `Manifests`) is only looked at where it is.

mod address;
mod error;
mod login;
mod push;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{Method, StatusCode};
use serde::Deserialize;

pub use address::Address;
pub use error::Error;
pub use push::Progress;

use super::registry::{self, credentials::Found};
use super::{Pointer, Store};
use crate::image::{Digest, Manifest, MediaType, Reference, Repository, Tag, manifest};
use push::{Line, Lines};
use wire::Wire;

/// The daemon's images, and the registries that they are pushed to.
#[derive(Debug)]
pub struct Daemon {
    wire: Arc<Wire>,
    pub(super) registry: registry::Client,
}

/// An image of the daemon.
#[derive(Debug, Clone)]
pub struct Image {
    wire: Arc<Wire>,
    /// As a person calls it: `web:latest`.
    name: String,
    /// The daemon's name for the content: the digest of the configuration, or of the manifest where containerd keeps the images.
    id: Digest,
    /// The manifests by which registries are known to have it.
    known_as: Vec<(Repository, Digest)>,
    /// The manifest or index itself, where the daemon keeps it.
    descriptor: Option<Descriptor>,
    /// Platforms that the image's index lists and the daemon lacks.
    absent: Vec<String>,
    labels: BTreeMap<String, String>,
}

/// The answer to `GET /images/{name}/json` (moby, api/swagger.yaml, `ImageInspect`), as far as it is needed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    repo_digests: Option<Vec<String>>,
    descriptor: Option<Descriptor>,
    manifests: Option<Vec<Child>>,
    config: Option<Config>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Descriptor {
    #[serde(rename = "mediaType", default)]
    media_type: String,
    digest: String,
}

/// A child of an index (moby, `ImageManifestSummary`).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Child {
    #[serde(default)]
    available: bool,
    #[serde(default)]
    kind: String,
    image_data: Option<ImageData>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ImageData {
    platform: Option<manifest::Platform>,
}

impl Daemon {
    /// Nothing is contacted before the first question.
    pub fn new(address: Address, registry: registry::Client) -> Self {
        Self { wire: Arc::new(Wire::new(address)), registry }
    }

    /// The image that the daemon knows by this name.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none; others when the daemon can't be asked.
    pub async fn image(&self, repository: &Repository, pointer: &Pointer) -> Result<Image, Error> {
        let name = familiar(repository, pointer);
        let answer = self.wire.ask(Method::GET, &format!("/images/{}/json?manifests=true", wire::escaped(&name))).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(Error::Missing { image: name, daemon: self.wire.address().to_string() }),
            _ => return Err(answer.refused(format!("look up {name}"))),
        }
        let unreadable = |reason: String| Error::Malformed { what: format!("its image {name}"), reason };
        let inspected: Inspected = serde_json::from_slice(&answer.body).map_err(|error| unreadable(error.to_string()))?;
        let id = inspected.id.parse().map_err(|error: crate::image::NameError| unreadable(error.to_string()))?;
        Ok(Image {
            wire: Arc::clone(&self.wire),
            name,
            id,
            known_as: inspected.repo_digests.iter().flatten().filter_map(|text| known_as(text)).collect(),
            descriptor: inspected.descriptor,
            absent: absent(inspected.manifests.as_deref().unwrap_or_default()),
            labels: inspected.config.and_then(|config| config.labels).unwrap_or_default(),
        })
    }
}

/// `repository@digest`; what has no repository (`<none>@<none>`) tells nothing.
fn known_as(text: &str) -> Option<(Repository, Digest)> {
    let reference: Reference = text.parse().ok()?;
    Some((reference.repository(), reference.digest()?.clone()))
}

fn absent(children: &[Child]) -> Vec<String> {
    let absent = children.iter().filter(|child| child.kind == "image" && !child.available);
    let platform = |child: &Child| child.image_data.as_ref().and_then(|data| data.platform.as_ref()).map(ToString::to_string);
    absent.map(|child| platform(child).unwrap_or_else(|| "one of its platforms".to_owned())).collect()
}

/// The name as `docker image ls` shows it; other engines that speak this API resolve it to what they have built.
fn familiar(repository: &Repository, pointer: &Pointer) -> String {
    let name = pointer.of(repository);
    let short = name.strip_prefix("docker.io/").map(|name| name.strip_prefix("library/").unwrap_or(name));
    short.unwrap_or(&name).to_owned()
}

impl Image {
    /// As a person calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the daemon calls the content.
    pub fn id(&self) -> &Digest {
        &self.id
    }

    /// A label of its configuration.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }

    /// The manifests by which a repository is known to have this image, or was once.
    pub fn known_in<'a>(&'a self, repository: &'a Repository) -> impl Iterator<Item = &'a Digest> {
        self.known_as.iter().filter(move |(known, _)| known == repository).map(|(_, digest)| digest)
    }

    /// Whether a manifest is this image: it is the one that the daemon keeps, or has the same configuration.
    pub fn is(&self, manifest: &Manifest) -> bool {
        let config = match &manifest.content().kind {
            manifest::Kind::Image { config, .. } => Some(&config.digest),
            manifest::Kind::Index { .. } => None,
        };
        *manifest.digest() == self.id || config == Some(&self.id)
    }

    /// Whether the image could be pushed as it is.
    ///
    /// # Errors
    /// When the daemon lacks platforms of it, and so would push something else (moby/moby#48731).
    pub fn check_complete(&self) -> Result<(), Error> {
        match self.absent.is_empty() {
            true => Ok(()),
            false => Err(Error::Incomplete { image: self.name.clone(), platforms: self.absent.clone() }),
        }
    }

    /// Has the daemon push the image under a tag, and returns the digest it has there. The daemon keeps the name, and sends the `login`
    /// that it is given (see [`Store::login`]): it has none of its own that would count.
    ///
    /// # Errors
    /// When the daemon can't be asked, or what it pushed is not this image.
    pub async fn push(
        &self,
        repository: &Repository,
        tag: &Tag,
        login: Option<&Found>,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Digest, Error> {
        let target = repository.with_tag(tag);
        let login = login::header(login, repository)?;
        // By the ID: the name could have been given to another image since it was looked up.
        let name = wire::escaped(&repository.to_string());
        let path = format!("/images/{}/tag?repo={name}&tag={tag}", wire::escaped(self.id.as_str()));
        let tagged = self.wire.ask(Method::POST, &path).await?;
        if tagged.status != StatusCode::CREATED {
            return Err(tagged.refused(format!("name {} {target}", self.name)));
        }
        let mut stream = self.wire.stream(&format!("/images/{name}/push?tag={tag}"), login, &target).await?;
        let (mut lines, mut pushed) = (Lines::default(), None);
        while let Some(bytes) = stream.next().await? {
            for line in lines.feed(&bytes).map_err(|reason| Error::Malformed { what: format!("its push of {target}"), reason })? {
                match line {
                    Line::Progress(step) => progress(step),
                    Line::Pushed(digest) => pushed = Some(digest),
                    Line::Replaced { selected } => return Err(self.replaced(&target, &selected)),
                    Line::Failed(message) => return Err(Error::Push { image: target, message }),
                }
            }
        }
        let pushed = pushed.ok_or_else(|| Error::Unfinished { image: target.clone() })?;
        match &self.descriptor {
            Some(own) if own.digest != pushed.as_str() => Err(self.replaced(&target, pushed.as_str())),
            _ => Ok(pushed),
        }
    }

    /// What was pushed, read back from the registry.
    ///
    /// # Errors
    /// When the registry hasn't got it, or it is not this image.
    pub async fn pushed(&self, store: &Store, repository: &Repository, digest: &Digest) -> Result<Manifest, super::Error> {
        let pointer = Pointer::from(digest);
        let manifest = match store.manifest(repository, &pointer).await {
            Err(missing @ super::Error::NotFound { .. }) => store.late_manifest(repository, &pointer, missing).await?,
            found => found?,
        };
        match self.descriptor.is_some() || self.is(&manifest) {
            true => Ok(manifest),
            false => Err(self.replaced(&Pointer::from(digest).of(repository), digest.as_str()).into()),
        }
    }

    fn replaced(&self, target: &str, pushed: &str) -> Error {
        let index = self
            .descriptor
            .as_ref()
            .is_some_and(|own| [MediaType::OciIndex, MediaType::DockerList].iter().any(|index| index.as_str() == own.media_type));
        let local = self.descriptor.as_ref().map_or_else(|| self.id.to_string(), |own| own.digest.clone());
        let what = if index { "the index" } else { "the image" };
        Error::Replaced { target: target.to_owned(), what, local, pushed: pushed.to_owned() }
    }
}

#[cfg(test)]
mod tests;
