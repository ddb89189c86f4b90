//! What is left of a pull request when it is not needed any more.

use super::{Error, Forge, Hosted};
use crate::github::{Pull, Written};

impl Hosted {
    /// All open pull requests.
    ///
    /// # Errors
    /// When the list can't be read.
    pub async fn open_pulls(&self) -> Result<Vec<Pull>, Error> {
        match &self.forge {
            Forge::GitHub(client) => Ok(client.open_pulls(&self.slug).await?),
            Forge::Gitea(client) => Ok(client.open_pulls(&self.slug).await?),
        }
    }

    /// Closes a pull request without merging it.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn close_pull(&self, number: u64) -> Result<(), Error> {
        match &self.forge {
            Forge::GitHub(client) => Ok(client.close_pull(&self.slug, number).await?),
            Forge::Gitea(client) => Ok(client.close_pull(&self.slug, number).await?),
        }
    }

    /// Says something under a pull request.
    ///
    /// # Errors
    /// When the server refuses; [`Error::is_uncertain`] when it may stand there nevertheless.
    pub async fn comment(&self, number: u64, text: &str) -> Result<(), Error> {
        match &self.forge {
            Forge::GitHub(client) => Ok(client.comment(&self.slug, number, text).await?),
            Forge::Gitea(client) => Ok(client.comment(&self.slug, number, text).await?),
        }
    }

    /// Deletes a branch. No server has a lease for that: whoever calls has just looked at it.
    ///
    /// # Errors
    /// When the server refuses; it is no error when the branch is gone already.
    pub async fn delete_branch(&self, branch: &str) -> Result<(), Error> {
        match &self.forge {
            Forge::GitHub(client) => Ok(client.delete_branch(&self.slug, branch).await?),
            Forge::Gitea(client) => Ok(client.delete_branch(&self.slug, branch).await?),
        }
    }

    /// Whose a commit is.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn written(&self, commit: &str) -> Result<Written, Error> {
        match &self.forge {
            Forge::GitHub(client) => Ok(client.written(&self.slug, commit).await?),
            Forge::Gitea(client) => Ok(client.written(&self.slug, commit).await?),
        }
    }
}
