//! What a branch has that its base has not.

use http::Method;
use reqwest::Request;
use serde::Deserialize;

use super::{Client, Error, Repeat};
use crate::github::{Ahead, Difference, ListedCommit, Slug, Written};

#[derive(Deserialize)]
struct Comparison {
    total_commits: usize,
    commits: Vec<ListedCommit>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(rename = "ref")]
    name: String,
    object: Target,
}

#[derive(Deserialize)]
struct Target {
    sha: String,
}

/// An answer that is a list unless exactly what was asked for is there.
#[derive(Deserialize)]
#[serde(untagged)]
enum References {
    One(Reference),
    Several(Vec<Reference>),
}

impl Client {
    /// Compares the head of a branch, which has an open pull request, with its base (`repoCompareDiff`, which tells commits and no files);
    /// `None` when the server does not tell all of it.
    ///
    /// # Errors
    /// When one of them is not there, or the server can't be asked.
    pub async fn ahead(&self, slug: &Slug, base: &str, branch: &str, head: &str) -> Result<Option<Ahead>, Error> {
        let mut url = self.url(&format!("/repos/{slug}/compare/{base}...{head}"));
        url.query_pairs_mut().append_pair("verification", "false").append_pair("files", "false");
        let told: Comparison = self.get(&format!("compare {branch} of {slug} with {base}"), url).await?;
        let Some(pull) = self.open_pull(slug, branch).await? else { return Ok(None) };
        let (commits, total) = (told.commits, told.total_commits);
        if commits.len() != total || pull.head.sha != head || pull.base.branch != base {
            return Ok(None);
        }
        // Its difference is that of a reference of its own, which comes a moment after the branch.
        let name = format!("refs/pull/{}/head", pull.number);
        let told: References = self.get(&format!("look up {name} of {slug}"), self.url(&format!("/repos/{slug}/git/{name}"))).await?;
        let mut shown = match told {
            References::One(one) => vec![one],
            References::Several(several) => several,
        };
        shown.retain(|reference| reference.name == name);
        if !matches!(shown.as_slice(), [reference] if reference.object.sha == head) {
            return Ok(None);
        }
        let difference = self.patch(slug, &format!("pulls/{}", pull.number)).await?;
        Ok(difference.map(|difference| Ahead { commits: commits.into_iter().map(Written::from).collect(), difference }))
    }

    /// What a commit changes; `None` where that is no text.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn difference(&self, slug: &Slug, commit: &str) -> Result<Option<Difference>, Error> {
        self.patch(slug, &format!("git/commits/{commit}")).await
    }

    async fn patch(&self, slug: &Slug, of: &str) -> Result<Option<Difference>, Error> {
        let url = self.url(&format!("/repos/{slug}/{of}.diff"));
        let answer = self.send(&format!("read the difference of {of} of {slug}"), Request::new(Method::GET, url), Repeat::Safe).await?;
        let patch = String::from_utf8_lossy(&answer.body);
        let is_text = !patch.lines().any(|line| line.starts_with("Binary files ") || line == "GIT binary patch");
        let mut difference = Difference::default();
        difference.add(&patch);
        Ok(is_text.then_some(difference))
    }
}
