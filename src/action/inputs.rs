//! The inputs of a run, read and checked all at once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use regex::Regex;
use secrecy::SecretString;

use super::environment::Environment;
use super::table::{self, Sensitivity};
use super::values::{
    self, ConfigUpdates, DryRun, FieldConflicts, Mistake, Mode, OnFailure, Pin, Referrers, Source, Target, VerifyRevision,
};
use crate::error::{Exit, Explain, Problems};
use crate::release::Channels;
use crate::suggest::nearest;

/// Everything a run is told by its user.
#[derive(Debug, Clone)]
pub struct Inputs {
    pub mode: Mode,
    pub dry_run: DryRun,
    pub version: Option<String>,
    pub tag_pattern: Option<Regex>,
    pub channels: Channels,
    pub compose_files: Vec<PathBuf>,
    pub compose_env_file: Option<PathBuf>,
    pub services: Vec<String>,
    pub registry: Option<String>,
    pub registry_username: Option<String>,
    pub registry_password: Option<SecretString>,
    pub registry_auths: Option<SecretString>,
    pub insecure_registries: Vec<String>,
    pub ca_bundle: Option<PathBuf>,
    pub source: Source,
    pub source_tag: Option<String>,
    pub target: Option<Target>,
    pub referrers: Referrers,
    pub tags: Vec<String>,
    pub overwrite_tags: bool,
    pub verify_revision: VerifyRevision,
    pub manifests: Vec<String>,
    pub namespace: Option<String>,
    pub image_pull_secrets: Vec<String>,
    pub image_names: BTreeMap<String, String>,
    pub pin: Pin,
    pub variables: BTreeMap<String, String>,
    pub kubeconfig: Option<SecretString>,
    pub context: Option<String>,
    pub app: Option<String>,
    pub wait: bool,
    pub timeout: Duration,
    pub on_failure: OnFailure,
    pub config_updates: ConfigUpdates,
    pub field_conflicts: FieldConflicts,
    pub checks: Vec<String>,
    pub prune: bool,
    /// The YAML list as text; its entries belong to the verb that edits repositories.
    pub infra: Option<String>,
    pub infra_token: Option<SecretString>,
    pub infra_app_id: Option<String>,
    pub infra_app_key: Option<SecretString>,
    pub infra_ssh_key: Option<SecretString>,
    pub infra_ssh_known_hosts: Option<String>,
    pub infra_signing_key: Option<SecretString>,
    pub render_folder: PathBuf,
}

/// A mistake in the inputs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no input `{name}`")]
    Unknown { name: String, suggestion: Option<String> },
    #[error("the input `{name}` is {value:?}, but {reason}")]
    Value { name: &'static str, value: String, reason: String, suggestion: Option<String> },
    #[error("couldn't read the input `{name}`: {reason}")]
    Hidden { name: &'static str, reason: String },
    #[error("`mode: {mode}` needs the input `{name}`")]
    Missing { mode: Mode, name: &'static str, why: &'static str },
    #[error("the input `{name}` is given without `{other}`")]
    Alone { name: &'static str, other: &'static str },
    #[error("couldn't read the argument {argument:?}")]
    Argument { argument: String },
}

impl Explain for Error {
    fn hint(&self) -> String {
        match self {
            Self::Unknown { suggestion: Some(name), .. } => format!("did you mean `{name}`?"),
            Self::Unknown { suggestion: None, .. } => "docs/inputs.md lists all inputs".to_owned(),
            Self::Value { suggestion: Some(value), name, .. } => format!("did you mean `{name}: {value}`?"),
            Self::Value { suggestion: None, name, .. } | Self::Hidden { name, .. } => {
                format!("change `{name}` under `with:`: {}", table::find(name).map_or("", |spec| spec.help))
            }
            Self::Missing { name, why, .. } => format!("add `{name}` under `with:`: {why}"),
            Self::Alone { name, other } => format!("give `{other}` too, or remove `{name}`; a secret that is not set arrives empty"),
            Self::Argument { .. } => "arguments are inputs: `--name value` or `--name=value`; `--help` lists them".to_owned(),
        }
    }

    fn exit(&self) -> Exit {
        Exit::BadInput
    }
}

/// The texts of the inputs by name, before they are read.
#[derive(Debug, Default)]
pub struct Given {
    texts: BTreeMap<String, String>,
    /// `kubeconfig` names files: their names are no secret, and errors have to tell them.
    kubeconfig_is_a_path: bool,
    /// Names that are no inputs, and arguments that are no flags; told with the mistakes in the values.
    mistakes: Vec<Error>,
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

/// Reads values by name from what was given, else from the table's defaults, and gathers mistakes.
struct Reader<'g> {
    given: &'g BTreeMap<String, String>,
    errors: RefCell<Vec<Error>>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'g> Reader<'g> {
    fn new(given: &'g BTreeMap<String, String>) -> Self {
        Self { given, errors: RefCell::default(), asked: RefCell::default() }
    }

    fn text(&self, name: &'static str) -> Option<&'g str> {
        self.asked.borrow_mut().insert(name);
        let default = table::find(name).map_or("", |spec| spec.default);
        self.given.get(name).map(String::as_str).or((!default.is_empty()).then_some(default))
    }

    fn owned(&self, name: &'static str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    fn path(&self, name: &'static str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    fn secret(&self, name: &'static str) -> Option<SecretString> {
        self.text(name).map(SecretString::from)
    }

    fn list(&self, name: &'static str) -> Vec<String> {
        self.text(name).map(values::list).unwrap_or_default()
    }

    fn parsed<T>(&self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, Mistake>, fallback: T) -> T {
        let Some(text) = self.text(name) else { return fallback };
        parse(text).unwrap_or_else(|mistake| {
            let Mistake { reason, suggestion } = mistake;
            self.errors.borrow_mut().push(match name {
                // Passwords are among its values.
                "variables" => Error::Hidden { name, reason },
                _ => Error::Value { name, value: shown(text), reason, suggestion },
            });
            fallback
        })
    }
}

/// A value in an error message: one line, not too long.
fn shown(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None if line.len() < text.len() => format!("{line}…"),
        None => line.to_owned(),
    }
}

impl Inputs {
    /// Reads all inputs.
    ///
    /// # Errors
    /// Every mistake at once: unknown names, values that can't be read, and inputs that the mode needs and does not get.
    pub fn read(given: Given) -> Result<Self, Problems> {
        let Given { texts, mistakes: mut errors, .. } = given;
        let reader = Reader::new(&texts);
        let inputs = Self::typed(&reader);
        errors.extend(reader.errors.into_inner());
        inputs.check(&mut errors);
        Problems::check(errors)?;
        Ok(inputs)
    }

    fn typed(r: &Reader<'_>) -> Self {
        Self {
            mode: r.parsed("mode", values::choice, Mode::Plan),
            dry_run: if r.parsed("dry-run", values::boolean, false) { DryRun::Yes } else { DryRun::No },
            version: r.owned("version"),
            tag_pattern: r.parsed("tag-pattern", tag_pattern, None),
            channels: Channels::new(r.parsed("channels", |text| values::map(text, &[':', '=']), BTreeMap::new())),
            compose_files: r.list("compose-files").into_iter().map(PathBuf::from).collect(),
            compose_env_file: r.path("compose-env-file"),
            services: r.list("services"),
            registry: r.owned("registry").map(|prefix| values::registry_prefix(&prefix)),
            registry_username: r.owned("registry-username"),
            registry_password: r.secret("registry-password"),
            registry_auths: r.secret("registry-auths"),
            insecure_registries: r.list("insecure-registries"),
            ca_bundle: r.path("ca-bundle"),
            source: r.parsed("source", values::source, Source::Registry),
            source_tag: r.owned("source-tag"),
            target: r.parsed("target-registry", values::target, None),
            referrers: if r.parsed("copy-referrers", values::boolean, true) { Referrers::Copy } else { Referrers::Leave },
            tags: r.list("tags"),
            overwrite_tags: r.parsed("overwrite-tags", values::boolean, false),
            verify_revision: r.parsed("verify-revision", values::choice, VerifyRevision::Auto),
            manifests: r.list("manifests"),
            namespace: r.owned("namespace"),
            image_pull_secrets: r.list("image-pull-secrets"),
            image_names: r.parsed("image-names", values::image_names, BTreeMap::new()),
            pin: r.parsed("pin", values::choice, Pin::Digest),
            variables: r.parsed("variables", values::assignments, BTreeMap::new()),
            kubeconfig: r.secret("kubeconfig"),
            context: r.owned("context"),
            app: r.owned("app"),
            wait: r.parsed("wait", values::boolean, true),
            timeout: r.parsed("timeout", values::duration, Duration::from_secs(600)),
            on_failure: r.parsed("on-failure", values::choice, OnFailure::Rollback),
            config_updates: r.parsed("config-updates", values::choice, ConfigUpdates::Restart),
            field_conflicts: r.parsed("field-conflicts", values::choice, FieldConflicts::Human),
            checks: r.list("checks"),
            prune: r.parsed("prune", values::boolean, false),
            infra: r.owned("infra"),
            infra_token: r.secret("infra-token"),
            infra_app_id: r.owned("infra-app-id"),
            infra_app_key: r.secret("infra-app-key"),
            infra_ssh_key: r.secret("infra-ssh-key"),
            infra_ssh_known_hosts: r.owned("infra-ssh-known-hosts"),
            infra_signing_key: r.secret("infra-signing-key"),
            render_folder: r.path("render-folder").unwrap_or_default(),
        }
    }

    fn check(&self, errors: &mut Vec<Error>) {
        let mut missing = |name, why| errors.push(Error::Missing { mode: self.mode, name, why });
        match self.mode {
            Mode::Apply | Mode::Render if self.manifests.is_empty() => missing("manifests", "the files, folders or globs to apply"),
            Mode::PullRequest | Mode::Commit if self.infra.is_none() => missing("infra", "a YAML list of the repositories to change"),
            _ => {}
        }
        if self.registry_username.is_some() && self.registry_password.is_none() {
            errors.push(Error::Alone { name: "registry-username", other: "registry-password" });
        }
        if self.registry_password.is_some() && self.registry_username.is_none() {
            errors.push(Error::Alone { name: "registry-password", other: "registry-username" });
        }
        if self.infra_app_id.is_some() && self.infra_app_key.is_none() {
            errors.push(Error::Alone { name: "infra-app-id", other: "infra-app-key" });
        }
        if self.infra_app_key.is_some() && self.infra_app_id.is_none() {
            errors.push(Error::Alone { name: "infra-app-key", other: "infra-app-id" });
        }
        if self.registry_username.is_some() && self.registry.is_none() {
            errors.push(Error::Alone { name: "registry-username", other: "registry" });
        }
    }
}

fn tag_pattern(text: &str) -> Result<Option<Regex>, Mistake> {
    let pattern = Regex::new(text).map_err(|error| Mistake::new(format!("it is not a regular expression: {error}")))?;
    if !pattern.capture_names().flatten().any(|name| name == "version") {
        return Err(Mistake::new("it has no group `version`; write one as (?P<version>…)"));
    }
    Ok(Some(pattern))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)], arguments: &[&str]) -> Given {
        let variables = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        Given::collect(&Environment::new(variables, "/"), &arguments)
    }

    fn messages(problems: &Problems) -> String {
        problems.iter().map(|p| format!("{p}\n  hint: {}", p.hint())).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_path_of_a_kubeconfig_is_no_secret_and_everything_else_is() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kubeconfig"), "").unwrap();
        let workspace = folder.path().display().to_string();
        for (value, secret) in [
            ("kubeconfig", false),
            ("kubeconfig:/elsewhere/config", false),
            ("/home/runner/.kube/config", false),
            ("~/.kube/config", false),
            ("ci/not-there", true),
            ("YXBpVmVyc2lvbjogdjEK", true),
            ("ghp_hunter2hunter2hunter2", true),
            ("apiVersion: v1\nkind: Config", true),
        ] {
            let given = given(&[("GITHUB_WORKSPACE", &workspace), ("INPUT_KUBECONFIG", value)], &[]);
            assert_eq!(given.secrets().any(|text| text == value), secret, "{value}");
        }
    }

    #[test]
    fn every_input_of_the_table_is_read_and_no_other() {
        let given = BTreeMap::new();
        let reader = Reader::new(&given);
        let _ = Inputs::typed(&reader);
        assert!(reader.errors.borrow().is_empty(), "the defaults are valid");
        let table: BTreeSet<&str> = table::INPUTS.iter().map(|spec| spec.name).collect();
        assert_eq!(*reader.asked.borrow(), table);
        assert_eq!(table.len(), table::INPUTS.len(), "no name twice");
    }

    #[test]
    fn empty_is_unset_and_flags_win() {
        let given = given(&[("INPUT_MODE", "plan"), ("INPUT_COMPOSE-FILES", "a.yml\nb.yml"), ("INPUT_REGISTRY", "")], &["--mode", "retag"]);
        let inputs = Inputs::read(given).unwrap();
        assert_eq!(inputs.mode, Mode::Retag);
        assert_eq!(inputs.compose_files, [PathBuf::from("a.yml"), PathBuf::from("b.yml")]);
        assert_eq!(inputs.registry, None);
        assert_eq!(inputs.tags, ["{{tag}}"]);
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let given = given(
            &[("INPUT_MODE", "pull-requst"), ("INPUT_TIMEOUT", "10"), ("INPUT_WAIT", "yes"), ("INPUT_REGISTRY-USERNAME", "u")],
            &["--tag-pattern=v(.*)", "--compose-file", "x"],
        );
        let problems = Inputs::read(given).unwrap_err();
        assert_eq!(problems.exit(), Exit::BadInput);
        insta::assert_snapshot!(messages(&problems), @r#"
        there is no input `compose-file`
          hint: did you mean `compose-files`?
        the input `mode` is "pull-requst", but it must be one of plan, retag, apply, pull-request, commit, render
          hint: did you mean `mode: pull-request`?
        the input `tag-pattern` is "v(.*)", but it has no group `version`; write one as (?P<version>…)
          hint: change `tag-pattern` under `with:`: regular expression for git tags, with a group `version`: `^release-(?P<version>.+)$`
        the input `wait` is "yes", but it must be true or false
          hint: change `wait` under `with:`: wait until what was applied has rolled out
        the input `timeout` is "10", but it has no unit; write it as 90s, 10m or 1h30m
          hint: change `timeout` under `with:`: one deadline for all of the registry's work, and one for the whole rollout: `90s`, `10m`, `1h30m`
        the input `registry-username` is given without `registry-password`
          hint: give `registry-password` too, or remove `registry-username`; a secret that is not set arrives empty
        the input `registry-username` is given without `registry`
          hint: give `registry` too, or remove `registry-username`; a secret that is not set arrives empty
        "#);
    }

    #[test]
    fn unknown_names_get_a_suggestion() {
        let errors = given(&[("INPUT_COMPOSE-FILE", "x"), ("INPUT_ARGS", "x")], &["--kube_config", "x", "stray"]).mistakes;
        let lines: Vec<String> = errors.iter().map(|e| format!("{e}; {}", e.hint())).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        couldn't read the argument "stray"; arguments are inputs: `--name value` or `--name=value`; `--help` lists them
        there is no input `compose-file`; did you mean `compose-files`?
        there is no input `kube_config`; did you mean `kubeconfig`?
        "#);
    }

    #[test]
    fn a_mode_names_the_inputs_that_it_needs() {
        let of = |mode: &str| messages(&Inputs::read(given(&[("INPUT_MODE", mode)], &[])).unwrap_err());
        insta::assert_snapshot!([of("apply"), of("pull-request")].join("\n"), @"
        `mode: apply` needs the input `manifests`
          hint: add `manifests` under `with:`: the files, folders or globs to apply
        `mode: pull-request` needs the input `infra`
          hint: add `infra` under `with:`: a YAML list of the repositories to change
        ");
    }
}
