use serde::{Deserialize, Serialize};

use super::{Client, Error, Slug};

/// A pull request, as far as it is read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Pull {
    pub number: u64,
    pub html_url: String,
    pub title: String,
    #[serde(default)]
    pub body: Option<String>,
    pub head: Head,
    pub base: Head,
    #[serde(default)]
    pub labels: Vec<Label>,
    #[serde(default)]
    pub assignees: Vec<User>,
    #[serde(default)]
    pub user: Option<User>,
    #[serde(default)]
    pub requested_reviewers: Vec<User>,
    #[serde(default)]
    pub requested_teams: Vec<Team>,
}

impl Pull {
    /// Whether its branch lies in the repository itself.
    pub fn is_from(&self, slug: &Slug) -> bool {
        self.head.label.is_empty() || self.head.label.eq_ignore_ascii_case(&format!("{}:{}", slug.owner, self.head.branch))
    }
}

/// One side of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Head {
    /// The branch's name.
    #[serde(rename = "ref")]
    pub branch: String,
    pub sha: String,
    /// `owner:branch`.
    #[serde(default)]
    pub label: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Label {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct User {
    pub login: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Team {
    /// The short name, without the organisation.
    #[serde(default)]
    pub slug: String,
}

/// A pull request to open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewPull {
    pub title: String,
    pub body: String,
    pub head: String,
    pub base: String,
    pub draft: bool,
}

/// New values for an open pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PullChange {
    pub title: String,
    pub body: String,
    pub base: String,
}

impl Client {
    /// The open pull request from a branch of the repository itself.
    ///
    /// # Errors
    /// When the list can't be read.
    pub async fn open_pull(&self, slug: &Slug, branch: &str) -> Result<Option<Pull>, Error> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("state", "open").append_pair("head", &format!("{}:{branch}", slug.owner)).append_pair("per_page", "100");
        let pulls: Vec<Pull> = self.get(&format!("/repos/{slug}/pulls?{}", query.finish())).await?;
        // Servers that don't know the filter list everything.
        Ok(pulls.into_iter().find(|pull| pull.head.branch == branch && pull.is_from(slug)))
    }

    /// Opens a pull request.
    ///
    /// # Errors
    /// [`Error::is_already_open`] when the branch has one; [`Error::is_uncertain`] when it may have been opened nevertheless.
    pub async fn create_pull(&self, slug: &Slug, pull: &NewPull) -> Result<Pull, Error> {
        self.create(&format!("/repos/{slug}/pulls"), pull).await
    }

    /// Asks the server to open a pull request from a branch to itself. It never does that, and says before whether the token may open any.
    ///
    /// GitHub's OpenAPI description has only 403 and 422 beside the good answer to "Create a pull request", and says nothing of their order.
    /// Reported of github.com: 422 "No commits between master and master" to tokens that may (tgymnich/fork-sync#112), 403 "Resource not
    /// accessible by personal access token" to those that may not (RoamJS/roamjs-components#31, changesets/action#268). That the second comes
    /// before the first was tried there with the mutation of the same name and one branch for both ends
    /// (stefan-jansen/machine-learning-for-trading#1116). "Troubleshooting the REST API" of GitHub's docs knows these messages as those of
    /// missing permissions.
    ///
    /// # Errors
    /// [`Error::is_missing_permission`] when it may not.
    pub async fn check_right_to_open_pulls(&self, slug: &Slug, branch: &str) -> Result<(), Error> {
        let (head, base) = (branch.to_owned(), branch.to_owned());
        let pull = NewPull { title: "Never opened".into(), body: String::new(), head, base, draft: false };
        match self.add(&format!("/repos/{slug}/pulls"), &pull).await {
            Err(error) if error.status() == Some(422) => Ok(()),
            result => result,
        }
    }

    /// Gives an open pull request another title, text and base.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn update_pull(&self, slug: &Slug, number: u64, change: &PullChange) -> Result<Pull, Error> {
        self.patch(&format!("/repos/{slug}/pulls/{number}"), change).await
    }

    /// Adds labels; GitHub makes those that the repository doesn't have.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn add_labels(&self, slug: &Slug, number: u64, labels: &[String]) -> Result<(), Error> {
        self.add(&format!("/repos/{slug}/issues/{number}/labels"), &serde_json::json!({ "labels": labels })).await
    }

    /// Adds assignees.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn add_assignees(&self, slug: &Slug, number: u64, assignees: &[String]) -> Result<(), Error> {
        self.add(&format!("/repos/{slug}/issues/{number}/assignees"), &serde_json::json!({ "assignees": assignees })).await
    }

    /// Asks people and teams for a review. Teams go by their short name, without the organisation.
    ///
    /// # Errors
    /// When the server refuses; a pull request's author can't review it.
    pub async fn request_reviews(&self, slug: &Slug, number: u64, people: &[String], teams: &[String]) -> Result<(), Error> {
        let teams: Vec<&str> = teams.iter().map(|team| team.rsplit('/').next().unwrap_or(team)).collect();
        let body = serde_json::json!({ "reviewers": people, "team_reviewers": teams });
        self.add(&format!("/repos/{slug}/pulls/{number}/requested_reviewers"), &body).await
    }
}
