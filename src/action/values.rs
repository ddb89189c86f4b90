//! The typed values of inputs, and how each is read from text.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::image::Reference;
use crate::suggest::nearest;

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    Plan,
    Retag,
    Apply,
    PullRequest,
    Commit,
    Render,
}

/// Whether the first write is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRun {
    Yes,
    No,
}

/// Where images are read from and tagged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Registry,
    /// The local Docker daemon, which pushes them.
    Docker,
    /// An OCI image layout in a folder.
    Layout(PathBuf),
    /// Another step has published the images; nothing is contacted.
    None,
}

/// Where images are released to, when that isn't where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A registry or a prefix such as `ghcr.io/acme`.
    Registry(String),
    /// An OCI image layout in a folder.
    Layout(PathBuf),
}

/// Whether signatures, attestations and SBOMs go along to another repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Referrers {
    Copy,
    Leave,
}

/// How images are written into manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    Digest,
    Tag,
}

/// How much is asked of an image's commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyRevision {
    Auto,
    Require,
    Off,
}

/// What to do about fields that another field manager holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldConflicts {
    Human,
    Force,
    Fail,
}

/// How changed ConfigMaps and Secrets reach the pods that read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigUpdates {
    Restart,
    Versioned,
    None,
}

/// What to do when a rollout fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    Rollback,
    Keep,
}

/// Texts that an input of a closed set takes.
pub(super) trait Choice: Sized + Copy + 'static {
    const ALL: &'static [(&'static str, Self)];
}

impl Choice for Mode {
    const ALL: &'static [(&'static str, Self)] = &[
        ("plan", Self::Plan),
        ("retag", Self::Retag),
        ("apply", Self::Apply),
        ("pull-request", Self::PullRequest),
        ("commit", Self::Commit),
        ("render", Self::Render),
    ];
}

impl Choice for Pin {
    const ALL: &'static [(&'static str, Self)] = &[("digest", Self::Digest), ("tag", Self::Tag)];
}

impl Choice for VerifyRevision {
    const ALL: &'static [(&'static str, Self)] = &[("auto", Self::Auto), ("require", Self::Require), ("off", Self::Off)];
}

impl Choice for FieldConflicts {
    const ALL: &'static [(&'static str, Self)] = &[("human", Self::Human), ("force", Self::Force), ("fail", Self::Fail)];
}

impl Choice for ConfigUpdates {
    const ALL: &'static [(&'static str, Self)] = &[("restart", Self::Restart), ("versioned", Self::Versioned), ("none", Self::None)];
}

impl Choice for OnFailure {
    const ALL: &'static [(&'static str, Self)] = &[("rollback", Self::Rollback), ("keep", Self::Keep)];
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(Self::ALL.iter().find(|(_, mode)| mode == self).map_or("", |(name, _)| name))
    }
}

/// Why a text is not a value of its input: the reason, and a suggestion where one is near.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) reason: String,
    pub(super) suggestion: Option<String>,
}

impl Mistake {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), suggestion: None }
    }
}

/// One of a closed set.
pub(super) fn choice<T: Choice>(text: &str) -> Result<T, Mistake> {
    if let Some((_, value)) = T::ALL.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let names: Vec<&str> = T::ALL.iter().map(|(name, _)| *name).collect();
    Err(Mistake {
        reason: format!("it must be one of {}", names.join(", ")),
        suggestion: nearest(text, names.iter().copied()).map(str::to_owned),
    })
}

/// The booleans of the YAML 1.2 core schema, as the runner's own toolkit takes them.
pub(super) fn boolean(text: &str) -> Result<bool, Mistake> {
    match text {
        "true" | "True" | "TRUE" => Ok(true),
        "false" | "False" | "FALSE" => Ok(false),
        _ => Err(Mistake { reason: "it must be true or false".into(), suggestion: nearest(text, ["true", "false"]).map(str::to_owned) }),
    }
}

/// `registry`, `docker`, `none` or `oci:FOLDER`.
pub(super) fn source(text: &str) -> Result<Source, Mistake> {
    match text {
        "registry" => Ok(Source::Registry),
        "docker" => Ok(Source::Docker),
        "none" => Ok(Source::None),
        _ => match text.strip_prefix("oci:") {
            Some("") => Err(Mistake::new("a folder must follow `oci:`")),
            Some(folder) => Ok(Source::Layout(folder.into())),
            None => Err(Mistake {
                reason: "it must be registry, docker, none or oci:FOLDER".into(),
                suggestion: nearest(text, ["registry", "docker", "none", "oci:"]).map(str::to_owned),
            }),
        },
    }
}

/// A registry or prefix, or `oci:FOLDER`.
pub(super) fn target(text: &str) -> Result<Option<Target>, Mistake> {
    if let Some(folder) = text.strip_prefix("oci:") {
        return match folder {
            "" => Err(Mistake::new("a folder must follow `oci:`")),
            folder => Ok(Some(Target::Layout(folder.into()))),
        };
    }
    let prefix = registry_prefix(text);
    // Any name below it will do to see whether it is one.
    match format!("{prefix}/name").parse::<Reference>() {
        Ok(reference) if reference.registry().is_some() => Ok(Some(Target::Registry(prefix))),
        _ => Err(Mistake::new("it must be a registry or a prefix that begins with one, such as ghcr.io/acme, or oci:FOLDER")),
    }
}

/// People paste a URL where a prefix is meant.
pub(super) fn registry_prefix(text: &str) -> String {
    text.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/').to_owned()
}

/// One entry a line, or commas; blank ones are dropped, and so are comments that fill a line.
pub(super) fn list(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split(','))
        .map(|entry| entry.trim().trim_start_matches("- ").trim().to_owned())
        .filter(|entry| !entry.is_empty())
        .collect()
}

/// `key: value` or `key=value` entries, one a line or separated by commas.
pub(super) fn map(text: &str, separators: &[char]) -> Result<BTreeMap<String, String>, Mistake> {
    entries(text, separators, |entry| entry.split_once(separators))
}

/// `image: service` entries; an image may have a port, a service has no colon.
pub(super) fn image_names(text: &str) -> Result<BTreeMap<String, String>, Mistake> {
    let separators = &[':', '='];
    entries(text, separators, |entry| entry.rsplit_once(separators))
}

fn entries(text: &str, separators: &[char], split: impl Fn(&str) -> Option<(&str, &str)>) -> Result<BTreeMap<String, String>, Mistake> {
    let mut map = BTreeMap::new();
    for entry in list(text) {
        let Some((key, value)) = split(&entry) else {
            let form = separators.iter().map(|s| format!("`key{s}value`")).collect::<Vec<_>>().join(" or ");
            return Err(Mistake::new(format!("{entry:?} is not of the form {form}")));
        };
        let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
        if map.insert(key.clone(), value).is_some() {
            return Err(Mistake::new(format!("{key:?} is there twice")));
        }
    }
    Ok(map)
}

/// `NAME=value`, one a line; a value may hold commas and equal signs.
pub(super) fn assignments(text: &str) -> Result<BTreeMap<String, String>, Mistake> {
    let mut map = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let (number, line) = (number + 1, line.trim());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // A line may be a secret, and so may what stands before its equal sign: it is counted, not shown.
        let Some((name, value)) = line.split_once('=') else {
            return Err(Mistake::new(format!("line {number} is not of the form NAME=value")));
        };
        let name = name.trim();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(Mistake::new(format!("the name in line {number} is not one of letters, digits and underscores")));
        }
        if map.insert(name.to_owned(), value.trim().to_owned()).is_some() {
            return Err(Mistake::new(format!("{name} is there twice")));
        }
    }
    Ok(map)
}

/// Whether a variable's name says that its value is nobody's business.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "CREDENTIAL", "PRIVATE", "APIKEY", "API_KEY", "_DSN"].iter().any(|word| name.contains(word))
}

/// `90s`, `10m`, `1h30m`: whole numbers with a unit each.
pub(super) fn duration(text: &str) -> Result<Duration, Mistake> {
    let fail = |reason: &str| Err(Mistake::new(format!("{reason}; write it as 90s, 10m or 1h30m")));
    let (mut rest, mut seconds) = (text, 0u64);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let Ok(number) = u64::from_str(&rest[..digits]) else { return fail("it is not a duration") };
        let unit = match rest[digits..].chars().next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some(_) => return fail("its unit is not s, m or h"),
            None => return fail("it has no unit"),
        };
        seconds = seconds.saturating_add(number.saturating_mul(unit));
        rest = &rest[digits + 1..];
    }
    match seconds {
        0 => fail("it must be longer than nothing"),
        1..=86_400 => Ok(Duration::from_secs(seconds)),
        _ => fail("it is longer than a day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        let seconds = |text| duration(text).map(|d| d.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("1h30m"), Ok(5400));
        for bad in ["10", "", "m", "5x", "0s", "25h", "-1m", "1.5m"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lists_take_lines_and_commas() {
        assert_eq!(list("a, b\n- c\n\n # d\n  e  "), ["a", "b", "c", "e"]);
        assert_eq!(map("rc: staging\nstable:production", &[':']).unwrap()["stable"], "production");
        assert!(map("a: b, a: c", &[':']).is_err());
        assert_eq!(image_names("localhost:5000/acme/api: api").unwrap()["localhost:5000/acme/api"], "api");
        assert_eq!(assignments("A=b=c, d\n# x\nB=").unwrap(), [("A".into(), "b=c, d".into()), ("B".into(), String::new())].into());
        assert!(assignments("A B=1").is_err());
    }

    #[test]
    fn a_misspelt_value_gets_a_suggestion() {
        assert_eq!(choice::<Mode>("aply").unwrap_err().suggestion.as_deref(), Some("apply"));
        assert_eq!(choice::<Mode>("destroy").unwrap_err().suggestion, None);
        assert_eq!(boolean("ture").unwrap_err().suggestion.as_deref(), Some("true"));
    }
}
