use std::time::Duration;

use crate::error::{Exit, Explain};

/// Why an operation on a git repository failed. `remote` is a URL without credentials, or a folder.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("couldn't reach {url}")]
    Unreachable {
        method: &'static str,
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("couldn't {method} {url}: no answer within {} s", limit.as_secs())]
    TimedOut { method: &'static str, url: String, limit: Duration },
    #[error("couldn't {method} {url}: the server answered {status}{}", detail(body))]
    Status { method: &'static str, url: String, status: u16, body: String },
    #[error("couldn't log in to {url}: {}", if *token_sent { "the server did not accept the token (401)" } else { "the server asks for a token (401)" })]
    Unauthorized { url: String, token_sent: bool },
    #[error("couldn't {method} {url}: the token has no right to do that (403){}", detail(body))]
    Forbidden { method: &'static str, url: String, body: String },
    #[error("couldn't find the repository {url} (404)")]
    NotFound { url: String },
    #[error("couldn't follow {url}: the server redirects to {to}, which is another place than the one that was given")]
    Redirected { url: String, to: String },
    #[error("couldn't read {url}: the answer does not speak git's smart protocol")]
    NotGit { url: String },
    #[error("couldn't send the token to {url}: the connection would not be encrypted")]
    PlainText { url: String },
    #[error("couldn't open the repository in {folder}")]
    Folder {
        folder: String,
        #[source]
        source: git2::Error,
    },
    #[error("couldn't find a default branch in {remote}: the repository is empty or its HEAD names no branch")]
    NoDefaultBranch { remote: String },
    #[error("couldn't find the branch {branch} in {remote}")]
    NoBranch { remote: String, branch: String },
    #[error("couldn't fetch from {remote}")]
    Fetch {
        remote: String,
        #[source]
        source: git2::Error,
    },
    #[error("couldn't fetch from {remote}{}", said(text))]
    FetchRefused { remote: String, text: String },
    #[error("couldn't fetch from {remote}: the server ended its answer early")]
    HungUp { remote: String },
    #[error("couldn't fetch from {remote}: its objects are named by {format}, and only sha1 is known here")]
    ObjectFormat { remote: String, format: String },
    #[error("couldn't read {path} of {commit}")]
    Read {
        path: String,
        commit: String,
        #[source]
        source: git2::Error,
    },
    #[error("couldn't write the commit")]
    Commit(#[source] git2::Error),
    #[error("couldn't make a temporary repository")]
    Temporary(#[source] std::io::Error),
    #[error("couldn't push to {remote}")]
    Push {
        remote: String,
        #[source]
        source: git2::Error,
    },
    #[error("couldn't push {branch} to {remote}: {reason}{}", said(text))]
    Rejected { remote: String, branch: String, reason: String, text: String },
    #[error("couldn't push {branch} to {remote}: it changed meanwhile ({reason})")]
    Raced { remote: String, branch: String, reason: String },
    #[error("couldn't use the key in `{input}`: {reason}")]
    Key { input: &'static str, reason: String },
    #[error("couldn't read line {line} of `infra-ssh-known-hosts`: {reason}")]
    KnownHosts { line: usize, reason: String },
    #[error("couldn't log in to {remote}: there is no SSH key")]
    NoSshKey { remote: String },
    #[error("couldn't log in to {remote}: the server did not accept the SSH key")]
    SshKeyRefused { remote: String },
    #[error("couldn't trust the server {host}: it shows the host key {key}, and none is known of it")]
    HostUnknown { host: String, key: String },
    #[error("couldn't trust the server {host}: it shows the host key {key}, and other keys are known of it")]
    HostKeyDifferent { host: String, key: String },
    #[error("couldn't trust the server {host}: its host key {key} is revoked in `infra-ssh-known-hosts`")]
    HostKeyRevoked { host: String, key: String },
    #[error("couldn't open {remote}{}", said(text))]
    SshRefused { remote: String, text: String },
    #[error("couldn't {method} {remote}: the SSH connection failed")]
    SshLost {
        method: &'static str,
        remote: String,
        #[source]
        source: Box<russh::Error>,
    },
    #[error("couldn't finish the work on {remote}: it was stopped")]
    Aborted { remote: String },
}

fn detail(body: &str) -> String {
    if body.is_empty() { String::new() } else { format!(": {body}") }
}

/// The command that asks a server, named as known_hosts files do, for its keys.
fn scan(host: &str) -> String {
    match host.strip_prefix('[').and_then(|rest| rest.rsplit_once("]:")) {
        Some((host, port)) => format!("`ssh-keyscan -p {port} {host}`"),
        None => format!("`ssh-keyscan {host}`"),
    }
}

fn said(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("; the server said: {text}") }
}

impl Error {
    /// Whether the same work may succeed when it starts again from what the repository holds now.
    pub fn is_race(&self) -> bool {
        matches!(self, Self::Raced { .. })
    }

    /// Whether it is certain that a push had no effect: the server refused it, or was not asked yet.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Unreachable { method, .. } | Self::TimedOut { method, .. } | Self::SshLost { method, .. } => {
                !matches!(*method, "POST" | "push to")
            }
            Self::Push { .. } | Self::Aborted { .. } => false,
            _ => true,
        }
    }
}

impl Explain for Error {
    fn hint(&self) -> String {
        match self {
            Self::Unreachable { .. } => "check `repository` in the input `infra`, and the proxy and `ca-bundle` settings".into(),
            Self::TimedOut { .. } => "run it again; if it stays slow, look at the server's state".into(),
            Self::Status { status: 429 | 500.., .. } => "the server is in trouble or busy; run it again".into(),
            Self::Status { .. } | Self::NotGit { .. } => {
                "check that `repository` in the input `infra` is the address that `git clone` takes".into()
            }
            Self::Unauthorized { token_sent: false, .. } => "set the input `infra-token`".into(),
            Self::Unauthorized { token_sent: true, .. } => "check that the token in `infra-token` is valid and has not expired".into(),
            Self::Forbidden { .. } => {
                "give the token in `infra-token` the right to push to this repository (GitHub: `contents: write`; Gitea: `write:repository`)"
                    .into()
            }
            Self::NotFound { .. } => {
                "check `repository` in the input `infra`; servers also answer so when `infra-token` may not see the repository".into()
            }
            Self::Redirected { .. } => "put the repository's present address into `repository` of the input `infra`".into(),
            Self::PlainText { .. } => "use an `https://` address in `repository` of the input `infra`".into(),
            Self::Folder { .. } => "`repository` in the input `infra` must be a bare git repository (`git init --bare`)".into(),
            Self::NoDefaultBranch { .. } => "push a first commit, or set `base` in the input `infra`".into(),
            Self::NoBranch { .. } => "check `base` in the input `infra`, or push a first commit".into(),
            Self::Rejected { .. } => {
                "the server's hook or branch protection refuses the branch; change it there or use another token".into()
            }
            Self::Key { .. } => {
                "give a private key without a passphrase, of the kind Ed25519 or ECDSA, whole with its BEGIN and END lines: \
                 `ssh-keygen -t ed25519 -N '' -f key`"
                    .into()
            }
            Self::KnownHosts { .. } => "give lines as `ssh-keyscan HOST` prints them: `HOST ssh-ed25519 AAAA…`".into(),
            Self::NoSshKey { .. } => "set the input `infra-ssh-key`".into(),
            Self::SshKeyRefused { .. } => {
                "give the public half of `infra-ssh-key` the right to write there, such as by a deploy key with write access".into()
            }
            Self::HostUnknown { host, .. } => {
                format!(
                    "compare the key with what the server's owner publishes, then put the output of {} into `infra-ssh-known-hosts`",
                    scan(host)
                )
            }
            Self::HostKeyDifferent { host, .. } => format!(
                "somebody may be in between; if the server's owner has published this key, put the output of {} into `infra-ssh-known-hosts`",
                scan(host)
            ),
            Self::HostKeyRevoked { .. } => "ask the server's owner for its present key".into(),
            Self::SshRefused { .. } => {
                "check `repository` in the input `infra`; servers also answer so when `infra-ssh-key` may not see the repository".into()
            }
            Self::SshLost { .. } => {
                "check `repository` in the input `infra`, and that this machine reaches the server's SSH port; proxies don't carry SSH"
                    .into()
            }
            Self::Raced { .. } => "run it again; if it happens often, give the workflow a `concurrency` group".into(),
            Self::FetchRefused { .. } | Self::HungUp { .. } => "run it again; if it happens again, look at the server's state".into(),
            Self::ObjectFormat { .. } => "use a repository that was made with `git init --object-format=sha1`".into(),
            Self::Fetch { .. } | Self::Read { .. } | Self::Commit(_) | Self::Temporary(_) | Self::Push { .. } | Self::Aborted { .. } => {
                "run it again; what was done already is found and not repeated".into()
            }
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::TimedOut { .. } => Exit::TimedOut,
            Self::Key { .. } | Self::KnownHosts { .. } | Self::NoSshKey { .. } => Exit::BadInput,
            _ => Exit::Failed,
        }
    }
}
