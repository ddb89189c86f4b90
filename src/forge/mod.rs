//! The servers that hold repositories and pull requests: GitHub, and those with Gitea's API (Gitea, Forgejo).
//!
//! ```text
//! repository of an entry → Forges: which server, which API → Hosted: one repository there, and what can be done with it
//! ```
//! Gitea's API was made after GitHub's, so both are read into the same values ([`crate::github`]). What differs (labels, drafts,
//! assignees, filters, pages) is hidden in [`gitea`].

mod closing;
mod error;
mod find;
pub mod gitea;
mod merging;

pub use error::Error;
pub use find::{Forges, Home, page_behind_ssh, slug_below};

use crate::github::{self, NewPull, Pull, PullChange, Repository, Slug};

/// A client of one server.
#[derive(Debug, Clone)]
pub enum Forge {
    GitHub(github::Client),
    Gitea(gitea::Client),
}

/// A repository on a forge.
#[derive(Debug, Clone)]
pub struct Hosted {
    pub forge: Forge,
    pub slug: Slug,
}

impl std::fmt::Display for Hosted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.slug)
    }
}

impl Hosted {
    /// What a token needs for pull requests, in the words of its server.
    pub fn rights(&self) -> &'static str {
        match &self.forge {
            Forge::GitHub(_) => github::RIGHTS,
            Forge::Gitea(_) => gitea::RIGHTS,
        }
    }

    /// Looks the repository up.
    ///
    /// # Errors
    /// When there is none that the token may see, or the server can't be reached; [`Error::Renamed`] when it has another name by now:
    /// servers lead readers there, and refuse what is written under the old one.
    pub async fn repository(&self) -> Result<Repository, Error> {
        let found = match &self.forge {
            Forge::GitHub(client) => client.repository(&self.slug).await?,
            Forge::Gitea(client) => client.repository(&self.slug).await?,
        };
        let name = self.slug.to_string();
        match found.full_name.eq_ignore_ascii_case(&name) {
            true => Ok(found),
            false => Err(Error::Renamed { from: name, to: found.full_name }),
        }
    }

    /// The open pull request from a branch of the repository itself.
    ///
    /// # Errors
    /// When the list can't be read.
    pub async fn open_pull(&self, branch: &str) -> Result<Option<Pull>, Error> {
        match &self.forge {
            Forge::GitHub(client) => Ok(client.open_pull(&self.slug, branch).await?),
            Forge::Gitea(client) => Ok(client.open_pull(&self.slug, branch).await?),
        }
    }

    /// Finds out, as far as the server lets, whether the token may open pull requests. Gitea has no way to ask.
    ///
    /// # Errors
    /// [`Error::is_missing_permission`] when it may not.
    pub async fn check_right_to_open_pulls(&self, base: &str) -> Result<(), Error> {
        match &self.forge {
            Forge::GitHub(client) => Ok(client.check_right_to_open_pulls(&self.slug, base).await?),
            Forge::Gitea(_) => Ok(()),
        }
    }

    /// Opens a pull request.
    ///
    /// # Errors
    /// [`Error::is_already_open`] when the branch has one; [`Error::is_uncertain`] when it may have been opened nevertheless.
    pub async fn create_pull(&self, pull: &NewPull) -> Result<Pull, Error> {
        match &self.forge {
            Forge::GitHub(client) => Ok(client.create_pull(&self.slug, pull).await?),
            Forge::Gitea(client) => Ok(client.create_pull(&self.slug, pull).await?),
        }
    }

    /// Gives an open pull request another title, text and base.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn update_pull(&self, number: u64, change: &PullChange) -> Result<Pull, Error> {
        match &self.forge {
            Forge::GitHub(client) => Ok(client.update_pull(&self.slug, number, change).await?),
            Forge::Gitea(client) => Ok(client.update_pull(&self.slug, number, change).await?),
        }
    }

    /// Adds labels; those that the repository doesn't have are made.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn add_labels(&self, number: u64, labels: &[String]) -> Result<(), Error> {
        match &self.forge {
            Forge::GitHub(client) => Ok(client.add_labels(&self.slug, number, labels).await?),
            Forge::Gitea(client) => Ok(client.add_labels(&self.slug, number, labels).await?),
        }
    }

    /// Adds assignees.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn add_assignees(&self, number: u64, assignees: &[String]) -> Result<(), Error> {
        match &self.forge {
            Forge::GitHub(client) => Ok(client.add_assignees(&self.slug, number, assignees).await?),
            Forge::Gitea(client) => Ok(client.add_assignees(&self.slug, number, assignees).await?),
        }
    }

    /// Asks people and teams for a review. Teams go by their short name, without the organisation.
    ///
    /// # Errors
    /// When the server refuses; a pull request's author can't review it.
    pub async fn request_reviews(&self, number: u64, people: &[String], teams: &[String]) -> Result<(), Error> {
        match &self.forge {
            Forge::GitHub(client) => Ok(client.request_reviews(&self.slug, number, people, teams).await?),
            Forge::Gitea(client) => Ok(client.request_reviews(&self.slug, number, people, teams).await?),
        }
    }
}
