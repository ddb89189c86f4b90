//! Which commit an image says that it was built from, and whether it is the one that is released. Pure.
//!
//! `org.opencontainers.image.revision` (OCI image-spec, annotations.md) is written as an annotation of the manifest or index, or, by
//! most tools, as a label in the image's configuration.

use std::fmt;

use serde::Deserialize;

use crate::image::Manifest;
use crate::image::manifest::{Descriptor, Kind};

/// The name of the annotation and of the label.
pub(super) const KEY: &str = "org.opencontainers.image.revision";
/// Fewer digits than this name no commit (git's own shortest abbreviation is 7).
const SHORTEST: usize = 7;
/// The digits of a SHA-256 commit.
const LONGEST: usize = 64;

/// How much is asked of an image before it is released (`verify-revision`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Revision {
    /// Annotations that are there must name the released commit; they come with the manifest and cost no request.
    #[default]
    Auto,
    /// The image must say its commit, by annotation or label, and all its platforms must be there.
    Require,
    Off,
}

/// Where a commit was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Annotation,
    Label,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Annotation => "annotation",
            Self::Label => "label",
        })
    }
}

/// What a text says about a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    Other,
    /// It is no hash: a branch, a version, `unknown`.
    NotACommit,
}

/// Compares a text with the full hash of a commit. An abbreviation is the same commit when the hash begins with it.
pub(super) fn compare(text: &str, commit: &str) -> Verdict {
    let (text, commit) = (text.trim().to_ascii_lowercase(), commit.to_ascii_lowercase());
    let is_hash = (SHORTEST..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match is_hash {
        false => Verdict::NotACommit,
        true if commit.starts_with(&text) => Verdict::Same,
        true => Verdict::Other,
    }
}

/// What the annotations say: the manifest's own, else those that an index gives its platforms.
pub(super) fn annotations(manifest: &Manifest) -> Vec<&str> {
    if let Some(text) = manifest.content().annotations.get(KEY) {
        return vec![text];
    }
    platforms(manifest).filter_map(|child| child.annotations.get(KEY)).map(String::as_str).collect()
}

/// What an index lists that runs: not the attestations. None for an image that is no index.
pub(super) fn platforms(manifest: &Manifest) -> impl Iterator<Item = &Descriptor> {
    let children: &[Descriptor] = match &manifest.content().kind {
        Kind::Index { manifests } => manifests,
        Kind::Image { .. } => &[],
    };
    children.iter().filter(|child| !child.is_attestation())
}

/// What the label in an image's configuration says (OCI image-spec, config.md). A configuration that isn't one has no labels:
/// artifacts may put anything there.
pub(super) fn label(config: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Document {
        config: Option<Config>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Config {
        labels: Option<std::collections::BTreeMap<String, String>>,
    }
    let document: Document = serde_json::from_slice(config).ok()?;
    document.config?.labels?.remove(KEY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn an_abbreviation_is_a_commit_when_the_hash_begins_with_it_and_has_seven_digits() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let table = [
            (commit, Verdict::Same),
            ("0123456789ABCDEF0123456789ABCDEF01234567", Verdict::Same),
            (" 0123456\n", Verdict::Same),
            ("012345", Verdict::NotACommit),
            ("123456789abcdef", Verdict::Other),
            ("0123456789abcdef0123456789abcdef012345678", Verdict::Other),
            ("0123457", Verdict::Other),
            ("main", Verdict::NotACommit),
            ("0123456-dirty", Verdict::NotACommit),
            ("", Verdict::NotACommit),
        ];
        for (text, expected) in table {
            assert_eq!(compare(text, commit), expected, "{text:?}");
        }
    }

    #[test]
    fn an_index_speaks_for_its_platforms_else_they_speak_themselves_and_attestations_never() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let child = |os: &str, commit: &str| {
            format!(
                r#"{{"digest":"{digest}","size":1,"platform":{{"os":"{os}","architecture":"{os}"}},"annotations":{{"{KEY}":"{commit}"}}}}"#
            )
        };
        let read = |own: &str| {
            let children = [child("linux", "one"), child("unknown", "two"), child("windows", "three")].join(",");
            let json = format!(r#"{{"schemaVersion":2,{own}"manifests":[{children}]}}"#);
            Manifest::read(Bytes::from(json), None, None).unwrap()
        };
        assert_eq!(annotations(&read("")), ["one", "three"]);
        assert_eq!(annotations(&read(&format!(r#""annotations":{{"{KEY}":"all"}},"#))), ["all"]);
    }

    #[test]
    fn a_label_is_read_from_a_configuration_and_from_nothing_else() {
        let config = format!(r#"{{"os":"linux","config":{{"Labels":{{"{KEY}":"abc"}}}}}}"#);
        assert_eq!(label(config.as_bytes()).as_deref(), Some("abc"));
        for other in ["{}", r#"{"config":null}"#, r#"{"config":{"Labels":null}}"#, "[]", "<html>", ""] {
            assert_eq!(label(other.as_bytes()), None, "{other}");
        }
    }
}
