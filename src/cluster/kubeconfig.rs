//! Kubeconfigs in any of the forms in which workflows hand them over: read, merged as kubectl merges them, and one context chosen.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use kube::config::{AuthInfo, Cluster, Kubeconfig, KubeconfigError, NamedContext};
use secrecy::{ExposeSecret as _, SecretString};

use super::error::Error;
use crate::yaml;

/// A kubeconfig, and where its parts were read.
pub(super) struct Read {
    config: Kubeconfig,
    origins: Vec<Origin>,
    /// Files of a list that are not there.
    pub skipped: Vec<PathBuf>,
}

#[derive(Clone)]
enum Origin {
    Content(SecretString),
    File(PathBuf),
}

/// The entries of a kubeconfig that a context stands for. What is empty in the file is `None` here, as kubectl takes it.
pub(super) struct Chosen {
    pub cluster_name: String,
    pub cluster: Cluster,
    pub user_name: String,
    pub user: AuthInfo,
    pub namespace: Option<String>,
}

/// Where something is written in a kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `None`: it was given as content.
    pub file: Option<PathBuf>,
    /// Counted from 1, after base64 was decoded; 0 when it can't be told.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (None, 0) => f.write_str("the kubeconfig"),
            (None, line) => write!(f, "line {line} of the kubeconfig"),
            (Some(file), 0) => write!(f, "the kubeconfig {}", file.display()),
            (Some(file), line) => write!(f, "line {line} of the kubeconfig {}", file.display()),
        }
    }
}

impl Read {
    /// The entries of a context: of this one, else of the current one.
    pub(super) fn choose(&self, wanted: Option<&str>) -> Result<Chosen, Error> {
        let Self { config, .. } = self;
        let known = || config.contexts.iter().map(|c| c.name.clone()).collect();
        let context = wanted.or(config.current_context.as_deref()).ok_or_else(|| Error::NoCurrentContext { known: known() })?.to_owned();
        let entry = |c: &&NamedContext| c.name == context;
        let found = config.contexts.iter().find(entry).and_then(|c| c.context.as_ref());
        let found = found.ok_or_else(|| Error::UnknownContext { context: context.clone(), known: known() })?;
        let cluster = config.clusters.iter().find(|c| c.name == found.cluster).and_then(|c| c.cluster.clone());
        let incomplete = |missing, name: &str| Error::IncompleteContext { context: context.clone(), missing, name: name.to_owned() };
        let cluster = cluster.ok_or_else(|| incomplete("cluster", &found.cluster))?;
        let user_name = found.user.clone().unwrap_or_default();
        let user = config.auth_infos.iter().find(|u| u.name == user_name).and_then(|u| u.auth_info.clone());
        let user = match user {
            Some(user) => user,
            None if user_name.is_empty() => AuthInfo::default(),
            None => return Err(incomplete("user", &user_name)),
        };
        let namespace = present(found.namespace.clone());
        Ok(Chosen { cluster_name: found.cluster.clone(), cluster: clean_cluster(cluster), user_name, user: clean_user(user), namespace })
    }

    /// Files that the kubeconfig names must be there; what is inlined beside them wins, as in kubectl.
    pub(super) fn check_files(&self, chosen: &Chosen) -> Result<(), Error> {
        let (cluster, user) = (&chosen.cluster, &chosen.user);
        let of_cluster = ("clusters", "cluster", chosen.cluster_name.as_str());
        let of_user = ("users", "user", chosen.user_name.as_str());
        let named = [
            (of_cluster, "certificate-authority", &cluster.certificate_authority, cluster.certificate_authority_data.is_some()),
            (of_user, "client-certificate", &user.client_certificate, user.client_certificate_data.is_some()),
            (of_user, "client-key", &user.client_key, user.client_key_data.is_some()),
            (of_user, "tokenFile", &user.token_file, user.token.is_some()),
        ];
        for (entry, field, path, inlined) in named {
            let Some(path) = path.as_ref().filter(|_| !inlined) else { continue };
            let missing = |source| Error::KubeconfigReference { field, path: path.clone(), place: self.place(entry, field), source };
            std::fs::File::open(path).map_err(missing)?;
        }
        Ok(())
    }

    /// Where a field of an entry is written; the first file that has the entry is the one that counts.
    fn place(&self, (list, key, name): (&str, &str, &str), field: &str) -> Place {
        let found = self.origins.iter().find_map(|origin| {
            let text = origin.text()?;
            let documents = yaml::parse(&text).ok()?;
            let entries = documents.iter().flat_map(|document| document.root.get(list).into_iter().flat_map(yaml::Node::items));
            let entry = entries.into_iter().find(|entry| entry.get("name").and_then(yaml::Node::as_str) == Some(name))?;
            let line = entry.get(key).and_then(|entry| entry.get(field)).map_or(entry.line, |node| node.line);
            Some(Place { file: origin.file(), line })
        });
        found.unwrap_or_else(|| Place { file: self.origins.first().and_then(Origin::file), line: 0 })
    }
}

impl Origin {
    fn text(&self) -> Option<String> {
        match self {
            Self::Content(text) => Some(text.expose_secret().to_owned()),
            Self::File(path) => std::fs::read_to_string(path).ok(),
        }
    }

    fn file(&self) -> Option<PathBuf> {
        match self {
            Self::Content(_) => None,
            Self::File(path) => Some(path.clone()),
        }
    }
}

/// The kubeconfig that `given` is, encodes, or points to. Of a list of files, those that are not there are left out, as kubectl does
/// with `KUBECONFIG`.
pub(super) fn read(given: &str) -> Result<Read, Error> {
    match form(given) {
        Form::Empty => Err(Error::KubeconfigEmpty),
        Form::Content(text) => {
            let config = merge(Kubeconfig::default(), Kubeconfig::from_yaml(&text).map_err(|cause| without_content(&cause, None))?, None)?;
            Ok(Read { config, origins: vec![Origin::Content(text.into())], skipped: Vec::new() })
        }
        Form::Paths(paths) => {
            let mut read = Read { config: Kubeconfig::default(), origins: Vec::new(), skipped: Vec::new() };
            let mut first_error = None;
            for path in paths {
                match read_file(&path) {
                    Ok(next) => {
                        read.config = merge(read.config, next, Some(&path))?;
                        read.origins.push(Origin::File(path));
                    }
                    Err(Error::KubeconfigFile { path, source }) if source.kind() == std::io::ErrorKind::NotFound => {
                        read.skipped.push(path.clone());
                        first_error.get_or_insert(Error::KubeconfigFile { path, source });
                    }
                    Err(error) => return Err(error),
                }
            }
            match first_error {
                Some(error) if read.origins.is_empty() => Err(error),
                _ => Ok(read),
            }
        }
    }
}

enum Form {
    Empty,
    Content(String),
    Paths(Vec<PathBuf>),
}

fn form(given: &str) -> Form {
    let text = given.trim();
    if text.is_empty() {
        return Form::Empty;
    }
    if looks_like_a_kubeconfig(text) {
        return Form::Content(text.to_owned());
    }
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let decoded = STANDARD.decode(&compact).or_else(|_| STANDARD_NO_PAD.decode(&compact)).ok();
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    // A token or a damaged kubeconfig must not be quoted in an error as if it were a path.
    let no_path = text.contains('\n') || text.len() > 255 || !text.contains(['/', '\\', '.']) && !Path::new(text).exists();
    match decoded {
        Some(content) if no_path || looks_like_a_kubeconfig(&content) => return Form::Content(content),
        _ if no_path && !is_list_of_files(text) => return Form::Content(text.to_owned()),
        _ => {}
    }
    Form::Paths(std::env::split_paths(text).filter(|path| !path.as_os_str().is_empty()).collect())
}

/// A list of files can be longer than any path.
fn is_list_of_files(text: &str) -> bool {
    let paths: Vec<PathBuf> = std::env::split_paths(text).filter(|path| !path.as_os_str().is_empty()).collect();
    !text.contains('\n') && paths.len() > 1 && paths.iter().any(|path| path.is_file())
}

fn looks_like_a_kubeconfig(text: &str) -> bool {
    text.contains("clusters") && text.contains("server") && text.contains(':')
}

/// Reads one file; relative paths in it are relative to it.
fn read_file(path: &Path) -> Result<Kubeconfig, Error> {
    Kubeconfig::read_from(path).map_err(|cause| match cause {
        KubeconfigError::ReadConfig(source, path) => Error::KubeconfigFile { path, source },
        other => without_content(&other, Some(path)),
    })
}

/// The first file to have an entry, or to name a current context, wins.
fn merge(mut merged: Kubeconfig, mut next: Kubeconfig, file: Option<&Path>) -> Result<Kubeconfig, Error> {
    for config in [&mut merged, &mut next] {
        config.current_context = present(config.current_context.take());
    }
    merged.merge(next).map_err(|cause| without_content(&cause, file))
}

fn without_content(cause: &KubeconfigError, file: Option<&Path>) -> Error {
    let location = match cause {
        KubeconfigError::Parse(cause) => cause.location(),
        _ => None,
    };
    let (line, column) = location.map_or((0, 0), |at| (at.line(), at.column()));
    Error::KubeconfigSyntax { file: file.map(Path::to_owned), line, column }
}

fn present(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn present_secret(secret: Option<SecretString>) -> Option<SecretString> {
    secret.filter(|secret| !secret.expose_secret().is_empty())
}

fn clean_cluster(cluster: Cluster) -> Cluster {
    Cluster {
        server: present(cluster.server),
        certificate_authority: present(cluster.certificate_authority),
        certificate_authority_data: present(cluster.certificate_authority_data),
        proxy_url: present(cluster.proxy_url),
        tls_server_name: present(cluster.tls_server_name),
        ..cluster
    }
}

fn clean_user(user: AuthInfo) -> AuthInfo {
    AuthInfo {
        username: present(user.username),
        password: present_secret(user.password),
        token: present_secret(user.token),
        token_file: present(user.token_file),
        client_certificate: present(user.client_certificate),
        client_certificate_data: present(user.client_certificate_data),
        client_key: present(user.client_key),
        client_key_data: present_secret(user.client_key_data),
        impersonate: present(user.impersonate),
        ..user
    }
}
