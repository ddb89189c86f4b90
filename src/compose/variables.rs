//! The variables for interpolation: the process environment, then the files of variables that docker compose would read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::discovery::resolve;
use super::error::Error;

pub(super) type Variables = BTreeMap<String, String>;

/// Which files of variables to read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EnvFiles {
    /// Named by a person: they must be there.
    Named(Vec<PathBuf>),
    /// `.env` of the project directory, if there is one.
    Default,
    /// None, by `COMPOSE_DISABLE_ENV_FILE`.
    Disabled,
}

impl EnvFiles {
    /// What the input, else `COMPOSE_ENV_FILES`, else `COMPOSE_DISABLE_ENV_FILE` ask for; the latter count in the process environment only.
    ///
    /// # Errors
    /// `COMPOSE_DISABLE_ENV_FILE` is neither true nor false.
    pub(super) fn choose(input: Option<&Path>, workspace: &Path, environment: &Variables) -> Result<Self, Error> {
        let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        if let Some(file) = input {
            return Ok(Self::Named(vec![workspace.join(file)]));
        }
        if let Some(list) = set("COMPOSE_ENV_FILES") {
            return Ok(Self::Named(list.split(',').filter(|name| !name.is_empty()).map(|name| resolve(workspace, name)).collect()));
        }
        match set("COMPOSE_DISABLE_ENV_FILE").map(|text| (text, truth(text))) {
            None | Some((_, Some(false))) => Ok(Self::Default),
            Some((_, Some(true))) => Ok(Self::Disabled),
            Some((text, None)) => Err(Error::Switch { variable: "COMPOSE_DISABLE_ENV_FILE", text: text.clone() }),
        }
    }
}

/// True or false as Go's `strconv.ParseBool` reads it, which docker compose uses for its switches.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// The project's name: `COMPOSE_PROJECT_NAME`, else what the last file calls it, else the project directory's name.
///
/// # Errors
/// `COMPOSE_PROJECT_NAME` has characters that a name can't have; nothing is left of the other two.
pub(super) fn project_name(variables: &Variables, in_files: Option<&str>, directory: &Path) -> Result<String, Error> {
    if let Some(name) = variables.get("COMPOSE_PROJECT_NAME").filter(|name| !name.is_empty()) {
        let valid = normalized(name) == *name;
        return if valid { Ok(name.clone()) } else { Err(Error::ProjectName { name: name.clone() }) };
    }
    let raw = in_files.map_or_else(|| directory_name(variables, directory), str::to_owned);
    match normalized(&raw) {
        name if name.is_empty() => Err(Error::ProjectName { name: raw }),
        name => Ok(name),
    }
}

/// In a container action the workspace is always called /github/workspace; `docker compose build`, which ran on the runner itself,
/// saw the folder that actions/checkout fills, and that is called like the repository.
fn directory_name(variables: &Variables, directory: &Path) -> String {
    let is_workspace = variables.get("GITHUB_WORKSPACE").is_some_and(|workspace| Path::new(workspace) == directory);
    let repository = variables.get("GITHUB_REPOSITORY").and_then(|name| name.rsplit('/').next());
    match repository {
        Some(repository) if is_workspace => repository.to_owned(),
        _ => directory.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    }
}

fn normalized(name: &str) -> String {
    let name = name.to_lowercase();
    let kept: String = name.chars().filter(|c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-')).collect();
    kept.trim_start_matches(['_', '-']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn names_the_project_as_docker_compose_does() {
        let name = |pairs: &[(&str, &str)], in_files: Option<&str>, directory: &str| {
            project_name(&environment(pairs), in_files, Path::new(directory)).map_err(|error| error.to_string())
        };
        assert_eq!(name(&[], None, "/src/My Shop.2"), Ok("myshop2".to_owned()));
        assert_eq!(name(&[], None, "/src/__shop"), Ok("shop".to_owned()));
        assert_eq!(name(&[], Some("Acme_Shop"), "/src/x"), Ok("acme_shop".to_owned()));
        assert_eq!(name(&[("COMPOSE_PROJECT_NAME", "env")], Some("file"), "/src/x"), Ok("env".to_owned()));
        assert!(name(&[("COMPOSE_PROJECT_NAME", "Env")], None, "/src/x").is_err());
        assert!(name(&[], None, "/").is_err());
    }

    #[test]
    fn the_workspace_of_a_container_action_is_called_like_the_repository() {
        let variables = environment(&[("GITHUB_WORKSPACE", "/github/workspace"), ("GITHUB_REPOSITORY", "acme/Shop")]);
        assert_eq!(project_name(&variables, None, Path::new("/github/workspace")).unwrap(), "shop");
        assert_eq!(project_name(&variables, None, Path::new("/github/workspace/deploy")).unwrap(), "deploy");
    }

    #[test]
    fn the_input_comes_before_the_variables() {
        let choose = |input: Option<&str>, pairs: &[(&str, &str)]| {
            EnvFiles::choose(input.map(Path::new), Path::new("/w"), &environment(pairs)).map_err(|error| error.to_string())
        };
        let both = [("COMPOSE_ENV_FILES", "a.env,/b.env"), ("COMPOSE_DISABLE_ENV_FILE", "1")];
        assert_eq!(choose(Some("x.env"), &both), Ok(EnvFiles::Named(vec!["/w/x.env".into()])));
        assert_eq!(choose(None, &both), Ok(EnvFiles::Named(vec!["/w/a.env".into(), "/b.env".into()])));
        assert_eq!(choose(None, &both[1..]), Ok(EnvFiles::Disabled));
        assert_eq!(choose(None, &[("COMPOSE_DISABLE_ENV_FILE", "false")]), Ok(EnvFiles::Default));
        assert!(choose(None, &[("COMPOSE_DISABLE_ENV_FILE", "maybe")]).is_err());
    }
}
