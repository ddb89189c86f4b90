//! What a branch has that its base has not.

use super::{Error, Forge, Hosted};
use crate::github::{Ahead, Difference};

impl Hosted {
    /// Compares the head of a branch with its base; `None` when the server does not tell all of it.
    ///
    /// # Errors
    /// When one of them is not there, or the server can't be asked.
    pub async fn ahead(&self, base: &str, branch: &str, head: &str) -> Result<Option<Ahead>, Error> {
        match &self.forge {
            Forge::GitHub(client) => Ok(client.ahead(&self.slug, base, head).await?),
            Forge::Gitea(client) => Ok(client.ahead(&self.slug, base, branch, head).await?),
        }
    }

    /// What a commit changes; `None` when the server does not tell all of it.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn difference(&self, parent: &str, commit: &str) -> Result<Option<Difference>, Error> {
        match &self.forge {
            Forge::GitHub(client) => Ok(client.ahead(&self.slug, parent, commit).await?.map(|ahead| ahead.difference)),
            Forge::Gitea(client) => Ok(client.difference(&self.slug, commit).await?),
        }
    }
}
