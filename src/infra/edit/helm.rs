//! Values files and `Chart.yaml` of Helm charts (<https://helm.sh/docs/topics/charts/>). Templates are never read.

mod chart;
mod keys;
mod search;

pub use chart::Bump;
pub use keys::{Key, KeyError};

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::yaml::{Document, Kind, Node};

use super::images::{difference, may_name, naming_documents, naming_sections, owner, rewritten, shown};
use super::manifests::inherited;
use super::place::{Place, alias_note, location};
use super::yaml::Editor;
use super::{Change, Edited, Edits, Error, File, ImagePin};

/// How a chart is edited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Keys of values files and the services whose images they hold; images are found by their repositories when empty.
    pub keys: Vec<Key>,
    pub bump: Bump,
}

/// Gives the images their tags and digests in a chart's values files, and the chart its `appVersion` and `version`.
///
/// # Errors
/// When a file can't be edited faithfully, a key is in none of the files, or an image is found nowhere.
pub fn edit(files: &[File], pins: &[ImagePin], options: &Options) -> Result<Edits, Error> {
    let (charts, values): (Vec<&File>, Vec<&File>) = files.iter().partition(|file| chart::is_chart(&file.path));
    let mut edits = Edits::default();
    let mut found = BTreeSet::new();
    let mut seen = vec![false; options.keys.len()];
    for file in &values {
        let edited =
            if options.keys.is_empty() { by_repository(file, pins, &mut found)? } else { by_keys(file, pins, &options.keys, &mut seen)? };
        edits.add(file, edited);
    }
    if let Some((key, _)) = options.keys.iter().zip(&seen).find(|(_, seen)| !**seen) {
        return Err(Error::NoKey { key: key.to_string(), files: names(&values) });
    }
    if options.keys.is_empty() {
        super::check_found(pins, &found, &names(&values))?;
    }
    for file in charts {
        let edited = chart::edit(file, pins, options.bump, !edits.changes.is_empty())?;
        edits.add(file, edited);
    }
    Ok(edits)
}

fn names(files: &[&File]) -> Vec<String> {
    files.iter().map(|file| file.path.clone()).collect()
}

/// A scalar that is to become another text.
#[derive(Debug, Clone)]
struct Target {
    place: Place,
    old: String,
    new: String,
    /// Which row of the table it belongs to.
    row: usize,
    /// Whether the key has to be added because only a merge key brings it.
    is_inherited: bool,
}

/// A row of the table of changes: one image at one place.
struct Row {
    image: String,
    old: String,
    new: String,
}

/// All that is to change in one file.
#[derive(Default)]
struct Plan {
    targets: Vec<Target>,
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Plan {
    fn carry_out(mut self, file: &File, mut editor: Editor<'_>) -> Result<Edited, Error> {
        self.targets.retain(|target| target.old != target.new || target.is_inherited);
        for target in &self.targets {
            let documents = editor.documents();
            if target.is_inherited {
                let Some((super::place::Hop::Key(key), mapping)) = target.place.path.split_last() else { continue };
                editor.insert(target.place.document, &super::place::steps(mapping), key, &target.new)?;
                continue;
            }
            let Some(node) = target.place.node(documents) else { continue };
            if matches!(node.kind, Kind::Alias { .. }) {
                continue;
            }
            self.notes.extend(alias_note(&file.path, &documents[target.place.document], node));
            editor.set(target.place.document, &target.place.steps(), &target.new)?;
        }
        let finished = editor.finish()?;
        let mut changes: Vec<Option<Change>> = self.rows.iter().map(|_| None).collect();
        let mut resolved: BTreeMap<usize, Cow<'_, Node>> = BTreeMap::new();
        for target in &self.targets {
            let number = target.place.document;
            let root = match resolved.entry(number) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    place.insert(finished.documents[number].resolved().map_err(|error| super::yaml::unresolved(&file.path, &error))?)
                }
            };
            if super::place::walk(root, &target.place.path).and_then(Node::as_str) != Some(&target.new) {
                return Err(inherited(&file.path, &target.place, &finished.documents));
            }
            let row = &self.rows[target.row];
            changes[target.row].get_or_insert_with(|| Change {
                file: file.path.clone(),
                line: target.place.line(&finished.documents),
                image: row.image.clone(),
                old: Some(row.old.clone()),
                new: row.new.clone(),
            });
        }
        Ok(Edited { bytes: finished.text.into_bytes(), changes: changes.into_iter().flatten().collect(), notes: self.notes })
    }
}

fn by_repository<'p>(file: &File, pins: &'p [ImagePin], found: &mut BTreeSet<&'p str>) -> Result<Edited, Error> {
    if !may_name(&file.bytes, pins) {
        return Ok(Edited::unchanged(file));
    }
    let text = file.text()?;
    // What can't be read in parts is read as a whole, which also gives the right error.
    let in_parts = naming_sections(text, pins).and_then(|parts| Editor::of_parts(&file.path, text, parts).ok());
    let editor = match in_parts {
        Some(editor) => editor,
        None => Editor::of_parts(&file.path, text, naming_documents(text, pins))?,
    };
    let mut plan = Plan::default();
    for spot in search::spots(&file.path, editor.documents())? {
        let Some(pin) = owner(pins, &spot.name) else { continue };
        match spot.split {
            Some(split) => {
                found.insert(&pin.service);
                plan.split(file, pin, &spot.name, &split);
            }
            None => {
                found.insert(&pin.service);
                plan.whole(pin, spot.place, &spot.name);
            }
        }
    }
    plan.carry_out(file, editor)
}

impl Plan {
    /// An image in one text: `image: repository:tag`.
    fn whole(&mut self, pin: &ImagePin, place: Place, text: &str) {
        let new = rewritten(text, pin);
        let (from, to) = difference(text, &new);
        self.targets.push(Target { place, old: text.to_owned(), new, row: self.rows.len(), is_inherited: false });
        self.rows.push(Row { image: pin.name.clone(), old: from, new: to });
    }

    /// An image in several keys: `repository`, `tag`, `digest`.
    fn split(&mut self, file: &File, pin: &ImagePin, name: &str, split: &search::Split) {
        let row = self.rows.len();
        let is_moved = !super::kustomize::is_repository(name, &pin.repository);
        if is_moved {
            let registry = pin.repository.registry().to_owned();
            let moved = match &split.registry {
                Some(part) => vec![(part, registry), (&split.repository, pin.repository.path().to_owned())],
                None => vec![(&split.repository, pin.repository.to_string())],
            };
            self.targets.extend(moved.into_iter().map(|(part, new)| part.target(new, row)));
        }
        let digest = pin.digest.as_ref().map(crate::image::Digest::as_str);
        // Some charts take `tag@digest` in the tag; who wrote it so keeps it so.
        let in_tag = split.tag.old.contains("@sha256:");
        let tag = match digest.filter(|_| in_tag && split.digest.is_none()) {
            Some(digest) => format!("{}@{digest}", pin.tag),
            None => pin.tag.to_string(),
        };
        self.targets.push(split.tag.target(tag.clone(), row));
        let mut old = split.tag.old.clone();
        let mut new = tag;
        match &split.digest {
            Some(part) => {
                self.targets.push(part.target(digest.unwrap_or_default().to_owned(), row));
                if !part.old.is_empty() {
                    old = shown("", Some(&old), Some(&part.old));
                }
                new = shown("", Some(&new), digest);
            }
            None if digest.is_some() && !in_tag => self.notes.push(format!(
                "{}:{}: {} has no key `digest` beside its tag, so only the tag is written",
                file.path, split.tag.line, pin.name
            )),
            None => {}
        }
        if is_moved {
            let colon = if old.is_empty() { "" } else { ":" };
            (old, new) = (format!("{name}{colon}{old}"), format!("{}:{new}", pin.repository));
        }
        let old = if old.is_empty() { "no tag".to_owned() } else { old };
        self.rows.push(Row { image: pin.name.clone(), old, new });
    }
}

/// Sets the keys that the entry names, in the documents that have them. A `digest` beside a named tag goes with it.
fn by_keys(file: &File, pins: &[ImagePin], keys: &[Key], seen: &mut [bool]) -> Result<Edited, Error> {
    let editor = Editor::new(&file.path, file.text()?)?;
    let mut plan = Plan::default();
    for (key, seen) in keys.iter().zip(seen) {
        let Some(pin) = pins.iter().find(|pin| pin.service == key.service) else {
            return Err(Error::NoService { key: key.to_string(), service: key.service.clone() });
        };
        for (number, document) in editor.documents().iter().enumerate() {
            let root = document.resolved().map_err(|error| super::yaml::unresolved(&file.path, &error))?;
            let Some(node) = super::place::walk(&root, &key.path) else { continue };
            *seen = true;
            let place = Place::new(number, &key.path);
            let Some(old) = node.as_str().map(|text| if node.is_null() { "" } else { text }) else {
                let at = location(&file.path, place.nearest(editor.documents()));
                return Err(Error::Refused { at, reason: format!("`{key}` holds {} where a text was expected", node.describe()) });
            };
            plan.key(key, pin, place, old, &root, editor.documents());
        }
    }
    plan.carry_out(file, editor)
}

impl Plan {
    fn key(&mut self, key: &Key, pin: &ImagePin, place: Place, old: &str, root: &Node, documents: &[Document]) {
        let row = self.rows.len();
        let digest = pin.digest.as_ref().map_or("", crate::image::Digest::as_str);
        let is_inherited = search::is_inherited(&place, documents);
        let new = match key.part() {
            keys::Part::Reference => rewritten(old, pin),
            keys::Part::Digest => digest.to_owned(),
            keys::Part::Repository => pin.repository.to_string(),
            keys::Part::Tag if old.contains("@sha256:") && !digest.is_empty() => format!("{}@{digest}", pin.tag),
            keys::Part::Tag => pin.tag.to_string(),
        };
        let (from, to) = match key.part() {
            keys::Part::Reference => difference(old, &new),
            _ => (old.to_owned(), new.clone()),
        };
        self.targets.push(Target { place: place.clone(), old: old.to_owned(), new, row, is_inherited });
        let beside = key.part() == keys::Part::Tag;
        let parent = place.path.split_last().map(|(_, parent)| parent).unwrap_or_default();
        if beside && let Some(there) = super::place::walk(root, parent).and_then(|node| node.get("digest")) {
            let place = Place::new(place.document, parent).child("digest");
            let is_inherited = search::is_inherited(&place, documents);
            let old = if there.is_null() { "" } else { there.as_str().unwrap_or_default() };
            let known = self.targets.iter().any(|target| target.place == place);
            if !known {
                self.targets.push(Target { place, old: old.to_owned(), new: digest.to_owned(), row, is_inherited });
            }
        }
        let old = if from.is_empty() { "no tag".to_owned() } else { from };
        self.rows.push(Row { image: pin.name.clone(), old, new: to });
    }
}

#[cfg(test)]
mod tests;
