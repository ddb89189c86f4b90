//! Adapters for places that hold images: registries and OCI image layout folders, behind one set of operations.
//!
//! What is stored moves as verbatim bytes; every manifest that comes from a store has been checked against its digest.

mod error;
pub mod layout;
pub mod registry;
mod transfer;

use std::fmt;

pub use error::Error;
pub use transfer::{Moved, Place, Transfers};

use crate::http::Traffic;
use crate::image::{Digest, Manifest, Repository, Tag};

/// A place that holds images.
#[derive(Debug)]
pub enum Store {
    Registry(registry::Client),
    Layout(layout::Layout),
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

impl Store {
    /// Tells which repositories will be used, before the first of them is: a registry is then asked for one token for all of
    /// them, and a folder whose names hold no repository can refuse to mix several.
    pub fn announce<'a>(&self, repositories: impl IntoIterator<Item = (&'a Repository, Access)>) {
        match self {
            Self::Registry(client) => client.announce(repositories),
            Self::Layout(layout) => layout.announce(repositories),
        }
    }

    /// The manifest or index behind a tag or digest, whole and as it was stored.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none; others when it can't be read or isn't what its digest says.
    pub async fn manifest(&self, repository: &Repository, pointer: &Pointer) -> Result<Manifest, Error> {
        match self {
            Self::Registry(client) => client.manifest(repository, pointer).await,
            Self::Layout(layout) => layout.manifest(repository, pointer),
        }
    }

    /// The digest that a tag names; `None` when there is no such tag (or no such repository yet).
    ///
    /// # Errors
    /// When the store can't be read. Being forbidden to look is an error, not an absent tag.
    pub async fn digest(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, Error> {
        match self {
            Self::Registry(client) => client.digest(repository, tag).await,
            Self::Layout(layout) => layout.digest(repository, tag),
        }
    }

    /// All tags of a repository, in the store's order; none when there is no such repository.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, Error> {
        match self {
            Self::Registry(client) => client.tags(repository).await,
            Self::Layout(layout) => layout.tags(repository),
        }
    }

    /// Finds out, before anything is written, whether the right to push is missing. Not every store can tell; a store that can't
    /// says so when something is put.
    ///
    /// # Errors
    /// [`Error::MayNotPush`], or [`Error::LoginRequired`] and its like when no token is to be had at all.
    pub async fn check_push(&self, repository: &Repository) -> Result<(), Error> {
        match self {
            Self::Registry(client) => client.check_push(repository).await,
            Self::Layout(_) => Ok(()),
        }
    }

    /// Stores a manifest under a tag or its digest; what it points to must be there already. Doing it twice is harmless.
    ///
    /// # Errors
    /// When the store refuses, or confirms another digest than the manifest's.
    pub async fn put(&self, repository: &Repository, pointer: &Pointer, manifest: &Manifest) -> Result<(), Error> {
        match self {
            Self::Registry(client) => client.put(repository, pointer, manifest).await,
            Self::Layout(layout) => layout.put(repository, pointer, manifest),
        }
    }

    /// What was sent over the network so far.
    pub fn traffic(&self) -> Traffic {
        match self {
            Self::Registry(client) => client.traffic(),
            Self::Layout(_) => Traffic::default(),
        }
    }
}
