//! Trees and files by their ids, each checked against its id when it comes in: what a server sends is what git has, or it is not taken.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::git::{Error, Mode, Oid, TreeEntry, blob_id, tree_id};
use crate::github::{Listed, Object};

/// The objects that were brought here.
#[derive(Debug, Default)]
pub(super) struct Objects {
    trees: HashMap<Oid, Arc<[TreeEntry]>>,
    blobs: HashMap<Oid, Arc<[u8]>>,
}

/// A change in a tree: the mode and id of a file, `None` when it is removed.
pub(super) type Change = Option<(u32, Oid)>;

impl Objects {
    pub(super) fn tree(&self, id: Oid) -> Option<Arc<[TreeEntry]>> {
        self.trees.get(&id).cloned()
    }

    pub(super) fn blob(&self, id: Oid) -> Option<Arc<[u8]>> {
        self.blobs.get(&id).cloned()
    }

    /// Takes an object of a query, if it is whole.
    pub(super) fn take(&mut self, object: Object) -> Result<(), Error> {
        match object {
            Object::Tree { oid, entries } => {
                let entry = |entry: crate::github::Entry| Some(TreeEntry { name: entry.name, mode: entry.mode, id: id(&entry.oid)? });
                let entries: Option<Vec<TreeEntry>> = entries.into_iter().map(entry).collect();
                if let (Some(id), Some(entries)) = (id(&oid), entries) {
                    self.take_tree(id, entries)?;
                }
            }
            Object::Blob { oid, text: Some(text) } => {
                if let Some(id) = id(&oid) {
                    self.take_blob(id, text.into_bytes())?;
                }
            }
            Object::Blob { text: None, .. } => {}
        }
        Ok(())
    }

    /// Whether the bytes were those of the id.
    pub(super) fn take_blob(&mut self, id: Oid, bytes: Vec<u8>) -> Result<bool, Error> {
        let is_whole = blob_id(&bytes)? == id;
        if is_whole {
            self.blobs.insert(id, bytes.into());
        }
        Ok(is_whole)
    }

    fn take_tree(&mut self, id: Oid, entries: Vec<TreeEntry>) -> Result<bool, Error> {
        let is_whole = tree_id(&entries)? == id;
        if is_whole {
            self.trees.insert(id, entries.into());
        }
        Ok(is_whole)
    }

    /// Takes the listing of a folder and of all below it that it lists; tells whether it was whole.
    pub(super) fn take_listing(&mut self, root: Oid, listed: &[Listed]) -> Result<bool, Error> {
        let mut folders: BTreeMap<&str, (Oid, Vec<TreeEntry>)> = BTreeMap::from([("", (root, Vec::new()))]);
        for line in listed {
            let (Some(id), Ok(mode)) = (id(&line.sha), u32::from_str_radix(&line.mode, 8)) else { return Ok(false) };
            let (folder, name) = line.path.rsplit_once('/').unwrap_or(("", &line.path));
            let Some((_, entries)) = folders.get_mut(folder) else { return Ok(false) };
            let entry = TreeEntry { name: name.to_owned(), mode, id };
            let is_folder = entry.kind() == Mode::Tree;
            entries.push(entry);
            if is_folder {
                folders.insert(&line.path, (id, Vec::new()));
            }
        }
        let mut is_whole = true;
        for (path, (id, entries)) in folders {
            // A listing of the folder alone names the folders in it and has nothing of theirs.
            if path.is_empty() || !entries.is_empty() {
                is_whole &= self.take_tree(id, entries)?;
            }
        }
        Ok(is_whole)
    }
}

pub(super) fn id(text: &str) -> Option<Oid> {
    Oid::from_str(text).ok()
}

/// What becomes of one name in a folder.
#[derive(Debug, Default)]
pub(super) struct Named<'p> {
    /// Of the file itself.
    pub(super) own: Option<Change>,
    /// Of what lies below it, by the rest of the paths.
    pub(super) below: Vec<(&'p str, Change)>,
}

/// Changes of one folder, by the first part of their paths.
pub(super) fn by_name<'p>(changes: &[(&'p str, Change)]) -> BTreeMap<&'p str, Named<'p>> {
    let mut names: BTreeMap<&str, Named<'_>> = BTreeMap::new();
    for (path, change) in changes {
        match path.split_once('/') {
            Some((name, rest)) => names.entry(name).or_default().below.push((rest, *change)),
            None => names.entry(path).or_default().own = Some(*change),
        }
    }
    names
}
