//! Version, git tag, channel and environment of a release, from the event that started the workflow. Pure.

mod channels;
mod event;
pub mod template;

pub use channels::Channels;
pub use event::{Seen, TagSource};

use regex::Regex;
use semver::Version;

use crate::error::{Exit, Explain};

/// What is being released.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Release {
    /// The git tag as it is: `v1.2.3`, `api/v1.2.3`.
    pub tag: String,
    pub version: Version,
    /// `stable`, or the kind of pre-release: `rc`, `beta`; `prerelease` where only GitHub's flag says so.
    pub channel: String,
    /// Where the channel is deployed to; `None` when `channels` doesn't name it.
    pub environment: Option<String>,
    pub prerelease: bool,
    /// The commit that the tag names, where the event tells it.
    pub commit: Option<String>,
    /// Where the tag was read from.
    pub source: TagSource,
}

/// Why there is no release to work on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("this run is not for a release: no release tag in {}", .0.looked_at())]
    NoTag(Box<Seen>),
    #[error("the tag {tag:?} ({source_name}) holds no version", source_name = .source_of_tag)]
    NoVersion { tag: String, source_of_tag: TagSource, pattern: Option<String> },
    #[error("the tag {tag:?} ({source_of_tag}) holds {version:?}, which is not a SemVer version: {reason}")]
    BadVersion { tag: String, source_of_tag: TagSource, version: String, reason: String },
}

impl Explain for Error {
    fn hint(&self) -> String {
        match self {
            Self::NoTag(seen) => format!(
                "start the workflow from a release or a `v*` tag (`on: release: types: [published]`), or set the input `version`; {}",
                seen.explanation()
            ),
            Self::NoVersion { pattern: Some(pattern), .. } => {
                format!("`tag-pattern` is {pattern:?}: its group `version` must match the version in the tag")
            }
            Self::NoVersion { pattern: None, .. } | Self::BadVersion { .. } => {
                "tags look like v1.2.3, 1.2.3, api-v1.2.3 or api/v1.2.3; for others set `tag-pattern`, a regular expression with a group `version` \
                 (and quote versions in YAML: an unquoted 1.10 arrives as 1.1)"
                    .to_owned()
            }
        }
    }

    fn exit(&self) -> Exit {
        Exit::BadInput
    }
}

/// The version in a git tag: `tag-pattern`'s group `version`, or one of the forms `v1.2.3`, `1.2.3`, `api-v1.2.3`, `api/v1.2.3`.
fn version_text<'t>(tag: &'t str, pattern: Option<&Regex>) -> Option<&'t str> {
    const SEMVER: &str = r"(?P<version>[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)";
    if let Some(pattern) = pattern {
        return pattern.captures(tag)?.name("version").map(|group| group.as_str());
    }
    // The bare form first: in `v1.2.3-1.2.4` the whole is one version, not a component with another one.
    let bare = format!("^v?{SEMVER}$");
    let component = format!("^[A-Za-z][A-Za-z0-9._/-]*[-/]v?{SEMVER}$");
    [bare, component].iter().find_map(|form| {
        let form = Regex::new(form).expect("a constant");
        form.captures(tag)?.name("version").map(|group| group.as_str())
    })
}

/// Finds the release that a run is for.
///
/// # Errors
/// When nothing names a release tag (a branch called `v1.2.3` does not), or the tag holds no SemVer version.
pub fn resolve(seen: &Seen, pattern: Option<&Regex>, channels: &Channels) -> Result<Release, Error> {
    let (tag, source) = seen.tag().ok_or_else(|| Error::NoTag(Box::new(seen.clone())))?;
    let text = version_text(&tag, pattern).ok_or_else(|| Error::NoVersion {
        tag: tag.clone(),
        source_of_tag: source,
        pattern: pattern.map(|p| p.as_str().to_owned()),
    })?;
    let version = Version::parse(text).map_err(|error| Error::BadVersion {
        tag: tag.clone(),
        source_of_tag: source,
        version: text.to_owned(),
        reason: error.to_string(),
    })?;
    let flagged = seen.flagged_prerelease(&tag);
    let channel = channels::channel(&version, flagged);
    Ok(Release {
        environment: channels.environment(&channel).map(str::to_owned),
        prerelease: !version.pre.is_empty() || flagged,
        commit: seen.commit_of(&tag),
        channel,
        tag,
        version,
        source,
    })
}

#[cfg(test)]
mod tests;
