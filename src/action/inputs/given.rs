//! The texts of the inputs, from the runner's variables and from flags.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::environment::Environment;
use super::super::table::{self, Sensitivity};
use super::super::values;
use super::Error;
use crate::suggest::nearest;

/// The texts of the inputs by name, before they are read.
#[derive(Debug, Default)]
pub struct Given {
    pub(super) texts: BTreeMap<String, String>,
    /// `kubeconfig` names files: their names are no secret, and errors have to tell them.
    kubeconfig_is_a_path: bool,
    /// Names that are no inputs, and arguments that are no flags; told with the mistakes in the values.
    pub(super) mistakes: Vec<Error>,
}

impl Given {
    /// Collects `INPUT_*` variables (the runner replaces spaces only, so hyphens stay: runner, Handlers/Handler.cs) and flags,
    /// which win. Empty means unset.
    pub fn collect(environment: &Environment, arguments: &[String]) -> Self {
        let mut errors = Vec::new();
        let mut given = BTreeMap::new();
        let from_runner = environment.variables().iter().filter_map(|(name, value)| {
            let name = name.strip_prefix("INPUT_")?.to_ascii_lowercase();
            // The runner's own: `with: args` and `with: entryPoint` of every container action.
            (!matches!(name.as_str(), "args" | "entrypoint")).then(|| (name, value.clone()))
        });
        let flags = flags(arguments, &mut errors);
        for (name, value) in from_runner.chain(flags) {
            if table::find(&name).is_none() {
                let suggestion = nearest(&name.replace('_', "-"), table::INPUTS.iter().map(|spec| spec.name)).map(str::to_owned);
                errors.push(Error::Unknown { name, suggestion });
            } else if !value.trim().is_empty() {
                given.insert(name, value.trim().to_owned());
            }
        }
        let there = |path: &str| environment.path(Path::new(path)).is_file();
        let kubeconfig_is_a_path = given.get("kubeconfig").is_some_and(|text| names_files(text) || text.split(':').any(there));
        Self { texts: given, kubeconfig_is_a_path, mistakes: errors }
    }

    /// The texts of secret inputs that were given, and the values of variables whose names say that they are secret.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let is_secret = |name: &str| table::find(name).is_some_and(|spec| spec.sensitivity == Sensitivity::Secret);
        let path = |name: &str| name == "kubeconfig" && self.kubeconfig_is_a_path;
        let inputs = self.texts.iter().filter(move |(name, _)| is_secret(name) && !path(name)).map(|(_, value)| value.as_str());
        let lines = self.texts.get("variables").into_iter().flat_map(|text| text.lines());
        let variables = lines.filter_map(|line| line.split_once('=')).filter(|(name, _)| values::is_secret(name));
        inputs.chain(variables.map(|(_, value)| value.trim()))
    }
}

/// Whether a text is a path, there or not, by what neither a kubeconfig, its base64 nor a token begins with.
fn names_files(text: &str) -> bool {
    !text.contains('\n') && ["/", "./", "../", "~/"].iter().any(|begin| text.starts_with(begin))
}

fn flags(arguments: &[String], errors: &mut Vec<Error>) -> Vec<(String, String)> {
    let mut flags = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some(flag) = argument.strip_prefix("--").filter(|flag| !flag.is_empty()) else {
            errors.push(Error::Argument { argument: argument.clone() });
            continue;
        };
        match flag.split_once('=') {
            Some((name, value)) => flags.push((name.to_owned(), value.to_owned())),
            None => match rest.next() {
                Some(value) => flags.push((flag.to_owned(), value.clone())),
                None => errors.push(Error::Argument { argument: argument.clone() }),
            },
        }
    }
    flags
}
