//! Compose files: which services there are and which images they name.
//!
//! [`load`] finds the files, replaces variables, joins what `include`, `extends` and override files say, and reads from the result only what
//! decides about images. All profiles count: a release has all of them. Pure but for the loader, which reads the files.
//!
//! ```text
//! discovery, variables → loader ─ dotenv, interpolation, include, extends, merge → tree → service → Project
//! ```

mod discovery;
mod dotenv;
mod error;
mod extends;
mod include;
mod interpolation;
mod loader;
mod merge;
mod project;
mod service;
mod tree;
mod variables;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use dotenv::{DotenvError, DotenvReason};
pub use error::{Error, Role};
pub use interpolation::{Blank, BlankCause, Interpolated, InterpolationError, interpolate};
pub use project::{Build, Extension, Mention, Project, Service, Warning};

use crate::error::Problems;
use discovery::{BASE_NAMES, discover, listed, resolve};
use loader::{Loader, Scope, Source};
use tree::Value;
use variables::{EnvFiles, Variables, project_name, truth};

/// Which compose files to read, and with which variables.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The workspace: relative paths start here, and compose files are looked for here.
    pub project_directory: &'a Path,
    /// The files, the later over the earlier; empty: `COMPOSE_FILE`, else what docker compose would find.
    pub files: &'a [PathBuf],
    /// A file of variables instead of `.env` beside the first compose file.
    pub env_file: Option<&'a Path>,
    /// The process environment; it wins over files of variables.
    pub environment: &'a BTreeMap<String, String>,
}

/// Whether there are compose files to read: named ones, or such as docker compose would find.
pub fn is_there(request: &Request<'_>) -> bool {
    let named = request.environment.get("COMPOSE_FILE").is_some_and(|names| !names.is_empty());
    !request.files.is_empty() || named || discover(request.project_directory).is_some()
}

/// Reads the compose files of a project.
///
/// # Errors
/// Everything that has to be corrected in the files, as far as one mistake doesn't hide another; nothing has been touched.
pub fn load(request: &Request<'_>) -> Result<Project, Problems> {
    let workspace = std::path::absolute(request.project_directory).unwrap_or_else(|_| request.project_directory.to_path_buf());
    let mut loader = Loader::new(&workspace);
    let (files, mut variables) = files_and_variables(&mut loader, &workspace, request)?;
    let directory = files.first().and_then(|file| file.parent()).unwrap_or(&workspace).to_path_buf();

    let mut sources: Vec<Source> = Vec::new();
    for file in &files {
        match loader.source(file, None) {
            Ok(source) => sources.push(source),
            Err(error) => loader.problems.push(error),
        }
    }
    let in_files = loader.project_name(&sources, &variables);
    let name = project_name(&variables, in_files.as_deref(), &directory).unwrap_or_else(|error| {
        loader.problems.push(error);
        String::new()
    });
    // Compose files may use it, whoever has set it.
    variables.insert("COMPOSE_PROJECT_NAME".to_owned(), name.clone());

    let separator = match variables.get("COMPOSE_COMPATIBILITY").and_then(|text| truth(text)) {
        Some(true) => '_',
        _ => '-',
    };
    let mut scope = Scope::new(directory, variables, Vec::new());
    let model = loader.model(sources, &mut scope);
    let shown = files.iter().map(|file| loader.shown(file)).collect();
    let Loader { mut problems, mut warnings, .. } = loader;
    // A missing piece would make services look wrong that are not.
    let complete = problems.iter().all(|problem| matches!(problem, Error::Interpolation { .. }));
    let naming = service::Naming { project: &name, separator };
    let (services, mistakes) = model.as_ref().filter(|_| complete).map(|model| service::services(model, &naming)).unwrap_or_default();
    problems.extend(mistakes);
    Problems::check(problems)?;
    warnings.extend(model.as_ref().and_then(|model| model.get("jobs")).map(|jobs: &Value| Warning::Jobs { at: jobs.place.location() }));
    Ok(Project { name, files: shown, services, warnings })
}

/// The compose files, and the variables to read them with: `.env` may name the files, and the files' folder may have another `.env`.
fn files_and_variables(loader: &mut Loader<'_>, workspace: &Path, request: &Request<'_>) -> Result<(Vec<PathBuf>, Variables), Problems> {
    let choice = EnvFiles::choose(request.env_file, workspace, request.environment)?;
    let env_files = |directory: &Path| match &choice {
        EnvFiles::Named(files) => files.clone(),
        EnvFiles::Disabled => vec![],
        EnvFiles::Default => Some(directory.join(".env")).filter(|file| file.is_file()).into_iter().collect(),
    };
    let named: Vec<PathBuf> =
        request.files.iter().map(|file| file.to_str().map_or_else(|| workspace.join(file), |name| resolve(workspace, name))).collect();
    let first_directory = |files: &[PathBuf]| files.first().and_then(|file| file.parent()).unwrap_or(workspace).to_path_buf();

    let before = env_files(&first_directory(&named));
    let variables = loader.variables(&before, None, request.environment);
    let files = match named {
        named if !named.is_empty() => named,
        _ => match listed(workspace, &variables) {
            Some(files) => files,
            None => {
                let names = &BASE_NAMES;
                let found = discover(workspace).ok_or_else(|| Error::NoFile { directory: workspace.to_path_buf(), names })?;
                let used = found.files.clone();
                let passed = found.passed_over.iter().map(|file| loader.shown(file));
                let passed: Vec<Warning> = passed.map(|file| Warning::PassedOver { file }).collect();
                loader.warnings.extend(passed);
                used
            }
        },
    };
    let after = env_files(&first_directory(&files));
    let variables = if after == before { variables } else { loader.variables(&after, None, &variables) };
    Ok((files, variables))
}
