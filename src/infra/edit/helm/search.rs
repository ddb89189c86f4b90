//! Images in values files, wherever they are: the shapes that charts have agreed on.

use crate::yaml::{Document, Kind, Node};

use super::super::place::{Hop, Place, walk};
use super::super::{Error, yaml};
use super::Target;

/// An image of a values file.
pub(super) struct Spot {
    /// The text in one key, else the mapping.
    pub(super) place: Place,
    /// The repository or reference as it is written.
    pub(super) name: String,
    /// The keys when the image is spread over several.
    pub(super) split: Option<Split>,
}

/// The keys of one image.
pub(super) struct Split {
    pub(super) registry: Option<Part>,
    pub(super) repository: Part,
    pub(super) tag: Part,
    pub(super) digest: Option<Part>,
}

/// A key with its present text; nothing counts as empty.
pub(super) struct Part {
    place: Place,
    pub(super) old: String,
    pub(super) line: u32,
    is_inherited: bool,
}

impl Part {
    pub(super) fn target(&self, new: String, row: usize) -> Target {
        // What a merge key brings is only added where it has to differ.
        let is_inherited = self.is_inherited && self.old != new;
        Target { place: self.place.clone(), old: self.old.clone(), new, row, is_inherited }
    }
}

/// All images: mappings with `repository` (or `image`) and `tag` or `version`, and keys that end in `image` and hold a reference.
pub(super) fn spots(file: &str, documents: &[Document]) -> Result<Vec<Spot>, Error> {
    let mut spots = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        let root = document.resolved().map_err(|error| yaml::unresolved(file, &error))?;
        let mut search = Search { document: number, root: &document.root, path: Vec::new(), spots: &mut spots };
        search.node(&root);
    }
    Ok(spots)
}

struct Search<'s> {
    document: usize,
    /// As written, to tell what a merge key brings.
    root: &'s Node,
    path: Vec<Hop>,
    spots: &'s mut Vec<Spot>,
}

impl Search<'_> {
    fn node(&mut self, node: &Node) {
        for (index, item) in node.items().iter().enumerate() {
            self.below(Hop::Item(index), item);
        }
        if !node.is_mapping() {
            return;
        }
        let split = self.split(node);
        let is_split = split.is_some();
        self.spots.extend(split);
        for (key, value) in node.entries() {
            let Some(key) = key.as_str() else { continue };
            let is_image = key.to_ascii_lowercase().ends_with("image");
            match value.as_str().filter(|_| is_image && !is_split && !value.is_null()) {
                Some(text) => {
                    let place = Place::new(self.document, &self.path).child(key);
                    self.spots.push(Spot { place, name: text.to_owned(), split: None });
                }
                None => self.below(Hop::Key(key.to_owned()), value),
            }
        }
    }

    fn below(&mut self, hop: Hop, node: &Node) {
        self.path.push(hop);
        self.node(node);
        self.path.pop();
    }

    fn split(&self, node: &Node) -> Option<Spot> {
        let part = |key: &str| self.part(node, key);
        let tag = part("tag").or_else(|| part("version"))?;
        let repository = part("repository").or_else(|| part("image")).filter(|part| !part.old.is_empty())?;
        let registry = part("registry").filter(|part| !part.old.is_empty());
        let name = match &registry {
            Some(registry) => format!("{}/{}", registry.old, repository.old),
            None => repository.old.clone(),
        };
        let digest = part("digest");
        let place = Place::new(self.document, &self.path);
        Some(Spot { place, name, split: Some(Split { registry, repository, tag, digest }) })
    }

    fn part(&self, mapping: &Node, key: &str) -> Option<Part> {
        let node = mapping.get(key)?;
        let text = node.as_str()?;
        let old = if node.is_null() { String::new() } else { text.to_owned() };
        let place = Place::new(self.document, &self.path).child(key);
        let is_inherited = is_merged(self.root, &self.path, key);
        Some(Part { place, old, line: node.line, is_inherited })
    }
}

/// Whether a mapping that is written there has a key by a merge only.
fn is_merged(root: &Node, mapping: &[Hop], key: &str) -> bool {
    walk(root, mapping).is_some_and(|node| matches!(node.kind, Kind::Mapping { .. }) && node.get(key).is_none())
}

/// As [`is_merged`], for a whole place.
pub(super) fn is_inherited(place: &Place, documents: &[Document]) -> bool {
    match place.path.split_last() {
        Some((Hop::Key(key), mapping)) => is_merged(&documents[place.document].root, mapping, key),
        _ => false,
    }
}
