//! Whether a release would bring an older version than the one that is there (semver.org, §11). Pure.

use std::sync::LazyLock;

use regex::Regex;
use semver::Version;

use super::edit::{Change, ImagePin};

/// A step back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downgrade {
    /// What has the newer version: an image in a file, or a pull request.
    pub what: String,
    pub from: Version,
    pub to: Version,
}

/// The first image of ours that would get an older version. Tags without a version, and images of another name, are not compared.
pub(super) fn of_changes(changes: &[Change], images: &[ImagePin]) -> Option<Downgrade> {
    changes.iter().find_map(|change| {
        let (old, new) = (Seen::read(change.old.as_deref()?)?, Seen::read(&change.new)?);
        let is_ours = images.iter().any(|image| image.tag.as_str() == new.tag);
        let is_same = match (old.name, new.name) {
            (Some(old), Some(new)) => old == new,
            _ => true,
        };
        let is_back = new.version.cmp_precedence(&old.version).is_lt();
        (is_ours && is_same && is_back).then(|| Downgrade {
            what: format!("{} in {}:{}", change.image, change.file, change.line),
            from: old.version,
            to: new.version,
        })
    })
}

/// An image's tag that holds a version.
struct Seen<'t> {
    /// The last part of the repository, when the text names one.
    name: Option<&'t str>,
    tag: &'t str,
    version: Version,
}

impl<'t> Seen<'t> {
    fn read(text: &'t str) -> Option<Self> {
        // Templates show the whole line.
        let word = text.split_whitespace().last()?.trim_matches(['"', '\'']);
        let reference = word.split('@').next()?;
        let (name, tag) = match reference.rsplit_once(':') {
            Some((name, tag)) => (Some(name.rsplit('/').next().unwrap_or(name)), tag),
            None => (None, reference),
        };
        Some(Self { name, tag, version: version(tag)? })
    }
}

/// The version in a tag: `v1.2.3`, `1.2`, `api-v1.2.3`. What lacks its last number gets a zero.
fn version(tag: &str) -> Option<Version> {
    static FORM: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^(?:[A-Za-z][A-Za-z0-9._/-]*[-_/])?v?([0-9]+\.[0-9]+)(\.[0-9]+)?(-[0-9A-Za-z.-]+)?(?:[+_][0-9A-Za-z.-]+)?$")
            .expect("a constant")
    });
    let found = FORM.captures(tag)?;
    let part = |index: usize, default: &'static str| found.get(index).map_or(default, |part| part.as_str()).to_owned();
    Version::parse(&(part(1, "") + &part(2, ".0") + &part(3, ""))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_and_nothing_else() {
        let image = |tag: &str| ImagePin {
            service: "web".into(),
            name: "web".into(),
            repository: "ghcr.io/acme/web".parse::<crate::image::Reference>().unwrap().repository(),
            tag: tag.parse().unwrap(),
            digest: None,
        };
        let table = [
            ("1.10", "1.9", true),
            ("1.9", "1.10", false),
            ("v1.2.3", "v1.2.3-rc.1", true),
            ("v1.2.3-rc.1", "v1.2.3", false),
            ("ghcr.io/acme/web:v2.0.0@sha256:00", "eu.example/web:v1.0.0@sha256:11", true),
            ("ghcr.io/acme/other:v2.0.0", "ghcr.io/acme/web:v1.0.0", false),
            ("api-v2.0.0", "api-v1.9.9", true),
            ("image: \"ghcr.io/acme/web:2.0.0\"", "image: \"ghcr.io/acme/web:1.0.0\"", true),
            ("latest", "1.0.0", false),
            ("20240101", "1.0.0", false),
            ("0a1b2c3", "1.0.0", false),
            ("2.0.0@sha256:00", "nightly", false),
            ("1.0.0+build.2", "1.0.0", false),
        ];
        for (old, new, expected) in table {
            let change = Change { file: "f".into(), line: 1, image: "web".into(), old: Some(old.into()), new: new.into() };
            let tag = new.split('@').next().unwrap().rsplit([':', '/']).next().unwrap().trim_matches('"');
            assert_eq!(of_changes(std::slice::from_ref(&change), &[image(tag)]).is_some(), expected, "{old} → {new}");
            assert_eq!(of_changes(&[change], &[image("other")]), None, "another image's business");
        }
    }
}
