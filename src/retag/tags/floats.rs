//! Floats never move backwards.

use semver::Version;

use super::{Role, Values, Wanted, Withheld};
use crate::image::Tag;

/// Whether the tags that exist must be known: only floats of a version depend on them.
pub fn need_listing(wanted: &[Wanted], values: &Values) -> bool {
    values.version.is_some() && wanted.iter().any(|tag| tag.role != Role::Fixed && tag.withheld.is_none())
}

/// Withholds floats that would move backwards: those in whose line a newer stable version exists already.
///
/// `existing` are the tags of all repositories of the release together, so that its images can't disagree. A tag is a version
/// as it is, behind a `v`, or behind what stands before the version in this release's own tag (`api-v`).
pub fn withhold<'a>(wanted: &mut [Wanted], values: &Values, existing: impl IntoIterator<Item = &'a Tag>) {
    let Some(version) = &values.version else { return };
    let own = own_prefix(values, version);
    let stable: Vec<(Version, &Tag)> = existing.into_iter().filter_map(|tag| Some((stable(tag, &own)?, tag))).collect();
    for float in wanted.iter_mut().filter(|tag| tag.role != Role::Fixed && tag.withheld.is_none()) {
        let line = |other: &Version| match float.role {
            Role::Fixed => false,
            Role::Minor => (other.major, other.minor) == (version.major, version.minor),
            Role::Major => other.major == version.major,
            Role::Latest => true,
        };
        let newest = stable.iter().filter(|(other, _)| line(other)).max();
        // Build metadata has no rank (SemVer §10).
        if let Some((_, tag)) = newest.filter(|(newest, _)| newest.cmp_precedence(version).is_gt()) {
            float.withheld = Some(Withheld::Newer((*tag).clone()));
        }
    }
}

/// A tag that exists and names the same version, but for the build metadata: none of the two is newer (SemVer §10), so that floats name
/// whichever was released last. In a tag the metadata looks like a pre-release; one of another form (`rc.1`, `build.5`) is taken as one.
pub fn rival<'a>(wanted: &[Wanted], values: &Values, existing: impl IntoIterator<Item = &'a Tag>) -> Option<&'a Tag> {
    let version = values.version.as_ref().filter(|version| !version.build.is_empty() && need_listing(wanted, values))?;
    let (own, build) = (own_prefix(values, version), version.build.as_str());
    let name = Version { build: semver::BuildMetadata::EMPTY, ..version.clone() }.to_string();
    let is_rival = |tag: &Tag| {
        let other = texts(tag, &own).find_map(|text| text.strip_prefix(&name).filter(|rest| rest.is_empty() || rest.starts_with('-')));
        other.is_some_and(|rest| rest.is_empty() || alike(&rest[1..], build))
    };
    existing.into_iter().filter(|tag| wanted.iter().all(|wanted| wanted.tag != **tag)).find(|tag| is_rival(tag))
}

/// Whether identifiers have the same form: numbers, the same words, or both letters and digits.
fn alike(one: &str, other: &str) -> bool {
    let has = |text: &str, class: fn(&u8) -> bool| text.as_bytes().iter().any(class);
    let pair = |(one, other): (&str, &str)| {
        let digits = [one, other].map(|text| has(text, u8::is_ascii_digit));
        let letters = [one, other].map(|text| has(text, |byte| !byte.is_ascii_digit()));
        digits[0] == digits[1] && letters[0] == letters[1] && (digits[0] || one == other)
    };
    one.split('.').count() == other.split('.').count() && one.split('.').zip(other.split('.')).all(pair)
}

/// What stands before the version in the release's own tag, as it stands in image tags: `api-v`.
fn own_prefix(values: &Values, version: &Version) -> String {
    values.tag.as_deref().and_then(|tag| tag.strip_suffix(&version.to_string())).unwrap_or_default().replace(['+', '/'], "-")
}

/// A tag in the ways in which it could begin with a version.
fn texts<'a>(tag: &'a Tag, own_prefix: &str) -> impl Iterator<Item = &'a str> {
    let bare = tag.as_str().strip_prefix(own_prefix).filter(|_| !own_prefix.is_empty());
    bare.into_iter().chain(tag.as_str().strip_prefix('v')).chain([tag.as_str()])
}

fn stable(tag: &Tag, own_prefix: &str) -> Option<Version> {
    texts(tag, own_prefix).filter_map(|text| Version::parse(text).ok()).find(|version| version.pre.is_empty())
}
