//! Which texts in files mean which image, and what replaces them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::image::{Digest, Reference, Repository};

use super::ImagePin;

/// The image that a text means: a name of the input `image-names` first, as it is written; then the repository.
pub(super) fn owner<'p>(pins: &'p [ImagePin], text: &str) -> Option<&'p ImagePin> {
    let name = without_tag(text);
    let repository = || text.parse::<Reference>().ok().map(|reference| reference.repository());
    pins.iter().find(|pin| pin.name == name).or_else(|| {
        let repository = repository()?;
        pins.iter().find(|pin| pin.repository == repository)
    })
}

/// The reference that takes a text's place. The name stays as it is written when it means the same repository.
pub(super) fn rewritten(text: &str, pin: &ImagePin) -> String {
    let written = text.parse::<Reference>().ok().filter(|reference| reference.repository() == pin.repository);
    let name = written.unwrap_or_else(|| Reference::from(&pin.repository));
    name.pinned(Some(pin.tag.clone()), pin.digest.clone()).to_string()
}

/// The old and the new value of a reference for people: without the repository where that stays.
pub(super) fn difference(old: &str, new: &str) -> (String, String) {
    match (old.parse::<Reference>(), new.parse::<Reference>()) {
        (Ok(one), Ok(other)) if one.repository() == other.repository() => (short(&one), short(&other)),
        _ => (old.to_owned(), new.to_owned()),
    }
}

fn short(reference: &Reference) -> String {
    shown("", reference.tag().map(crate::image::Tag::as_str), reference.digest().map(Digest::as_str))
}

/// `repository:tag@digest`, each part only where it is there.
pub(super) fn shown(repository: &str, tag: Option<&str>, digest: Option<&str>) -> String {
    let mut text = repository.to_owned();
    if let Some(tag) = tag {
        let colon = if text.is_empty() { "" } else { ":" };
        let _ = write!(text, "{colon}{tag}");
    }
    if let Some(digest) = digest {
        let _ = write!(text, "@{digest}");
    }
    if text.is_empty() { "no tag".to_owned() } else { text }
}

/// The name as written, also of texts that are no references (`API_IMAGE`); a colon behind the last slash starts a tag.
pub(super) fn without_tag(text: &str) -> &str {
    let name = text.split_once('@').map_or(text, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    }
}

/// Whether a file may name one of the images at all; others needn't be read as YAML.
pub fn may_name(bytes: &[u8], pins: &[ImagePin]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let is_there = |word: &str| !word.is_empty() && text.contains(word);
    pins.iter().any(|pin| is_there(&pin.name) || is_there(last_part(&pin.repository)))
}

fn last_part(repository: &Repository) -> &str {
    repository.path().rsplit('/').next().unwrap_or_default()
}

/// The services of which no image was found, and the names that were looked for.
pub(super) fn missing(pins: &[ImagePin], found: &BTreeSet<&str>) -> Vec<(String, Vec<String>)> {
    let mut missing: Vec<(String, Vec<String>)> = Vec::new();
    for pin in pins.iter().filter(|pin| !found.contains(pin.service.as_str())) {
        let names = [pin.name.clone(), pin.repository.to_string()];
        match missing.iter_mut().find(|(service, _)| *service == pin.service) {
            Some((_, known)) => known.extend(names),
            None => missing.push((pin.service.clone(), names.into())),
        }
    }
    for (_, names) in &mut missing {
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
    }
    missing
}
