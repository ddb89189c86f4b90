//! The arrows of the house (see `src/lib.rs`), read from the source: who may know whom.

use std::path::{Path, PathBuf};

use regex::Regex;

/// A room, or files of one, and what may not be named there.
struct Rule {
    /// Files below `src/`: a folder ends in a slash.
    files: &'static [&'static str],
    /// Files of these that the rule leaves alone, because reading files is their business.
    but: &'static [&'static str],
    forbidden: &'static [&'static str],
    mend: &'static str,
}

/// Servers, environment and clock.
const WORLD: &[&str] = &["tokio", "reqwest", "kube", "git2", "octocrab", "std::env", "std::net", "std::time::SystemTime", "std::fs"];

const RULES: &[Rule] = &[
    Rule {
        files: &[
            "release/",
            "image/",
            "yaml/",
            "compose/",
            "resource/",
            "retag/select.rs",
            "retag/tags.rs",
            "suggest.rs",
            "rollout/order/",
            "rollout/readiness/",
            "rollout/diff.rs",
            "rollout/ownership.rs",
            "rollout/volumes.rs",
            "rollout/plan.rs",
            "rollout/needs.rs",
            "rollout/restarts.rs",
            "rollout/hooks.rs",
            "rollout/keep.rs",
            "rollout/prune/inventory.rs",
            "rollout/prune/plan.rs",
            "rollout/trace.rs",
            "rollout/lock.rs",
            "infra/edit/",
            "infra/plan.rs",
            "infra/wording.rs",
        ],
        but: &["compose/loader.rs", "compose/discovery.rs", "resource/load.rs", "resource/sources.rs"],
        forbidden: WORLD,
        mend: "plans are values: let the caller read it (an adapter, `action`, a loader) and pass the value in",
    },
    Rule {
        files: &["release/", "image/", "yaml/", "compose/", "resource/", "journal.rs", "error.rs", "suggest.rs"],
        but: &[],
        forbidden: &["action", "app", "report", "retag", "rollout", "infra", "store", "login", "cluster", "git", "github", "forge", "http"],
        mend: "values know values only: move what is shared into the room of values that it belongs to",
    },
    Rule {
        files: &["retag/"],
        but: &[],
        forbidden: &["rollout", "infra", "action", "app", "report", "cluster", "git", "github", "forge"],
        mend: "verbs don't know each other: `app` joins them",
    },
    Rule {
        files: &["rollout/"],
        but: &[],
        forbidden: &["retag", "infra", "action", "app", "report", "store", "git", "github", "forge"],
        mend: "verbs don't know each other: `app` joins them",
    },
    Rule {
        files: &["infra/"],
        but: &[],
        forbidden: &["retag", "rollout", "action", "app", "report", "store", "cluster"],
        mend: "verbs don't know each other: `app` joins them",
    },
    Rule {
        files: &["store/", "login/", "cluster/", "kustomize/", "git/", "github/", "forge/", "http/"],
        but: &[],
        forbidden: &["retag", "rollout", "infra", "action", "app", "report", "compose", "release"],
        mend: "adapters speak a protocol and know no verb: pass in what it needs, or let the verb do it",
    },
    Rule {
        files: &["login/"],
        but: &[],
        forbidden: &["store", "image", "std::env"],
        mend: "a login gives credentials and knows no registry's protocol: `store` uses them",
    },
    Rule {
        files: &["action/"],
        but: &[],
        forbidden: &[
            "app", "report", "retag", "rollout", "infra", "store", "login", "cluster", "git", "github", "forge", "http", "compose",
            "resource",
        ],
        mend: "`action` is the runner and the command line: the domain's part belongs into `app` or `report`",
    },
    Rule {
        files: &["report/"],
        but: &[],
        forbidden: &[
            "app", "retag", "rollout", "infra", "store", "login", "cluster", "git", "github", "forge", "http", "compose", "resource",
        ],
        mend: "a report tells texts: turn the domain's values into rows in `app`",
    },
];

/// The environment is read in one place.
const READS_ENVIRONMENT: &[&str] = &["action/", "app/", "main.rs"];

struct Source {
    /// Path below `src/`.
    name: String,
    /// Without comments and tests; the lines are where they were.
    code: Vec<String>,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let mut sources: Vec<Source> = files.iter().map(|file| read(&root, file)).collect();
    sources.retain(|source| !["/tests.rs", "/testing.rs"].iter().any(|end| source.name.ends_with(end)) && !source.name.contains("/tests/"));
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(sources.len() > 50, "the source is not where it was");
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(&path, files),
            false if path.extension().is_some_and(|extension| extension == "rs") => files.push(path),
            false => {}
        }
    }
}

fn read(root: &Path, file: &Path) -> Source {
    let text = std::fs::read_to_string(file).unwrap();
    // By the rules of the house, tests end a file.
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code = code.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned()).collect();
    Source { name: file.strip_prefix(root).unwrap().display().to_string(), code }
}

/// Finds code that names a module: one of ours as `crate::NAME`, or of another crate.
fn naming(module: &str) -> Regex {
    let pattern = match module.rsplit_once("::") {
        // Both `use std::env;` and `use std::{env, fs};`.
        Some((path, last)) => format!(r"(^|[^\w:]){path}::({last}\b|\{{[^}}]*\b{last}\b)"),
        None if ["tokio", "reqwest", "kube", "git2", "octocrab"].contains(&module) => format!(r"(^|[^\w:]){module}::"),
        None => format!(r"\bcrate::({module}\b|\{{([^}}]*,\s*)?{module}\b)"),
    };
    Regex::new(&pattern).expect("a constant")
}

/// What asks nobody: it takes texts apart.
const PURE: &[&str] = &["std::env::split_paths", "std::net::Ipv4Addr", "std::net::Ipv6Addr", "std::net::IpAddr"];

fn breaks(line: &str, naming: &Regex) -> bool {
    naming.is_match(line) && !PURE.iter().any(|pure| line.contains(pure))
}

fn is_below(name: &str, places: &[&str]) -> bool {
    places.iter().any(|place| if place.ends_with('/') { name.starts_with(place) } else { name == *place })
}

#[test]
fn rooms_know_only_whom_they_may() {
    let sources = sources();
    let mut broken = Vec::new();
    for rule in RULES {
        for place in rule.files.iter().chain(rule.but) {
            assert!(sources.iter().any(|source| is_below(&source.name, &[place])), "src/{place} is gone: correct the rules in this file");
        }
        for module in rule.forbidden {
            let naming = naming(module);
            for source in sources.iter().filter(|source| is_below(&source.name, rule.files) && !is_below(&source.name, rule.but)) {
                let lines = source.code.iter().enumerate().filter(|(_, line)| breaks(line, &naming));
                broken.extend(lines.map(|(at, line)| {
                    format!("src/{}:{}: {}\n  knows `{module}`, but may not; {}", source.name, at + 1, line.trim(), rule.mend)
                }));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_environment_is_read_in_one_place_and_nobody_ends_the_process() {
    let mut broken = Vec::new();
    let environment = naming("std::env");
    for source in sources() {
        for (at, line) in source.code.iter().enumerate() {
            let place = format!("src/{}:{}: {}", source.name, at + 1, line.trim());
            if breaks(line, &environment) && !is_below(&source.name, READS_ENVIRONMENT) {
                broken.push(format!("{place}\n  only `action` reads the environment; take it as a value"));
            }
            if line.contains("process::exit") {
                broken.push(format!("{place}\n  return an error: a process that just ends reports nothing"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_rules_see_every_way_of_naming_a_module() {
    let names = |code: &str, module: &str| breaks(code, &naming(module));
    for code in ["use std::env;", "use std::env::var;", "let x = std::env::var(1);", "use std::{env, fs};", "use std::{fs, env};"] {
        assert!(names(code, "std::env"), "{code}");
    }
    assert!(!names("use std::environment;", "std::env") && !names("std::env::split_paths(x)", "std::env"));
    for code in ["use crate::git::Client;", "fn f() -> crate::git::Id", "use crate::{git, http};", "use crate::{http, git};"] {
        assert!(names(code, "git"), "{code}");
    }
    assert!(!names("use crate::github::Client;", "git") && !names("let git = 1;", "git"));
    assert!(names("tokio::select! {", "tokio") && !names("mytokio::x", "tokio"));
}
