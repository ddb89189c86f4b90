use super::gitea;
use crate::error::{Exit, Explain};
use crate::github;
use crate::http::{Refusal, SendError};

/// Why a forge could not be asked, or said no.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    GitHub(#[from] github::Error),
    #[error(transparent)]
    Gitea(#[from] gitea::Error),
    #[error("couldn't find {from} any more: it is {to} now")]
    Renamed { from: String, to: String },
    #[error("couldn't find out what kind of server {host} is")]
    Unreachable { host: String, source: SendError },
    #[error("couldn't find out what kind of server {host} is")]
    Troubled { host: String, source: Box<Refusal> },
}

impl Error {
    /// Whether there is an open pull request from the same branch already.
    pub fn is_already_open(&self) -> bool {
        match self {
            Self::GitHub(error) => error.is_already_open(),
            Self::Gitea(error) => error.is_already_open(),
            Self::Renamed { .. } | Self::Unreachable { .. } | Self::Troubled { .. } => false,
        }
    }

    /// The status code, when there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::GitHub(error) => error.status(),
            Self::Gitea(error) => error.status(),
            Self::Renamed { .. } | Self::Unreachable { .. } | Self::Troubled { .. } => None,
        }
    }

    /// Whether the token lacks a permission.
    pub fn is_missing_permission(&self) -> bool {
        matches!(self, Self::GitHub(error) if error.is_missing_permission())
    }

    /// Whether a pull request can't be merged later because nothing keeps it from being merged now.
    pub fn is_ready_to_merge(&self) -> bool {
        matches!(self, Self::GitHub(error) if error.is_ready_to_merge())
    }

    /// Whether the branch holds nothing that the base doesn't have by now.
    pub fn has_no_commits_between(&self) -> bool {
        matches!(self, Self::GitHub(error) if error.has_no_commits_between())
    }

    /// Whether the request may or may not have taken effect: no answer, or one of a server in trouble.
    pub fn is_uncertain(&self) -> bool {
        match self {
            Self::GitHub(error) => error.is_uncertain(),
            Self::Gitea(error) => error.is_uncertain(),
            Self::Renamed { .. } | Self::Unreachable { .. } | Self::Troubled { .. } => false,
        }
    }
}

impl Explain for Error {
    fn hint(&self) -> String {
        match self {
            Self::GitHub(error) => error.hint(),
            Self::Gitea(error) => error.hint(),
            Self::Renamed { to, .. } => format!("put {to} into `repository` of the input `infra`"),
            Self::Unreachable { source: SendError::Certificate { .. }, .. } => "give the server's root certificate in `ca-bundle`".into(),
            Self::Unreachable { .. } => "check `repository` in the input `infra`, the network and the proxy; then run it again".into(),
            Self::Troubled { .. } => "run it again when the server is well".into(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::GitHub(error) => error.exit(),
            Self::Gitea(error) => error.exit(),
            Self::Renamed { .. } | Self::Unreachable { .. } | Self::Troubled { .. } => Exit::Failed,
        }
    }
}
