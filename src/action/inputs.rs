//! The inputs of a run, read and checked all at once.

mod error;
mod given;
mod reader;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use regex::Regex;
use secrecy::SecretString;

use super::values::{
    self, ConfigUpdates, DryRun, FieldConflicts, Mistake, Mode, OnFailure, Pin, Referrers, Source, Target, VerifyRevision,
};
use crate::error::Problems;
use crate::release::Channels;

pub use error::Error;
pub use given::Given;
use reader::Reader;

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
        let (username, password) = (self.registry_username.is_some(), self.registry_password.is_some());
        let (app_id, app_key) = (self.infra_app_id.is_some(), self.infra_app_key.is_some());
        let together = [
            (username, password, "registry-username", "registry-password"),
            (password, username, "registry-password", "registry-username"),
            (app_id, app_key, "infra-app-id", "infra-app-key"),
            (app_key, app_id, "infra-app-key", "infra-app-id"),
            (username, self.registry.is_some(), "registry-username", "registry"),
        ];
        let alone = together.into_iter().filter(|(given, with, ..)| *given && !with);
        errors.extend(alone.map(|(_, _, name, other)| Error::Alone { name, other }));
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
mod tests;
