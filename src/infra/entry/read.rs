use serde_yaml::{Mapping, Value};
use url::Url;

use crate::error::Problems;
use crate::github::MergeMethod;
use crate::suggest::nearest;

use super::super::branch;
use super::super::edit::helm::{Bump, Key};
use super::reader::Reader;
use super::{Edit, Entry, EntryError, OnProtected, Target, Through};

/// The keys of an entry.
pub(super) const KEYS: [&str; 19] = [
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
    "plain-secrets",
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
    // Names on forges don't differ by case; what a server of another kind tells apart is unknown.
    let names = |target: &Target| match target {
        Target::Hosted(slug) => slug.to_string().to_ascii_lowercase(),
        other => other.to_string(),
    };
    problems.extend(twice(&read.iter().map(|(number, entry)| (*number, entry)).collect::<Vec<_>>(), names));
    Problems::check(problems)?;
    Ok(read.into_iter().map(|(_, entry)| entry).collect())
}

/// Checks that no two entries would use the same branch of one repository. On `server` lies what is given as `owner/name`.
///
/// # Errors
/// The entries that can't be told apart.
pub fn distinct(entries: &[Entry], server: &Url) -> Result<(), Problems> {
    let numbered: Vec<(usize, &Entry)> = entries.iter().enumerate().map(|(index, entry)| (index + 1, entry)).collect();
    Problems::check(twice(&numbered, |target| target.name_on(server)))
}

fn twice(entries: &[(usize, &Entry)], name: impl Fn(&Target) -> String) -> Vec<EntryError> {
    let mut problems = Vec::new();
    for (position, (other, entry)) in entries.iter().enumerate() {
        let key = |entry: &Entry| (name(&entry.repository), branch::name("", entry.distinction()));
        if let Some((one, _)) = entries[..position].iter().find(|(_, earlier)| key(earlier) == key(entry)) {
            problems.push(EntryError::Twice { one: *one, other: *other, repository: entry.repository.to_string() });
        }
    }
    problems
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
    let (labels, assignees) = (reader.list("labels"), reader.people("assignees"));
    let (reviewers, team_reviewers) = (reader.people("reviewers"), reader.people("team-reviewers"));
    let (draft, auto_merge) = (reader.flag("draft"), reader.choice("auto-merge", None, &MERGES));
    if draft && auto_merge.is_some() {
        reader.wrong("auto-merge", "can't be given with `draft: true`: a draft is not merged");
    }
    let plain_secrets = reader.flag("plain-secrets");
    if plain_secrets && edit != Edit::Render {
        reader.wrong("plain-secrets", "belongs to `edit: render`");
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
        plain_secrets,
    })
}

impl Reader<'_> {
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
        match Target::parse(&text) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_whole() {
        let text = "- repository: acme/infra-production\n  base: live\n  path: ./overlays//shop/\n  environment: production\n  edit: kustomize\n  labels: [deploy, '@cd']\n  reviewers: ['@ada']\n  team-reviewers: [acme/ops]\n  assignees: 'ada, @bob'\n  draft: true\n  on-protected: pull-request\n  allow-downgrade: true\n- repository: https://git.example.org/x/y.git\n- repository: ./infra.git\n- repository: git@git.example.org:x/y.git\n";
        let read = entries(text).unwrap();
        assert_eq!(read[0].to_string(), "acme/infra-production overlays/shop (production)");
        assert_eq!((read[0].base.as_deref(), read[0].edit, read[0].draft), (Some("live"), Edit::Kustomize, true));
        assert_eq!(read[0].labels, ["deploy", "@cd"]);
        assert_eq!((&read[0].reviewers, &read[0].assignees), (&vec!["ada".to_owned()], &vec!["ada".to_owned(), "bob".to_owned()]));
        assert_eq!((read[0].on_protected, read[0].allow_downgrade, read[0].auto_merge), (OnProtected::PullRequest, true, None));
        assert_eq!((read[1].on_protected, read[1].allow_downgrade), (OnProtected::Fail, false));
        assert!(matches!(read[1].repository, Target::Url(_)) && matches!(read[2].repository, Target::Folder(_)));
        assert_eq!(read[3].to_string(), "git@git.example.org:x/y.git");
        assert_eq!(entries("").unwrap(), []);
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let text = "- repositry: acme/infra\n- repository: ftp://host/x\n  edit: kustomise\n  path: ../x\n  draft: 'yes'\n- repository: https://ada:secret@host/x/y\n- 7\n- repository: a/b\n- repository: A/b\n- repository: a/c\n  draft: true\n  auto-merge: squash\n- repository: a/d\n  auto-merge: true\n  on-protected: pr\n  plain-secrets: true\n";
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
        couldn't read entry 8 of `infra`: `plain-secrets` belongs to `edit: render`
        couldn't read entry 8 of `infra`: `on-protected` is "pr"; it may be fail or pull-request
        couldn't tell the entries 5 and 6 of `infra` apart: both would use the same branch of A/b
        "#);
        assert!(!lines.concat().contains("ada"), "the password stays where it is, and so does its owner");
    }

    #[test]
    fn a_repository_is_the_same_however_its_address_is_written() {
        let server = "https://git.example".parse().unwrap();
        let same = |one: &str, other: &str| {
            let entries = entries(&format!("- {{repository: '{one}'}}\n- {{repository: '{other}'}}\n"));
            entries.and_then(|entries| distinct(&entries, &server)).is_err()
        };
        for other in [
            "Acme/Infra",
            "https://git.example/acme/infra",
            "https://git.example/acme/Infra.git/",
            "git@git.example:acme/infra.git",
            "ssh://git@git.example/acme/infra",
        ] {
            assert!(same("acme/infra", other), "{other}");
        }
        assert!(same("https://other.example/acme/infra", "https://OTHER.example/acme/infra.git"));
        assert!(same("git@other.example:acme/infra.git", "ssh://git@other.example/acme/infra.git"));
        for other in ["acme/infra2", "https://other.example/acme/infra", "git@other.example:acme/infra.git", "./acme/infra"] {
            assert!(!same("acme/infra", other), "{other}");
        }
        // A server of another kind may tell cases apart.
        assert!(!same("https://other.example/acme/infra", "https://other.example/Acme/infra"));
        let two = "- {repository: acme/infra, environment: a}\n- {repository: 'https://git.example/acme/infra', environment: b}\n";
        assert!(distinct(&entries(two).unwrap(), &server).is_ok(), "two environments");
        let parse = |text: &str| Target::parse(text).is_ok();
        assert!(!parse("acme/.") && !parse("acme/..") && !parse("acme/infra/x"));
    }
}
