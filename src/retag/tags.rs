//! Which tags a release gets: templates, and floats that never move backwards. Pure.

mod floats;
mod template;

use semver::Version;

use crate::image::Tag;
use crate::release::Release;

pub use floats::{need_listing, rival, withhold};
pub use template::{DEFAULT, expand, needs_release};

/// What the words in templates stand for.
#[derive(Debug, Clone, Default)]
pub struct Values {
    /// The git tag as it is.
    pub tag: Option<String>,
    pub version: Option<Version>,
    /// Whether floats must stay where they are, by the version or because the release says so.
    pub prerelease: bool,
    /// The full hash of the commit.
    pub commit: Option<String>,
}

impl From<&Release> for Values {
    fn from(release: &Release) -> Self {
        Self {
            tag: Some(release.tag.clone()),
            version: Some(release.version.clone()),
            prerelease: release.prerelease,
            commit: release.commit.clone(),
        }
    }
}

/// How a tag behaves once it exists. The order is the order in which tags are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Names one image for ever: `1.2.3`, a commit.
    Fixed,
    /// The newest of a minor line: `1.2`.
    Minor,
    /// The newest of a major line: `1`.
    Major,
    /// The newest of all: `latest`, or any other text without a version.
    Latest,
}

/// Why a float stays where it is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Withheld {
    Prerelease,
    /// Major version 0 promises nothing (SemVer §4), so `0` would.
    MajorZero,
    /// This tag is a newer version of the same line.
    Newer(Tag),
}

impl std::fmt::Display for Withheld {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Prerelease => f.write_str("a pre-release moves no such tag"),
            Self::MajorZero => f.write_str("versions 0.x have no common major line"),
            Self::Newer(tag) => write!(f, "{tag} is newer"),
        }
    }
}

/// A tag that a release asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub tag: Tag,
    pub role: Role,
    /// Set when it is not written after all.
    pub withheld: Option<Withheld>,
    /// What the template came to, where that is no tag as it is: `1.2.3+5`.
    pub asked: Option<String>,
}

#[cfg(test)]
mod tests;
