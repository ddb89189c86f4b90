//! Lists of traps name the tests that would notice; this finds out whether those tests are there.

use std::path::Path;

use regex::Regex;

/// All of our own code, tests included.
fn code(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => code(&path, text),
            false if path.extension().is_some_and(|extension| extension == "rs") => text.push_str(&std::fs::read_to_string(&path).unwrap()),
            false => {}
        }
    }
}

/// Asserts that each trap of a list (`//! - …` at the beginning of a file) names a test, and that all tests that are named are there.
#[track_caller]
pub(crate) fn check(file: &str, traps: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    for folder in ["src", "tests/it"] {
        code(&root.join(folder), &mut text);
    }
    let test = Regex::new(r"#\[(?:tokio::)?test(?:\([^)]*\))?\]\s+(?:#\[[^\]]*\]\s+)*(?:async )?fn ([a-z0-9_]+)").unwrap();
    // Those that run on Gitea and on Forgejo; one that is left out of their list is dead code, which the compiler tells.
    let on_servers = Regex::new(r"\nasync fn ([a-z0-9_]+)\(server: &'static Gitea\)").unwrap();
    let there: Vec<&str> =
        [test, on_servers].iter().flat_map(|test| test.captures_iter(&text)).map(|found| found.get(1).unwrap().as_str()).collect();
    let names = Regex::new("`([a-z0-9]+(?:_[a-z0-9]+){2,})`").unwrap();
    let list: String = file.lines().map_while(|line| line.strip_prefix("//!")).map(|line| format!("{line}\n")).collect();
    let items: Vec<&str> = list.split("\n - ").skip(1).collect();
    assert_eq!(items.len(), traps);
    for item in items {
        let named: Vec<&str> = names.captures_iter(item).map(|found| found.get(1).unwrap().as_str()).collect();
        assert!(!named.is_empty(), "no test for: {item}");
        let missing: Vec<&&str> = named.iter().filter(|name| !there.contains(name)).collect();
        assert!(missing.is_empty(), "renamed or removed: {missing:?}");
    }
}
