//! What is left of a pull request when it is not needed any more.

use serde::Deserialize;
use serde_json::{Value, json};

use super::objects::in_path;
use super::{Actor, Client, Error, Pull, Slug};

/// How many pages of a hundred pull requests are read.
const PAGES: u32 = 20;

/// What tells whose a commit is. Ids are in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Commit")]
pub struct Written {
    pub id: String,
    pub parents: Vec<String>,
    pub tree: String,
    pub message: String,
    pub author: Actor,
    pub committer: Actor,
}

#[derive(Deserialize)]
struct Commit {
    sha: String,
    parents: Vec<Id>,
    #[serde(flatten)]
    content: Content,
}

/// A commit as lists of commits have it.
#[derive(Deserialize)]
pub struct ListedCommit {
    sha: String,
    parents: Vec<Id>,
    commit: Content,
}

#[derive(Deserialize)]
struct Content {
    message: String,
    tree: Id,
    #[serde(default)]
    author: Option<Actor>,
    #[serde(default)]
    committer: Option<Actor>,
}

#[derive(Deserialize)]
struct Id {
    sha: String,
}

impl From<Commit> for Written {
    fn from(Commit { sha, parents, content }: Commit) -> Self {
        let Content { message, tree, author, committer } = content;
        let parents = parents.into_iter().map(|parent| parent.sha).collect();
        let (author, committer) = (author.unwrap_or_default(), committer.unwrap_or_default());
        Self { id: sha, parents, tree: tree.sha, message, author, committer }
    }
}

impl From<ListedCommit> for Written {
    fn from(ListedCommit { sha, parents, commit }: ListedCommit) -> Self {
        Commit { sha, parents, content: commit }.into()
    }
}

impl Client {
    /// All open pull requests, newest first.
    ///
    /// # Errors
    /// When the list can't be read.
    pub async fn open_pulls(&self, slug: &Slug) -> Result<Vec<Pull>, Error> {
        let mut pulls = Vec::new();
        for page in 1..=PAGES {
            let found: Vec<Pull> = self.get(&format!("/repos/{slug}/pulls?state=open&per_page=100&page={page}")).await?;
            let is_last = found.len() < 100;
            pulls.extend(found);
            if is_last {
                break;
            }
        }
        Ok(pulls)
    }

    /// Closes a pull request without merging it.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn close_pull(&self, slug: &Slug, number: u64) -> Result<(), Error> {
        self.patch::<Value>(&format!("/repos/{slug}/pulls/{number}"), &json!({ "state": "closed" })).await.map(drop)
    }

    /// Says something under a pull request.
    ///
    /// # Errors
    /// When the server refuses; [`Error::is_uncertain`] when it may stand there nevertheless.
    pub async fn comment(&self, slug: &Slug, number: u64, text: &str) -> Result<(), Error> {
        self.create::<Value>(&format!("/repos/{slug}/issues/{number}/comments"), &json!({ "body": text })).await.map(drop)
    }

    /// Deletes a branch. The server has no lease for that: whoever calls has just looked at it.
    ///
    /// # Errors
    /// When the server refuses; it is no error when the branch is gone already.
    pub async fn delete_branch(&self, slug: &Slug, branch: &str) -> Result<(), Error> {
        match self.delete(&format!("/repos/{slug}/git/refs/heads/{}", in_path(branch))).await {
            Err(error) if error.is_gone() => Ok(()),
            result => result,
        }
    }

    /// Whose a commit is.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn written(&self, slug: &Slug, commit: &str) -> Result<Written, Error> {
        self.get(&format!("/repos/{slug}/git/commits/{commit}")).await
    }
}
