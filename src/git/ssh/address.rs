use std::fmt;

use url::Url;

/// Where a repository lies behind SSH (git-clone(1), "GIT URLS"): `ssh://git@host:22/path` or `git@host:path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshAddress {
    pub user: String,
    /// In lower case.
    pub host: String,
    pub port: u16,
    /// As the server takes it: relative to the user's home, unless it begins with a slash.
    pub path: String,
}

const PORT: u16 = 22;
/// Who logs in when the address does not say so.
const USER: &str = "git";

impl SshAddress {
    /// Reads an address; `None` for texts that are none.
    ///
    /// # Errors
    /// What is wrong with an address of this kind.
    pub fn parse(text: &str) -> Option<Result<Self, String>> {
        if text.starts_with("ssh://") {
            return Some(Self::of_url(text));
        }
        if text.contains("://") || text.starts_with(['/', '.']) {
            return None;
        }
        let (login, path) = text.split_once(':')?;
        let (user, host) = login.split_once('@').unwrap_or((USER, login));
        (!login.contains('/')).then(|| Self::new(user, host, PORT, path))
    }

    fn of_url(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
        if url.password().is_some() {
            return Err("has a password in its URL; logging in is by the key in `infra-ssh-key`".into());
        }
        let user = if url.username().is_empty() { USER } else { url.username() };
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let path = url.path();
        Self::new(user, host, url.port().unwrap_or(PORT), path.strip_prefix("/~").map_or(path, |_| &path[1..]))
    }

    fn new(user: &str, host: &str, port: u16, path: &str) -> Result<Self, String> {
        let plain = |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        if !plain(user) || !plain(host) || path.trim_matches('/').is_empty() || path.contains(char::is_control) {
            return Err("is no SSH address; it may be `git@host:owner/name.git` or `ssh://git@host/owner/name.git`".into());
        }
        Ok(Self { user: user.into(), host: host.to_ascii_lowercase(), port, path: path.into() })
    }

    /// The host as known_hosts files name it.
    pub(super) fn known_as(&self) -> String {
        if self.port == PORT { self.host.clone() } else { format!("[{}]:{}", self.host, self.port) }
    }

    /// The command that serves the repository, its path quoted for the server's shell.
    pub(super) fn command(&self, service: &str) -> String {
        format!("{service} '{}'", self.path.replace('\'', r"'\''").replace('!', r"'\!'"))
    }
}

impl fmt::Display for SshAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match self.port {
            PORT if !self.path.starts_with('/') => write!(f, "{}@{host}:{}", self.user, self.path),
            PORT => write!(f, "ssh://{}@{host}{}", self.user, self.path),
            port => write!(f, "ssh://{}@{host}:{port}/{}", self.user, self.path.trim_start_matches('/')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_write_an_address_are_read() {
        let read = |text: &str| match SshAddress::parse(text) {
            Some(Ok(address)) => format!("{} {} {} {} = {address}", address.user, address.host, address.port, address.path),
            Some(Err(reason)) => reason,
            None => "none".into(),
        };
        let texts = [
            "git@GitHub.com:acme/infra.git",
            "example.org:infra.git",
            "ssh://example.org/srv/infra.git",
            "ssh://ada@example.org:2222/~ada/infra.git",
            "ssh://[::1]:2222/infra.git",
            "ssh://ada:secret@example.org/infra.git",
            "git@example.org:",
            "acme/infra",
            "./a:b",
            "https://example.org/infra.git",
        ];
        insta::assert_snapshot!(texts.map(read).join("\n"), @"
        git github.com 22 acme/infra.git = git@github.com:acme/infra.git
        git example.org 22 infra.git = git@example.org:infra.git
        git example.org 22 /srv/infra.git = ssh://git@example.org/srv/infra.git
        ada example.org 2222 ~ada/infra.git = ssh://ada@example.org:2222/~ada/infra.git
        git ::1 2222 /infra.git = ssh://git@[::1]:2222/infra.git
        has a password in its URL; logging in is by the key in `infra-ssh-key`
        is no SSH address; it may be `git@host:owner/name.git` or `ssh://git@host/owner/name.git`
        none
        none
        none
        ");
    }

    #[test]
    fn a_path_cannot_leave_its_quotes() {
        let address = SshAddress::parse("git@host:a'; rm -rf ~; '!.git").unwrap().unwrap();
        assert_eq!(address.command("git-upload-pack"), r"git-upload-pack 'a'\''; rm -rf ~; '\'''\!'.git'");
    }
}
