//! Edits of files as bytes in → bytes out. Pure: no edit knows a repository, a network or a clock.

pub mod kustomize;
pub mod yaml;

use std::fmt;

use crate::error::{Exit, Explain, Location};
use crate::image::{Digest, Repository, Tag};

/// Files larger than this are not edited, in bytes.
pub const FILE_LIMIT: usize = 5 << 20;

/// What an image is to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePin {
    /// The name that stands in the manifests: an alias of the input `image-names`, or the repository itself.
    pub name: String,
    /// Where the image is pulled from.
    pub repository: Repository,
    pub tag: Tag,
    /// Written beside the tag; without it, no digest is left.
    pub digest: Option<Digest>,
}

/// One image that an edit changes in a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// Path inside the repository.
    pub file: String,
    /// Line in the edited file, counted from 1.
    pub line: u32,
    /// The name of [`ImagePin`].
    pub image: String,
    /// `tag`, `tag@digest`, or with the repository before it when that changes too; `None` when the file did not name the image.
    pub old: Option<String>,
    pub new: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.old {
            Some(old) => write!(f, "{}:{}: {} {old} → {}", self.file, self.line, self.image, self.new),
            None => write!(f, "{}:{}: {} {} (added)", self.file, self.line, self.image, self.new),
        }
    }
}

/// A file after an edit. Without changes the bytes are those that were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    pub bytes: Vec<u8>,
    pub changes: Vec<Change>,
    /// What a person should know: an alias that follows a changed anchor, an entry that is a regular expression.
    pub notes: Vec<String>,
}

/// Why a file is not edited. Nothing is ever edited in part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("couldn't read {file}: it is not UTF-8")]
    Encoding { file: String },
    #[error("couldn't edit {file}: it is larger than {} MiB", FILE_LIMIT >> 20)]
    TooLarge { file: String },
    #[error("couldn't read {at}: {message}")]
    Unreadable { at: Location, message: String },
    #[error("couldn't edit {at}: {reason}")]
    Refused { at: Location, reason: String },
    #[error("couldn't edit {at}: more than the planned values would change")]
    Unfaithful { at: Location },
    #[error("couldn't edit {at}: the images {one} and {other} want this entry to be different things")]
    Contradiction { at: Location, one: String, other: String },
}

impl Explain for Error {
    fn hint(&self) -> String {
        match self {
            Self::Encoding { .. } | Self::TooLarge { .. } => "check `path` in the input `infra`".into(),
            Self::Unreadable { .. } => "correct the file in the infrastructure repository".into(),
            Self::Refused { .. } | Self::Unfaithful { .. } => {
                "write this place of the file plainly (one entry per image, values without aliases and block scalars), then run again"
                    .into()
            }
            Self::Contradiction { .. } => "give the services different names in the input `image-names`, or the same image".into(),
        }
    }

    fn exit(&self) -> Exit {
        Exit::BadInput
    }

    fn location(&self) -> Option<&Location> {
        match self {
            Self::Unreadable { at, .. } | Self::Refused { at, .. } | Self::Unfaithful { at } | Self::Contradiction { at, .. } => Some(at),
            Self::Encoding { .. } | Self::TooLarge { .. } => None,
        }
    }
}
