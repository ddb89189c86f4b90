//! From the entries of the input `manifests` to files.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::error::{Location, Problems};

use super::Error;

const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];
/// The names under which kustomize finds its file (api/konfig/general.go).
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// The file that makes a folder a Helm chart.
const CHART: &str = "Chart.yaml";

/// Something that objects are read from; its path is as the user knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A file of plain manifests.
    File(PathBuf),
    /// The file of a kustomization, which has to be built.
    Kustomization(PathBuf),
}

/// What the sources (files, folders with all that is below them, glob patterns) lead to, each once, in the order of the sources and
/// sorted inside a folder. A folder that a source names itself may be a kustomization.
///
/// # Errors
/// Every source that leads nowhere, or to something that is neither plain manifests nor a kustomization.
pub fn find(root: &Path, sources: &[String]) -> Result<Vec<Entry>, Problems> {
    let mut search = Search { root, seen: HashSet::new(), reached: 0, entries: Vec::new(), problems: Vec::new() };
    for source in sources {
        search.source(source);
    }
    Problems::check(search.problems)?;
    Ok(search.entries)
}

struct Search<'r> {
    root: &'r Path,
    /// Canonical paths: two sources may lead to one file, and a symbolic link to a folder above it.
    seen: HashSet<PathBuf>,
    /// How often a file was reached, whether for the first time or again.
    reached: usize,
    entries: Vec<Entry>,
    problems: Vec<Error>,
}

impl Search<'_> {
    fn source(&mut self, source: &str) {
        let path = self.root.join(source);
        let (before, problems) = (self.reached, self.problems.len());
        if path.is_dir() {
            self.named_folder(&path);
        } else if path.exists() {
            self.named(&path);
        } else if source.contains(['*', '?', '[']) {
            self.glob(source);
        } else {
            return self.problems.push(Error::NoSuchPath { path: source.to_owned() });
        }
        if self.reached == before && self.problems.len() == problems {
            self.problems.push(Error::NothingMatches { path: source.to_owned() });
        }
    }

    fn glob(&mut self, source: &str) {
        let options = glob::MatchOptions { require_literal_leading_dot: true, require_literal_separator: true, case_sensitive: true };
        let pattern = format!("{}/{source}", glob::Pattern::escape(&self.root.to_string_lossy()));
        let paths = match glob::glob_with(&pattern, options) {
            Ok(paths) => paths,
            Err(source_error) => return self.problems.push(Error::Pattern { pattern: source.to_owned(), source: source_error }),
        };
        let mut found: Vec<PathBuf> = Vec::new();
        for path in paths {
            match path {
                Ok(path) => found.push(path),
                Err(error) => {
                    let path = self.known_as(error.path());
                    self.problems.push(Error::Read { path, source: error.into() });
                }
            }
        }
        found.sort();
        for path in found {
            match path.is_dir() {
                true if source.ends_with("**") => {}
                true => self.named_folder(&path),
                false if has_extension(&path) || is_kustomization(&path) => self.named(&path),
                false => {}
            }
        }
    }

    /// A folder that a source names itself.
    fn named_folder(&mut self, folder: &Path) {
        match KUSTOMIZATIONS.iter().map(|name| folder.join(name)).find(|file| file.is_file()) {
            Some(file) => self.kustomization(&file),
            None => self.folder(folder),
        }
    }

    /// Known by its folder: a second way to it is no second build.
    fn kustomization(&mut self, file: &Path) {
        self.reached += 1;
        if self.is_new(file.parent().unwrap_or(file)) {
            self.entries.push(Entry::Kustomization(self.known_as(file)));
        }
    }

    /// A folder with all that is below it; hidden files and folders (`.git`, `.github`) are not manifests.
    fn folder(&mut self, folder: &Path) {
        if !self.is_new(folder) {
            self.reached += 1;
            return;
        }
        let mut paths: Vec<PathBuf> = match std::fs::read_dir(folder).and_then(|entries| entries.map(|e| Ok(e?.path())).collect()) {
            Ok(paths) => paths,
            Err(source) => return self.problems.push(Error::Read { path: self.known_as(folder), source }),
        };
        paths.sort();
        if let Some(problem) = paths.iter().find_map(|path| self.not_plain(path)) {
            return self.problems.push(problem);
        }
        for path in paths.iter().filter(|path| !is_hidden(path)) {
            match path.is_dir() {
                true => self.folder(path),
                false if has_extension(path) => self.file(path),
                false => {}
            }
        }
    }

    /// A file that a source names itself.
    fn named(&mut self, path: &Path) {
        if is_kustomization(path) {
            return self.kustomization(path);
        }
        match self.not_plain(path) {
            Some(problem) => self.problems.push(problem),
            None => self.file(path),
        }
    }

    fn file(&mut self, path: &Path) {
        self.reached += 1;
        if self.is_new(path) {
            self.entries.push(Entry::File(self.known_as(path)));
        }
    }

    fn is_new(&mut self, path: &Path) -> bool {
        match path.canonicalize() {
            Ok(canonical) => self.seen.insert(canonical),
            Err(source) => {
                self.problems.push(Error::Read { path: self.known_as(path), source });
                false
            }
        }
    }

    /// The file that shows that its folder is the source of something else, which must be built first.
    fn not_plain(&self, path: &Path) -> Option<Error> {
        let name = path.file_name()?.to_str()?;
        let file = self.known_as(path);
        let folder = match file.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let at = Location::line(file, 1);
        match name {
            CHART => Some(Error::Chart { folder, at }),
            _ if is_kustomization(path) => Some(Error::Kustomization { folder, at }),
            _ => None,
        }
    }

    fn known_as(&self, path: &Path) -> PathBuf {
        path.strip_prefix(self.root).unwrap_or(path).to_owned()
    }
}

fn has_extension(path: &Path) -> bool {
    path.extension().and_then(|e| e.to_str()).is_some_and(|e| EXTENSIONS.contains(&e))
}

fn is_kustomization(path: &Path) -> bool {
    path.file_name().and_then(|n| n.to_str()).is_some_and(|name| KUSTOMIZATIONS.contains(&name))
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with('.'))
}
