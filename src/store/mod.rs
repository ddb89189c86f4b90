//! Adapters for places that hold images: registries, OCI image layout folders and the local Docker daemon, behind one set of operations.
//!
//! What is stored moves as verbatim bytes; every manifest that comes from a store has been checked against its digest.

pub mod docker;
mod error;
pub mod layout;
pub mod registry;
mod transfer;

use std::fmt;

use bytes::Bytes;
pub use error::Error;
use registry::credentials::Found;
pub use transfer::{Moved, Place, Transfers};

use crate::http::Traffic;
use crate::image::manifest::Descriptor;
use crate::image::{Digest, Manifest, Repository, Tag};

/// A place that holds images.
#[derive(Debug)]
pub enum Store {
    Registry(registry::Client),
    Layout(layout::Layout),
    /// Images are taken from the Docker daemon; everything else is done at the registries that it pushes them to.
    Daemon(docker::Daemon),
}

/// An image to release, as its place gives it.
#[derive(Debug)]
pub enum Source {
    Manifest(Box<Manifest>),
    /// It must be pushed before a tag can be put on it; only then its digest is known.
    Local(docker::Image),
}

impl Source {
    /// Whether it is known to be this manifest; an image that hasn't been pushed never is.
    pub fn is(&self, digest: &Digest) -> bool {
        matches!(self, Self::Manifest(manifest) if manifest.digest() == digest)
    }
}

/// What a manifest is asked for by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pointer {
    Tag(Tag),
    Digest(Digest),
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl From<&Tag> for Pointer {
    fn from(tag: &Tag) -> Self {
        Self::Tag(tag.clone())
    }
}

impl From<&Digest> for Pointer {
    fn from(digest: &Digest) -> Self {
        Self::Digest(digest.clone())
    }
}

impl Pointer {
    /// The tag of names that have none.
    pub fn latest() -> Self {
        Self::Tag(Tag::latest())
    }

    /// `repository:tag` or `repository@digest`.
    pub fn of(&self, repository: &Repository) -> String {
        match self {
            Self::Tag(tag) => format!("{repository}:{tag}"),
            Self::Digest(digest) => format!("{repository}@{digest}"),
        }
    }
}

/// What a repository is going to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    Pull,
    Push,
}

/// Where a store keeps what has a digest: for the Docker daemon, the registries that it pushes to.
#[derive(Debug, Clone, Copy)]
enum End<'a> {
    Registry(&'a registry::Client),
    Layout(&'a layout::Layout),
}

impl Store {
    fn end(&self) -> End<'_> {
        match self {
            Self::Registry(client) => End::Registry(client),
            Self::Layout(layout) => End::Layout(layout),
            Self::Daemon(daemon) => End::Registry(&daemon.registry),
        }
    }

    /// Tells which repositories will be used, before the first of them is: a registry is then asked for one token for all of
    /// them, and a folder whose names hold no repository can refuse to mix several.
    pub fn announce<'a>(&self, repositories: impl IntoIterator<Item = (&'a Repository, Access)>) {
        match self.end() {
            End::Registry(client) => client.announce(repositories),
            End::Layout(layout) => layout.announce(repositories),
        }
    }

    /// The image to release that a name stands for: in a registry or folder its manifest, in the Docker daemon the image itself.
    ///
    /// # Errors
    /// As [`Store::manifest`]; [`Error::is_absent`] tells when there is none.
    pub async fn source(&self, repository: &Repository, pointer: &Pointer) -> Result<Source, Error> {
        match self {
            Self::Registry(client) => Ok(Source::Manifest(Box::new(client.manifest(repository, pointer).await?))),
            Self::Layout(layout) => Ok(Source::Manifest(Box::new(layout.source(repository, pointer)?))),
            Self::Daemon(daemon) => Ok(Source::Local(daemon.image(repository, pointer).await?)),
        }
    }

    /// The manifest or index behind a tag or digest, whole and as it was stored.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none; others when it can't be read or isn't what its digest says.
    pub async fn manifest(&self, repository: &Repository, pointer: &Pointer) -> Result<Manifest, Error> {
        match self.end() {
            End::Registry(client) => client.manifest(repository, pointer).await,
            End::Layout(layout) => layout.manifest(repository, pointer),
        }
    }

    /// The digest that a tag names; `None` when there is no such tag (or no such repository yet).
    ///
    /// # Errors
    /// When the store can't be read. Being forbidden to look is an error, not an absent tag.
    pub async fn digest(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, Error> {
        match self.end() {
            End::Registry(client) => client.digest(repository, tag).await,
            End::Layout(layout) => layout.digest(repository, tag),
        }
    }

    /// All tags of a repository, in the store's order; none when there is no such repository.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, Error> {
        match self.end() {
            End::Registry(client) => client.tags(repository).await,
            End::Layout(layout) => layout.tags(repository),
        }
    }

    /// Finds out, before anything is written, whether the right to push is missing. Not every store can tell; a store that can't
    /// says so when something is put.
    ///
    /// # Errors
    /// [`Error::MayNotPush`], or [`Error::LoginRequired`] and its like when no token is to be had at all.
    pub async fn check_push(&self, repository: &Repository) -> Result<(), Error> {
        match self.end() {
            End::Registry(client) => client.check_push(repository).await,
            End::Layout(_) => Ok(()),
        }
    }

    /// The credential for pushing to a repository, for somebody else who pushes there: the Docker daemon. That of a cloud is asked for now.
    ///
    /// # Errors
    /// When the cloud refuses the login, or only a credential helper knows it.
    pub async fn login(&self, repository: &Repository) -> Result<Option<Found>, Error> {
        match self.end() {
            End::Registry(client) => client.login(repository).await,
            End::Layout(_) => Ok(None),
        }
    }

    /// Stores a manifest under a tag or its digest; what it points to must be there already. Doing it twice is harmless.
    ///
    /// # Errors
    /// When the store refuses, or confirms another digest than the manifest's.
    pub async fn put(&self, repository: &Repository, pointer: &Pointer, manifest: &Manifest) -> Result<(), Error> {
        match self.end() {
            End::Registry(client) => client.put(repository, pointer, manifest).await,
            End::Layout(layout) => layout.put(repository, pointer, manifest),
        }
    }

    /// Stores a manifest, whose parts are there already, under several tags at once, and gives the tags that the store confirms; the
    /// others must be put one by one. Few registries can: most confirm none and do nothing.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub async fn put_tags(&self, repository: &Repository, tags: &[&Tag], manifest: &Manifest) -> Result<Vec<Tag>, Error> {
        match self.end() {
            End::Registry(client) => client.put_tags(repository, tags, manifest).await,
            End::Layout(_) => Ok(Vec::new()),
        }
    }

    /// The configuration of an image: a small blob, checked against its digest.
    ///
    /// # Errors
    /// When it isn't there, is larger than a manifest may be, or isn't what its digest says.
    pub async fn config(&self, repository: &Repository, config: &Descriptor) -> Result<Bytes, Error> {
        match self.end() {
            End::Registry(client) => client.config(repository, config).await,
            End::Layout(layout) => layout.config(repository, config),
        }
    }

    /// As [`Store::manifest`], for one that must have been pushed a moment ago: a registry that is known to show its writes late is
    /// asked again for a while. Others are not, so that a missing image is told at once.
    ///
    /// # Errors
    /// As [`Store::manifest`].
    pub async fn late_manifest(&self, repository: &Repository, pointer: &Pointer, missing: Error) -> Result<Manifest, Error> {
        match self {
            Self::Registry(client) => client.late_manifest(repository, pointer, missing).await,
            Self::Daemon(daemon) => daemon.registry.late_manifest(repository, pointer, missing).await,
            Self::Layout(_) => Err(missing),
        }
    }

    /// Whether a repository's store is known to show its writes late.
    pub fn is_late(&self, repository: &Repository) -> bool {
        match self.end() {
            End::Registry(client) => client.is_late(repository),
            End::Layout(_) => false,
        }
    }

    /// What was sent over the network so far.
    pub fn traffic(&self) -> Traffic {
        match self.end() {
            End::Registry(client) => client.traffic(),
            End::Layout(_) => Traffic::default(),
        }
    }
}
