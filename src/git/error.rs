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
    #[error("couldn't finish the work on {remote}: it was stopped")]
    Aborted { remote: String },
}

fn detail(body: &str) -> String {
    if body.is_empty() { String::new() } else { format!(": {body}") }
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
            Self::Unreachable { method, .. } | Self::TimedOut { method, .. } => *method == "GET",
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
            Self::Forbidden { .. } => "give the token in `infra-token` the permission `contents: write` on this repository".into(),
            Self::NotFound { .. } => {
                "check `repository` in the input `infra`; servers also answer so when `infra-token` may not see the repository".into()
            }
            Self::Redirected { .. } => "put the repository's present address into `repository` of the input `infra`".into(),
            Self::PlainText { .. } => "use an `https://` address in `repository` of the input `infra`".into(),
            Self::Folder { .. } => "`repository` in the input `infra` must be a bare git repository (`git init --bare`)".into(),
            Self::NoDefaultBranch { .. } => "push a first commit, or set `base` in the input `infra`".into(),
            Self::NoBranch { .. } => "check `base` in the input `infra`".into(),
            Self::Rejected { .. } => {
                "the server's hook or branch protection refuses the branch; change it there or use another token".into()
            }
            Self::Raced { .. } => "run it again; if it happens often, give the workflow a `concurrency` group".into(),
            Self::Fetch { .. } | Self::Read { .. } | Self::Commit(_) | Self::Temporary(_) | Self::Push { .. } | Self::Aborted { .. } => {
                "run it again; what was done already is found and not repeated".into()
            }
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::TimedOut { .. } => Exit::TimedOut,
            _ => Exit::Failed,
        }
    }
}
