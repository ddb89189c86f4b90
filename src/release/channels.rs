use std::collections::BTreeMap;

use semver::Version;

/// Which environment each channel is deployed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channels(BTreeMap<String, String>);

impl Channels {
    pub fn new(map: BTreeMap<String, String>) -> Self {
        Self(map)
    }

    /// The environment of a channel.
    pub fn environment(&self, channel: &str) -> Option<&str> {
        self.0.get(channel).map(String::as_str)
    }

    /// The channels that have an environment.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// `stable`, or the letters that the first pre-release identifier starts with (`rc.1`, `rc1` and `rc` are all `rc`).
///
/// A version without a pre-release part that GitHub's release flags as one is `prerelease`.
pub(super) fn channel(version: &Version, flagged: bool) -> String {
    let kind: String = version.pre.as_str().chars().take_while(char::is_ascii_alphabetic).collect();
    match (version.pre.is_empty(), flagged) {
        (true, false) => "stable".to_owned(),
        (true, true) => "prerelease".to_owned(),
        (false, _) if kind.is_empty() => "prerelease".to_owned(),
        (false, _) => kind.to_ascii_lowercase(),
    }
}
