//! Which texts in files mean which image, and what replaces them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use memchr::{memchr, memmem};

use crate::image::{Digest, Reference, Repository};
use crate::yaml::Part;

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

/// Whether a file may name one of the images at all; others needn't be read as YAML. A repository may be spread over several keys, so its
/// last part is looked for, as a whole word: `api` is not in `apiVersion`.
pub fn may_name(bytes: &[u8], pins: &[ImagePin]) -> bool {
    pins.iter().any(|pin| has_word(bytes, &pin.name) || has_word(bytes, last_part(&pin.repository)))
}

fn has_word(bytes: &[u8], word: &str) -> bool {
    let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let is_whole = |at: usize| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        !before.is_some_and(in_word) && !bytes.get(at + word.len()).is_some_and(in_word)
    };
    !word.is_empty() && memmem::find_iter(bytes, word.as_bytes()).any(is_whole)
}

/// The documents of a file that may name one of the images: as they are written, or by an escape.
pub(super) fn naming_documents(text: &str, pins: &[ImagePin]) -> Vec<Part> {
    Part::documents(text).into_iter().filter(|part| may_be_named(text, part, pins)).collect()
}

/// As [`naming_documents`], of plainly written documents only the outermost entries that name one. `None` where the outermost keys
/// themselves may be an image's: they have to be seen together.
pub(super) fn naming_sections(text: &str, pins: &[ImagePin]) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    for document in naming_documents(text, pins) {
        let sections = document.sections(text)?;
        let has = |keys: [&str; 2]| sections.iter().any(|part| keys.iter().any(|key| text[part.span.clone()].starts_with(key)));
        if has(["tag:", "version:"]) && has(["repository:", "image:"]) {
            return None;
        }
        parts.extend(sections.into_iter().filter(|part| may_be_named(text, part, pins) || !part.is_closed(text)));
    }
    Some(parts)
}

fn may_be_named(text: &str, part: &Part, pins: &[ImagePin]) -> bool {
    let bytes = &text.as_bytes()[part.span.clone()];
    may_name(bytes, pins) || memchr(b'\\', bytes).is_some()
}

pub(super) fn last_part(repository: &Repository) -> &str {
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
