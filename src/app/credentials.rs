//! Whose credentials go where: inputs and environment, in the order in which they count.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;

use super::Run;
use super::error::Error;
use crate::error::Problems;
use crate::login::{Clouds, Mask};
use crate::store;
use crate::store::registry::{Keychain, credentials};

/// A configuration file that may hold credentials.
struct File {
    /// The variable that names it; files of usual places may be missing.
    named_by: Option<&'static str>,
    path: PathBuf,
}

impl Run<'_> {
    /// Inputs first, then what Docker's tools would use (docker/cli, configfile/file.go), then what podman would
    /// (containers-auth.json(5)). Every secret in them is masked.
    pub(super) fn keychain(&self) -> Result<Keychain, Problems> {
        let from = |error: credentials::Error| Problems::one(store::Error::from(error));
        let mut keychain = Keychain::default();
        let inputs = self.inputs;
        if let (Some(registry), Some(user), Some(password)) = (&inputs.registry, &inputs.registry_username, &inputs.registry_password) {
            keychain = keychain.login("`registry-username` and `registry-password`", registry, user, password.clone());
        }
        if let Some(auths) = &inputs.registry_auths {
            keychain = keychain.auths("`registry-auths`", auths.expose_secret()).map_err(from)?;
        }
        if let Some(json) = self.environment.get("DOCKER_AUTH_CONFIG") {
            keychain = keychain.docker_config("DOCKER_AUTH_CONFIG", json).map_err(from)?;
        }
        for File { named_by, path } in self.credential_files() {
            match (std::fs::read_to_string(&path), named_by) {
                (Ok(json), _) => keychain = keychain.docker_config(&path.display().to_string(), &json).map_err(from)?,
                (Err(error), None) if error.kind() == std::io::ErrorKind::NotFound => {}
                (Err(error), Some(variable)) if error.kind() == std::io::ErrorKind::NotFound => {
                    keychain = keychain.absent(format!("{} of {variable}", path.display()));
                }
                (Err(source), _) => return Err(Error::DockerConfig { path, source }.into()),
            }
        }
        keychain.secrets().for_each(|secret| self.log.mask(secret.expose_secret()));
        Ok(keychain)
    }

    fn credential_files(&self) -> Vec<File> {
        let named = |variable: &'static str| self.environment.get(variable).map(|path| self.environment.path(Path::new(path)));
        let usual = |variable: &str, path: &str| Some(File { named_by: None, path: Path::new(self.environment.get(variable)?).join(path) });
        let docker = match named("DOCKER_CONFIG") {
            Some(folder) => Some(File { named_by: Some("DOCKER_CONFIG"), path: folder.join("config.json") }),
            None => usual("HOME", ".docker/config.json"),
        };
        let podman = match named("REGISTRY_AUTH_FILE") {
            Some(path) => vec![File { named_by: Some("REGISTRY_AUTH_FILE"), path }],
            None => {
                let configuration =
                    usual("XDG_CONFIG_HOME", "containers/auth.json").or_else(|| usual("HOME", ".config/containers/auth.json"));
                usual("XDG_RUNTIME_DIR", "containers/auth.json").into_iter().chain(configuration).collect()
            }
        };
        docker.into_iter().chain(podman).collect()
    }

    /// The logins of clouds that the environment speaks of. What they yield is masked before it is used.
    pub(super) fn clouds(&self) -> Clouds {
        let log = self.log.clone();
        Clouds::read(self.environment.variables(), &self.environment.workspace(), Mask::new(move |secret| log.mask(secret)))
    }
}
