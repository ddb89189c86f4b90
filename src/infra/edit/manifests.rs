//! The image fields of plain manifests, in all documents of a file.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::error::Location;
use crate::resource::images::fields;
use crate::resource::{Id, Purpose, Resource};
use crate::yaml::{Document, Kind, Node, Schema};

use super::images::{difference, may_name, naming_documents, owner, rewritten};
use super::place::{Place, alias_note, location, of_pointer};
use super::yaml::Editor;
use super::{Change, Edited, Error, File, ImagePin};

/// An image field of an object in a file.
struct Found {
    place: Place,
    /// The object and the field, for comparing two versions of a file.
    id: String,
    text: String,
}

/// Gives the images their tags and digests wherever a file's objects name them. Adds the services whose images were found to `found`.
///
/// # Errors
/// When the file can't be read, or an image comes from an alias of something that is no image field.
pub(super) fn edit<'p>(file: &File, pins: &'p [ImagePin], found: &mut BTreeSet<&'p str>) -> Result<Edited, Error> {
    if !may_name(&file.bytes, pins) {
        return Ok(Edited::unchanged(file));
    }
    let text = file.text()?;
    let mut editor = Editor::of_parts(&file.path, text, naming_documents(text, pins))?;
    let fields = image_fields(&file.path, editor.documents())?;
    let mut notes = Vec::new();
    let mut pending = Vec::new();
    for field in fields {
        let Some(pin) = owner(pins, &field.text) else { continue };
        found.insert(&pin.service);
        let new = rewritten(&field.text, pin);
        let node = field.place.node(editor.documents()).filter(|node| !matches!(node.kind, Kind::Alias { .. }));
        if let Some(node) = node.filter(|_| new != field.text) {
            notes.extend(alias_note(&file.path, &editor.documents()[field.place.document], node));
            editor.set(field.place.document, &field.place.steps(), &new)?;
        }
        pending.push((field, pin, new));
    }
    let finished = editor.finish()?;
    let mut after = None;
    let mut changes = Vec::new();
    for (field, pin, new) in pending {
        let is_plainly_new = field.place.node(&finished.documents).is_some_and(|node| node.as_str() == Some(&new));
        if !is_plainly_new {
            // It comes by an alias or a merge key, perhaps of another image field that has changed too.
            let after = match &mut after {
                Some(after) => after,
                none => none.insert(image_fields(&file.path, &finished.documents)?),
            };
            if !after.iter().any(|now| now.place == field.place && now.text == new) {
                return Err(inherited(&file.path, &field.place, &finished.documents));
            }
        }
        let is_written = field.place.node(&finished.documents).is_some_and(|node| !matches!(node.kind, Kind::Alias { .. }));
        if field.text != new && is_written {
            let (old, new) = difference(&field.text, &new);
            let line = field.place.line(&finished.documents);
            changes.push(Change { file: file.path.clone(), line, image: pin.name.clone(), old: Some(old), new });
        }
    }
    Ok(Edited { bytes: finished.text.into_bytes(), changes, notes })
}

/// The error for a value that an alias or a merge key brings from a place which is no image field itself.
pub(super) fn inherited(file: &str, place: &Place, documents: &[Document]) -> Error {
    let node = place.nearest(documents);
    let reason = match node.map(|node| &node.kind) {
        Some(Kind::Alias { anchor }) => format!("the value is an alias of `&{anchor}`, which stands elsewhere"),
        _ => "the value comes from a merge key, and its anchor stands elsewhere".to_owned(),
    };
    Error::Refused { at: location(file, node), reason }
}

/// The images of rendered manifests that differ between two versions of a file.
pub(super) fn compare(file: &str, old: Option<&str>, new: &str) -> Result<Vec<Change>, Error> {
    let read = |text: &str| crate::yaml::parse(text).map_err(|error| super::yaml::unreadable(file, &error));
    let before = match old {
        Some(text) => image_fields(file, &read(text)?)?,
        None => Vec::new(),
    };
    let documents = read(new)?;
    let after = image_fields(file, &documents)?;
    let changed = after.into_iter().filter_map(|field| {
        let old = before.iter().find(|old| old.id == field.id).map(|old| old.text.clone());
        if old.as_ref() == Some(&field.text) {
            return None;
        }
        let line = field.place.line(&documents);
        let image = super::images::without_tag(&field.text).to_owned();
        let (old, new) = match old {
            Some(old) => {
                let (old, new) = difference(&old, &field.text);
                (Some(old), new)
            }
            None => (None, super::images::difference(&field.text, &field.text).1),
        };
        Some(Change { file: file.to_owned(), line, image, old, new })
    });
    Ok(changed.collect())
}

fn image_fields(file: &str, documents: &[Document]) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        let root = document.resolved().map_err(|error| super::yaml::unresolved(file, &error))?;
        let mut objects = Vec::new();
        collect(&root, String::new(), &mut objects);
        for (prefix, resource) in objects {
            for field in fields(std::slice::from_ref(&resource)) {
                let pointer = format!("{prefix}{}", field.pointer);
                let place = Place { document: number, path: of_pointer(&root, &pointer) };
                found.push(Found { place, id: format!("{} {}", resource.id, field.pointer), text: field.text });
            }
        }
    }
    Ok(found)
}

/// The objects of a document, those of lists one by one, with the pointers to them. What is no object is left out.
fn collect(node: &Node, prefix: String, objects: &mut Vec<(String, Resource)>) {
    let text = |node: &Node, key: &str| node.get(key).and_then(Node::as_str).map(str::to_owned);
    let (Some(kind), api_version) = (text(node, "kind"), text(node, "apiVersion")) else { return };
    if let Some(items) = node.get("items").filter(|items| kind.ends_with("List") && items.is_sequence()) {
        for (index, item) in items.items().iter().enumerate() {
            collect(item, format!("{prefix}/items/{index}"), objects);
        }
        return;
    }
    let Some(api_version) = api_version else { return };
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let metadata = |key: &str| node.get("metadata").and_then(|metadata| text(metadata, key));
    let id = Id {
        group: group.to_owned(),
        version: version.to_owned(),
        kind,
        namespace: metadata("namespace"),
        name: metadata("name").unwrap_or_default(),
    };
    let value: Value = node.to_json(Schema::Yaml11);
    objects.push((prefix, Resource { id, value, at: Location::line("", node.line), purpose: Purpose::Application }));
}

#[cfg(test)]
mod tests;
