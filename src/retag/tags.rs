//! Which tags a release gets: templates, and floats that never move backwards. Pure.

use semver::Version;

use super::Error;
use crate::image::Tag;
use crate::release::Release;
use crate::suggest::nearest;

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

/// The default of `tags`.
pub const DEFAULT: &str = "{{tag}}";
const WORDS: [&str; 7] = ["tag", "version", "major", "minor", "patch", "sha", "short_sha"];
/// Digits of a short commit hash.
const SHORT: usize = 7;

/// The tags that templates make; the first of them is the release tag. No templates means [`DEFAULT`].
///
/// `+` and `/` become `-`: no tag may hold them (`1.2.3+5` is `1.2.3-5`).
///
/// # Errors
/// All at once: unknown words, words without a value, texts that are no tags.
pub fn expand(templates: &[String], values: &Values) -> Result<Vec<Wanted>, Vec<Error>> {
    let default = [DEFAULT.to_owned()];
    let templates = if templates.is_empty() { &default } else { templates };
    let mut errors = Vec::new();
    let mut wanted: Vec<Wanted> = Vec::new();
    for template in templates {
        match one(template, values) {
            Ok(tag) if wanted.iter().any(|known| known.tag == tag.tag) => {}
            Ok(tag) => wanted.push(tag),
            Err((reason, suggestion)) => errors.push(Error::Template { template: template.clone(), reason, suggestion }),
        }
    }
    if errors.is_empty() { Ok(wanted) } else { Err(errors) }
}

type Mistake = (String, Option<String>);

fn one(template: &str, values: &Values) -> Result<Wanted, Mistake> {
    let (mut text, mut words) = (String::new(), Vec::new());
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        let (word, after) = behind.split_once("}}").ok_or_else(|| ("`{{` is not closed by `}}`".to_owned(), None))?;
        let word = word.trim();
        text.push_str(before);
        text.push_str(&value(word, values)?);
        words.push(word.to_owned());
        rest = after;
    }
    text.push_str(rest);
    let legal = text.replace(['+', '/'], "-");
    let tag = legal.parse().map_err(|error: crate::image::NameError| (error.to_string(), None))?;
    let has = |names: &[&str]| names.iter().any(|name| words.iter().any(|word| word == name));
    let role = match () {
        () if has(&["tag", "version", "patch", "sha", "short_sha"]) => Role::Fixed,
        () if has(&["minor"]) => Role::Minor,
        () if has(&["major"]) => Role::Major,
        () => Role::Latest,
    };
    let withheld = match (role, &values.version) {
        (Role::Fixed, _) => None,
        (_, Some(version)) if values.prerelease || !version.pre.is_empty() => Some(Withheld::Prerelease),
        (Role::Major, Some(version)) if version.major == 0 => Some(Withheld::MajorZero),
        _ => None,
    };
    Ok(Wanted { tag, role, withheld, asked: (legal != text).then_some(text) })
}

fn value(word: &str, values: &Values) -> Result<String, Mistake> {
    let version = |part: fn(&Version) -> String| values.version.as_ref().map(part);
    let value = match word {
        "tag" => values.tag.clone(),
        "version" => version(Version::to_string),
        "major" => version(|v| v.major.to_string()),
        "minor" => version(|v| v.minor.to_string()),
        "patch" => version(|v| v.patch.to_string()),
        "sha" => values.commit.clone(),
        "short_sha" => values.commit.as_ref().map(|commit| commit.chars().take(SHORT).collect()),
        _ => {
            let suggestion = nearest(word, WORDS).map(|word| format!("{{{{{word}}}}}"));
            return Err((format!("it has an unknown word {word:?}"), suggestion));
        }
    };
    value.ok_or_else(|| {
        let what = if matches!(word, "sha" | "short_sha") { "commit" } else { "release" };
        (format!("this run has no {what}, so {{{{{word}}}}} has no value"), None)
    })
}

/// Whether a template can have no value without a release.
pub fn needs_release(template: &str) -> bool {
    let words = template.split("{{").skip(1).filter_map(|rest| rest.split_once("}}"));
    words.map(|(word, _)| word.trim()).any(|word| matches!(word, "tag" | "version" | "major" | "minor" | "patch"))
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Explain as _;

    fn values(tag: &str, version: &str) -> Values {
        let commit = Some("0123456789abcdef0123456789abcdef01234567".to_owned());
        Values { tag: Some(tag.into()), version: Some(version.parse().unwrap()), prerelease: false, commit }
    }

    fn templates(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    fn printed(wanted: &[Wanted]) -> String {
        let line = |w: &Wanted| match &w.withheld {
            Some(reason) => format!("({}: {reason})", w.tag),
            None => w.tag.to_string(),
        };
        wanted.iter().map(line).collect::<Vec<_>>().join(" ")
    }

    const ALL: [&str; 7] = ["{{tag}}", "{{version}}", "{{major}}.{{ minor }}", "v{{major}}", "latest", "{{short_sha}}", "sha-{{sha}}"];

    fn made(tag: &str, version: &str) -> String {
        printed(&expand(&templates(&ALL), &values(tag, version)).unwrap())
    }

    #[test]
    fn templates_make_tags_and_the_git_tag_is_the_default() {
        let sha = "0123456 sha-0123456789abcdef0123456789abcdef01234567";
        assert_eq!(made("v1.2.3", "1.2.3"), format!("v1.2.3 1.2.3 1.2 v1 latest {sha}"));
        assert_eq!(made("1.2.3", "1.2.3"), format!("1.2.3 1.2 v1 latest {sha}"), "each tag once");
        assert_eq!(made("api/v1.2.3+5", "1.2.3+5"), format!("api-v1.2.3-5 1.2.3-5 1.2 v1 latest {sha}"));
        assert_eq!(printed(&expand(&[], &values("v1.2.3", "1.2.3")).unwrap()), "v1.2.3");
    }

    /// Trap: a release candidate gets `latest`; `0` promises what SemVer doesn't.
    #[test]
    fn pre_releases_move_no_floats_and_0_has_no_major_line() {
        insta::assert_snapshot!(made("v2.0.0-rc.1", "2.0.0-rc.1"), @"v2.0.0-rc.1 2.0.0-rc.1 (2.0: a pre-release moves no such tag) (v2: a pre-release moves no such tag) (latest: a pre-release moves no such tag) 0123456 sha-0123456789abcdef0123456789abcdef01234567");
        insta::assert_snapshot!(made("v0.3.1", "0.3.1"), @"v0.3.1 0.3.1 0.3 (v0: versions 0.x have no common major line) latest 0123456 sha-0123456789abcdef0123456789abcdef01234567");
        let flagged = Values { prerelease: true, ..values("v1.2.3", "1.2.3") };
        assert_eq!(expand(&templates(&["latest"]), &flagged).unwrap()[0].withheld, Some(Withheld::Prerelease));
    }

    fn after(version: &str, existing: &[&str]) -> String {
        let values = values(&format!("api-v{version}"), version);
        let mut wanted = expand(&templates(&["{{version}}", "{{major}}.{{minor}}", "{{major}}", "latest"]), &values).unwrap();
        let existing: Vec<Tag> = existing.iter().map(|tag| tag.parse().unwrap()).collect();
        withhold(&mut wanted, &values, &existing);
        printed(&wanted)
    }

    /// Trap: `latest` moves backwards when 1.2.9 comes after 2.0.0.
    #[test]
    fn keeps_latest_when_an_old_line_is_patched() {
        assert_eq!(after("1.2.9", &["1.2.8", "v2.0.0", "latest"]), "1.2.9 1.2 1 (latest: v2.0.0 is newer)");
        assert_eq!(after("1.2.9", &["1.10.0", "1.9.0"]), "1.2.9 1.2 (1: 1.10.0 is newer) (latest: 1.10.0 is newer)");
        assert_eq!(after("1.2.9", &["1.2.10"]), "1.2.9 (1.2: 1.2.10 is newer) (1: 1.2.10 is newer) (latest: 1.2.10 is newer)");
        assert_eq!(after("1.2.9", &["api-v2.0.0"]), "1.2.9 1.2 1 (latest: api-v2.0.0 is newer)", "by its own prefix");
    }

    /// Trap: two versions that differ in their build metadata only are the same to every float.
    #[test]
    fn a_version_that_differs_in_its_build_only_is_found_among_the_tags() {
        let found = |version: &str, existing: &[&str]| {
            let values = values(&format!("api/v{version}"), version);
            let wanted = expand(&templates(&["{{version}}", "latest"]), &values).unwrap();
            let existing: Vec<Tag> = existing.iter().map(|tag| tag.parse().unwrap()).collect();
            rival(&wanted, &values, &existing).map(ToString::to_string)
        };
        assert_eq!(found("1.2.3+5", &["1.2.2", "1.2.3-rc.1", "1.2.3-4"]).as_deref(), Some("1.2.3-4"));
        assert_eq!(found("1.2.3+5", &["api-v1.2.3"]).as_deref(), Some("api-v1.2.3"));
        assert_eq!(found("1.2.3+build.5", &["v1.2.3-build.40"]).as_deref(), Some("v1.2.3-build.40"));
        assert_eq!(found("1.2.3+0a1b2c3", &["1.2.3-4d5e6f7"]).as_deref(), Some("1.2.3-4d5e6f7"));
        for other in ["1.2.3-rc.1", "1.2.3-beta", "1.2.30", "1.2.3-5", "latest", "11.2.3"] {
            assert_eq!(found("1.2.3+5", &[other]), None, "{other}");
        }
        assert_eq!(found("1.2.3", &["1.2.3-4"]), None, "a pre-release of it");
    }

    /// Trap: `+` is legal in a version and in no tag.
    #[test]
    fn what_a_tag_was_made_of_is_kept_where_it_is_not_the_same() {
        let asked = |tag: &str, version: &str| {
            let wanted = expand(&templates(&["{{tag}}", "{{version}}", "latest"]), &values(tag, version)).unwrap();
            wanted.into_iter().map(|wanted| wanted.asked.unwrap_or_default()).collect::<Vec<_>>()
        };
        assert_eq!(asked("api/v1.2.3+5", "1.2.3+5"), ["api/v1.2.3+5", "1.2.3+5", ""]);
        assert_eq!(asked("v1.2.3", "1.2.3"), ["", "", ""]);
    }

    /// Trap: `1.2.9.4` or `9999` is taken as a version.
    #[test]
    fn pre_releases_floats_and_other_texts_hold_nothing_back() {
        assert_eq!(after("1.2.9", &["1.2.9", "2.0.0-rc.1", "2", "2.0", "9999", "nightly", "1.2.9.4"]), "1.2.9 1.2 1 latest");
        assert_eq!(after("1.2.9", &[]), "1.2.9 1.2 1 latest");
    }

    #[test]
    fn bad_templates_are_told_all_at_once() {
        let none = Values::default();
        let errors = expand(&templates(&["{{tag}}", "{{verison}}", "{{sha}}", "a b", "{{tag", "edge"]), &none).unwrap_err();
        let lines: Vec<String> = errors.iter().map(|e| format!("{e}; {}", e.hint())).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        couldn't make a tag of "{{tag}}": this run has no release, so {{tag}} has no value; `tags` may hold {{tag}}, {{version}}, {{major}}, {{minor}}, {{patch}}, {{sha}}, {{short_sha}} and text
        couldn't make a tag of "{{verison}}": it has an unknown word "verison"; did you mean `{{version}}`?
        couldn't make a tag of "{{sha}}": this run has no commit, so {{sha}} has no value; `tags` may hold {{tag}}, {{version}}, {{major}}, {{minor}}, {{patch}}, {{sha}}, {{short_sha}} and text
        couldn't make a tag of "a b": "a b" is not a tag: only letters, digits and `_.-` are allowed; `tags` may hold {{tag}}, {{version}}, {{major}}, {{minor}}, {{patch}}, {{sha}}, {{short_sha}} and text
        couldn't make a tag of "{{tag": `{{` is not closed by `}}`; `tags` may hold {{tag}}, {{version}}, {{major}}, {{minor}}, {{patch}}, {{sha}}, {{short_sha}} and text
        "#);
    }

    #[test]
    fn without_a_version_latest_is_simply_moved() {
        let values = Values { commit: Some("abcdef0123".into()), ..Values::default() };
        let mut wanted = expand(&templates(&["latest", "{{short_sha}}"]), &values).unwrap();
        assert!(!need_listing(&wanted, &values));
        withhold(&mut wanted, &values, &["2.0.0".parse().unwrap()]);
        assert_eq!(printed(&wanted), "latest abcdef0");
    }
}
