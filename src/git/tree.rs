//! Trees and blobs by their content: the ids that git gives them, without a repository.

use git2::{ObjectType, Oid};

use super::{Error, Mode};

/// One line of a tree: a file, a link, a folder or a submodule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    pub name: String,
    /// The mode as git writes it: `0o100644`, `0o100755`, `0o120000`, `0o040000`, `0o160000`.
    pub mode: u32,
    pub id: Oid,
}

impl TreeEntry {
    /// What the entry is.
    pub fn kind(&self) -> Mode {
        Mode::of(self.mode)
    }
}

/// The id of a blob with these bytes.
///
/// # Errors
/// When libgit2 can't hash it.
pub fn blob_id(bytes: &[u8]) -> Result<Oid, Error> {
    Oid::hash_object(ObjectType::Blob, bytes).map_err(Error::Commit)
}

/// The id of a tree with these entries, in whatever order they are.
///
/// # Errors
/// When libgit2 can't hash it.
pub fn tree_id(entries: &[TreeEntry]) -> Result<Oid, Error> {
    let mut sorted: Vec<&TreeEntry> = entries.iter().collect();
    sorted.sort_by_key(|entry| order(entry));
    let mut bytes = Vec::with_capacity(entries.len() * 40);
    for entry in sorted {
        bytes.extend_from_slice(format!("{:o} {}\0", entry.mode, entry.name).as_bytes());
        bytes.extend_from_slice(entry.id.as_bytes());
    }
    Oid::hash_object(ObjectType::Tree, &bytes).map_err(Error::Commit)
}

/// Git sorts folders as if their names ended in a slash (`base_name_compare` in git's `tree.c`).
fn order(entry: &TreeEntry) -> Vec<u8> {
    let mut key = entry.name.clone().into_bytes();
    if entry.kind() == Mode::Tree {
        key.push(b'/');
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_git() {
        let directory = tempfile::tempdir().unwrap();
        let repository = git2::Repository::init_bare(directory.path()).unwrap();
        let blob = repository.blob(b"a: 1\r\n").unwrap();
        assert_eq!(blob_id(b"a: 1\r\n").unwrap(), blob);
        let mut builder = repository.treebuilder(None).unwrap();
        builder.insert("a.b", blob, 0o100_644).unwrap();
        let folder = builder.write().unwrap();
        // A folder `a` comes after the file `a.b`, because it is sorted as `a/`.
        let entries = [("a", 0o040_000, folder), ("a.b", 0o100_755, blob), ("a0", 0o120_000, blob), ("Z", 0o100_644, blob)];
        let mut builder = repository.treebuilder(None).unwrap();
        for (name, mode, id) in entries {
            builder.insert(name, id, mode).unwrap();
        }
        let ours = entries.map(|(name, mode, id)| TreeEntry { name: name.into(), mode: mode.cast_unsigned(), id });
        assert_eq!(tree_id(&ours).unwrap(), builder.write().unwrap());
    }
}
