//! Which files make up the project when nobody names them, as docker compose finds them.
//!
//! Rules: compose-go 2.16, `cli` package: one base file, the first of the known names; one override file beside it; `COMPOSE_FILE` instead of both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Names of a base file; the first one that is there wins.
pub(super) const BASE_NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

const OVERRIDE_NAMES: [&str; 4] =
    ["compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"];

/// What was found in a folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Discovered {
    /// The base file, then the override file.
    pub(super) files: Vec<PathBuf>,
    /// Files of the same rank that lost against the first.
    pub(super) passed_over: Vec<PathBuf>,
}

/// Looks for a base file in `directory`, and for an override file if there is one; `None` without a base file.
pub(super) fn discover(directory: &Path) -> Option<Discovered> {
    let mut found = Discovered::default();
    for names in [BASE_NAMES, OVERRIDE_NAMES] {
        let mut there = names.iter().map(|name| directory.join(name)).filter(|file| file.exists());
        match there.next() {
            Some(first) => found.files.push(first),
            None if found.files.is_empty() => return None,
            None => {}
        }
        found.passed_over.extend(there);
    }
    Some(found)
}

/// The files that `COMPOSE_FILE` lists, relative to `directory`; `None` when it is unset or empty.
pub(super) fn listed(directory: &Path, variables: &BTreeMap<String, String>) -> Option<Vec<PathBuf>> {
    let list = variables.get("COMPOSE_FILE").filter(|list| !list.is_empty())?;
    let separator = variables.get("COMPOSE_PATH_SEPARATOR").filter(|separator| !separator.is_empty()).map_or(":", String::as_str);
    Some(list.split(separator).filter(|name| !name.is_empty()).map(|name| resolve(directory, name)).collect())
}

/// `name` seen from `directory`; the name of something remote stays as it is, for the reader to refuse.
pub(super) fn resolve(directory: &Path, name: &str) -> PathBuf {
    match remote_kind(name) {
        Some(_) => PathBuf::from(name),
        None => directory.join(name),
    }
}

/// What kind of thing outside the file system docker compose would take `name` for.
pub(super) fn remote_kind(name: &str) -> Option<&'static str> {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if name == "-" {
        Some("standard input")
    } else if starts(&["oci:"]) {
        Some("an OCI artifact")
    } else if starts(&["git@", "git://", "ssh://", "git+", "github.com/"]) || (starts(&["http://", "https://"]) && name.contains(".git")) {
        Some("a remote Git repository")
    } else if starts(&["http://", "https://"]) {
        Some("a remote file")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        names.iter().for_each(|name| std::fs::write(folder.path().join(name), "").unwrap());
        folder
    }

    fn found(names: &[&str]) -> String {
        let folder = folder(names);
        let names =
            |files: &[PathBuf]| files.iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect::<Vec<_>>();
        match discover(folder.path()) {
            Some(found) => format!("{} | {}", names(&found.files).join(" "), names(&found.passed_over).join(" ")),
            None => "nothing".to_owned(),
        }
    }

    #[test]
    fn takes_the_first_base_file_and_its_override() {
        assert_eq!(found(&[]), "nothing");
        assert_eq!(found(&["compose.override.yaml"]), "nothing");
        assert_eq!(found(&["docker-compose.yaml"]), "docker-compose.yaml | ");
        assert_eq!(
            found(&["docker-compose.yaml", "docker-compose.yml", "compose.yml"]),
            "compose.yml | docker-compose.yml docker-compose.yaml"
        );
        assert_eq!(found(&["compose.yaml", "docker-compose.override.yaml"]), "compose.yaml docker-compose.override.yaml | ");
        assert_eq!(
            found(&["compose.yaml", "compose.override.yaml", "compose.override.yml"]),
            "compose.yaml compose.override.yml | compose.override.yaml"
        );
    }

    #[test]
    fn compose_file_lists_files() {
        let list = |pairs: &[(&str, &str)]| {
            let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            listed(Path::new("/w"), &variables)
        };
        assert_eq!(list(&[]), None);
        assert_eq!(list(&[("COMPOSE_FILE", "")]), None);
        assert_eq!(list(&[("COMPOSE_FILE", "a.yaml:/b.yaml")]), Some(vec!["/w/a.yaml".into(), "/b.yaml".into()]));
        assert_eq!(list(&[("COMPOSE_FILE", "a.yaml,b.yaml"), ("COMPOSE_PATH_SEPARATOR", ",")]).map(|files| files.len()), Some(2));
    }
}
