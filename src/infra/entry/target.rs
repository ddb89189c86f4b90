use std::fmt;
use std::path::PathBuf;

use url::Url;

use crate::forge;
use crate::git::SshAddress;
use crate::github::Slug;

/// Where the repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `owner/name` on the server that the workflow runs on.
    Hosted(Slug),
    /// Any git server over HTTP or HTTPS.
    Url(Url),
    /// Any git server over SSH.
    Ssh(SshAddress),
    /// A bare repository of this machine.
    Folder(PathBuf),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hosted(slug) => write!(f, "{slug}"),
            Self::Url(url) => f.write_str(url.as_str()),
            Self::Ssh(address) => write!(f, "{address}"),
            Self::Folder(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Target {
    /// The repository on the forge of this server.
    pub fn slug(&self, server: &Url) -> Option<Slug> {
        match self {
            Self::Hosted(slug) => Some(slug.clone()),
            Self::Url(url) => forge::slug_below(server, url),
            Self::Ssh(address) => forge::slug_below(server, &forge::page_behind_ssh(server, &address.host, &address.path)?),
            Self::Folder(_) => None,
        }
    }

    /// The same text for the same repository, however it is written. On the forge of this server names don't differ by case.
    pub(super) fn name_on(&self, server: &Url) -> String {
        let plain = |path: &str| path.trim_matches('/').trim_end_matches(".git").to_owned();
        match (self.slug(server), self) {
            (Some(slug), _) => slug.to_string().to_ascii_lowercase(),
            (None, Self::Url(url)) => format!("{}/{}", url.origin().ascii_serialization(), plain(url.path())),
            (None, Self::Ssh(address)) => format!("ssh://{}@{}:{}/{}", address.user, address.host, address.port, plain(&address.path)),
            (None, target) => target.to_string(),
        }
    }

    /// Reads the key `repository`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(address) = SshAddress::parse(text) {
            return address.map(Target::Ssh);
        }
        if text.contains("://") {
            let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
            if !matches!(url.scheme(), "http" | "https") {
                return Err(format!("has the scheme `{}`; it may be `https`, `http` or `ssh`", url.scheme()));
            }
            if !url.username().is_empty() || url.password().is_some() {
                return Err("has credentials in its URL; put the token into `infra-token`".into());
            }
            return Ok(Target::Url(url));
        }
        if text.starts_with(['/', '.']) {
            return Ok(Target::Folder(text.into()));
        }
        let word = |part: &str| {
            !matches!(part, "" | "." | "..") && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        };
        match text.strip_suffix(".git").unwrap_or(text).split_once('/') {
            Some((owner, name)) if word(owner) && word(name) => Ok(Target::Hosted(Slug { owner: owner.into(), name: name.into() })),
            _ => Err(format!(
                "is {text:?}; it may be `owner/name`, a URL (`https://…`, `ssh://…` or `git@host:…`), or a folder (`./…` or `/…`)"
            )),
        }
    }
}
