//! The input `infra`: its values, and how they are [read].

mod error;
mod read;
mod reader;
mod target;

use std::fmt;

use crate::github::MergeMethod;

use super::edit::helm::{Bump, Key};

pub use error::EntryError;
pub use read::{distinct, entries};
pub use target::Target;

/// One entry of the input `infra`: a place in a repository that is to run the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub repository: Target,
    /// The branch to change; the repository's default branch when `None`.
    pub base: Option<String>,
    /// Folder or file inside the repository; empty for its root.
    pub path: String,
    pub environment: Option<String>,
    pub edit: Edit,
    pub through: Through,
    /// Only the images of these services; all when empty.
    pub services: Vec<String>,
    /// Keys of Helm values; images are found by their repositories when empty.
    pub values: Vec<Key>,
    /// What becomes of a chart's version.
    pub chart_version: Bump,
    /// Templates of placeholders and the files that they are rendered to, inside `path`; those named so when empty.
    pub templates: Vec<(String, String)>,
    pub labels: Vec<String>,
    pub reviewers: Vec<String>,
    pub team_reviewers: Vec<String>,
    pub assignees: Vec<String>,
    /// Whether a new pull request is a draft.
    pub draft: bool,
    /// How the pull request is merged as soon as the server allows it; by a person when `None`.
    pub auto_merge: Option<MergeMethod>,
    /// What becomes of a commit that the base branch doesn't take.
    pub on_protected: OnProtected,
    /// Whether a version may be replaced by an older one.
    pub allow_downgrade: bool,
    /// Whether rendered Secrets may be written with their values.
    pub plain_secrets: bool,
}

/// What becomes of a commit that a protected branch doesn't take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnProtected {
    Fail,
    /// It is proposed instead.
    PullRequest,
}

/// How files are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// By what is found at the path.
    Auto,
    Kustomize,
    Helm,
    /// The image fields of plain manifests.
    Manifests,
    /// `%%NAME%%` of templates, in the files that they are rendered to.
    Placeholders,
    /// The manifests of the application repository, ordered and pinned.
    Render,
}

/// How files are read and commits get into the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Through {
    /// GitHub's API where the server has one, git everywhere else.
    Auto,
    Api,
    Git,
}

impl Entry {
    /// What tells this entry from others of the same application: the environment, else the path, else the base branch.
    pub fn distinction(&self) -> &str {
        let path = Some(self.path.as_str()).filter(|path| !path.is_empty());
        self.environment.as_deref().or(path).or(self.base.as_deref()).unwrap_or("update")
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if !self.path.is_empty() {
            write!(f, " {}", self.path)?;
        }
        match &self.environment {
            Some(environment) => write!(f, " ({environment})"),
            None => Ok(()),
        }
    }
}
