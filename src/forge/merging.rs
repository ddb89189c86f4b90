//! Merging pull requests, and rules of branches.

use super::{Error, Forge, Hosted};
use crate::github::{Bypass, Merge, MergeMethod, Signature};

impl Hosted {
    /// How a pull request stands, as far as its merging goes.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn merge_state(&self, number: u64) -> Result<Merge, Error> {
        match &self.forge {
            Forge::GitHub(client) => Ok(client.merge_state(&self.slug, number).await?),
            Forge::Gitea(client) => Ok(client.merge_state(&self.slug, number).await?),
        }
    }

    /// Lets the server merge a pull request, which stands like this, as soon as everything is there.
    ///
    /// # Errors
    /// [`Error::is_ready_to_merge`] when there is nothing to wait for and the server wants it [merged now](Hosted::merge_now).
    pub async fn merge_when_ready(&self, number: u64, pull: &Merge, method: MergeMethod, head: &str) -> Result<Merge, Error> {
        match &self.forge {
            Forge::GitHub(client) => Ok(client.merge_when_ready(&self.slug, pull, method, head).await?),
            Forge::Gitea(client) => Ok(client.merge_when_ready(&self.slug, number, method, head).await?),
        }
    }

    /// Merges a pull request whose head is still this commit. Gitea does that by itself when there is nothing to wait for.
    ///
    /// # Errors
    /// When it can't be merged, or its head has changed.
    pub async fn merge_now(&self, number: u64, method: MergeMethod, head: &str) -> Result<(), Error> {
        match &self.forge {
            Forge::GitHub(client) => Ok(client.merge_now(&self.slug, number, method, head).await?),
            Forge::Gitea(client) => Ok(client.merge_when_ready(&self.slug, number, method, head).await.map(drop)?),
        }
    }

    /// What keeps such commits from being pushed to a branch, as people call it there, and whether the token's owner may do it nevertheless.
    ///
    /// # Errors
    /// When the rules can't be read.
    pub async fn rule_against_pushes(&self, branch: &str, signature: Signature) -> Result<Option<(String, Bypass)>, Error> {
        match &self.forge {
            Forge::GitHub(client) => {
                let found = client.rule_against_pushes(&self.slug, branch, signature).await?;
                Ok(found.map(|(rule, bypass)| (format!("rule `{rule}`"), bypass)))
            }
            Forge::Gitea(client) => Ok(client.rule_against_pushes(&self.slug, branch).await?),
        }
    }
}
