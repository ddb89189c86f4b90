//! The `images:` of a kustomization (kustomize/api/types/image.go; matched as in api/internal/image/image.go: an entry's name is a regular
//! expression for the whole name, and later entries see what earlier ones made).

mod effect;
mod entries;
mod reading;

use std::borrow::Cow;

use crate::image::{Reference, Repository};

use super::images::shown;
use super::place::alias_note;
use super::yaml::Fields;
use super::{Change, Edited, Error, FILE_LIMIT, ImagePin};
use entries::{Entry, Wanted};
use reading::{Images, Spot};

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
    let (images, entries) = Images::read(file, text, pins)?;
    carry_out(images, &entries, file, pins)
}

/// A change at a spot, of which the line is known only when all are made.
struct Pending<'p> {
    spot: Spot,
    pin: &'p ImagePin,
    old: Option<String>,
    /// Whether the repository changes too.
    is_moved: bool,
}

fn carry_out(mut images: Images<'_>, entries: &[Entry], file: &str, pins: &[ImagePin]) -> Result<Edited, Error> {
    let wanted: Vec<Wanted<'_>> = pins.iter().map(Wanted::new).collect();
    let owners = owners(&images, entries, &wanted)?;
    let missing: Vec<&ImagePin> = wanted.iter().filter(|wanted| !wanted.is_covered(entries)).map(|wanted| wanted.pin).collect();
    effect::check(&images, entries, &owners, &missing)?;
    let mut notes = Vec::new();
    let mut pending: Vec<Pending<'_>> = Vec::new();
    for (entry, owner) in entries.iter().zip(owners) {
        match owner {
            Some(pin) if !entry.says(pin) => {
                notes.extend(alias_notes(&images, file, entry.spot));
                apply(&mut images, entry, pin)?;
                pending.push(Pending { spot: entry.spot, pin, old: Some(entry.value(pin)), is_moved: !entry.is_of(&pin.repository) });
            }
            Some(_) => {}
            None => notes.extend(pins.iter().filter_map(|pin| entry.note(file, pin))),
        }
    }
    if !missing.is_empty() {
        let added: Vec<Fields> = missing.iter().map(|pin| new_entry(pin)).collect();
        let spots = images.add(&added)?;
        pending.extend(missing.iter().zip(spots).map(|(pin, spot)| Pending { spot, pin, old: None, is_moved: false }));
    }
    let list = images.list;
    let finished = images.editor.finish()?;
    let line = |spot: Spot| {
        let item = spot.node(list, &finished.documents);
        item.map_or(0, |item| item.get("newTag").map_or(item.line, |tag| tag.line))
    };
    let changes = pending.into_iter().map(|Pending { spot, pin, old, is_moved }| Change {
        file: file.to_owned(),
        line: line(spot),
        image: pin.name.clone(),
        old,
        new: written(pin, is_moved),
    });
    Ok(Edited { changes: changes.collect(), notes, bytes: finished.text.into_bytes() })
}

/// The pin of each entry, if it belongs to one.
fn owners<'p>(images: &Images<'_>, entries: &[Entry], wanted: &[Wanted<'p>]) -> Result<Vec<Option<&'p ImagePin>>, Error> {
    let owner = |entry: &Entry| {
        let named: Vec<&Wanted<'p>> = wanted.iter().filter(|wanted| wanted.is_name_of(entry)).collect();
        let claims = if named.is_empty() { wanted.iter().filter(|wanted| wanted.owns(entry)).collect() } else { named };
        let Some(first) = claims.first() else { return Ok(None) };
        let said = |wanted: &Wanted<'p>| (&wanted.pin.repository, &wanted.pin.tag, &wanted.pin.digest);
        match claims.iter().find(|other| said(other) != said(first)) {
            None => Ok(Some(first.pin)),
            Some(other) => {
                let (one, other) = (first.pin.name.clone(), other.pin.name.clone());
                Err(Error::Contradiction { at: images.location(entry.spot), one, other })
            }
        }
    };
    entries.iter().map(owner).collect()
}

fn apply(images: &mut Images<'_>, entry: &Entry, pin: &ImagePin) -> Result<(), Error> {
    if entry.digest.is_some() && pin.digest.is_none() {
        images.remove(entry.spot, "digest")?;
    }
    if !entry.is_of(&pin.repository) {
        images.put(entry.spot, "newName", &pin.repository.to_string())?;
    }
    images.put(entry.spot, "newTag", pin.tag.as_str())?;
    match &pin.digest {
        Some(digest) => images.put(entry.spot, "digest", digest.as_str()),
        None => Ok(()),
    }
}

/// Aliases elsewhere follow when an anchored value changes.
fn alias_notes(images: &Images<'_>, file: &str, spot: Spot) -> Vec<String> {
    let Some(item) = images.node(spot) else { return Vec::new() };
    let anchored = item.entries().iter().map(|(_, value)| value).chain([item]);
    anchored.filter_map(|node| alias_note(file, &images.editor.documents()[spot.document], node)).collect()
}

fn new_entry(pin: &ImagePin) -> Fields {
    let mut fields: Fields = vec![("name", escaped(&pin.name))];
    if !is_repository(&pin.name, &pin.repository) {
        fields.push(("newName", pin.repository.to_string()));
    }
    fields.push(("newTag", pin.tag.to_string()));
    fields.extend(pin.digest.iter().map(|digest| ("digest", digest.to_string())));
    fields
}

pub(super) fn is_repository(name: &str, repository: &Repository) -> bool {
    repository_of(name).is_some_and(|named| named == *repository)
}

/// The repository that a name without tag and digest means.
fn repository_of(name: &str) -> Option<Repository> {
    let name: Reference = unescaped(name).parse().ok()?;
    (name.tag().is_none() && name.digest().is_none()).then(|| name.repository())
}

/// A name as a regular expression that matches it. Dots stay as everyone writes them: they match themselves among others.
fn escaped(name: &str) -> String {
    name.replace('[', "\\[").replace(']', "\\]").replace('+', "\\+")
}

/// The name that an escaped one matches: `ghcr\.io/acme/api` is one image.
fn unescaped(name: &str) -> Cow<'_, str> {
    if name.contains('\\') { name.replace('\\', "").into() } else { name.into() }
}

fn written(pin: &ImagePin, with_repository: bool) -> String {
    let repository = if with_repository { pin.repository.to_string() } else { String::new() };
    shown(&repository, Some(pin.tag.as_str()), pin.digest.as_ref().map(crate::image::Digest::as_str))
}

#[cfg(test)]
mod tests;
