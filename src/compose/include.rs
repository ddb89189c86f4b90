//! `include`: another compose project's services as if they were written here.
//!
//! Rules: Compose Specification, "Include" (14-include.md): several paths of one entry lie over each other, each entry has its own project
//! directory and `.env`, and a service that is there already is a conflict unless it says the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::discovery::resolve;
use super::error::Error;
use super::loader::{Loader, Scope, identity};
use super::tree::{Kind, Place, Value};

/// One entry of `include`.
#[derive(Debug)]
struct Entry {
    paths: Vec<String>,
    project_directory: Option<String>,
    env_files: Vec<String>,
    place: Place,
}

impl Loader<'_> {
    /// Puts what a document includes into it.
    pub(super) fn include(&mut self, mut document: Value, file: &Path, scope: &Scope) -> Value {
        let Some(include) = document.get("include").cloned() else { return document };
        match entries(&include) {
            Err(error) => self.problems.push(error),
            Ok(entries) => {
                for entry in entries {
                    if let Some(model) = self.include_entry(&entry, file, scope) {
                        self.import(model, &mut document);
                    }
                }
            }
        }
        if let Some(map) = document.map_mut() {
            map.remove("include");
        }
        document
    }

    fn include_entry(&mut self, entry: &Entry, file: &Path, scope: &Scope) -> Option<Value> {
        let files: Vec<PathBuf> = entry.paths.iter().map(|path| resolve(&scope.directory, path)).collect();
        let directory = match &entry.project_directory {
            Some(directory) => scope.directory.join(directory),
            None => files.first()?.parent()?.to_path_buf(),
        };
        let default = directory.join(".env");
        let env_files = match entry.env_files.as_slice() {
            [] if default.is_file() => vec![default],
            [] => vec![],
            named => named.iter().filter(|name| *name != "/dev/null").map(|name| resolve(&scope.directory, name)).collect(),
        };
        let variables = self.variables(&env_files, Some(&entry.place), &scope.variables);
        let mut including = scope.including.clone();
        including.push(identity(file));
        self.included(&files, &entry.place, &mut Scope::new(directory, variables, including))
    }

    fn import(&mut self, mut model: Value, document: &mut Value) {
        let Some(Kind::Map(services)) = model.map_mut().and_then(|map| map.remove("services")).map(|services| services.kind) else {
            return;
        };
        let place = document.place.clone();
        let Some(map) = document.map_mut() else { return };
        let own = map.entry("services".to_owned()).or_insert_with(|| Value::empty_map(place));
        if own.kind == Kind::Null {
            own.kind = Kind::Map(BTreeMap::new());
        }
        let Some(own) = own.map_mut() else { return };
        for (name, service) in services {
            match own.get(&name) {
                None => {
                    own.insert(name, service);
                }
                Some(other) if *other == service => {}
                Some(other) => {
                    let (first, at) = (service.place.location(), other.place.location());
                    self.problems.push(Error::Conflict { service: name, first, at });
                }
            }
        }
    }
}

fn entries(include: &Value) -> Result<Vec<Entry>, Error> {
    let Kind::List(items) = &include.kind else { return Err(shape("include", "a list", include)) };
    items.iter().map(entry).collect()
}

fn entry(item: &Value) -> Result<Entry, Error> {
    let place = item.place.clone();
    if let Some(path) = item.text() {
        return Ok(Entry { paths: vec![path.to_owned()], project_directory: None, env_files: vec![], place });
    }
    if item.map().is_none() {
        return Err(shape("an entry of include", "a path or a mapping with `path`", item));
    }
    let texts = |key: &str| item.get(key).map_or(Ok(vec![]), |value| texts(key, value));
    let paths = texts("path")?;
    if paths.is_empty() {
        let (what, at) = ("an entry of include".to_owned(), item.place.location());
        return Err(Error::Shape { what, expected: "a mapping with `path`", found: "one without it", at });
    }
    Ok(Entry { paths, project_directory: texts("project_directory")?.pop(), env_files: texts("env_file")?, place })
}

/// One text, or a list of texts.
fn texts(key: &str, value: &Value) -> Result<Vec<String>, Error> {
    let text = |value: &Value| {
        value.text().map(str::to_owned).ok_or_else(|| shape(&format!("{key} of include"), "text or a list of texts", value))
    };
    match &value.kind {
        Kind::List(items) => items.iter().map(text).collect(),
        _ => Ok(vec![text(value)?]),
    }
}

fn shape(what: &str, expected: &'static str, value: &Value) -> Error {
    Error::Shape { what: what.to_owned(), expected, found: value.describe(), at: value.place.location() }
}
