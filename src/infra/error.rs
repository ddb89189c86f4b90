use crate::error::{Exit, Explain};
use crate::{forge, git, github};

use super::Downgrade;
use super::edit;

/// Why an entry of `infra` was not brought to the release.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Git(#[from] git::Error),
    #[error(transparent)]
    Forge(#[from] forge::Error),
    #[error(transparent)]
    Edit(#[from] edit::Error),
    #[error("couldn't change {repository}: it is archived")]
    Archived { repository: String },
    #[error("couldn't change {repository}: the token may read it but not push to it")]
    NoPushRight { repository: String, needs: &'static str },
    #[error("couldn't change {repository}: the token may push to it but not open pull requests")]
    NoPullRight { repository: String, source: Box<forge::Error> },
    #[error("couldn't find {what} in {place}: looked for {looked_for}")]
    NothingToEdit { what: &'static str, place: String, looked_for: String },
    #[error("couldn't choose a kustomization in {place}: there are {found}, and kustomize takes exactly one")]
    Ambiguous { place: String, found: String },
    #[error("couldn't edit {file}: it is {what}")]
    NotAFile { file: String, what: &'static str },
    #[error("couldn't render into {path}: it is a file")]
    NotAFolder { path: String },
    #[error("couldn't find the service {service:?} that the entry {place} names")]
    UnknownService { service: String, place: String },
    #[error("couldn't commit to the branch {branch} of {repository}: {reason}{}", if text.is_empty() { String::new() } else { format!("; the server said: {text}") })]
    Protected { repository: String, branch: String, reason: String, text: String },
    #[error("couldn't update the branch {branch} of {repository}: its last commit {commit} is by {author}, not by {expected}")]
    ForeignCommit { repository: String, branch: String, commit: String, author: String, expected: String },
    #[error("couldn't bring {place} to {}: {} has the newer {}", .downgrade.to, .downgrade.what, .downgrade.from)]
    Downgrade { place: String, downgrade: Box<Downgrade> },
    #[error("couldn't reach {repository} through GitHub's API: {reason}")]
    NoApi { repository: String, reason: String },
    #[error("couldn't work through GitHub's API: {reason}")]
    Unsuited { reason: String },
    #[error("couldn't find the branch {branch} in {repository}")]
    NoBase { repository: String, branch: String },
    #[error("couldn't commit to {repository}: the server made {made} of the changes, and {expected} was planned")]
    OtherTree { repository: String, expected: String, made: String },
    #[error("couldn't update the branch {branch} of {repository}: it changed meanwhile ({reason})")]
    Moved { repository: String, branch: String, reason: String },
    #[error("couldn't finish {place}: it changed {tries} times while it was worked on")]
    Busy {
        place: String,
        tries: u32,
        #[source]
        source: Box<Error>,
    },
}

/// What GitHub's API says is what a forge says, whatever it is asked for.
impl From<github::Error> for Error {
    fn from(error: github::Error) -> Self {
        Self::Forge(error.into())
    }
}

impl Error {
    /// Whether starting again from the repository's new state may succeed.
    pub(super) fn is_race(&self) -> bool {
        match self {
            Self::Git(error) => error.is_race(),
            Self::Forge(error) => error.has_no_commits_between(),
            Self::Moved { .. } => true,
            _ => false,
        }
    }

    /// Whether it is certain that a push had no effect.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Git(error) => error.is_refusal(),
            Self::Forge(error) => !error.is_uncertain(),
            _ => true,
        }
    }
}

/// There is no `location`: the files are those of another repository, and an annotation would point into this one.
impl Explain for Error {
    fn hint(&self) -> String {
        match self {
            Self::Git(error) => error.hint(),
            Self::Forge(error) => error.hint(),
            Self::Edit(error) => error.hint(),
            Self::Archived { .. } => "unarchive it, or take it out of the input `infra`".into(),
            Self::NoPushRight { needs, .. } => format!("give the token in `infra-token` {needs}"),
            Self::NoPullRight { source, .. } => source.hint(),
            Self::NothingToEdit { what: "a kustomization", .. } => {
                "set `path` in the input `infra` to the folder of the kustomization".into()
            }
            Self::NotAFile { .. } => {
                "name real files and folders under `path` and `templates` in the input `infra`; links are neither followed nor written over"
                    .into()
            }
            Self::NothingToEdit { .. } | Self::NotAFolder { .. } => "correct `path`, or `edit`, in the input `infra`".into(),
            Self::UnknownService { .. } => "name services of the compose file under `services` in the input `infra`".into(),
            Self::Protected { .. } => {
                "use `mode: pull-request`, set `on-protected: pull-request` in the input `infra`, or let the owner of `infra-token` push to \
                 this branch in its protection rules"
                    .into()
            }
            Self::Ambiguous { .. } => "set `path` in the input `infra` to one of the files, or remove the others".into(),
            Self::ForeignCommit { .. } => {
                "merge or close its pull request and delete the branch, then run again; a person's commits are never overwritten".into()
            }
            Self::Downgrade { .. } => {
                "to roll back, run it with the input `version`, or set `allow-downgrade: true` in the input `infra`; close a newer pull request \
                 that isn't wanted any more"
                    .into()
            }
            Self::NoApi { .. } | Self::Unsuited { .. } => "use `publish: auto` or `publish: git` in the input `infra`".into(),
            Self::NoBase { .. } => "check `base` in the input `infra`, or push a first commit".into(),
            Self::OtherTree { .. } => "use `publish: git` in the input `infra`; nothing was published".into(),
            Self::Moved { .. } | Self::Busy { .. } => "run it again; if it happens often, give the workflow a `concurrency` group".into(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Git(error) => error.exit(),
            Self::Forge(error) => error.exit(),
            Self::Edit(error) => error.exit(),
            Self::Archived { .. } | Self::Protected { .. } | Self::ForeignCommit { .. } | Self::Downgrade { .. } => Exit::Refused,
            Self::NothingToEdit { .. }
            | Self::Ambiguous { .. }
            | Self::NotAFile { .. }
            | Self::NotAFolder { .. }
            | Self::UnknownService { .. }
            | Self::NoApi { .. } => Exit::BadInput,
            Self::NoPushRight { .. }
            | Self::NoPullRight { .. }
            | Self::Unsuited { .. }
            | Self::NoBase { .. }
            | Self::OtherTree { .. }
            | Self::Moved { .. }
            | Self::Busy { .. } => Exit::Failed,
        }
    }
}
