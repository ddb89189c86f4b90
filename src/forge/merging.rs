//! Merging pull requests, and rules of branches. Only GitHub's are known here.

use super::{Error, Forge, Hosted};
use crate::github::{Bypass, Client, Merge, MergeMethod};

impl Hosted {
    /// How a pull request stands, as far as its merging goes.
    ///
    /// # Errors
    /// When the server can't be asked, or is none of GitHub's.
    pub async fn merge_state(&self, number: u64) -> Result<Merge, Error> {
        Ok(self.merger()?.merge_state(&self.slug, number).await?)
    }

    /// Lets the server merge a pull request as soon as everything is there; see [`Client::merge_when_ready`].
    ///
    /// # Errors
    /// [`Error::is_ready_to_merge`] when there is nothing to wait for.
    pub async fn merge_when_ready(&self, pull: &Merge, method: MergeMethod, head: &str) -> Result<Merge, Error> {
        Ok(self.merger()?.merge_when_ready(&self.slug, pull, method, head).await?)
    }

    /// Merges a pull request whose head is still this commit.
    ///
    /// # Errors
    /// When it can't be merged, or its head has changed.
    pub async fn merge_now(&self, number: u64, method: MergeMethod, head: &str) -> Result<(), Error> {
        Ok(self.merger()?.merge_now(&self.slug, number, method, head).await?)
    }

    /// The rule that keeps commits from being pushed to a branch, and whether the token's owner may do it nevertheless. Gitea tells its
    /// own when a commit is pushed.
    ///
    /// # Errors
    /// When the rules can't be read.
    pub async fn rule_against_pushes(&self, branch: &str) -> Result<Option<(String, Bypass)>, Error> {
        match &self.forge {
            Forge::GitHub(client) => Ok(client.rule_against_pushes(&self.slug, branch).await?),
            Forge::Gitea(_) => Ok(None),
        }
    }

    fn merger(&self) -> Result<&Client, Error> {
        match &self.forge {
            Forge::GitHub(client) => Ok(client),
            Forge::Gitea(_) => Err(Error::Unmergeable),
        }
    }
}
