use std::fmt;

use serde_json::Value;

/// What the runner and the inputs say about the release; nothing here is read from the environment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// The input `version`.
    pub version: Option<String>,
    /// `GITHUB_REF`.
    pub git_ref: Option<String>,
    /// `GITHUB_EVENT_NAME`.
    pub event_name: Option<String>,
    /// `GITHUB_SHA`.
    pub sha: Option<String>,
    /// The content of `GITHUB_EVENT_PATH`; null when there is none.
    pub event: Value,
}

/// Where a release tag was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TagSource {
    Input,
    Ref,
    ReleaseEvent,
    PackageEvent,
    ClientPayload,
}

impl fmt::Display for TagSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "from the input `version`",
            Self::Ref => "from GITHUB_REF",
            Self::ReleaseEvent => "from the release event's tag_name",
            Self::PackageEvent => "from the registry_package event",
            Self::ClientPayload => "from client_payload.version",
        })
    }
}

impl Seen {
    /// The release tag, in the order of the product's contract: input, `refs/tags/*`, release event, package event, client payload.
    /// A branch called `v1.2.3` is not a release.
    pub(super) fn tag(&self) -> Option<(String, TagSource)> {
        let input = || self.version.clone();
        let git_ref = || self.git_ref.as_deref()?.strip_prefix("refs/tags/").map(str::to_owned);
        let at = |pointer: &str| self.event.pointer(pointer)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let of_event = |name: &str, pointer: &str| (self.event_name.as_deref() == Some(name)).then(|| at(pointer)).flatten();
        None.or_else(|| Some((input()?, TagSource::Input)))
            .or_else(|| Some((git_ref()?, TagSource::Ref)))
            .or_else(|| Some((of_event("release", "/release/tag_name")?, TagSource::ReleaseEvent)))
            .or_else(|| {
                let pointer = "/registry_package/package_version/container_metadata/tag/name";
                Some((of_event("registry_package", pointer)?, TagSource::PackageEvent))
            })
            .or_else(|| Some((of_event("repository_dispatch", "/client_payload/version")?, TagSource::ClientPayload)))
    }

    /// Whether GitHub's release of this tag is flagged as a pre-release.
    pub(super) fn flagged_prerelease(&self, tag: &str) -> bool {
        let release = self.event.get("release");
        let field = |name: &str| release.and_then(|r| r.get(name));
        field("tag_name").and_then(Value::as_str) == Some(tag) && field("prerelease").and_then(Value::as_bool) == Some(true)
    }

    /// `GITHUB_SHA` belongs to the tag only when the run's ref is that tag; on other events it is the head of a branch.
    pub(super) fn commit_of(&self, tag: &str) -> Option<String> {
        let is_tag = self.git_ref.as_deref().and_then(|r| r.strip_prefix("refs/tags/")) == Some(tag);
        self.sha.clone().filter(|sha| is_tag && !sha.is_empty())
    }

    /// What was looked at, with its values.
    pub(super) fn looked_at(&self) -> String {
        let value = |v: &Option<String>| v.as_ref().map_or("not set".to_owned(), |v| format!("{v:?}"));
        format!("`version` ({}), GITHUB_REF ({}), the event ({})", value(&self.version), value(&self.git_ref), value(&self.event_name))
    }

    /// Why the ref at hand is none, in words.
    pub(super) fn explanation(&self) -> &'static str {
        match self.git_ref.as_deref() {
            Some(r) if r.starts_with("refs/heads/") => "a branch is not a release, whatever its name",
            Some(r) if r.starts_with("refs/pull/") => "a pull request is not a release",
            Some("") | None => "GITHUB_REF is empty, as outside a workflow run",
            Some(_) => "GITHUB_REF does not start with refs/tags/",
        }
    }
}
