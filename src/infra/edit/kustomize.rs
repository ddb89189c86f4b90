//! The `images:` of a kustomization (kustomize/api/types/image.go; matched as in api/internal/image/image.go: an entry's name is a regular
//! expression for the whole name, and later entries see what earlier ones made).

use regex::Regex;

use crate::image::{Reference, Repository};
use crate::yaml::{Kind, Node, Part};

use super::images::shown;
use super::place::alias_note;
use super::yaml::{Editor, Fields, Step};
use super::{Change, Edited, Error, FILE_LIMIT, ImagePin};

/// The names that kustomize looks for; there must be exactly one of them in a folder.
pub const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Gives the images their tags and digests in a kustomization. `file` is its name in errors and changes.
///
/// An entry belongs to an image when its `name` is the pin's name, or its `newName` (or, without an alias, its `name`) is the image's
/// repository. All its entries are changed; an image without one gets one at the end. A digest never stays beside another tag.
///
/// # Errors
/// When the file can't be read or can't be edited faithfully.
pub fn edit(file: &str, bytes: &[u8], pins: &[ImagePin]) -> Result<Edited, Error> {
    if bytes.len() > FILE_LIMIT {
        return Err(Error::TooLarge { file: file.to_owned() });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Error::Encoding { file: file.to_owned() })?;
    let mut editor = match of_images(file, text) {
        Some(editor) => editor,
        None => Editor::new(file, text)?,
    };
    let entries = read_entries(&editor, file)?;
    let owners = owners(&editor, &entries, pins)?;
    let mut notes = Vec::new();
    let mut pending: Vec<(usize, Option<String>, &ImagePin)> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        match owners[index] {
            Some(pin) if !entry.says(pin) => {
                notes.extend(alias_notes(&editor, file, index));
                apply(&mut editor, index, entry, pin)?;
                pending.push((index, Some(entry.value(pin)), pin));
            }
            Some(_) => {}
            None => notes.extend(pins.iter().filter_map(|pin| entry.note(file, index, pin))),
        }
    }
    let missing: Vec<&ImagePin> = pins.iter().filter(|pin| !is_covered(pin, &entries)).collect();
    if !missing.is_empty() {
        let added: Vec<Fields> = missing.iter().map(|pin| new_entry(pin)).collect();
        editor.append(0, &[], "images", &added)?;
        pending.extend(missing.iter().enumerate().map(|(number, pin)| (entries.len() + number, None, *pin)));
    }
    let finished = editor.finish()?;
    let line = |index: usize| {
        let item = finished.documents.first().and_then(|document| document.root.get("images")).and_then(|list| list.items().get(index));
        item.map_or(0, |item| item.get("newTag").map_or(item.line, |tag| tag.line))
    };
    let changes = pending.into_iter().map(|(index, old, pin)| {
        let is_moved = index < entries.len() && !entries[index].is_of(&pin.repository);
        Change { file: file.to_owned(), line: line(index), image: pin.name.clone(), old, new: written(pin, is_moved) }
    });
    Ok(Edited { changes: changes.collect(), notes, bytes: finished.text.into_bytes() })
}

/// An editor that reads nothing but a list of images, where the rest of the file has no influence on it.
fn of_images<'t>(file: &'t str, text: &'t str) -> Option<Editor<'t>> {
    let [document] = Part::documents(text).try_into().ok()?;
    let sections = document.sections(text)?;
    let (images, others): (Vec<Part>, Vec<Part>) = sections.into_iter().partition(|part| text[part.span.clone()].starts_with("images:"));
    if !others.iter().all(|part| part.is_closed(text)) {
        return None;
    }
    let editor = Editor::of_parts(file, text, images).ok()?;
    let is_list = matches!(editor.documents(), [images] if images.root.get("images").is_some_and(|list| !list.items().is_empty()));
    is_list.then_some(editor)
}

/// What one entry says, aliases and merge keys resolved.
struct Entry {
    name: String,
    new_name: Option<String>,
    new_tag: Option<String>,
    /// Whether `newTag` is a text; kustomize refuses numbers.
    tag_is_text: bool,
    digest: Option<String>,
}

impl Entry {
    fn read(node: &Node) -> Option<Self> {
        let text = |key: &str| node.get(key).filter(|value| !value.is_null()).and_then(Node::as_str).map(str::to_owned);
        let tag_is_text = node
            .get("newTag")
            .is_none_or(|tag| tag.to_json(crate::yaml::Schema::Yaml11).is_string() && tag.to_json(crate::yaml::Schema::Core).is_string());
        let filled = |key: &str| text(key).filter(|value| !value.is_empty());
        Some(Self { name: text("name")?, new_name: filled("newName"), new_tag: filled("newTag"), tag_is_text, digest: filled("digest") })
    }

    /// Whether the images that this entry makes are those of a repository.
    fn is_of(&self, repository: &Repository) -> bool {
        is_repository(self.new_name.as_ref().unwrap_or(&self.name), repository)
    }

    fn is_named(&self, pin: &ImagePin) -> bool {
        self.name == pin.name || unescaped(&self.name) == pin.name || (!has_alias(pin) && is_repository(&self.name, &pin.repository))
    }

    fn belongs_to(&self, pin: &ImagePin) -> bool {
        self.is_named(pin) || self.new_name.as_ref().is_some_and(|name| is_repository(name, &pin.repository))
    }

    fn says(&self, pin: &ImagePin) -> bool {
        self.is_of(&pin.repository)
            && self.tag_is_text
            && self.new_tag.as_deref() == Some(pin.tag.as_str())
            && self.digest.as_deref() == pin.digest.as_ref().map(crate::image::Digest::as_str)
    }

    /// The entry's present value, with the repository when that is about to change.
    fn value(&self, pin: &ImagePin) -> String {
        let repository = self.new_name.as_ref().unwrap_or(&self.name);
        let repository = if self.is_of(&pin.repository) { "" } else { repository.as_str() };
        shown(repository, self.new_tag.as_deref(), self.digest.as_deref())
    }

    fn note(&self, file: &str, index: usize, pin: &ImagePin) -> Option<String> {
        if !may_match(&self.name, &pin.name) {
            return None;
        }
        let pattern = Regex::new(&format!("^{}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$", self.name)).ok()?;
        let name = &self.name;
        let also = || format!("{file}: images[{index}] has the name {name:?}, which as a regular expression matches {} too", pin.name);
        pattern.is_match(&pin.name).then(also)
    }
}

/// Whether a name may match another at all, which saves most regular expressions: one of plain characters and dots matches only what
/// begins with the same ones.
fn may_match(pattern: &str, name: &str) -> bool {
    let is_simple = pattern.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b':'));
    let begins = || name.len() >= pattern.len() && pattern.bytes().zip(name.bytes()).all(|(one, other)| one == b'.' || one == other);
    !is_simple || begins()
}

fn read_entries(editor: &Editor<'_>, file: &str) -> Result<Vec<Entry>, Error> {
    let at = |line: u32| crate::error::Location::line(file, line);
    let [document] = editor.documents() else {
        let reason = format!("a kustomization is one document, and there are {}", editor.documents().len());
        return Err(Error::Refused { at: at(1), reason });
    };
    if !document.root.is_mapping() {
        return Err(editor.refuse(&document.root, format!("there is {} where a kustomization was expected", document.root.describe())));
    }
    let resolved = document.resolved().map_err(|error| Error::Unreadable { at: at(error.line()), message: error.to_string() })?;
    let Some(images) = resolved.get("images").filter(|images| !images.is_null()) else { return Ok(Vec::new()) };
    if document.root.get("images").is_none_or(|raw| matches!(raw.kind, Kind::Alias { .. })) {
        return Err(editor.refuse(images, "`images` comes from an alias or a merge key".into()));
    }
    if !images.is_sequence() {
        return Err(editor.refuse(images, format!("`images` holds {} where a list was expected", images.describe())));
    }
    let entry = |item: &Node| Entry::read(item).ok_or_else(|| editor.refuse(item, "an entry of `images` has no `name`".into()));
    images.items().iter().map(entry).collect()
}

/// The pin of each entry, if it belongs to one.
fn owners<'p>(editor: &Editor<'_>, entries: &[Entry], pins: &'p [ImagePin]) -> Result<Vec<Option<&'p ImagePin>>, Error> {
    let mut owners = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let named: Vec<&ImagePin> = pins.iter().filter(|pin| entry.is_named(pin)).collect();
        let claims = if named.is_empty() { pins.iter().filter(|pin| entry.belongs_to(pin)).collect() } else { named };
        let differs = |other: &&&ImagePin| {
            let one = claims[0];
            (&one.repository, &one.tag, &one.digest) != (&other.repository, &other.tag, &other.digest)
        };
        if let Some(other) = claims.iter().find(differs) {
            let item = editor.documents().first().and_then(|d| d.root.get("images")).and_then(|list| list.items().get(index));
            let at = item.map_or_else(|| crate::error::Location::line("", 0), |item| editor.location(item));
            return Err(Error::Contradiction { at, one: claims[0].name.clone(), other: other.name.clone() });
        }
        owners.push(claims.first().copied());
    }
    Ok(owners)
}

/// Whether the manifests' name of an image is covered by an entry: one of that name, or, where the name is the repository itself, one that
/// turns another name into it.
fn is_covered(pin: &ImagePin, entries: &[Entry]) -> bool {
    entries.iter().any(|entry| entry.is_named(pin) || (!has_alias(pin) && entry.belongs_to(pin)))
}

fn apply(editor: &mut Editor<'_>, index: usize, entry: &Entry, pin: &ImagePin) -> Result<(), Error> {
    let path = [Step::Key("images"), Step::Item(index)];
    if entry.digest.is_some() && pin.digest.is_none() {
        editor.remove(0, &path, "digest")?;
    }
    if !entry.is_of(&pin.repository) {
        put(editor, &path, "newName", &pin.repository.to_string())?;
    }
    put(editor, &path, "newTag", pin.tag.as_str())?;
    match &pin.digest {
        Some(digest) => put(editor, &path, "digest", digest.as_str()),
        None => Ok(()),
    }
}

/// Sets a key of an entry, or adds it. A key that only a merge brings is added in the entry itself, where it wins.
fn put(editor: &mut Editor<'_>, entry: &[Step<'_>; 2], key: &str, text: &str) -> Result<(), Error> {
    let item = editor.documents().first().and_then(|d| d.root.get("images"));
    let Step::Item(index) = entry[1] else { return Ok(()) };
    let is_there = item.and_then(|list| list.items().get(index)).is_some_and(|item| item.get(key).is_some());
    if is_there { editor.set(0, &[entry[0], entry[1], Step::Key(key)], text) } else { editor.insert(0, entry, key, text) }
}

/// Aliases elsewhere follow when an anchored value changes.
fn alias_notes(editor: &Editor<'_>, file: &str, index: usize) -> Vec<String> {
    let root = &editor.documents()[0].root;
    let Some(item) = root.get("images").and_then(|list| list.items().get(index)) else { return Vec::new() };
    let anchored = item.entries().iter().map(|(_, value)| value).chain([item]);
    anchored.filter_map(|node| alias_note(file, &editor.documents()[0], node)).collect()
}

fn new_entry(pin: &ImagePin) -> Fields {
    let mut fields: Fields = vec![("name", escaped(&pin.name))];
    if has_alias(pin) {
        fields.push(("newName", pin.repository.to_string()));
    }
    fields.push(("newTag", pin.tag.to_string()));
    fields.extend(pin.digest.iter().map(|digest| ("digest", digest.to_string())));
    fields
}

/// Whether the manifests know the image by another name than its repository.
fn has_alias(pin: &ImagePin) -> bool {
    !is_repository(&pin.name, &pin.repository)
}

pub(super) fn is_repository(name: &str, repository: &Repository) -> bool {
    match unescaped(name).parse::<Reference>() {
        Ok(name) => name.tag().is_none() && name.digest().is_none() && name.repository() == *repository,
        Err(_) => false,
    }
}

/// A name as a regular expression that matches it. Dots stay as everyone writes them: they match themselves among others.
fn escaped(name: &str) -> String {
    name.replace('[', "\\[").replace(']', "\\]").replace('+', "\\+")
}

/// The name that an escaped one matches: `ghcr\.io/acme/api` is one image.
fn unescaped(name: &str) -> String {
    name.replace('\\', "")
}

fn written(pin: &ImagePin, with_repository: bool) -> String {
    let repository = if with_repository { pin.repository.to_string() } else { String::new() };
    shown(&repository, Some(pin.tag.as_str()), pin.digest.as_ref().map(crate::image::Digest::as_str))
}

#[cfg(test)]
mod tests;
