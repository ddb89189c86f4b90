//! Reads files and joins them to one tree: the only part of this room that touches the file system.
//!
//! Rules of the order: compose-go 2.16, `loader.loadYamlFile`: each document is interpolated, its includes are read in, its `extends`
//! carried out, and only then is it laid over the documents before it.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::Warning;
use super::discovery::remote_kind;
use super::dotenv::{self, Dotenv};
use super::error::{Error, Role};
use super::extends::Services;
use super::interpolation::{BlankCause, interpolate};
use super::merge::merge;
use super::tree::{Kind, Place, Value};
use super::variables::Variables;
use crate::error::Location;
use crate::yaml;

/// Bytes of a file; the largest compose files in public repositories have a few hundred thousand.
const FILE_LIMIT: u64 = 4 << 20;
/// Files of one project, each counted as often as it is included.
const READ_LIMIT: usize = 1_000;
/// Values of all files together, after aliases, includes and extends.
const VALUE_LIMIT: usize = 1_000_000;
/// Includes within includes.
const INCLUDE_DEPTH: usize = 50;

/// What a set of files is seen with.
pub(super) struct Scope {
    /// What relative paths in `include` and `extends` start from.
    pub(super) directory: PathBuf,
    pub(super) variables: Variables,
    /// The files that include each other up to here.
    pub(super) including: Vec<PathBuf>,
    /// Files that `extends` has read, by path.
    pub(super) bases: HashMap<PathBuf, Services>,
}

impl Scope {
    pub(super) fn new(directory: PathBuf, variables: Variables, including: Vec<PathBuf>) -> Self {
        Self { directory, variables, including, bases: HashMap::new() }
    }
}

/// Reads files, and remembers what was wrong or odd in them.
pub(super) struct Loader<'a> {
    workspace: &'a Path,
    /// What the user has to correct, in the order in which it was met.
    pub(super) problems: Vec<Error>,
    pub(super) warnings: Vec<Warning>,
    warned: BTreeSet<String>,
    complained: BTreeSet<(Location, String)>,
    reads: usize,
    values: usize,
}

/// A file's documents as written, before interpolation.
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// The path as a person knows it.
    pub(super) shown: Arc<Path>,
    pub(super) documents: Vec<Value>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(workspace: &'a Path) -> Self {
        Self {
            workspace,
            problems: Vec::new(),
            warnings: Vec::new(),
            warned: BTreeSet::new(),
            complained: BTreeSet::new(),
            reads: 0,
            values: 0,
        }
    }

    /// The path as annotations show it: relative to the workspace where it lies inside.
    pub(super) fn shown(&self, path: &Path) -> PathBuf {
        let path = without_dots(path);
        match path.strip_prefix(without_dots(self.workspace)) {
            Ok(inside) => inside.to_path_buf(),
            Err(_) => path,
        }
    }

    /// Reads a compose file, and the YAML in it; `at` is the place that names the file, when a file does.
    pub(super) fn source(&mut self, path: &Path, at: Option<Location>) -> Result<Source, Error> {
        let text = self.read(path, Role::Compose, at)?;
        let shown: Arc<Path> = self.shown(path).into();
        let syntax = |source: yaml::SyntaxError| {
            let at = Location { file: shown.to_path_buf(), line: source.line, column: source.column };
            Error::Syntax { at, source }
        };
        let mut documents = Vec::new();
        let mut found = "nothing";
        for document in yaml::parse(&text).map_err(syntax)? {
            let root = document.resolved().map_err(|source| {
                let at = Location::line(shown.to_path_buf(), source.line());
                Error::Structure { at, source }
            })?;
            let value = Value::from_yaml(root.into_owned(), &shown);
            self.count(value.size(), &value.place)?;
            match value.kind {
                Kind::Map(_) => documents.push(value),
                Kind::Null => {}
                _ => found = value.describe(),
            }
        }
        if documents.is_empty() || found != "nothing" {
            let at = Location::line(shown.to_path_buf(), 1);
            return Err(Error::Shape { what: "the compose file".to_owned(), expected: "a mapping with `services`", found, at });
        }
        Ok(Source { path: path.to_path_buf(), shown, documents })
    }

    /// Joins files that lie over each other, the later over the earlier.
    pub(super) fn model(&mut self, sources: Vec<Source>, scope: &mut Scope) -> Option<Value> {
        let mut whole: Option<Value> = None;
        for Source { path, shown, documents } in sources {
            for mut document in documents {
                self.interpolate(&mut document, &scope.variables);
                if let Err(error) = check_services(&document) {
                    self.problems.push(error);
                    continue;
                }
                let document = self.include(document, &path, scope);
                let document = self.extend(document, &shown, scope);
                let base = whole.take().unwrap_or_else(|| Value::empty_map(document.place.clone()));
                whole = Some(merge(base, document));
            }
        }
        whole
    }

    /// Reads the files that one entry of `include` names, and joins them.
    pub(super) fn included(&mut self, files: &[PathBuf], at: &Place, scope: &mut Scope) -> Option<Value> {
        let mut sources = Vec::new();
        for file in files {
            match self.check_include(file, at, scope).and_then(|()| self.source(file, Some(at.location()))) {
                Ok(source) => sources.push(source),
                Err(error) => self.problems.push(error),
            }
        }
        if sources.len() == files.len() { self.model(sources, scope) } else { None }
    }

    fn check_include(&self, file: &Path, at: &Place, scope: &Scope) -> Result<(), Error> {
        if scope.including.len() > INCLUDE_DEPTH {
            return Err(Error::TooMuch { what: "includes within includes", limit: INCLUDE_DEPTH, at: at.location() });
        }
        let this = identity(file);
        let Some(first) = scope.including.iter().position(|earlier| *earlier == this) else { return Ok(()) };
        let cycle = scope.including[first..].iter().chain([&this]);
        let workspace = identity(self.workspace);
        let chain = cycle.map(|file| file.strip_prefix(&workspace).unwrap_or(file).display().to_string()).collect();
        Err(Error::IncludeCycle { chain, at: at.location() })
    }

    /// Replaces the variables in a document; what is wrong with them is noted once for each place.
    pub(super) fn interpolate(&mut self, document: &mut Value, variables: &Variables) {
        let mut problems = Vec::new();
        document.interpolate(&|name| variables.get(name).cloned(), &mut |place, source| problems.push((place.location(), source)));
        problems.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (at, source) in problems {
            if self.complained.insert((at.clone(), source.to_string())) {
                self.problems.push(Error::Interpolation { at, source });
            }
        }
        let mut unset: Vec<(Location, String)> = Vec::new();
        document.each_text(&mut |text, place| {
            let blanks = text.blanks.iter().filter(|blank| blank.cause == BlankCause::Unset);
            unset.extend(blanks.map(|blank| (place.location(), blank.variable.clone())));
        });
        unset.sort_by(|(one, _), (other, _)| one.cmp(other));
        unset.into_iter().for_each(|(at, variable)| self.warn_unset(variable, at));
    }

    /// The last `name:` of the files, with its variables replaced.
    pub(super) fn project_name(&mut self, sources: &[Source], variables: &Variables) -> Option<String> {
        let mut names = sources.iter().flat_map(|source| &source.documents).filter_map(|document| document.get("name"));
        let last = names.rfind(|name| name.text().is_some_and(|text| !text.is_empty()))?;
        // What is wrong with it is reported when its document is interpolated.
        interpolate(last.text()?, &|name| variables.get(name).cloned()).ok().map(|name| name.text)
    }

    /// Reads files of variables; the later win over the earlier, and `outer` over all. Returns `outer` with what they add to it.
    pub(super) fn variables(&mut self, files: &[PathBuf], at: Option<&Place>, outer: &Variables) -> Variables {
        let mut read = Dotenv::default();
        for file in files {
            match self.dotenv(file, at, std::mem::take(&mut read), outer) {
                Ok(more) => read = more,
                Err(error) => self.problems.push(error),
            }
        }
        let mut variables = read.variables;
        variables.extend(outer.iter().map(|(name, value)| (name.clone(), value.clone())));
        variables
    }

    fn dotenv(&mut self, file: &Path, at: Option<&Place>, earlier: Dotenv, outer: &Variables) -> Result<Dotenv, Error> {
        let text = self.read(file, Role::Variables, at.map(Place::location))?;
        let shown = self.shown(file);
        let mut read = dotenv::parse(&text, earlier, &|name| outer.get(name).cloned())
            .map_err(|source| Error::Variables { at: Location::line(&shown, source.line), source })?;
        for (blank, line) in std::mem::take(&mut read.blanks) {
            if blank.cause == BlankCause::Unset {
                self.warn_unset(blank.variable, Location::line(&shown, line));
            }
        }
        Ok(read)
    }

    fn warn_unset(&mut self, variable: String, at: Location) {
        if self.warned.insert(variable.clone()) {
            self.warnings.push(Warning::Unset { variable, at });
        }
    }

    /// Counts values against the limit for the whole project.
    pub(super) fn count(&mut self, values: usize, place: &Place) -> Result<(), Error> {
        self.values += values;
        if self.values > VALUE_LIMIT {
            return Err(Error::TooMuch { what: "values", limit: VALUE_LIMIT, at: place.location() });
        }
        Ok(())
    }

    fn read(&mut self, path: &Path, role: Role, at: Option<Location>) -> Result<String, Error> {
        let file = self.shown(path);
        if let Some(kind) = path.to_str().and_then(remote_kind) {
            return Err(Error::Remote { role, name: path.display().to_string(), kind, at });
        }
        self.reads += 1;
        if self.reads > READ_LIMIT {
            return Err(Error::TooMuch { what: "files", limit: READ_LIMIT, at: at.unwrap_or_else(|| Location::line(file, 1)) });
        }
        let unreadable = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Error::Missing { role, file: file.clone(), at: at.clone() },
            _ => Error::Unreadable { role, file: file.clone(), at: at.clone(), source },
        };
        // Before it is opened: opening a pipe waits for whoever writes into it.
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(Error::Folder { role, file, at });
        }
        if !metadata.is_file() {
            return Err(unreadable(std::io::Error::other("it is not a regular file")));
        }
        let mut bytes = Vec::new();
        File::open(path).and_then(|open| open.take(FILE_LIMIT + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
        if bytes.len() as u64 > FILE_LIMIT {
            return Err(Error::TooLarge { role, file, limit: FILE_LIMIT, at });
        }
        String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            Error::NotText { role, at: Location::line(&file, u32::try_from(line).unwrap_or(u32::MAX)), file }
        })
    }
}

pub(super) fn check_services(document: &Value) -> Result<(), Error> {
    let Some(services) = document.get("services") else { return Ok(()) };
    let shape = |what: String, value: &Value| {
        Err(Error::Shape { what, expected: "a mapping", found: value.describe(), at: value.place.location() })
    };
    let Some(map) = services.map() else { return shape("services".to_owned(), services) };
    match map.iter().find(|(_, service)| !matches!(service.kind, Kind::Map(_) | Kind::Null) && service.rule != super::tree::Rule::Reset) {
        Some((name, service)) => shape(format!("service {name}"), service),
        None => Ok(()),
    }
}

/// The file itself, whatever path leads to it.
pub(super) fn identity(file: &Path) -> PathBuf {
    std::fs::canonicalize(file).unwrap_or_else(|_| without_dots(file))
}

/// The path without `.` and `..`, as far as that can be told without looking.
fn without_dots(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            component => out.push(component),
        }
    }
    out
}
