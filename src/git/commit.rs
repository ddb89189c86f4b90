use std::path::Path;

use git2::build::TreeUpdateBuilder;
use git2::{ErrorCode, FileMode, ObjectType, Repository, Signature};

use super::snapshot::describe;
use super::{Commit, Error, Person, Snapshot};

/// What kind of entry a path of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Regular,
    Executable,
    /// A symbolic link; its content is the link's target.
    Link,
    /// A folder.
    Tree,
    /// A submodule.
    Submodule,
}

impl Mode {
    fn of(raw: i32) -> Self {
        match raw {
            0o100_755 => Self::Executable,
            0o120_000 => Self::Link,
            0o040_000 => Self::Tree,
            0o160_000 => Self::Submodule,
            _ => Self::Regular,
        }
    }
}

/// A file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub mode: Mode,
    pub bytes: Vec<u8>,
}

impl Snapshot {
    /// Reads a file at the base's head; `None` when there is no such path. A folder or submodule has no bytes.
    ///
    /// # Errors
    /// When the object can't be read.
    pub fn read(&self, path: &str) -> Result<Option<File>, Error> {
        let fail = |source| Error::Read { path: path.to_owned(), commit: self.base.id.to_string(), source };
        let repository = self.open().map_err(fail)?;
        let tree = repository.find_tree(self.base.tree).map_err(fail)?;
        let entry = match tree.get_path(Path::new(path)) {
            Ok(entry) => entry,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
            Err(error) => return Err(fail(error)),
        };
        let mode = Mode::of(entry.filemode());
        let bytes = match entry.kind() {
            Some(ObjectType::Blob) => repository.find_blob(entry.id()).map_err(fail)?.content().to_vec(),
            _ => Vec::new(),
        };
        Ok(Some(File { mode, bytes }))
    }

    /// Writes one commit on top of the base's head in which the given files have the given bytes. Modes stay; nothing is checked out,
    /// and nothing leaves this machine.
    ///
    /// # Errors
    /// When a path does not exist in the base, or the objects can't be written.
    pub fn commit(&self, files: &[(String, Vec<u8>)], message: &str, person: &Person) -> Result<Commit, Error> {
        let repository = self.open().map_err(Error::Commit)?;
        write(&repository, self, files, message, person).map_err(Error::Commit)
    }
}

fn write(
    repository: &Repository,
    snapshot: &Snapshot,
    files: &[(String, Vec<u8>)],
    message: &str,
    person: &Person,
) -> Result<Commit, git2::Error> {
    let base = repository.find_commit(snapshot.base.id)?;
    let base_tree = base.tree()?;
    let mut update = TreeUpdateBuilder::new();
    for (path, bytes) in files {
        let mode = match Mode::of(base_tree.get_path(Path::new(path))?.filemode()) {
            Mode::Executable => FileMode::BlobExecutable,
            _ => FileMode::Blob,
        };
        update.upsert(path.as_str(), repository.blob(bytes)?, mode);
    }
    let tree = repository.find_tree(update.create_updated(repository, &base_tree)?)?;
    let signature = Signature::now(&person.name, &person.email)?;
    let id = repository.commit(None, &signature, &signature, message, &tree, &[&base])?;
    describe(repository, id)
}
