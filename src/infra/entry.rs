use std::fmt;
use std::path::PathBuf;

use serde_yaml::{Mapping, Value};
use url::Url;

use crate::error::{Exit, Explain, Problems};
use crate::git::SshAddress;
use crate::github::{MergeMethod, Slug};
use crate::suggest::nearest;

use super::edit::helm::{Bump, Key};

/// One entry of the input `infra`: a place in a repository that is to run the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub repository: Target,
    /// The branch to change; the repository's default branch when `None`.
    pub base: Option<String>,
    /// Folder or file inside the repository; empty for its root.
    pub path: String,
    pub environment: Option<String>,
    pub edit: Edit,
    pub through: Through,
    /// Only the images of these services; all when empty.
    pub services: Vec<String>,
    /// Keys of Helm values; images are found by their repositories when empty.
    pub values: Vec<Key>,
    /// What becomes of a chart's version.
    pub chart_version: Bump,
    /// Templates of placeholders and the files that they are rendered to, inside `path`; those named so when empty.
    pub templates: Vec<(String, String)>,
    pub labels: Vec<String>,
    pub reviewers: Vec<String>,
    pub team_reviewers: Vec<String>,
    pub assignees: Vec<String>,
    /// Whether a new pull request is a draft.
    pub draft: bool,
    /// How the pull request is merged as soon as the server allows it; by a person when `None`.
    pub auto_merge: Option<MergeMethod>,
    /// What becomes of a commit that the base branch doesn't take.
    pub on_protected: OnProtected,
    /// Whether a version may be replaced by an older one.
    pub allow_downgrade: bool,
}

/// What becomes of a commit that a protected branch doesn't take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnProtected {
    Fail,
    /// It is proposed instead.
    PullRequest,
}

/// Where the repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `owner/name` on the server that the workflow runs on.
    Hosted(Slug),
    /// Any git server over HTTP or HTTPS.
    Url(Url),
    /// Any git server over SSH.
    Ssh(SshAddress),
    /// A bare repository of this machine.
    Folder(PathBuf),
}

/// How files are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// By what is found at the path.
    Auto,
    Kustomize,
    Helm,
    /// The image fields of plain manifests.
    Manifests,
    /// `%%NAME%%` of templates, in the files that they are rendered to.
    Placeholders,
    /// The manifests of the application repository, ordered and pinned.
    Render,
}

/// How files are read and commits get into the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Through {
    /// GitHub's API where the server has one, git everywhere else.
    Auto,
    Api,
    Git,
}

impl Entry {
    /// What tells this entry from others of the same application: the environment, else the path, else the base branch.
    pub fn distinction(&self) -> &str {
        let path = Some(self.path.as_str()).filter(|path| !path.is_empty());
        self.environment.as_deref().or(path).or(self.base.as_deref()).unwrap_or("update")
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hosted(slug) => write!(f, "{slug}"),
            Self::Url(url) => f.write_str(url.as_str()),
            Self::Ssh(address) => write!(f, "{address}"),
            Self::Folder(path) => write!(f, "{}", path.display()),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if !self.path.is_empty() {
            write!(f, " {}", self.path)?;
        }
        match &self.environment {
            Some(environment) => write!(f, " ({environment})"),
            None => Ok(()),
        }
    }
}

/// Why the input `infra` can't be used. `entry` counts from 1.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    #[error("couldn't read the input `infra`: it is not YAML")]
    Yaml(#[source] serde_yaml::Error),
    #[error("couldn't read the input `infra`: it must be a list of mappings, and {found}")]
    Shape { found: String },
    #[error("couldn't read entry {entry} of `infra`: there is no key {key:?}{}", suggested(suggestion))]
    UnknownKey { entry: usize, key: String, suggestion: Option<&'static str> },
    #[error("couldn't read entry {entry} of `infra`: `{key}` {reason}")]
    Value { entry: usize, key: &'static str, reason: String },
    #[error("couldn't tell the entries {one} and {other} of `infra` apart: both would use the same branch of {repository}")]
    Twice { one: usize, other: usize, repository: String },
}

fn suggested(suggestion: &Option<&'static str>) -> String {
    suggestion.map_or_else(String::new, |key| format!("; did you mean `{key}`?"))
}

impl Explain for EntryError {
    fn hint(&self) -> String {
        match self {
            Self::Yaml(_) | Self::Shape { .. } => "write `infra` as a YAML list: `- repository: owner/name`".into(),
            Self::UnknownKey { .. } => format!("the keys of an entry of `infra` are {}", KEYS.join(", ")),
            Self::Value { key, .. } => format!("change `{key}` in the input `infra`"),
            Self::Twice { .. } => "give each entry of `infra` its own `environment`".into(),
        }
    }

    fn exit(&self) -> Exit {
        Exit::BadInput
    }
}

const KEYS: [&str; 18] = [
    "repository",
    "base",
    "path",
    "environment",
    "edit",
    "publish",
    "services",
    "values",
    "chart-version",
    "templates",
    "labels",
    "reviewers",
    "team-reviewers",
    "assignees",
    "draft",
    "auto-merge",
    "on-protected",
    "allow-downgrade",
];
const EDITS: [(&str, Edit); 6] = [
    ("auto", Edit::Auto),
    ("kustomize", Edit::Kustomize),
    ("helm", Edit::Helm),
    ("manifests", Edit::Manifests),
    ("placeholders", Edit::Placeholders),
    ("render", Edit::Render),
];
const WAYS: [(&str, Through); 3] = [("auto", Through::Auto), ("api", Through::Api), ("git", Through::Git)];
const BUMPS: [(&str, Bump); 5] =
    [("none", Bump::None), ("patch", Bump::Patch), ("minor", Bump::Minor), ("major", Bump::Major), ("app", Bump::App)];
const MERGES: [(&str, Option<MergeMethod>); 3] =
    [("squash", Some(MergeMethod::Squash)), ("merge", Some(MergeMethod::Merge)), ("rebase", Some(MergeMethod::Rebase))];
const PROTECTED: [(&str, OnProtected); 2] = [("fail", OnProtected::Fail), ("pull-request", OnProtected::PullRequest)];

/// Reads the input `infra`; an empty text is an empty list.
///
/// # Errors
/// All mistakes at once.
pub fn entries(text: &str) -> Result<Vec<Entry>, Problems> {
    let value: Value = serde_yaml::from_str(text).map_err(EntryError::Yaml)?;
    let list = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Sequence(list) => list,
        _ => return Err(EntryError::Shape { found: "it is something else".into() }.into()),
    };
    let mut problems = Vec::new();
    let mut read = Vec::new();
    for (index, value) in list.iter().enumerate() {
        match value.as_mapping() {
            Some(mapping) => read.extend(entry(index + 1, mapping, &mut problems).map(|entry| (index + 1, entry))),
            None => problems.push(EntryError::Shape { found: format!("entry {} is none", index + 1) }),
        }
    }
    for (position, (other, entry)) in read.iter().enumerate() {
        let key = |entry: &Entry| (entry.repository.to_string().to_ascii_lowercase(), super::branch::name("", entry.distinction()));
        if let Some((one, _)) = read[..position].iter().find(|(_, earlier)| key(earlier) == key(entry)) {
            problems.push(EntryError::Twice { one: *one, other: *other, repository: entry.repository.to_string() });
        }
    }
    Problems::check(problems)?;
    Ok(read.into_iter().map(|(_, entry)| entry).collect())
}

/// Reads the keys of one entry.
struct Reader<'m> {
    entry: usize,
    mapping: &'m Mapping,
    problems: &'m mut Vec<EntryError>,
}

fn entry(number: usize, mapping: &Mapping, problems: &mut Vec<EntryError>) -> Option<Entry> {
    let before = problems.len();
    for key in mapping.keys() {
        let key = key.as_str().map_or_else(|| format!("{key:?}"), str::to_owned);
        if !KEYS.contains(&key.as_str()) {
            problems.push(EntryError::UnknownKey { entry: number, suggestion: nearest(&key, KEYS.iter().copied()), key });
        }
    }
    let mut reader = Reader { entry: number, mapping, problems };
    let repository = reader.repository();
    let edit = reader.choice("edit", Edit::Auto, &EDITS);
    let through = reader.choice("publish", Through::Auto, &WAYS);
    let chart_version = reader.choice("chart-version", Bump::None, &BUMPS);
    let (services, values, templates) = (reader.list("services"), reader.values(), reader.templates());
    reader.check(edit, chart_version, &values, &templates);
    let (base, path, environment) = (reader.text("base"), reader.path(), reader.text("environment"));
    let (labels, assignees) = (reader.list("labels"), reader.list("assignees"));
    let (reviewers, team_reviewers) = (reader.list("reviewers"), reader.list("team-reviewers"));
    let (draft, auto_merge) = (reader.flag("draft"), reader.choice("auto-merge", None, &MERGES));
    if draft && auto_merge.is_some() {
        reader.wrong("auto-merge", "can't be given with `draft: true`: a draft is not merged");
    }
    let (on_protected, allow_downgrade) = (reader.choice("on-protected", OnProtected::Fail, &PROTECTED), reader.flag("allow-downgrade"));
    let repository = repository.filter(|_| problems.len() == before)?;
    Some(Entry {
        repository,
        base,
        path,
        environment,
        edit,
        through,
        services,
        values,
        chart_version,
        templates,
        labels,
        reviewers,
        team_reviewers,
        assignees,
        draft,
        auto_merge,
        on_protected,
        allow_downgrade,
    })
}

impl Reader<'_> {
    fn wrong(&mut self, key: &'static str, reason: impl Into<String>) {
        self.problems.push(EntryError::Value { entry: self.entry, key, reason: reason.into() });
    }

    fn text(&mut self, key: &'static str) -> Option<String> {
        match self.mapping.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Some(_) => {
                self.wrong(key, "must be a text; put it in quotes");
                None
            }
        }
    }

    fn list(&mut self, key: &'static str) -> Vec<String> {
        match self.mapping.get(key) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(text)) => {
                text.split([',', '\n']).map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
            }
            Some(Value::Sequence(items)) if items.iter().all(Value::is_string) => {
                items.iter().filter_map(Value::as_str).map(|item| item.trim_start_matches('@').to_owned()).collect()
            }
            Some(_) => {
                self.wrong(key, "must be a list of texts");
                Vec::new()
            }
        }
    }

    fn flag(&mut self, key: &'static str) -> bool {
        match self.mapping.get(key) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                self.wrong(key, "must be `true` or `false`");
                false
            }
        }
    }

    fn choice<T: Copy, const N: usize>(&mut self, key: &'static str, default: T, choices: &[(&'static str, T); N]) -> T {
        let Some(text) = self.text(key) else { return default };
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
            return *choice;
        }
        let names = choices.each_ref().map(|(name, _)| *name);
        let suggestion = nearest(&text, names).map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
        let (last, others) = names.split_last().map_or(("", String::new()), |(last, others)| (*last, others.join(", ")));
        self.wrong(key, format!("is {text:?}; it may be {others} or {last}{suggestion}"));
        default
    }

    /// A mapping of texts.
    fn pairs(&mut self, key: &'static str) -> Vec<(String, String)> {
        let pair = |(key, value): (&Value, &Value)| Some((key.as_str()?.to_owned(), value.as_str()?.to_owned()));
        let pairs = match self.mapping.get(key) {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Mapping(mapping)) => mapping.iter().map(pair).collect(),
            Some(_) => None,
        };
        pairs.unwrap_or_else(|| {
            self.wrong(key, "must be a mapping of texts to texts");
            Vec::new()
        })
    }

    fn values(&mut self) -> Vec<Key> {
        let mut keys = Vec::new();
        for (path, service) in self.pairs("values") {
            match Key::new(&path, &service) {
                Ok(key) => keys.push(key),
                Err(error) => self.wrong("values", format!("names the key {path:?}, which {error}")),
            }
        }
        keys
    }

    fn templates(&mut self) -> Vec<(String, String)> {
        let mut templates = Vec::new();
        for (from, to) in self.pairs("templates") {
            match (inside(&from), inside(&to)) {
                (Some(from), Some(to)) if from != to => templates.push((from, to)),
                _ => self.wrong("templates", format!("maps {from:?} to {to:?}; both must be files inside `path`, and different ones")),
            }
        }
        templates
    }

    /// Keys that belong to another edit would do nothing.
    fn check(&mut self, edit: Edit, bump: Bump, values: &[Key], templates: &[(String, String)]) {
        let for_helm = !values.is_empty() || bump != Bump::None;
        if for_helm && !matches!(edit, Edit::Auto | Edit::Helm) {
            self.wrong("edit", "must be helm for `values` and `chart-version`");
        }
        if !templates.is_empty() && (!matches!(edit, Edit::Auto | Edit::Placeholders) || for_helm) {
            self.wrong("edit", "must be placeholders for `templates`");
        }
    }

    fn path(&mut self) -> String {
        let Some(text) = self.text("path") else { return String::new() };
        inside(&text).unwrap_or_else(|| {
            self.wrong("path", format!("is {text:?}; it must lie inside the repository"));
            String::new()
        })
    }

    fn repository(&mut self) -> Option<Target> {
        let Some(text) = self.text("repository") else {
            self.wrong("repository", "is missing");
            return None;
        };
        match target(&text) {
            Ok(target) => Some(target),
            Err(reason) => {
                self.wrong("repository", reason);
                None
            }
        }
    }
}

/// A path without `.` and doubled slashes; nothing when it leads out of its folder or into git's own.
fn inside(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let is_outside = text.starts_with('/') || parts.iter().any(|part| *part == ".." || part.eq_ignore_ascii_case(".git"));
    (!is_outside).then(|| parts.join("/"))
}

fn target(text: &str) -> Result<Target, String> {
    if let Some(address) = SshAddress::parse(text) {
        return address.map(Target::Ssh);
    }
    if text.contains("://") {
        let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("has the scheme `{}`; it may be `https`, `http` or `ssh`", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("has credentials in its URL; put the token into `infra-token`".into());
        }
        return Ok(Target::Url(url));
    }
    if text.starts_with(['/', '.']) {
        return Ok(Target::Folder(text.into()));
    }
    let word = |part: &str| {
        !part.is_empty() && part != ".." && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    match text.strip_suffix(".git").unwrap_or(text).split_once('/') {
        Some((owner, name)) if word(owner) && word(name) => Ok(Target::Hosted(Slug { owner: owner.into(), name: name.into() })),
        _ => {
            Err(format!("is {text:?}; it may be `owner/name`, a URL (`https://…`, `ssh://…` or `git@host:…`), or a folder (`./…` or `/…`)"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_whole() {
        let text = "- repository: acme/infra-production\n  base: live\n  path: ./overlays//shop/\n  environment: production\n  edit: kustomize\n  labels: [deploy]\n  reviewers: ['@ada']\n  team-reviewers: [acme/ops]\n  assignees: ada, bob\n  draft: true\n  on-protected: pull-request\n  allow-downgrade: true\n- repository: https://git.example.org/x/y.git\n- repository: ./infra.git\n- repository: git@git.example.org:x/y.git\n";
        let read = entries(text).unwrap();
        assert_eq!(read[0].to_string(), "acme/infra-production overlays/shop (production)");
        assert_eq!((read[0].base.as_deref(), read[0].edit, read[0].draft), (Some("live"), Edit::Kustomize, true));
        assert_eq!((&read[0].reviewers, &read[0].assignees), (&vec!["ada".to_owned()], &vec!["ada".to_owned(), "bob".to_owned()]));
        assert_eq!((read[0].on_protected, read[0].allow_downgrade, read[0].auto_merge), (OnProtected::PullRequest, true, None));
        assert_eq!((read[1].on_protected, read[1].allow_downgrade), (OnProtected::Fail, false));
        assert!(matches!(read[1].repository, Target::Url(_)) && matches!(read[2].repository, Target::Folder(_)));
        assert_eq!(read[3].to_string(), "git@git.example.org:x/y.git");
        assert_eq!(entries("").unwrap(), []);
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let text = "- repositry: acme/infra\n- repository: ftp://host/x\n  edit: kustomise\n  path: ../x\n  draft: 'yes'\n- repository: https://ada:secret@host/x/y\n- 7\n- repository: a/b\n- repository: A/b\n- repository: a/c\n  draft: true\n  auto-merge: squash\n- repository: a/d\n  auto-merge: true\n  on-protected: pr\n";
        let problems = entries(text).unwrap_err();
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        couldn't read entry 1 of `infra`: there is no key "repositry"; did you mean `repository`?
        couldn't read entry 1 of `infra`: `repository` is missing
        couldn't read entry 2 of `infra`: `repository` has the scheme `ftp`; it may be `https`, `http` or `ssh`
        couldn't read entry 2 of `infra`: `edit` is "kustomise"; it may be auto, kustomize, helm, manifests, placeholders or render; did you mean `kustomize`?
        couldn't read entry 2 of `infra`: `path` is "../x"; it must lie inside the repository
        couldn't read entry 2 of `infra`: `draft` must be `true` or `false`
        couldn't read entry 3 of `infra`: `repository` has credentials in its URL; put the token into `infra-token`
        couldn't read the input `infra`: it must be a list of mappings, and entry 4 is none
        couldn't read entry 7 of `infra`: `auto-merge` can't be given with `draft: true`: a draft is not merged
        couldn't read entry 8 of `infra`: `auto-merge` must be a text; put it in quotes
        couldn't read entry 8 of `infra`: `on-protected` is "pr"; it may be fail or pull-request
        couldn't tell the entries 5 and 6 of `infra` apart: both would use the same branch of A/b
        "#);
        assert!(!lines.concat().contains("secret"));
    }
}
