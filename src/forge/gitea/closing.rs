//! What is left of a pull request when it is not needed any more.

use http::Method;
use reqwest::Request;
use serde::Deserialize;
use serde_json::{Value, json};

use super::pulls::Told;
use super::{Client, Error, Repeat};
use crate::github::{ListedCommit, Pull, Slug, Written};

#[derive(Deserialize)]
struct Comment {
    body: String,
}

impl Client {
    /// All open pull requests (`repoListPullRequests`, which knows no filter for branches).
    ///
    /// # Errors
    /// When the list can't be read.
    pub async fn open_pulls(&self, slug: &Slug) -> Result<Vec<Pull>, Error> {
        let mut url = self.url(&format!("/repos/{slug}/pulls"));
        url.query_pairs_mut().append_pair("state", "open").append_pair("sort", "recentupdate");
        let pulls: Vec<Told> = self.list(&format!("list the pull requests of {slug}"), url).await?;
        Ok(pulls.into_iter().map(Pull::from).collect())
    }

    /// Closes a pull request without merging it (`repoEditPullRequest`).
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn close_pull(&self, slug: &Slug, number: u64) -> Result<(), Error> {
        let url = self.url(&format!("/repos/{slug}/pulls/{number}"));
        let what = format!("close {slug}#{number}");
        self.write::<Value>(&what, Method::PATCH, url, &json!({ "state": "closed" }), Repeat::Safe).await.map(drop)
    }

    /// Says something under a pull request (`issueCreateComment`). When it is not known whether the request took effect, the server's list
    /// decides: Forgejo has answered 500 to a comment that it had taken.
    ///
    /// # Errors
    /// When the server refuses; [`Error::is_uncertain`] when it may stand there nevertheless.
    pub async fn comment(&self, slug: &Slug, number: u64, text: &str) -> Result<(), Error> {
        let url = self.url(&format!("/repos/{slug}/issues/{number}/comments"));
        let what = format!("comment on {slug}#{number}");
        match self.write::<Value>(&what, Method::POST, url.clone(), &json!({ "body": text }), Repeat::Never).await {
            Err(error) if error.is_uncertain() => match self.get::<Vec<Comment>>(&what, url).await {
                Ok(comments) if comments.iter().any(|comment| comment.body == text) => Ok(()),
                _ => Err(error),
            },
            result => result.map(drop),
        }
    }

    /// Deletes a branch (`repoDeleteBranch`). The server has no lease for that: whoever calls has just looked at it.
    ///
    /// # Errors
    /// When the server refuses; it is no error when the branch is gone already.
    pub async fn delete_branch(&self, slug: &Slug, branch: &str) -> Result<(), Error> {
        let url = self.url(&format!("/repos/{slug}/branches/{branch}"));
        match self.send(&format!("delete the branch {branch} of {slug}"), Request::new(Method::DELETE, url), Repeat::Safe).await {
            Err(error) if error.status() == Some(404) => Ok(()),
            result => result.map(drop),
        }
    }

    /// Whose a commit is (`repoGetSingleCommit`).
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn written(&self, slug: &Slug, commit: &str) -> Result<Written, Error> {
        let url = self.url(&format!("/repos/{slug}/git/commits/{commit}"));
        let told: ListedCommit = self.get(&format!("read the commit {commit} of {slug}"), url).await?;
        Ok(told.into())
    }
}
