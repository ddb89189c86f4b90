use std::fmt::Write as _;

use serde::Deserialize;

use crate::error::{Exit, Explain};

/// Why a request to the GitHub API failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("couldn't set up a client for {api}")]
    Setup {
        api: String,
        #[source]
        source: Box<octocrab::Error>,
    },
    #[error("couldn't use the token: it has characters that a token can't have")]
    Token,
    #[error("couldn't reach {host} for {method} {path}")]
    Unreachable {
        host: String,
        method: &'static str,
        path: String,
        #[source]
        source: Box<octocrab::Error>,
    },
    #[error("couldn't {method} {path} of {host}: {status}{answer}")]
    Status { host: String, method: &'static str, path: String, status: u16, answer: ApiError },
    #[error("couldn't query {host}: {}", shown(messages))]
    Query { host: String, messages: Vec<String> },
    #[error("couldn't read the answer of {host} to {method} {path}")]
    Answer {
        host: String,
        method: &'static str,
        path: String,
        #[source]
        source: serde_json::Error,
    },
}

/// GitHub's description of a failure. The reason of a 422 stands in `errors`; `message` is then only "Validation Failed".
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ApiError {
    #[serde(default)]
    pub message: String,
    #[serde(default)]
    pub errors: Vec<serde_json::Value>,
}

impl ApiError {
    /// The texts of all reasons.
    pub fn reasons(&self) -> Vec<String> {
        let text = |error: &serde_json::Value| {
            let field = |name: &str| error.get(name).and_then(serde_json::Value::as_str);
            match (error.as_str(), field("message")) {
                (Some(text), _) | (None, Some(text)) => text.to_owned(),
                (None, None) => [field("resource"), field("field"), field("code")].into_iter().flatten().collect::<Vec<_>>().join(" "),
            }
        };
        self.errors.iter().map(text).filter(|text| !text.is_empty()).collect()
    }
}

fn shown(messages: &[String]) -> String {
    let text = if messages.is_empty() { "it answers without data and without a reason".to_owned() } else { messages.join("; ") };
    text.chars().filter(|c| !c.is_control()).take(1_000).collect()
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        for part in std::iter::once(self.message.clone()).chain(self.reasons()).filter(|part| !part.is_empty()) {
            let _ = write!(text, ": {part}");
        }
        let clean: String = text.chars().filter(|c| !c.is_control()).take(1_000).collect();
        f.write_str(&clean)
    }
}

impl Error {
    /// The status code, when there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether there is an open pull request from the same branch already.
    pub fn is_already_open(&self) -> bool {
        self.is_refused_with("A pull request already exists")
    }

    /// Whether the branch holds nothing that the base doesn't have by now.
    pub fn has_no_commits_between(&self) -> bool {
        self.is_refused_with("No commits between")
    }

    fn is_refused_with(&self, text: &str) -> bool {
        match self {
            Self::Status { status: 422, answer, .. } => {
                answer.message.contains(text) || answer.reasons().iter().any(|reason| reason.contains(text))
            }
            _ => false,
        }
    }

    /// Whether the server has no such API, or could not manage the query in its time: another way may do.
    pub fn is_beyond_it(&self) -> bool {
        matches!(self, Self::Status { path, status: 404 | 405 | 502 | 504, .. } if path == super::graphql::PATH)
    }

    /// Whether the request may or may not have taken effect: no answer, or one of a server in trouble.
    pub fn is_uncertain(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Answer { .. }) || self.status().is_some_and(|status| status >= 500)
    }
}

impl Explain for Error {
    fn hint(&self) -> String {
        match self {
            Self::Setup { .. } => "check the server's address (`GITHUB_API_URL`)".into(),
            Self::Token => "check `infra-token`: it holds blanks, line breaks or other characters that don't belong to it".into(),
            Self::Unreachable { .. } => "check the network, the proxy and `ca-bundle`; then run it again".into(),
            Self::Answer { .. } => "check that `GITHUB_API_URL` is the address of a GitHub API".into(),
            Self::Query { .. } => {
                "check that `infra-token` has the permission `contents: write` on this repository, and run it again".into()
            }
            Self::Status { status: 401, .. } => "check that `infra-token` is set, valid and has not expired".into(),
            Self::Status { status: 403, .. } => {
                "give the token in `infra-token` the permissions `contents: write` and `pull-requests: write` on this repository".into()
            }
            Self::Status { status: 404, .. } => {
                "check `repository` in the input `infra`; the server also answers so when `infra-token` may not see it".into()
            }
            Self::Status { status: 301 | 302 | 307 | 308, .. } => {
                "the repository has moved: put its present name into `repository` of the input `infra`".into()
            }
            Self::Status { status: 422, .. } => "the server refuses the values; the reason is above".into(),
            Self::Status { .. } => "run it again; what was done already is found and not repeated".into(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Token => Exit::BadInput,
            _ => Exit::Failed,
        }
    }
}
