//! OCI names and contents as values: references, tags, digests, manifests. Pure.

mod digest;
pub mod manifest;
mod reference;

pub use digest::{Digest, Hasher};
pub use manifest::{Manifest, MediaType};
pub use reference::{Reference, Repository, Tag};

/// Why a text is not the OCI name it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("{text:?} is not an image reference: {reason}")]
    Reference { text: String, reason: &'static str },
    #[error("{text:?} is not a tag: {reason}")]
    Tag { text: String, reason: &'static str },
    #[error("{text:?} is not a digest: {reason}")]
    Digest { text: String, reason: &'static str },
}
