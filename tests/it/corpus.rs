//! Every edit on every YAML file of a folder: all bytes but the planned ones stay. The folder is `tests/corpus`, or TAGBOAT_CORPUS.
//!
//! The judge is another YAML parser (libyaml's) and a comparison of lines; neither knows the editor.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_yaml::Value;
use tagboat::image::Reference;
use tagboat::infra::ImagePin;
use tagboat::infra::edit::{self, Edits, File, helm, kustomize};

const TAG: &str = "9.9.9-corpus";

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("couldn't read {}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        match path.extension().and_then(|end| end.to_str()) {
            _ if path.is_dir() => files(&path, found),
            Some("yaml" | "yml") => found.push(path),
            _ => {}
        }
    }
}

/// All images that a text may name, as one service.
fn pins(text: &str) -> Vec<ImagePin> {
    let pattern = Regex::new(r#"(?m)(?:image|repository|name|newName)["']?: *["']?([a-z0-9][a-z0-9./:_-]*)"#).unwrap();
    let registry =
        Regex::new(r#"(?m)registry["']?: *["']?([a-z0-9.:-]+)["']?,?\s+["']?repository["']?: *["']?([a-z0-9][a-z0-9./_-]*)"#).unwrap();
    let names = pattern.captures_iter(text).map(|found| found[1].to_owned());
    let joined = registry.captures_iter(text).map(|found| format!("{}/{}", &found[1], &found[2]));
    let references: BTreeSet<_> = names.chain(joined).filter_map(|name| name.parse::<Reference>().ok()).map(|r| r.repository()).collect();
    let pin = |repository: tagboat::image::Repository| ImagePin {
        service: "all".into(),
        name: repository.to_string(),
        repository,
        tag: TAG.parse().unwrap(),
        digest: None,
    };
    references.into_iter().map(pin).collect()
}

/// Another parser's view; `None` for what it can't read.
fn documents(text: &str) -> Option<Vec<Value>> {
    use serde::Deserialize as _;
    serde_yaml::Deserializer::from_str(text.trim_start_matches('\u{feff}')).map(Value::deserialize).collect::<Result<_, _>>().ok()
}

/// Leaves that differ, as their new texts; a key that is gone or new counts with its own text.
fn differences(old: &Value, new: &Value, found: &mut Vec<(String, String)>, path: &str) {
    match (old, new) {
        (Value::Mapping(one), Value::Mapping(other)) => {
            for (key, value) in one {
                let path = format!("{path}.{key:?}");
                match other.get(key) {
                    Some(now) => differences(value, now, found, &path),
                    None => found.push((path, "gone".into())),
                }
            }
            for (key, value) in other.iter().filter(|(key, _)| !one.contains_key(*key)) {
                found.push((format!("{path}.{key:?}"), value.as_str().unwrap_or("not a text").to_owned()));
            }
        }
        (Value::Sequence(one), Value::Sequence(other)) if one.len() == other.len() => {
            for (index, (value, now)) in one.iter().zip(other).enumerate() {
                differences(value, now, found, &format!("{path}[{index}]"));
            }
        }
        (one, other) if one == other => {}
        (_, other) => found.push((path.to_owned(), other.as_str().unwrap_or("not a text").to_owned())),
    }
}

/// Checks one edit of one file, and returns how many changes it had.
fn check(path: &Path, kind: &str, before: &str, edits: &Edits) -> usize {
    let place = format!("{kind} of {}", path.display());
    let Some((_, Some(after))) = edits.writes.first() else {
        assert!(edits.changes.is_empty(), "{place}: {:?}", edits.changes);
        return 0;
    };
    let after = std::str::from_utf8(after).unwrap();
    assert!(!edits.changes.is_empty(), "{place}: bytes change and nobody is told");
    // Lines: what is not on a line of its own that was planned stays, byte for byte.
    let mut rest: Vec<&str> = before.split_inclusive('\n').collect::<Vec<_>>();
    rest.reverse();
    for line in after.split_inclusive('\n') {
        let is_planned = line.contains(TAG) || line.contains("digest") || line.contains("newName") || line.contains("newTag");
        let is_planned = is_planned || (kind == "kustomize" && (line.contains("images:") || line.contains("name:")));
        match rest.last() {
            Some(old) if *old == line || (rest.len() == 1 && line.strip_suffix('\n') == Some(*old)) => drop(rest.pop()),
            Some(old) if is_planned && is_same_but_for_values(old, line) => drop(rest.pop()),
            Some(old) if old.contains("digest") => {
                rest.pop();
                assert_eq!(rest.pop(), Some(line), "{place}: a line behind a digest");
            }
            old => assert!(is_planned, "{place}: {line:?} stands where {old:?} was"),
        }
    }
    assert!(rest.iter().all(|line| line.contains("digest")), "{place}: lines are gone: {rest:?}");
    // Trees, as another parser reads them.
    if let (Some(old), Some(new)) = (documents(before), documents(after)) {
        assert_eq!(old.len(), new.len(), "{place}: documents");
        let mut found = Vec::new();
        old.iter().zip(&new).for_each(|(old, new)| differences(old, new, &mut found, ""));
        for (at, text) in found {
            let is_planned =
                text.contains(TAG) || at.contains("digest") || at.contains("newName") || at.contains("images") || at.contains("merge");
            assert!(is_planned, "{place}: {at} became {text:?}");
        }
    }
    edits.changes.len()
}

/// Whether two lines have the same beginning up to a value and the same end behind it.
fn is_same_but_for_values(old: &str, new: &str) -> bool {
    let key = |line: &str| line.split_once(':').map_or(line.to_owned(), |(key, _)| key.to_owned());
    let end = |line: &str| {
        line.split_once(" #").map_or_else(|| line.trim_start_matches(|c| c != '\r' && c != '\n').to_owned(), |(_, c)| c.to_owned())
    };
    key(old) == key(new) && end(old) == end(new)
}

#[test]
fn edits_of_a_corpus_keep_all_other_bytes() {
    let given = std::env::var_os("TAGBOAT_CORPUS").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let folder = given.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus"));
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    paths.sort();
    let (mut changed, mut refused, mut changes) = (0, 0, 0);
    for path in &paths {
        let bytes = std::fs::read(path).unwrap();
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        let (file, pins) = (File { path: "f.yaml".into(), bytes: bytes.clone() }, pins(text));
        let is_kustomization = text.contains("\nkind: Kustomization");
        let of_kustomize = || {
            let edited = kustomize::edit("f.yaml", &bytes, &pins[..1])?;
            let mut edits = Edits::default();
            edits.add(&file, edited);
            Ok(edits)
        };
        let searched = ["f.yaml".to_owned()];
        let results: Vec<(&str, Result<Edits, edit::Error>)> = match pins.is_empty() {
            true => Vec::new(),
            false if is_kustomization => vec![("kustomize", of_kustomize())],
            false => vec![
                ("manifests", edit::manifests(std::slice::from_ref(&file), &searched, &pins)),
                ("helm", helm::edit(std::slice::from_ref(&file), &pins, &helm::Options::default())),
            ],
        };
        for (kind, result) in results {
            match result {
                Ok(edits) => {
                    let count = check(path, kind, text, &edits);
                    changes += count;
                    changed += usize::from(count > 0);
                }
                Err(_) => refused += 1,
            }
        }
    }
    println!("{} files, {changed} edited with {changes} changes, {refused} without an image or refused", paths.len());
    assert!(changed > 0, "no file of {} has an image", folder.display());
    if given.is_none() {
        assert_eq!((paths.len(), changed, changes, refused), (6, 8, 22, 1));
    }
}
