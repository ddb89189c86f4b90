use std::fmt::Write as _;
use std::time::Duration;

use serde::Deserialize;

use crate::error::{Exit, Explain};

/// GitHub says this of what was made a moment ago, and of what the token may not see.
pub(super) const UNRESOLVED: &str = "Could not resolve to a node";

/// What GitHub says to a workflow's own token where a setting forbids it more than its permissions do.
const WORKFLOWS: &str = "not permitted to create or approve pull requests";

/// What a token needs, in GitHub's words.
pub const RIGHTS: &str = "the permissions `contents: write` and `pull-requests: write` on this repository";

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
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("couldn't {method} {path} of {host}: {status}{answer}")]
    Status { host: String, method: &'static str, path: String, status: u16, answer: Box<ApiError> },
    #[error("couldn't read the answer of {host} to {method} {path}: it is larger than {limit} bytes")]
    TooLarge { host: String, method: &'static str, path: String, limit: usize },
    #[error("couldn't log in as the App {id}: its private key {reason}")]
    AppKey { id: String, reason: &'static str },
    #[error("couldn't get a token of the App {id} for {what}")]
    App {
        id: String,
        what: String,
        #[source]
        source: Box<Error>,
    },
    #[error("couldn't use the App {id} for {what}: its installation there lacks {missing}")]
    AppRight { id: String, what: String, missing: String },
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
    /// The permissions of which one would do, as far as the server tells (header `X-Accepted-GitHub-Permissions`).
    #[serde(skip)]
    pub accepted: Option<String>,
    /// How long the server takes no more requests of this token, when that is why it refused one.
    #[serde(skip)]
    pub limit: Option<Duration>,
    /// Where a redirect leads.
    #[serde(skip)]
    pub location: Option<String>,
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

    /// Whether the token lacks a permission, as fine-grained tokens and Apps can. Rate limits have the same status.
    pub fn is_missing_permission(&self) -> bool {
        match self {
            Self::Status { status: 403, answer, .. } if answer.limit.is_none() => {
                answer.accepted.is_some() || answer.message.starts_with("Resource not accessible") || answer.message.contains(WORKFLOWS)
            }
            _ => false,
        }
    }

    /// Whether what was to be deleted is not there.
    pub fn is_gone(&self) -> bool {
        self.status() == Some(404) || self.is_refused_with("Reference does not exist")
    }

    /// Whether a pull request can't be merged later because nothing keeps it from being merged now.
    pub fn is_ready_to_merge(&self) -> bool {
        matches!(self, Self::Query { messages, .. }
            if ["is in clean status", "Protected branch rules not configured"].iter().any(|text| says(messages, text)))
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
            || self.is_of_an_old_server()
    }

    /// Whether a query asks for what the server's version does not know yet.
    fn is_of_an_old_server(&self) -> bool {
        matches!(self, Self::Query { messages, .. } if says(messages, "doesn't exist on type"))
    }

    /// Whether the server takes no more requests of this token for a while.
    pub fn is_rate_limit(&self) -> bool {
        match self {
            Self::Status { answer, .. } => answer.limit.is_some(),
            Self::Query { messages, .. } => says(messages, "rate limit"),
            _ => false,
        }
    }

    /// Whether the request may or may not have taken effect: no answer, or one of a server in trouble.
    pub fn is_uncertain(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Answer { .. } | Self::TooLarge { .. })
            || self.status().is_some_and(|status| status >= 500)
    }
}

fn says(messages: &[String], text: &str) -> bool {
    messages.iter().any(|message| message.contains(text))
}

const APP_RIGHTS: &str = "give the App the permissions `contents: write` and `pull requests: write`, and let the owner of its installation \
                          accept them";

/// What to do when an App gets no token, by what the server said.
fn app_hint(source: &Error) -> String {
    match source.status() {
        Some(401) => "check that `infra-app-id` and `infra-app-key` belong to the same App, and the machine's clock".into(),
        Some(403) => APP_RIGHTS.into(),
        Some(404) => "install the App for this owner, with access to the repository".into(),
        Some(422) => format!("let the App's installation reach all these repositories; {APP_RIGHTS}"),
        _ => source.hint(),
    }
}

impl Explain for Error {
    fn hint(&self) -> String {
        match self {
            Self::Setup { .. } => "check the server's address (`GITHUB_API_URL`)".into(),
            Self::Token => "check `infra-token`: it holds blanks, line breaks or other characters that don't belong to it".into(),
            Self::Unreachable { .. } => "check the network, the proxy and `ca-bundle`; then run it again".into(),
            Self::Answer { .. } | Self::TooLarge { .. } => "check that `GITHUB_API_URL` is the address of a GitHub API".into(),
            Self::Query { messages, .. } if says(messages, "not allowed for this repository") => {
                "turn on \"Allow auto-merge\" in the settings of the repository, or take `auto-merge` out of the input `infra`".into()
            }
            Self::Query { messages, .. } if says(messages, "is in unstable status") => {
                "a check that the branch doesn't require is pending or has failed: require the checks in the branch's rules".into()
            }
            Self::Query { .. } if self.is_rate_limit() => "run it again later; what was done already is found and not repeated".into(),
            Self::Query { .. } if self.is_of_an_old_server() => {
                "the server is too old for this: use `publish: git` in the input `infra`, and no `auto-merge`".into()
            }
            Self::Query { .. } => {
                "check that `infra-token` has the permission `contents: write` on this repository, and run it again".into()
            }
            Self::Status { answer, .. } if let Some(limit) = answer.limit => {
                let when = match limit.as_secs().div_ceil(60) {
                    0 | 1 => "a minute".to_owned(),
                    minutes => format!("{minutes} minutes"),
                };
                format!("run it again in {when}; what was done already is found and not repeated")
            }
            Self::Status { status: 401, .. } => "check that `infra-token` is set, valid and has not expired".into(),
            Self::AppKey { .. } => {
                "`infra-app-key` is the private key that GitHub made for the App, a PEM file with its line breaks".into()
            }
            Self::App { source, .. } => app_hint(source),
            Self::AppRight { .. } => APP_RIGHTS.into(),
            Self::Status { status: 403, answer, .. } if answer.message.contains(WORKFLOWS) => {
                "turn on \"Allow GitHub Actions to create and approve pull requests\" in the settings of the repository and its organization \
                 (Actions, General), or use another token"
                    .into()
            }
            Self::Status { status: 403, answer, .. } => match &answer.accepted {
                Some(accepted) => format!("give the token in `infra-token` this permission on the repository: {accepted}"),
                None => format!("give the token in `infra-token` {RIGHTS}"),
            },
            Self::Status { status: 404, .. } => {
                "check `repository` in the input `infra`; the server also answers so when `infra-token` may not see it".into()
            }
            Self::Status { status: 301 | 302 | 307 | 308, .. } => {
                "the repository has moved: put its present name into `repository` of the input `infra`".into()
            }
            Self::Status { status: 422, path, .. } if path.ends_with("/requested_reviewers") && self.is_refused_with(UNRESOLVED) => {
                "let the token see the teams: the organization permission `members: read` (classic tokens: `read:org`); and give the team \
                 access to the repository"
                    .into()
            }
            Self::Status { status: 422, .. } => "the server refuses the values; the reason is above".into(),
            Self::Status { .. } => "run it again; what was done already is found and not repeated".into(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Token | Self::AppKey { .. } => Exit::BadInput,
            _ => Exit::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, answer: ApiError) -> Error {
        Error::Status { host: "h".into(), method: "POST", path: "/p".into(), status, answer: Box::new(answer) }
    }

    #[test]
    fn what_github_says_of_merging_is_told_apart() {
        let table = [
            ("Pull request Pull request is in clean status", true, ""),
            ("Pull request Protected branch rules not configured for this branch", true, ""),
            ("Pull request Pull request is in unstable status", false, "require the checks"),
            ("Pull request Auto merge is not allowed for this repository", false, "Allow auto-merge"),
            ("API rate limit exceeded for user ID 7.", false, "run it again later"),
            ("Field 'isMergeQueueEnabled' doesn't exist on type 'PullRequest'", false, "too old"),
        ];
        for (message, is_ready, hint) in table {
            let error = Error::Query { host: "h".into(), messages: vec![message.into()] };
            assert_eq!(error.is_ready_to_merge(), is_ready, "{message}");
            assert!(error.hint().contains(hint), "{message}: {}", error.hint());
        }
    }

    #[test]
    fn a_limit_is_no_missing_permission() {
        let accepted = || ApiError { accepted: Some("contents=write".into()), ..ApiError::default() };
        let limited = ApiError { limit: Some(Duration::from_secs(90)), ..accepted() };
        assert!(refused(403, accepted()).is_missing_permission() && !refused(403, accepted()).is_rate_limit());
        let limited = refused(403, limited);
        assert!(!limited.is_missing_permission() && limited.is_rate_limit());
        assert_eq!(limited.hint(), "run it again in 2 minutes; what was done already is found and not repeated");
    }
}
