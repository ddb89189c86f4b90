use std::path::Path;

use git2::build::TreeUpdateBuilder;
use git2::{ErrorCode, FileMode, ObjectType, Repository, Signature, Tree};

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
    /// Of the number that git writes into trees.
    pub fn of(raw: u32) -> Self {
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

/// How far down a folder is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The folder's own files.
    Folder,
    /// Those of the folders below it too.
    All,
}

fn walk(repository: &Repository, tree: &Tree<'_>, prefix: &str, depth: Depth, paths: &mut Vec<String>) -> Result<(), git2::Error> {
    for entry in tree {
        // A name that is no UTF-8 is no name of ours.
        let Ok(name) = std::str::from_utf8(entry.name_bytes()) else { continue };
        if name.starts_with('.') {
            continue;
        }
        match Mode::of(entry.filemode().cast_unsigned()) {
            Mode::Regular | Mode::Executable => paths.push(format!("{prefix}{name}")),
            Mode::Tree if depth == Depth::All => {
                walk(repository, &repository.find_tree(entry.id())?, &format!("{prefix}{name}/"), depth, paths)?;
            }
            Mode::Tree | Mode::Link | Mode::Submodule => {}
        }
    }
    Ok(())
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
        let mode = Mode::of(entry.filemode().cast_unsigned());
        let bytes = match entry.kind() {
            Some(ObjectType::Blob) => repository.find_blob(entry.id()).map_err(fail)?.content().to_vec(),
            _ => Vec::new(),
        };
        Ok(Some(File { mode, bytes }))
    }

    /// Paths of the files in a folder at the base's head, sorted as git sorts them; links and submodules are none. What is hidden is left
    /// out, and a folder that is not there has none.
    ///
    /// # Errors
    /// When an object can't be read.
    pub fn list(&self, folder: &str, depth: Depth) -> Result<Vec<String>, Error> {
        let fail = |source| Error::Read { path: folder.to_owned(), commit: self.base.id.to_string(), source };
        let repository = self.open().map_err(fail)?;
        let root = repository.find_tree(self.base.tree).map_err(fail)?;
        let tree = match folder {
            "" => root,
            folder => match root.get_path(Path::new(folder)) {
                Ok(entry) if entry.kind() == Some(ObjectType::Tree) => repository.find_tree(entry.id()).map_err(fail)?,
                Ok(_) => return Ok(Vec::new()),
                Err(error) if error.code() == ErrorCode::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(fail(error)),
            },
        };
        let mut paths = Vec::new();
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        walk(&repository, &tree, &prefix, depth, &mut paths).map_err(fail)?;
        Ok(paths)
    }

    /// Reads files at the base's head and keeps those whose bytes are wanted.
    ///
    /// # Errors
    /// When an object can't be read.
    pub fn read_all(&self, paths: &[String], wanted: &mut dyn FnMut(&[u8]) -> bool) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let fail = |path: &str, source| Error::Read { path: path.to_owned(), commit: self.base.id.to_string(), source };
        let repository = self.open().map_err(|source| fail("", source))?;
        let tree = repository.find_tree(self.base.tree).map_err(|source| fail("", source))?;
        let mut kept = Vec::new();
        for path in paths {
            let blob = tree.get_path(Path::new(path)).and_then(|entry| repository.find_blob(entry.id()));
            let blob = blob.map_err(|source| fail(path, source))?;
            if wanted(blob.content()) {
                kept.push((path.clone(), blob.content().to_vec()));
            }
        }
        Ok(kept)
    }

    /// Writes one commit on top of the base's head in which the given files have the given bytes, and those without bytes are gone. Modes
    /// stay; nothing is checked out, and nothing leaves this machine.
    ///
    /// # Errors
    /// When the objects can't be written.
    pub fn commit(&self, files: &[(String, Option<Vec<u8>>)], message: &str, person: &Person) -> Result<Commit, Error> {
        let repository = self.open().map_err(Error::Commit)?;
        write(&repository, self, files, message, person).map_err(Error::Commit)
    }
}

fn write(
    repository: &Repository,
    snapshot: &Snapshot,
    files: &[(String, Option<Vec<u8>>)],
    message: &str,
    person: &Person,
) -> Result<Commit, git2::Error> {
    let base = repository.find_commit(snapshot.base.id)?;
    let base_tree = base.tree()?;
    let mut update = TreeUpdateBuilder::new();
    for (path, bytes) in files {
        let Some(bytes) = bytes else {
            update.remove(path.as_str());
            continue;
        };
        let mode = match base_tree.get_path(Path::new(path)) {
            Ok(entry) if Mode::of(entry.filemode().cast_unsigned()) == Mode::Executable => FileMode::BlobExecutable,
            Ok(_) => FileMode::Blob,
            Err(error) if error.code() == ErrorCode::NotFound => FileMode::Blob,
            Err(error) => return Err(error),
        };
        update.upsert(path.as_str(), repository.blob(bytes)?, mode);
    }
    let tree = repository.find_tree(update.create_updated(repository, &base_tree)?)?;
    let signature = Signature::now(&person.name, &person.email)?;
    let id = match &snapshot.signer {
        None => repository.commit(None, &signature, &signature, message, &tree, &[&base])?,
        Some(key) => {
            let buffer = repository.commit_create_buffer(&signature, &signature, message, &tree, &[&base])?;
            let content = std::str::from_utf8(&buffer).map_err(|error| git2::Error::from_str(&error.to_string()))?;
            repository.commit_signed(content, &key.sign(&buffer)?, None)?
        }
    };
    describe(repository, id)
}
