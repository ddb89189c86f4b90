//! The third verb: bringing infrastructure repositories to a release, by pull request or by commit.
//!
//! ```text
//! input `infra` → Entry ┐
//! images  → ImagePin    ├→ prepare: base's head read, edit (pure), plan (pure), which prints → publish: push with lease, pull request
//! settings → Infra      ┘
//! ```
//! What is proposed is always one commit on the base's present head. When something changes between reading and writing, the whole is
//! done again from the new bytes; nothing is ever merged as text.

pub mod branch;
mod closing;
mod consent;
mod downgrade;
pub mod edit;
mod entry;
mod error;
mod find;
mod ground;
mod lifecycle;
mod marker;
mod merging;
mod noted;
pub mod plan;
mod prepare;
mod protection;
mod publish;
mod review;
mod source;
mod text;
mod updates;
mod wording;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use futures::StreamExt as _;
use semver::Version;
use url::Url;

use crate::forge::Forges;
use crate::journal::Journal;
use crate::{git, github};

pub use downgrade::Downgrade;
pub use edit::{Change, ImagePin};
pub use entry::{Edit, Entry, EntryError, OnProtected, Target, Through, distinct, entries};
pub use error::Error;
pub use plan::Plan;
pub use prepare::Prepared;
pub use publish::{Done, State};

/// How many repositories are worked on at the same time.
const AT_ONCE: usize = 4;

/// What is said about the release.
#[derive(Debug, Clone, Default)]
pub struct Release {
    /// The version or tag as people know it: `v1.2.3`.
    pub name: String,
    /// A page about it.
    pub url: Option<Url>,
    pub version: Option<Version>,
    /// The page of the repository that is released.
    pub repository: Option<Url>,
    /// Its `owner/name`.
    pub project: Option<String>,
    /// The full hash of the released commit.
    pub commit: Option<String>,
}

/// What happens to a release that is older than what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Downgrades {
    /// An error, unless the entry allows it.
    Refuse,
    /// Somebody has asked for this very version.
    Asked,
}

/// How changes get into a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publish {
    PullRequest,
    /// One commit for each entry, straight to the base branch.
    Commit,
}

/// What entries may write beside images.
#[derive(Clone, Default)]
pub struct Content {
    /// Values of placeholders by name.
    pub variables: BTreeMap<String, String>,
    /// Names and texts of the rendered manifests.
    pub rendered: BTreeMap<String, String>,
}

/// Without the values: there are secrets among them.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} variables, {} files", self.variables.len(), self.rendered.len())
    }
}

/// The values that every entry shares.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Names branches and pull requests.
    pub app: String,
    pub release: Release,
    pub publish: Publish,
    pub content: Content,
    /// Author and committer of the commits; a branch whose last commit bears another name is left alone.
    pub author: git::Person,
    /// Where `owner/name` lies, as in `GITHUB_SERVER_URL`.
    pub server: Url,
    /// For fetching, pushing and the API.
    pub tokens: github::Tokens,
    pub downgrades: Downgrades,
    /// Folders given as `repository` are relative to it.
    pub workspace: PathBuf,
}

/// The author of commits when none is configured.
pub fn default_author() -> git::Person {
    git::Person { name: "tagboat".into(), email: "tagboat@users.noreply.github.com".into() }
}

/// The verb with its clients.
#[derive(Debug, Clone)]
pub struct Infra {
    settings: Settings,
    git: git::Client,
    forges: Forges,
    journal: Journal,
}

/// What happens while entries are worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `signature` is what a server that made the commit says: `verified`, or why not.
    Pushed {
        place: String,
        branch: String,
        commit: String,
        signature: Option<String>,
    },
    Retried {
        place: String,
        reason: String,
    },
    Opened {
        place: String,
        url: String,
    },
    Updated {
        place: String,
        url: String,
    },
    Closed {
        url: String,
        reason: String,
    },
    WillMerge {
        url: String,
    },
    Merged {
        url: String,
    },
    /// The base took no commit.
    Proposed {
        place: String,
        reason: String,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pushed { place, branch, commit, signature: None } => write!(f, "{place}: pushed {commit} to {branch}"),
            Self::Pushed { place, branch, commit, signature: Some(said) } => write!(f, "{place}: pushed {commit} ({said}) to {branch}"),
            Self::Retried { place, reason } => write!(f, "{place}: starting again from its new state: {reason}"),
            Self::Opened { place, url } => write!(f, "{place}: opened {url}"),
            Self::Updated { place, url } => write!(f, "{place}: updated {url}"),
            Self::Closed { url, reason } => write!(f, "closed {url}: {reason}"),
            Self::WillMerge { url } => write!(f, "{url} will be merged when everything that its base asks for is there"),
            Self::Merged { url } => write!(f, "merged {url}: nothing was left to wait for"),
            Self::Proposed { place, reason } => write!(f, "{place}: a pull request instead of a commit: {reason}"),
        }
    }
}

/// Hears of events.
pub type Progress<'p> = &'p (dyn Fn(Event) + Send + Sync);

/// What became of one entry.
#[derive(Debug)]
pub struct Outcome {
    /// The entry as people know it: repository, path, environment.
    pub place: String,
    pub environment: Option<String>,
    pub result: Result<Done, Error>,
}

impl Infra {
    /// Puts the verb together. Nothing is contacted yet.
    pub fn new(settings: Settings, git: git::Client, forges: Forges, journal: Journal) -> Self {
        Self { settings, git, forges, journal }
    }

    /// Reads all repositories and plans what to do; writes nothing. Results are in the order of the entries.
    pub async fn plan(&self, entries: &[Entry], images: &[ImagePin]) -> Vec<Result<Prepared, Error>> {
        self.each(entries, |entry| self.prepare(entry, images)).await
    }

    /// Does what was planned, each entry by itself: one that fails does not stop the others. Results are in the order of the entries.
    pub async fn publish(&self, prepared: Vec<Prepared>, images: &[ImagePin], progress: Progress<'_>) -> Vec<Outcome> {
        let outcomes = futures::stream::iter(prepared).map(|prepared| async move {
            let entry = prepared.entry.clone();
            let result = self.publish_one(prepared, images, progress).await;
            Outcome { place: entry.to_string(), environment: entry.environment, result }
        });
        outcomes.buffered(AT_ONCE).collect().await
    }

    /// The entry's repository on the forge of this server.
    pub fn slug(entry: &Entry, server: &Url) -> Option<github::Slug> {
        entry.repository.slug(server)
    }

    /// Plans and publishes each entry by itself.
    pub async fn run(&self, entries: &[Entry], images: &[ImagePin], progress: Progress<'_>) -> Vec<Outcome> {
        self.each(entries, |entry| async move {
            let result = match self.prepare(entry, images).await {
                Ok(prepared) => self.publish_one(prepared, images, progress).await,
                Err(error) => Err(error),
            };
            Outcome { place: entry.to_string(), environment: entry.environment.clone(), result }
        })
        .await
    }

    async fn each<'e, T, F: Future<Output = T>>(&self, entries: &'e [Entry], work: impl Fn(&'e Entry) -> F) -> Vec<T> {
        futures::stream::iter(entries).map(work).buffered(AT_ONCE).collect().await
    }
}
