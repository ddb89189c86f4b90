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
    let mut own: BTreeMap<&str, (&ImagePin, Own)> = BTreeMap::new();
    for (entry, owner) in entries.iter().zip(owners) {
        if let (Some(pin), Some(name)) = (owner, entry.image()) {
            own.entry(&pin.name).or_insert((pin, Vec::new())).1.push((entry.index, name.into_owned()));
        }
    }
    let last = entries.last().map_or(0, |entry| entry.index + 1);
    let added = missing.iter().map(|pin| (*pin, vec![(last, pin.name.clone())]));
    for (pin, own) in own.into_values().chain(added) {
        for (_, name) in &own {
            if let Some((other, effect)) = in_the_way(pin, name, &own, &others) {
                return Err(Error::Overridden {
                    at: images.location(other.spot),
                    image: pin.name.clone(),
                    name: other.name.clone(),
                    matched: name.clone(),
                    effect,
                });
            }
        }
    }
    Ok(())
}

/// Places and names of a pin's own entries.
type Own = Vec<(usize, String)>;

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

/// An image on its way through the entries.
struct Made<'m> {
    name: &'m str,
    tag: Option<&'m str>,
    digest: Option<&'m str>,
}

/// The entry by which an image of this name is not what the pin says in the end, and how it does that.
fn in_the_way<'o>(pin: &ImagePin, name: &str, own: &Own, others: &'o [Other<'_>]) -> Option<(&'o Entry, &'static str)> {
    let repository = pin.repository.to_string();
    let digest = pin.digest.as_ref().map(Digest::as_str);
    let mut steps: Vec<(usize, Option<&Other<'_>>)> = others.iter().map(|other| (other.entry.index, Some(other))).collect();
    steps.extend(own.iter().map(|(index, _)| (*index, None)));
    steps.sort_by_key(|(index, _)| *index);
    let mut made = Made { name, tag: None, digest: None };
    let (mut is_pinned, mut culprit) = (false, None);
    for (index, other) in steps {
        match other {
            None if own.iter().any(|(at, name)| *at == index && name == made.name) => {
                // Once its name is that of its repository, entries of that name are about it too.
                let is_alias = pin.name == name && !super::is_repository(name, &pin.repository);
                made = Made { name: if is_alias { &repository } else { made.name }, tag: Some(pin.tag.as_str()), digest };
                (is_pinned, culprit) = (true, None);
            }
            Some(other) if other.matches(&made) => {
                made.name = other.new_name.unwrap_or(made.name);
                if other.new_tag.is_some() || other.digest.is_some() {
                    (made.tag, made.digest) = (other.new_tag, other.digest);
                }
                culprit = match is_pinned {
                    true => Some((other.entry, "it comes after ours")),
                    false => culprit.or(Some((other.entry, "it gives the image another name before ours comes"))),
                };
            }
            _ => {}
        }
    }
    culprit.filter(|_| (made.tag, made.digest) != (Some(pin.tag.as_str()), digest))
}
