//! Our reading of compose files beside docker compose's own, over the folders of `tests/compose`.
//!
//! A folder is a project: its files, its `.env`, and, not part of it, `environment` (the process environment, `NAME=value` a line) and
//! `difference`, where the two are meant to differ: what differs in the first line, and then why.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tagboat::compose::{self, Request};

use crate::servers::command;

/// What decides about images: a service's `image` and `build.tags`, and whether it is built.
type Services = BTreeMap<String, (Option<String>, Option<Vec<String>>)>;

/// A project as somebody reads it: its name and services, or that it can't be read, and why.
type Reading = Result<(String, Services), String>;

struct Case {
    name: String,
    folder: PathBuf,
    environment: BTreeMap<String, String>,
    difference: Option<(String, String)>,
}

impl Case {
    fn all() -> Vec<Case> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose");
        let folders = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path());
        let mut cases: Vec<Case> = folders.map(Case::new).collect();
        cases.sort_by(|one, other| one.name.cmp(&other.name));
        cases
    }

    fn new(folder: PathBuf) -> Case {
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        let environment = read("environment").unwrap_or_default();
        let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
        let difference = read("difference").map(|text| text.split_once('\n').map(|(what, why)| (what.to_owned(), why.to_owned())).unwrap());
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        Case { name, environment: environment.lines().map(pair).collect(), difference, folder }
    }

    fn theirs(&self) -> Reading {
        let config = Command::new(command("compose", "docker-compose"))
            .args(["--profile", "*", "config", "--format", "json", "--no-env-resolution"])
            .current_dir(&self.folder)
            .env_clear()
            .env("HOME", "/nonexistent")
            .envs(&self.environment)
            .output()
            .unwrap();
        if !config.status.success() {
            return Err(String::from_utf8_lossy(&config.stderr).into_owned());
        }
        let model: Value = serde_json::from_slice(&config.stdout).unwrap();
        let services = model["services"].as_object().into_iter().flatten();
        Ok((
            model["name"].as_str().unwrap_or_default().to_owned(),
            services.map(|(name, service)| (name.clone(), images(service))).collect(),
        ))
    }

    fn ours(&self) -> Reading {
        let request = Request { project_directory: &self.folder, files: &[], env_file: None, environment: &self.environment };
        let project = compose::load(&request).map_err(|problems| format!("{problems:?}"))?;
        let service = |service: &compose::Service| {
            let tags = service.build.as_ref().map(|build| build.tags.clone());
            (service.name.clone(), (service.image.clone(), tags))
        };
        Ok((project.name.clone(), project.services.iter().map(service).collect()))
    }

    /// What is not as it should be.
    fn complaint(&self) -> Option<String> {
        let (ours, theirs) = (self.ours(), self.theirs());
        let found = match (&ours, &theirs) {
            (Err(_), Err(_)) => "same",
            (Err(_), Ok(_)) => "we refuse",
            (Ok(_), Err(_)) => "they refuse",
            (Ok(ours), Ok(theirs)) if ours == theirs => "same",
            (Ok(_), Ok(_)) => "we read otherwise",
        };
        // A folder's name says when neither may read it, so that a case can't fail for another reason than the one it is about.
        let refused = self.name.contains("refused");
        match &self.difference {
            Some((what, why)) if what == found && !why.trim().is_empty() => None,
            None if found == "same" && refused == ours.is_err() => None,
            _ => Some(format!("{}: {found}\n  ours: {ours:?}\n  docker compose: {theirs:?}", self.name)),
        }
    }
}

fn images(service: &Value) -> (Option<String>, Option<Vec<String>>) {
    // The output can be read as a compose file again: its dollars are doubled.
    let text = |value: &Value| value.as_str().map(|text| text.replace("$$", "$"));
    let mut tags: Vec<String> = Vec::new();
    for tag in service["build"]["tags"].as_array().into_iter().flatten().filter_map(text) {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    (text(&service["image"]), service.get("build").map(|_| tags))
}

#[test]
fn images_are_read_as_docker_compose_reads_them() {
    let cases = Case::all();
    assert!(cases.len() > 50, "only {} cases", cases.len());
    let complaints: Vec<String> = cases.iter().filter_map(Case::complaint).collect();
    assert!(complaints.is_empty(), "{} of {} cases:\n{}", complaints.len(), cases.len(), complaints.join("\n"));
}
