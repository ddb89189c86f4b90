//! What kustomize makes of an image: all entries whose names match it, one after the other, each of what the ones before it have made
//! (api/filters/imagetag/updater.go, api/internal/image/image.go).

use std::cell::OnceCell;
use std::collections::BTreeMap;

use regex::Regex;

use super::super::images::shown;
use super::super::{Error, ImagePin};
use super::entries::{Entry, may_match};
use super::reading::Images;
use crate::image::Digest;

/// Checks that every image is in the end what its pin says, whatever else the names of entries match. `owners` says whose each entry is,
/// and `missing` which images get one at the end.
///
/// # Errors
/// The entry that gets in the way.
pub(super) fn check(images: &Images<'_>, entries: &[Entry], owners: &[Option<&ImagePin>], missing: &[&ImagePin]) -> Result<(), Error> {
    let others: Vec<Other<'_>> = entries.iter().zip(owners).filter_map(|(entry, owner)| Other::of(entry, *owner)).collect();
    if others.is_empty() {
        return Ok(());
    }
    let mut own: BTreeMap<&str, (&ImagePin, Vec<Own>)> = BTreeMap::new();
    for (entry, owner) in entries.iter().zip(owners) {
        if let (Some(pin), Some(name)) = (owner, entry.image()) {
            let makes = match entry.is_of(&pin.repository) {
                true => entry.new_name.clone().unwrap_or_else(|| name.to_string()),
                false => pin.repository.to_string(),
            };
            let ours = Own { index: entry.index, name: name.into_owned(), makes };
            own.entry(&pin.name).or_insert((pin, Vec::new())).1.push(ours);
        }
    }
    let last = entries.last().map_or(0, |entry| entry.index + 1);
    let added = missing.iter().map(|pin| {
        let makes = if super::is_repository(&pin.name, &pin.repository) { pin.name.clone() } else { pin.repository.to_string() };
        (*pin, vec![Own { index: last, name: pin.name.clone(), makes }])
    });
    for (pin, own) in own.into_values().chain(added) {
        for Own { name, .. } in &own {
            if let Some(Culprit { entry, matched, effect }) = in_the_way(pin, name, &own, &others) {
                let (image, name, matched) = (pin.name.clone(), entry.name.clone(), matched.to_owned());
                return Err(Error::Overridden { at: images.location(entry.spot), image, name, matched, effect });
            }
        }
    }
    Ok(())
}

/// An entry of a pin's own, as it is after the edit.
struct Own {
    index: usize,
    name: String,
    /// What it calls the image: others are about that name from there on.
    makes: String,
}

/// An entry that may be about several images, or is about none of ours, as it is after the edit.
struct Other<'e> {
    entry: &'e Entry,
    pattern: OnceCell<Option<Regex>>,
    new_name: Option<&'e str>,
    new_tag: Option<&'e str>,
    digest: Option<&'e str>,
}

impl<'e> Other<'e> {
    fn of(entry: &'e Entry, owner: Option<&'e ImagePin>) -> Option<Self> {
        let new_name = entry.new_name.as_deref();
        let (new_tag, digest) = match owner {
            Some(_) if entry.image().is_some() => return None,
            Some(pin) => (Some(pin.tag.as_str()), pin.digest.as_ref().map(Digest::as_str)),
            None => (entry.new_tag.as_deref(), entry.digest.as_deref()),
        };
        Some(Self { entry, pattern: OnceCell::new(), new_name, new_tag, digest })
    }

    fn matches(&self, made: &Made<'_>) -> bool {
        let pattern = || self.pattern.get_or_init(|| self.entry.pattern()).as_ref();
        may_match(&self.entry.name, made.name) && pattern().is_some_and(|it| it.is_match(&shown(made.name, made.tag, made.digest)))
    }
}

/// What an image comes to on its way.
enum Step<'e> {
    Own(&'e Own),
    Other(&'e Other<'e>),
}

/// An image on its way through the entries.
struct Made<'m> {
    name: &'m str,
    tag: Option<&'m str>,
    digest: Option<&'m str>,
}

/// The entry by which an image is not what its pin says in the end.
struct Culprit<'o> {
    entry: &'o Entry,
    /// What the image was called when the entry matched it.
    matched: &'o str,
    effect: &'static str,
}

/// Has the image of this name go through all entries that can be about it.
fn in_the_way<'o>(pin: &'o ImagePin, name: &'o str, own: &'o [Own], others: &'o [Other<'_>]) -> Option<Culprit<'o>> {
    let digest = pin.digest.as_ref().map(Digest::as_str);
    let mut steps: Vec<(usize, Step<'_>)> = others.iter().map(|other| (other.entry.index, Step::Other(other))).collect();
    steps.extend(own.iter().map(|own| (own.index, Step::Own(own))));
    steps.sort_by_key(|(index, _)| *index);
    let mut made = Made { name, tag: None, digest: None };
    let (mut is_pinned, mut culprit) = (false, None);
    for (_, step) in steps {
        match step {
            Step::Own(own) if own.name == made.name => {
                made = Made { name: &own.makes, tag: Some(pin.tag.as_str()), digest };
                (is_pinned, culprit) = (true, None);
            }
            Step::Other(other) if other.matches(&made) => {
                let told = |effect| Culprit { entry: other.entry, matched: made.name, effect };
                culprit = match is_pinned {
                    true => Some(told("it comes after ours")),
                    false => culprit.or_else(|| Some(told("it gives the image another name before ours comes"))),
                };
                made.name = other.new_name.unwrap_or(made.name);
                if other.new_tag.is_some() || other.digest.is_some() {
                    (made.tag, made.digest) = (other.new_tag, other.digest);
                }
            }
            _ => {}
        }
    }
    culprit.filter(|_| (made.tag, made.digest) != (Some(pin.tag.as_str()), digest))
}
