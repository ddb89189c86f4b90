//! Which pull requests are ours, and which of them are not needed any more. Pure.

use semver::Version;

use crate::github::{Pull, Slug};

use super::marker::Marker;

/// The open pull requests of ours for one application and place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ours {
    /// The one of our branch.
    pub(super) present: Option<Pull>,
    /// Others, which it takes the place of.
    pub(super) others: Vec<Pull>,
}

impl Ours {
    /// Chooses among the open pull requests of a repository: ours are from its own branches, and say so by their marker or come from our
    /// branch. `branch` and `base` are what the release wants.
    pub(super) fn among(pulls: Vec<Pull>, slug: &Slug, marker: &Marker, branch: &str, base: &str) -> Self {
        let is_marked =
            |pull: &Pull| Marker::find(pull.body.as_deref().unwrap_or_default()).is_some_and(|found| found.is_for_the_same(marker));
        let mut ours: Vec<Pull> =
            pulls.into_iter().filter(|pull| pull.is_from(slug) && (pull.head.branch == branch || is_marked(pull))).collect();
        let on_base = ours.iter().position(|pull| pull.head.branch == branch && pull.base.branch == base);
        let present = on_base.or_else(|| ours.iter().position(|pull| pull.head.branch == branch));
        Self { present: present.map(|index| ours.remove(index)), others: ours }
    }

    /// The newest version that one of them brings, if it is newer than this one.
    pub(super) fn newer_than(&self, version: &Version) -> Option<(&Pull, Version)> {
        let all = self.present.iter().chain(&self.others);
        let versions = all.filter_map(|pull| Some((pull, Marker::find(pull.body.as_deref()?)?.version?)));
        versions.filter(|(_, other)| other.cmp_precedence(version).is_gt()).max_by(|(_, a), (_, b)| a.cmp_precedence(b))
    }
}

/// Why a pull request is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason<'r> {
    /// Another one took its place; its address.
    Superseded(&'r str),
    /// The base has it: release and base.
    Satisfied { release: &'r str, base: &'r str },
}

impl std::fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Superseded(url) => write!(f, "Superseded by {url}."),
            Self::Satisfied { release, base } => write!(f, "Closed: `{base}` has everything of {release} already."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pull(number: u64, label: &str, base: &str, body: &str) -> Pull {
        let branch = label.split(':').nth(1).unwrap();
        let json = json!({
            "number": number, "html_url": "", "title": "", "body": body, "base": {"ref": base, "sha": ""},
            "head": {"ref": branch, "sha": "", "label": label},
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn ours_are_told_from_those_of_others() {
        let slug = Slug { owner: "acme".into(), name: "infra".into() };
        let marker = |version: &str| Marker { app: "shop".into(), place: "production".into(), version: Version::parse(version).ok() };
        let pulls = vec![
            pull(9, "acme:tagboat/shop/production", "live", &marker("1.2.0").to_string()),
            pull(8, "Acme:tagboat/shop/production", "main", "by hand"),
            pull(7, "acme:old-name", "main", &marker("2.0.0").to_string()),
            pull(6, "mallory:tagboat/shop/production", "main", &marker("3.0.0").to_string()),
            pull(5, "acme:tagboat/shop/staging", "main", "<!-- tagboat:app=shop&for=staging -->"),
            pull(4, "acme:ada/fix", "main", ""),
        ];
        let ours = Ours::among(pulls, &slug, &marker("1.2.3"), "tagboat/shop/production", "main");
        assert_eq!(ours.present.as_ref().map(|pull| pull.number), Some(8));
        assert_eq!(ours.others.iter().map(|pull| pull.number).collect::<Vec<_>>(), [9, 7]);
        let newer = ours.newer_than(&Version::new(1, 2, 3)).map(|(pull, version)| (pull.number, version));
        assert_eq!(newer, Some((7, Version::new(2, 0, 0))));
        assert_eq!(ours.newer_than(&Version::new(2, 0, 0)), None);
    }
}
