//! `extends`: a service that begins with what another one says.
//!
//! Rules: Compose Specification, "extends" (05-services.md), and compose-go 2.16 `loader.ApplyExtends`: the other service is looked for in the
//! same document or in the named file, whose own includes don't count; a path is relative to the project directory, and inside
//! an extended file to that file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::discovery::resolve;
use super::error::Error;
use super::loader::{Loader, Scope, identity};
use super::merge::{keeping_rules, settle};
use super::tree::{Kind, Rule, Value};

/// One extends another, which extends another …: more than a person could follow.
const LONGEST_CHAIN: usize = 100;

/// The services of one document, or of one extended file; what has been extended has lost its `extends`.
pub(super) struct Services {
    map: BTreeMap<String, Value>,
    shown: Arc<Path>,
    /// What `file:` is relative to.
    directory: PathBuf,
}

/// What an `extends` says.
struct Target {
    service: String,
    file: Option<String>,
}

/// The services that led here, each with its file.
type Chain = Vec<String>;

impl Loader<'_> {
    /// Carries out every `extends` of a document.
    pub(super) fn extend(&mut self, mut document: Value, shown: &Arc<Path>, scope: &mut Scope) -> Value {
        let Some(map) = document.map_mut().and_then(|map| map.get_mut("services")).and_then(Value::map_mut) else { return document };
        let names: Vec<String> = map.keys().cloned().collect();
        let mut services = Services { map: std::mem::take(map), shown: Arc::clone(shown), directory: scope.directory.clone() };
        for name in names {
            if let Err(error) = self.extended(&mut services, &name, scope, &mut Chain::new()) {
                self.problems.push(error);
            }
        }
        if let Some(map) = document.map_mut().and_then(|map| map.get_mut("services")).and_then(Value::map_mut) {
            *map = services.map;
        }
        document
    }

    /// Replaces a service by what it is after its `extends`; if that fails it loses the `extends`, so that the mistake is told once.
    fn extended(&mut self, services: &mut Services, name: &str, scope: &mut Scope, chain: &mut Chain) -> Result<(), Error> {
        let done = self.try_extended(services, name, scope, chain);
        if done.is_err()
            && let Some(service) = services.map.get_mut(name).and_then(Value::map_mut)
        {
            service.remove("extends");
        }
        done
    }

    fn try_extended(&mut self, services: &mut Services, name: &str, scope: &mut Scope, chain: &mut Chain) -> Result<(), Error> {
        let Some(extends) = services.map.get(name).filter(|service| service.rule != Rule::Reset).and_then(|service| service.get("extends"))
        else {
            return Ok(());
        };
        let at = extends.place.location();
        let target = Target::read(name, extends)?;
        let here = format!("{name} ({})", services.shown.display());
        if let Some(first) = chain.iter().position(|earlier| *earlier == here) {
            let chain = chain[first..].iter().cloned().chain([here]).collect();
            return Err(Error::ExtendsCycle { chain, at });
        }
        if chain.len() >= LONGEST_CHAIN {
            return Err(Error::TooMuch { what: "services that extend each other", limit: LONGEST_CHAIN, at });
        }
        chain.push(here);
        let base = match &target.file {
            None => {
                self.extended(services, &target.service, scope, chain)?;
                target.find(name, services, at)?
            }
            Some(file) => {
                let mut others = self.base_file(&services.directory, file, &at, scope)?;
                let base = self.extended(&mut others, &target.service, scope, chain).and_then(|()| target.find(name, &others, at));
                scope.bases.insert(identity(&resolve(&services.directory, file)), others);
                base?
            }
        };
        chain.pop();
        if let Some(own) = services.map.remove(name) {
            let merged = over_base(base, own);
            self.count(merged.size(), &merged.place)?;
            services.map.insert(name.to_owned(), merged);
        }
        Ok(())
    }

    /// The services of an extended file, read once in a scope.
    fn base_file(&mut self, directory: &Path, file: &str, at: &crate::error::Location, scope: &mut Scope) -> Result<Services, Error> {
        let path = resolve(directory, file);
        if let Some(known) = scope.bases.remove(&identity(&path)) {
            return Ok(known);
        }
        let source = self.source(&path, Some(at.clone()))?;
        let mut whole: Option<Value> = None;
        for mut document in source.documents {
            self.interpolate(&mut document, &scope.variables);
            super::loader::check_services(&document)?;
            // The rules stay: they are also for what these services extend themselves.
            whole = Some(match whole.take() {
                Some(base) => keeping_rules(base, document),
                None => document,
            });
        }
        let map = match whole.and_then(|mut whole| whole.map_mut().and_then(|map| map.remove("services"))).map(|services| services.kind) {
            Some(Kind::Map(map)) => map,
            _ => BTreeMap::new(),
        };
        let directory = path.parent().unwrap_or(directory).to_path_buf();
        Ok(Services { map, shown: source.shown, directory })
    }
}

impl Target {
    fn read(service: &str, extends: &Value) -> Result<Self, Error> {
        let shape = |what: &str, expected, value: &Value| Error::Shape {
            what: format!("{what} of service {service}"),
            expected,
            found: value.describe(),
            at: value.place.location(),
        };
        match &extends.kind {
            Kind::Text(text) => Ok(Self { service: text.text.clone(), file: None }),
            Kind::Map(_) => {
                let text = |key: &str| match extends.get(key) {
                    None => Ok(None),
                    Some(value) => value.text().map(|text| Some(text.to_owned())).ok_or_else(|| shape("extends", "text", value)),
                };
                let missing = || Error::Shape {
                    what: format!("extends of service {service}"),
                    expected: "a mapping with `service`",
                    found: "one without it",
                    at: extends.place.location(),
                };
                let service = text("service")?.ok_or_else(missing)?;
                Ok(Self { service, file: text("file")? })
            }
            _ => Err(shape("extends", "the name of a service or a mapping", extends)),
        }
    }

    /// The extended service, free of merge rules: those were for what it was laid on itself.
    fn find(&self, name: &str, services: &Services, at: crate::error::Location) -> Result<Value, Error> {
        let missing = || Error::NoBase { service: name.to_owned(), base: self.service.clone(), file: services.shown.to_path_buf(), at };
        services.map.get(&self.service).cloned().and_then(|base| settle(base).ok()).ok_or_else(missing)
    }
}

/// The service over what it extends; its own rules stay for the files before it.
fn over_base(base: Value, mut own: Value) -> Value {
    if let Some(map) = own.map_mut() {
        map.remove("extends");
    }
    let rule = std::mem::replace(&mut own.rule, Rule::Merge);
    Value { rule, ..keeping_rules(base, own) }
}
