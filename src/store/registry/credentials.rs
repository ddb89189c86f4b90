//! Whose credentials go to which registry. Pure: the texts of configuration files come in as values.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use secrecy::SecretString;
use serde::Deserialize;

use crate::image::Repository;
pub use crate::login::Credential;

/// A credential and where it comes from, for error texts; two with the same origin are the same.
#[derive(Debug, Clone)]
pub struct Found {
    pub origin: Origin,
    pub credential: Credential,
}

/// Which source and which of its entries: `registry-auths, entry ghcr.io/acme`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    pub source: String,
    pub entry: String,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, entry {}", self.source, self.entry)
    }
}

/// Why credentials can't be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Not the parser's own message: it could quote the file.
    #[error(
        "couldn't read the credentials of {origin}: they aren't JSON of the form of a Docker configuration (line {line}, column {column})"
    )]
    Json { origin: String, line: usize, column: usize },
    #[error("couldn't read the credentials of {0}: `auth` isn't the base64 form of user:password")]
    Auth(Origin),
    #[error(
        "couldn't get credentials for {registry}: {origin} leaves them to the credential helper docker-credential-{helper}, which can't run in this container"
    )]
    Helper {
        registry: String,
        origin: String,
        helper: String,
        /// What a login to the registry's cloud without a helper lacks, when it is a registry of a cloud.
        lack: Option<String>,
    },
}

/// All credentials there are, in the order in which they are asked.
#[derive(Debug, Clone, Default)]
pub struct Keychain {
    sources: Vec<Source>,
    absent: Vec<String>,
}

#[derive(Debug, Clone)]
struct Source {
    name: String,
    /// By canonical registry or prefix (`ghcr.io`, `ghcr.io/acme`); `None` for an entry that is left to a helper.
    entries: BTreeMap<String, Option<Credential>>,
    helpers: BTreeMap<String, String>,
    store: Option<String>,
}

/// The parts of Docker's configuration file that hold credentials (docker/cli, cli/config/configfile/file.go).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl Keychain {
    /// Adds one user and password for a registry or a prefix such as `ghcr.io/acme`.
    pub fn login(mut self, source: &str, registry: &str, user: &str, password: SecretString) -> Self {
        let credential = Credential::Password { user: user.to_owned(), password };
        let key = canonical(registry);
        let host = host_of(&key).to_owned();
        // A login is for the host; the prefix is only the more special place to look.
        let entries = [(key, Some(credential.clone())), (host, Some(credential))].into();
        self.sources.push(Source { name: source.to_owned(), entries, helpers: BTreeMap::new(), store: None });
        self
    }

    /// Adds a Docker configuration file.
    ///
    /// # Errors
    /// When the text isn't such JSON. No error text quotes it.
    pub fn docker_config(self, source: &str, json: &str) -> Result<Self, Error> {
        let file = serde_json::from_str(json).map_err(|error| malformed(source, &error))?;
        self.add(source, file)
    }

    /// Adds the object that stands under `auths` in a Docker configuration file; a whole file is fine too.
    ///
    /// # Errors
    /// When the text isn't such JSON. No error text quotes it.
    pub fn auths(self, source: &str, json: &str) -> Result<Self, Error> {
        let value: serde_json::Value = serde_json::from_str(json).map_err(|error| malformed(source, &error))?;
        if ["auths", "credHelpers", "credsStore"].iter().any(|key| value.get(key).is_some()) {
            return self.docker_config(source, json);
        }
        let auths = serde_json::from_str(json).map_err(|error| malformed(source, &error))?;
        self.add(source, File { auths, cred_helpers: BTreeMap::new(), creds_store: None })
    }

    fn add(mut self, source: &str, file: File) -> Result<Self, Error> {
        let mut entries = BTreeMap::new();
        for (key, entry) in file.auths {
            let origin = Origin { source: source.to_owned(), entry: key.clone() };
            let credential = entry.credential(origin)?;
            // The same registry may stand there twice, as `docker.io` and as `https://index.docker.io/v1/`.
            let slot = entries.entry(canonical(&key)).or_insert(None);
            *slot = credential.or(slot.take());
        }
        let helpers = file.cred_helpers.into_iter().map(|(key, helper)| (canonical(&key), helper)).collect();
        let store = file.creds_store.filter(|name| !name.is_empty());
        self.sources.push(Source { name: source.to_owned(), entries, helpers, store });
        Ok(self)
    }

    /// Notes a file that was named and isn't there, for the hint of who misses its credentials.
    pub fn absent(mut self, file: String) -> Self {
        self.absent.push(file);
        self
    }

    /// The files that were named and aren't there.
    pub fn absentees(&self) -> &[String] {
        &self.absent
    }

    /// All passwords and tokens: what was base64 in a secret is known to no log.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        self.sources.iter().flat_map(|source| source.entries.values().flatten()).map(|credential| match credential {
            Credential::Password { password: secret, .. } | Credential::Identity(secret) | Credential::Token(secret) => secret,
        })
    }

    /// The credential helper that a registry is left to.
    pub fn helper(&self, registry: &str) -> Option<&str> {
        self.sources.iter().find_map(|source| source.helper(registry))
    }

    /// The credential for a repository: the first source that has one wins, inside a source the longest prefix; `None` is anonymous.
    ///
    /// # Errors
    /// When nothing but a credential helper knows it.
    pub fn resolve(&self, repository: &Repository) -> Result<Option<Found>, Error> {
        let mut left_to_helper = None;
        for source in &self.sources {
            match source.find(repository) {
                Some(Ok(found)) => return Ok(Some(found)),
                Some(Err(error)) => {
                    left_to_helper.get_or_insert(error);
                }
                None => {}
            }
        }
        left_to_helper.map_or(Ok(None), Err)
    }
}

impl Source {
    /// Docker leaves an empty entry where the store holds the secret; a store alone says nothing about a registry.
    fn helper(&self, registry: &str) -> Option<&str> {
        let store = self.store.as_ref().filter(|_| self.entries.contains_key(registry));
        self.helpers.get(registry).or(store).map(String::as_str)
    }

    fn find(&self, repository: &Repository) -> Option<Result<Found, Error>> {
        let entry = self.entries.iter().filter(|(key, _)| repository.is_under(key)).max_by_key(|(key, _)| key.len());
        if let Some((key, Some(credential))) = entry {
            let origin = Origin { source: self.name.clone(), entry: key.clone() };
            return Some(Ok(Found { origin, credential: credential.clone() }));
        }
        let registry = repository.registry();
        let store = || entry.and(self.store.as_deref());
        let helper = self.helper(registry).or_else(store)?.to_owned();
        Some(Err(Error::Helper { registry: registry.to_owned(), origin: self.name.clone(), helper, lack: None }))
    }
}

impl Entry {
    fn credential(self, origin: Origin) -> Result<Option<Credential>, Error> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        if let Some(token) = given(self.registrytoken) {
            return Ok(Some(Credential::Token(token.into())));
        }
        if let Some(token) = given(self.identitytoken) {
            return Ok(Some(Credential::Identity(token.into())));
        }
        if let (Some(user), Some(password)) = (given(self.username), given(self.password)) {
            return Ok(Some(Credential::Password { user, password: password.into() }));
        }
        let Some(auth) = given(self.auth) else { return Ok(None) };
        let decoded = STANDARD.decode(&auth).or_else(|_| STANDARD_NO_PAD.decode(&auth));
        let text = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        match text.as_deref().and_then(|text| text.split_once(':')) {
            Some((user, password)) => {
                let password = password.trim_end_matches('\0');
                Ok(Some(Credential::Password { user: user.to_owned(), password: password.into() }))
            }
            None => Err(Error::Auth(origin)),
        }
    }
}

fn malformed(source: &str, error: &serde_json::Error) -> Error {
    Error::Json { origin: source.to_owned(), line: error.line(), column: error.column() }
}

/// The canonical form of a key: no scheme, no `/v1/`, Docker Hub by its short name.
fn canonical(key: &str) -> String {
    let key = key.trim();
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key).trim_end_matches('/');
    let bare = bare.strip_suffix("/v1").or_else(|| bare.strip_suffix("/v2")).unwrap_or(bare);
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let host = match host {
        "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => "docker.io",
        other => other,
    };
    match path {
        "" => host.to_owned(),
        path => format!("{host}/{path}"),
    }
}

fn host_of(key: &str) -> &str {
    key.split('/').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Reference;
    use secrecy::ExposeSecret;

    fn who(keychain: &Keychain, image: &str) -> String {
        let repository = image.parse::<Reference>().unwrap().repository();
        match keychain.resolve(&repository) {
            Ok(None) => "anonymous".into(),
            Ok(Some(found)) => match found.credential {
                Credential::Password { user, password } => format!("{user}:{}", password.expose_secret()),
                Credential::Identity(token) => format!("identity {}", token.expose_secret()),
                Credential::Token(token) => format!("token {}", token.expose_secret()),
            },
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_longest_prefix_of_the_first_source_wins() {
        let config = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "aHViOnB3OjE="},
            "ghcr.io": {"username": "all", "password": "1"},
            "ghcr.io/acme": {"auth": "YWNtZToy"},
            "acr.example": {"auth": "MDAwOg==", "identitytoken": "refresh"},
            "gitlab.example:5050": {"registrytoken": "jwt"}
        }, "HttpHeaders": {}}"#;
        let keychain = Keychain::default()
            .login("registry-password", "quay.io/acme", "robot", "q".into())
            .docker_config("DOCKER_AUTH_CONFIG", config)
            .unwrap();
        let table = [
            ("redis", "hub:pw:1"),
            ("docker.io/acme/api", "hub:pw:1"),
            ("ghcr.io/acme/api", "acme:2"),
            ("ghcr.io/acmeother/api", "all:1"),
            ("acr.example/x", "identity refresh"),
            ("gitlab.example:5050/g/p", "token jwt"),
            ("gitlab.example/g/p", "anonymous"),
            ("quay.io/acme/api", "robot:q"),
            ("quay.io/else/api", "robot:q"),
        ];
        for (image, expected) in table {
            assert_eq!(who(&keychain, image), expected, "{image}");
        }
    }

    #[test]
    fn a_bare_auths_object_is_understood() {
        let keychain = Keychain::default().auths("registry-auths", r#"{"r.example": {"auth": "YTpi"}}"#).unwrap();
        assert_eq!(who(&keychain, "r.example/x"), "a:b");
    }

    #[test]
    fn a_helper_is_an_error_only_where_nothing_else_is_known() {
        let config = r#"{"auths": {"r.example": {}, "plain.example": {"auth": "YTpi"}}, "credsStore": "desktop",
            "credHelpers": {"eu.gcr.example": "gcloud"}}"#;
        let keychain = Keychain::default().docker_config("config.json", config).unwrap();
        assert_eq!(who(&keychain, "plain.example/x"), "a:b");
        assert_eq!(who(&keychain, "other.example/x"), "anonymous", "a store alone says nothing about a registry");
        insta::assert_snapshot!([who(&keychain, "r.example/x"), who(&keychain, "eu.gcr.example/x")].join("\n"), @r"
        couldn't get credentials for r.example: config.json leaves them to the credential helper docker-credential-desktop, which can't run in this container
        couldn't get credentials for eu.gcr.example: config.json leaves them to the credential helper docker-credential-gcloud, which can't run in this container
        ");
        let both = keychain.docker_config("second", r#"{"auths": {"r.example": {"auth": "YTpi"}}}"#).unwrap();
        assert_eq!(who(&both, "r.example/x"), "a:b");
    }

    #[test]
    fn errors_show_no_secret() {
        let error = Keychain::default().auths("registry-auths", "{\"auths\": {\"r\": {\"auth\": \"c2VjcmV0\"}}}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "couldn't read the credentials of registry-auths, entry r: `auth` isn't the base64 form of user:password"
        );
        let error = Keychain::default().auths("registry-auths", "{\"r\": \"hunter2\"}").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        let keychain = Keychain::default().login("inputs", "r", "u", "hunter2".into());
        assert!(!format!("{keychain:?}").contains("hunter2"));
    }
}
