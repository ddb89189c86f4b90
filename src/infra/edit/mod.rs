//! Edits of files as bytes in → bytes out. Pure: no edit knows a repository, a network or a clock.

pub mod helm;
mod images;
pub mod kustomize;
mod manifests;
mod place;
pub mod placeholders;
pub mod render;
#[cfg(test)]
pub(crate) mod testing;
pub mod yaml;

use std::collections::BTreeSet;
use std::fmt;

pub use images::may_name;

use crate::error::{Exit, Explain, Location};
use crate::image::{Digest, Repository, Tag};

/// Files larger than this are not edited, in bytes.
pub const FILE_LIMIT: usize = 5 << 20;

/// What an image is to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePin {
    /// The service of the compose file that it is built for.
    pub service: String,
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

impl Edited {
    fn unchanged(file: &File) -> Self {
        Self { bytes: file.bytes.clone(), changes: Vec::new(), notes: Vec::new() }
    }
}

/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path inside the repository.
    pub path: String,
    pub bytes: Vec<u8>,
}

impl File {
    /// # Errors
    /// When the file is too large or not UTF-8.
    fn text(&self) -> Result<&str, Error> {
        if self.bytes.len() > FILE_LIMIT {
            return Err(Error::TooLarge { file: self.path.clone() });
        }
        std::str::from_utf8(&self.bytes).map_err(|_| Error::Encoding { file: self.path.clone() })
    }
}

/// What becomes of several files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// Paths with their new bytes, `None` for a file that is removed. Files that stay as they are are not here.
    pub writes: Vec<(String, Option<Vec<u8>>)>,
    pub changes: Vec<Change>,
    pub notes: Vec<String>,
}

impl Edits {
    /// Adds what became of a file.
    pub fn add(&mut self, file: &File, edited: Edited) {
        self.put(file.path.clone(), Some(&file.bytes), edited);
    }

    /// Adds what a file is to be; `present` is what it is.
    pub fn put(&mut self, path: String, present: Option<&[u8]>, edited: Edited) {
        if present != Some(edited.bytes.as_slice()) {
            self.writes.push((path, Some(edited.bytes)));
        }
        self.changes.extend(edited.changes);
        self.notes.extend(edited.notes);
    }
}

/// Edits the image fields of plain manifests.
///
/// # Errors
/// When a file can't be edited faithfully, or an image is in none of them. `searched` are the files that the error names.
pub fn manifests(files: &[File], searched: &[String], pins: &[ImagePin]) -> Result<Edits, Error> {
    let (mut edits, mut found) = (Edits::default(), BTreeSet::new());
    for file in files {
        edits.add(file, manifests::edit(file, pins, &mut found)?);
    }
    check_found(pins, &found, searched)?;
    Ok(edits)
}

fn check_found(pins: &[ImagePin], found: &BTreeSet<&str>, files: &[String]) -> Result<(), Error> {
    match images::missing(pins, found).into_iter().next() {
        Some((service, names)) => Err(Error::NoImage { service, names, files: files.to_vec() }),
        None => Ok(()),
    }
}

/// Some names of many.
fn some(names: &[String]) -> String {
    match names {
        [] => "no file".to_owned(),
        [one, two, three, _, ..] => format!("{one}, {two}, {three} and {} more", names.len() - 3),
        few => few.join(", "),
    }
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
    #[error("couldn't pin {image} at {at}: the name {name:?} there is a regular expression that matches {matched} too, and {effect}")]
    Overridden { at: Location, image: String, name: String, matched: String, effect: &'static str },
    #[error("couldn't find the image of the service {service}: looked for {} in {}", names.join(" and "), some(files))]
    NoImage { service: String, names: Vec<String>, files: Vec<String> },
    #[error("couldn't find the key {key} in {}", some(files))]
    NoKey { key: String, files: Vec<String> },
    #[error("couldn't set the key {key}: there is no service {service:?} of ours")]
    NoService { key: String, service: String },
    #[error("couldn't render {file}:\n  {}", problems.join("\n  "))]
    Placeholders { file: String, problems: Vec<String> },
    #[error("couldn't write {file}: Tagboat has not written what is there")]
    Foreign { file: String },
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
            Self::NoImage { service, .. } => format!(
                "correct `path` in the input `infra`; name the image there with `image-names: NAME: {service}`, its key with \
                 `values: {{KEY: {service}}}`, or name the services that are there with `services`"
            ),
            Self::NoKey { .. } => "correct the key under `values`, or `path`, in the input `infra`".into(),
            Self::NoService { .. } => "name a service of the compose file under `values` in the input `infra`".into(),
            Self::Placeholders { .. } => {
                "a placeholder's value comes from the release, an image (API_IMAGE, API_TAG, API_DIGEST) or `variables`".into()
            }
            Self::Foreign { .. } => "set `path` in the input `infra` to a folder of its own".into(),
            Self::Overridden { .. } => {
                "write an entry there for each image by its whole name, or move that one before ours without `newName`".into()
            }
            Self::Contradiction { .. } => "give the services different names in the input `image-names`, or the same image".into(),
        }
    }

    fn exit(&self) -> Exit {
        Exit::BadInput
    }

    fn location(&self) -> Option<&Location> {
        match self {
            Self::Unreadable { at, .. }
            | Self::Refused { at, .. }
            | Self::Unfaithful { at }
            | Self::Contradiction { at, .. }
            | Self::Overridden { at, .. } => Some(at),
            _ => None,
        }
    }
}
