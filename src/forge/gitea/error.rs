use crate::error::{Exit, Explain};
use crate::http::{Refusal, SendError};

/// What the token needs, in Gitea's words.
pub const RIGHTS: &str = "the scopes `write:repository` and `write:issue`, and its owner the right to push to this repository";

/// Why a request to Gitea's API failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("couldn't use the token: it has characters that a token can't have")]
    Token,
    #[error("couldn't {what}")]
    Send { what: String, source: SendError },
    #[error("couldn't {what}: {refusal}")]
    Refused { what: String, refusal: Box<Refusal> },
    #[error("couldn't {what}: the answer isn't one of Gitea's API")]
    Answer { what: String, source: serde_json::Error },
    #[error("couldn't {what}: there are more than {most}")]
    TooMany { what: String, most: usize },
}

impl Error {
    /// The status code, when there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal.status.as_u16()),
            _ => None,
        }
    }

    /// Whether there is an open pull request from the same branch to the same base already (`repoCreatePullRequest`: 409).
    pub fn is_already_open(&self) -> bool {
        self.status() == Some(409)
    }

    /// Whether the request may or may not have taken effect: no answer, or one of a server in trouble.
    pub fn is_uncertain(&self) -> bool {
        matches!(self, Self::Send { .. } | Self::Answer { .. }) || self.status().is_some_and(|status| status >= 500)
    }
}

impl Explain for Error {
    fn hint(&self) -> String {
        match self {
            Self::Token => "check `infra-token`: it holds blanks, line breaks or other characters that don't belong to it".into(),
            Self::Send { source: SendError::Certificate { .. }, .. } => "give the server's root certificate in `ca-bundle`".into(),
            Self::Send { .. } => "check the network, the proxy and `ca-bundle`; then run it again".into(),
            Self::Answer { .. } => "check `repository` in the input `infra`: Gitea 1.22 and Forgejo 7 or newer are understood".into(),
            Self::TooMany { .. } => "close or remove those that nobody needs".into(),
            Self::Refused { refusal, .. } => match refusal.status.as_u16() {
                401 => "check that `infra-token` is set, valid and of this server".into(),
                403 => format!("give the token in `infra-token` {RIGHTS}"),
                405 => "let the token's owner merge there, or take `auto-merge` out of the input `infra`".into(),
                404 => "check `repository` in the input `infra`; the server also answers so when `infra-token` may not see it".into(),
                423 => "unarchive the repository, or take it out of the input `infra`".into(),
                409 | 422 => "the server refuses the values; the reason is above".into(),
                _ => "run it again; what was done already is found and not repeated".into(),
            },
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Token => Exit::BadInput,
            _ => Exit::Failed,
        }
    }
}
