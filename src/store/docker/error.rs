use http::StatusCode;

use crate::error::{Exit, Explain};
use crate::store::error::MAKE_REPOSITORY;

/// Why the daemon's images can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("couldn't use DOCKER_HOST ({address:?}): {reason}")]
    Address { address: String, reason: &'static str },
    #[error("couldn't reach the Docker daemon at {daemon}")]
    Unreachable { daemon: String, source: std::io::Error },
    #[error("couldn't talk to the Docker daemon at {daemon}")]
    Broken { daemon: String, source: hyper::Error },
    #[error("couldn't go on: the Docker daemon at {daemon} said nothing for {seconds} s")]
    Silent { daemon: String, seconds: u64 },
    #[error("couldn't find {image} in the Docker daemon at {daemon}")]
    Missing { image: String, daemon: String },
    #[error("couldn't {what}: the Docker daemon answered {status}: {message}")]
    Refused { what: String, status: StatusCode, message: String },
    #[error("couldn't understand the Docker daemon's answer about {what}: {reason}")]
    Malformed { what: String, reason: String },
    #[error("couldn't push {image}: {message}")]
    Push { image: String, message: String },
    #[error("couldn't push {image}: the Docker daemon ended without telling its digest")]
    Unfinished { image: String },
    #[error("couldn't push {image} as it is: the Docker daemon lacks {}", platforms.join(", "))]
    Incomplete { image: String, platforms: Vec<String> },
    #[error("couldn't trust the Docker daemon with {target}: it pushed {pushed} instead of {what} {local}")]
    Replaced { target: String, what: &'static str, local: String, pushed: String },
    #[error("couldn't send the credentials of {origin} to the Docker daemon: no header can carry them")]
    Login { origin: String },
}

impl Error {
    /// Whether nothing was pushed for certain.
    pub(in crate::store) fn nothing_happened(&self) -> bool {
        match self {
            // A registry's refusal ends the push before the manifest, which is what a tag names, is sent.
            Self::Push { .. } => self.is_denied() || self.is_without_repository(),
            Self::Broken { .. } | Self::Silent { .. } | Self::Malformed { .. } | Self::Unfinished { .. } | Self::Replaced { .. } => false,
            _ => true,
        }
    }

    /// The registry's refusal, by the words of distribution's error codes and of the daemon's own. One that keeps its images in containerd gives
    /// the registry's message without the code, and the status only where there is no message.
    fn is_denied(&self) -> bool {
        self.says(&[
            "denied",
            "unauthorized",
            "authentication required",
            "no basic auth credentials",
            "insufficient_scope",
            "not authorized",
            ": 401 ",
            ": 403 ",
        ])
    }

    /// Whether the registry wants the repository to be made first.
    fn is_without_repository(&self) -> bool {
        let is_missing = self.says(&["repository", "project"]) && self.says(&["not found"]);
        (is_missing || self.says(&["name unknown", "does not exist in the registry"])) && !self.is_denied()
    }

    fn says(&self, words: &[&str]) -> bool {
        let Self::Push { message, .. } = self else { return false };
        let message = message.to_ascii_lowercase();
        words.iter().any(|word| message.contains(word))
    }
}

impl Explain for Error {
    fn hint(&self) -> String {
        match self {
            Self::Address { .. } => "set DOCKER_HOST to unix:///PATH, or unset it to use /var/run/docker.sock".into(),
            Self::Unreachable { .. } => "run this step where the daemon runs that has built the images; a container needs its socket (`-v /var/run/docker.sock:/var/run/docker.sock`)".into(),
            Self::Missing { .. } => "run `docker compose build` in a step of this job, before this one".into(),
            Self::Push { .. } if self.is_denied() => "give the credentials the right to push this repository (on GitHub: `permissions: packages: write`, and the package linked to this repository)".into(),
            Self::Push { .. } if self.is_without_repository() => MAKE_REPOSITORY.into(),
            Self::Incomplete { .. } => "build it for these platforms too, or push it with `docker buildx build --push` and use `source: registry`".into(),
            Self::Replaced { .. } => "push it with `docker buildx build --push` and use `source: registry`".into(),
            Self::Login { .. } => "set `registry-username` and `registry-password`, or put the login into `registry-auths`".into(),
            _ => "run it again; if it stays, look at the daemon's log, and at the network between it and the registry".into(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Address { .. } | Self::Login { .. } => Exit::BadInput,
            Self::Silent { .. } => Exit::TimedOut,
            _ => Exit::Failed,
        }
    }
}
