//! OCI image layout folders (OCI image-spec, image-layout.md), used as a registry without a server.
//!
//! A folder has one flat list of names, a registry has repositories. So a name is the full reference, `registry/repository:tag`,
//! in `org.opencontainers.image.ref.name` and, for containerd and docker, in `io.containerd.image.name`; that way one folder
//! holds any number of repositories. A folder whose names are all short (`v1.2.3`, as skopeo and regctl write them) is one
//! repository: it is read and written with short names, and refused when a run has several repositories. A folder with one image
//! and no name, as crane writes it, is a source: whatever image is asked for.

mod blob;
mod index;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use self::index::{Index, Naming};
use super::{Access, Pointer};
use crate::error::{Exit, Explain};
use crate::image::manifest::Descriptor;
use crate::image::{Digest, Manifest, Repository, Tag, manifest};

/// The file that marks a layout; it never changes, so it is also what is locked.
const MARKER: &str = "oci-layout";
const INDEX: &str = "index.json";

/// Why a folder can't be used as a store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("couldn't {verb} {}", path.display())]
    File { verb: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is not an OCI image layout: {reason}", path.display())]
    NotALayout { path: PathBuf, reason: String },
    #[error("couldn't tell repositories apart in {}: its tags have short names, but this run has {}", path.display(), repositories.join(", "))]
    ShortNames { path: PathBuf, repositories: Vec<String> },
    #[error("couldn't tell whose image is in {}: it has no name, but this run has {}", path.display(), repositories.join(", "))]
    Nameless { path: PathBuf, repositories: Vec<String> },
}

impl Explain for Error {
    fn hint(&self) -> String {
        let hint = match self {
            Self::File { .. } => "check that the folder exists and can be read and written",
            Self::NotALayout { .. } => {
                "name a folder that has `oci-layout` and `index.json`, as `docker buildx build --output type=oci,tar=false` or skopeo writes it"
            }
            Self::ShortNames { .. } | Self::Nameless { .. } => {
                "name the images in the folder by their full reference (registry/repository:tag), or choose one with `services`"
            }
        };
        hint.to_owned()
    }

    fn exit(&self) -> Exit {
        match self {
            Self::File { .. } => Exit::Failed,
            Self::NotALayout { .. } | Self::ShortNames { .. } | Self::Nameless { .. } => Exit::BadInput,
        }
    }
}

/// A folder with images.
#[derive(Debug)]
pub struct Layout {
    root: PathBuf,
    announced: Mutex<BTreeSet<Repository>>,
}

impl Layout {
    /// A folder that is a layout already.
    ///
    /// # Errors
    /// When it isn't one, or one of another version than 1.0.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, Error> {
        let root = root.into();
        let marker = root.join(MARKER);
        let not_a_layout = |reason: String| Error::NotALayout { path: root.clone(), reason };
        let bytes = match fs::read(&marker) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(not_a_layout(format!("it has no file {MARKER}"))),
            Err(source) => return Err(Error::File { verb: "read", path: marker, source }),
        };
        let version = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
        let version = version.as_ref().and_then(|value| value.get("imageLayoutVersion")?.as_str());
        match version {
            Some(version) if version.starts_with("1.") => Ok(Self { root, announced: Mutex::default() }),
            Some(version) => Err(not_a_layout(format!("its version is {version:?}, not 1.0.0"))),
            None => Err(not_a_layout(format!("{MARKER} doesn't tell a version"))),
        }
    }

    /// A folder that is a layout, or is going to be one when the first thing is written to it: absent, or empty.
    ///
    /// # Errors
    /// When it is neither.
    pub fn prepare(root: impl Into<PathBuf>) -> Result<Self, Error> {
        let root = root.into();
        let is_empty = match fs::read_dir(&root) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(source) => return Err(Error::File { verb: "read", path: root, source }),
        };
        match is_empty {
            true => Ok(Self { root, announced: Mutex::default() }),
            false => Self::open(root),
        }
    }

    /// A folder that becomes an empty layout unless it is one already.
    ///
    /// # Errors
    /// When its files can't be written.
    pub fn create(root: impl Into<PathBuf>) -> Result<Self, Error> {
        let layout = Self { root: root.into(), announced: Mutex::default() };
        layout.establish()?;
        Self::open(layout.root)
    }

    /// Makes the files that every layout has.
    fn establish(&self) -> Result<(), Error> {
        let marker = self.root.join(MARKER);
        if marker.exists() {
            return Ok(());
        }
        let blobs = self.root.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(|source| Error::File { verb: "create", path: blobs, source })?;
        if !self.root.join(INDEX).exists() {
            write(&self.root.join(INDEX), &Index::default().to_bytes())?;
        }
        write(&marker, br#"{"imageLayoutVersion":"1.0.0"}"#)
    }

    pub(super) fn announce<'a>(&self, repositories: impl IntoIterator<Item = (&'a Repository, Access)>) {
        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        announced.extend(repositories.into_iter().map(|(repository, _)| repository.clone()));
    }

    /// As [`Layout::manifest`], for an image to release: the one that has no name is what any tag means, which is still to be written.
    pub(super) fn source(&self, repository: &Repository, pointer: &Pointer) -> Result<Manifest, super::Error> {
        let missing = match (self.manifest(repository, pointer), pointer) {
            (Err(missing @ super::Error::NotFound { .. }), Pointer::Tag(_)) => missing,
            (found, _) => return found,
        };
        match (self.index()?.nameless(), self.several(repository)) {
            (None, _) => Err(missing),
            (Some(_), Some(repositories)) => Err(Error::Nameless { path: self.root.clone(), repositories }.into()),
            (Some(digest), None) => self.manifest(repository, &Pointer::Digest(digest)),
        }
    }

    pub(super) fn manifest(&self, repository: &Repository, pointer: &Pointer) -> Result<Manifest, super::Error> {
        let what = pointer.of(repository);
        let missing = || super::Error::NotFound { what: what.clone(), source: None };
        let (digest, media_type) = match pointer {
            Pointer::Digest(digest) => (digest.clone(), None),
            Pointer::Tag(tag) => {
                let index = self.index()?;
                let naming = self.naming(&index, repository)?;
                index.find(naming, repository, tag).ok_or_else(missing)?
            }
        };
        let path = self.blob(&digest);
        let too_large = fs::metadata(&path).is_ok_and(|file| file.len() > manifest::MAX_BYTES as u64);
        if too_large {
            let reason = format!("the manifest {digest} is larger than {} bytes", manifest::MAX_BYTES);
            return Err(Error::NotALayout { path: self.root.clone(), reason }.into());
        }
        let bytes = match fs::read(&path) {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
            Err(source) => return Err(Error::File { verb: "read", path, source }.into()),
        };
        Manifest::read(bytes, media_type.as_deref(), Some(&digest)).map_err(|source| super::Error::Manifest { what, source })
    }

    pub(super) fn digest(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, super::Error> {
        let index = self.index()?;
        let naming = self.naming(&index, repository)?;
        Ok(index.find(naming, repository, tag).map(|(digest, _)| digest))
    }

    pub(super) fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, super::Error> {
        let index = self.index()?;
        let naming = self.naming(&index, repository)?;
        Ok(index.tags(naming, repository))
    }

    pub(super) fn put(&self, repository: &Repository, pointer: &Pointer, manifest: &Manifest) -> Result<(), super::Error> {
        self.establish()?;
        let blob = self.blob(manifest.digest());
        if !blob.exists() {
            write(&blob, manifest.bytes())?;
        }
        let Pointer::Tag(tag) = pointer else { return Ok(()) };
        let _lock = self.lock()?;
        let mut index = self.index()?;
        let naming = self.naming(&index, repository)?;
        index.set(naming, repository, tag, manifest);
        Ok(write(&self.root.join(INDEX), &index.to_bytes())?)
    }

    pub(super) fn config(&self, repository: &Repository, config: &Descriptor) -> Result<Bytes, super::Error> {
        let (path, what) = (self.blob(&config.digest), Pointer::from(&config.digest).of(repository));
        if fs::metadata(&path).is_ok_and(|file| file.len() > manifest::MAX_BYTES as u64) {
            let reason = format!("the configuration {} is larger than {} bytes", config.digest, manifest::MAX_BYTES);
            return Err(Error::NotALayout { path: self.root.clone(), reason }.into());
        }
        let bytes = match fs::read(&path) {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(super::Error::NotFound { what, source: None }),
            Err(source) => return Err(Error::File { verb: "read", path, source }.into()),
        };
        match config.digest.matches(&bytes) {
            true => Ok(bytes),
            false => {
                let source = manifest::Error::Digest { claimed: config.digest.clone(), actual: Digest::sha256(&bytes) };
                Err(super::Error::Manifest { what, source })
            }
        }
    }

    /// One writer at a time, also among processes; released when the file is closed.
    fn lock(&self) -> Result<File, Error> {
        let path = self.root.join(MARKER);
        let fail = |source| Error::File { verb: "lock", path: path.clone(), source };
        let file = File::open(&path).map_err(fail)?;
        file.lock().map_err(fail)?;
        Ok(file)
    }

    fn index(&self) -> Result<Index, Error> {
        let path = self.root.join(INDEX);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            // Not a layout yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.root.join(MARKER).exists() => return Ok(Index::default()),
            Err(source) => return Err(Error::File { verb: "read", path, source }),
        };
        Index::parse(&bytes).map_err(|reason| Error::NotALayout { path: self.root.clone(), reason })
    }

    fn naming(&self, index: &Index, repository: &Repository) -> Result<Naming, Error> {
        let naming = index.naming();
        match (naming, self.several(repository)) {
            (Naming::Short, Some(repositories)) => Err(Error::ShortNames { path: self.root.clone(), repositories }),
            _ => Ok(naming),
        }
    }

    /// The repositories of this run, when there are several.
    fn several(&self, repository: &Repository) -> Option<Vec<String>> {
        let mut repositories = self.announced.lock().unwrap_or_else(PoisonError::into_inner).clone();
        repositories.insert(repository.clone());
        (repositories.len() > 1).then(|| repositories.iter().map(Repository::to_string).collect())
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.algorithm()).join(digest.hex())
    }
}

/// Writes a whole file or nothing: under another name first, then renamed.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let fail = |source| Error::File { verb: "write", path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(fail)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(fail)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(fail)?;
    readable(file.as_file()).map_err(fail)?;
    file.persist(path).map_err(|error| fail(error.error))?;
    Ok(())
}

/// Temporary files are private; images are for everybody who may enter the folder.
#[cfg(unix)]
fn readable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;
