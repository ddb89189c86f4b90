use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::{Client, Error, Repeat, draft};
use crate::github::{Head, Label, NewPull, Pull, PullChange, Slug, Team, User};

/// A pull request as Gitea tells it.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    number: u64,
    html_url: String,
    title: String,
    #[serde(default)]
    body: Option<String>,
    head: Side,
    base: Side,
    // Lists without members are `null` in some versions.
    #[serde(default)]
    labels: Option<Vec<Label>>,
    #[serde(default)]
    assignees: Option<Vec<User>>,
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    requested_reviewers: Option<Vec<User>>,
    #[serde(default)]
    requested_reviewers_teams: Option<Vec<TeamName>>,
}

#[derive(Debug, Deserialize)]
struct TeamName {
    name: String,
}

/// One side of a pull request. `ref` is no branch when the branch is gone, and `label` is the branch without its owner.
#[derive(Debug, Deserialize)]
struct Side {
    #[serde(rename = "ref")]
    branch: String,
    sha: String,
    /// -1 when the repository is gone.
    repo_id: i64,
}

impl From<Told> for Pull {
    fn from(told: Told) -> Self {
        // A branch of another repository bears a name before it.
        let is_own = told.head.repo_id == told.base.repo_id;
        let label = |branch: &str| if is_own { String::new() } else { format!("fork:{branch}") };
        let teams = told.requested_reviewers_teams.unwrap_or_default().into_iter();
        let head = |side: Side| Head { label: label(&side.branch), branch: side.branch, sha: side.sha };
        Self {
            number: told.number,
            html_url: told.html_url,
            title: draft::split(&told.title).1.to_owned(),
            body: told.body,
            head: head(told.head),
            base: head(told.base),
            labels: told.labels.unwrap_or_default(),
            assignees: told.assignees.unwrap_or_default(),
            user: told.user,
            requested_reviewers: told.requested_reviewers.unwrap_or_default(),
            requested_teams: teams.map(|team| Team { slug: team.name }).collect(),
        }
    }
}

impl Client {
    /// The open pull request from a branch of the repository itself.
    ///
    /// # Errors
    /// When the list can't be read.
    pub async fn open_pull(&self, slug: &Slug, branch: &str) -> Result<Option<Pull>, Error> {
        let pulls = self.open_pulls(slug).await?;
        Ok(pulls.into_iter().find(|pull| pull.head.branch == branch && pull.is_from(slug)))
    }

    /// Opens a pull request (`repoCreatePullRequest`).
    ///
    /// # Errors
    /// [`Error::is_already_open`] when the branch has one; [`Error::is_uncertain`] when it may have been opened nevertheless.
    pub async fn create_pull(&self, slug: &Slug, pull: &NewPull) -> Result<Pull, Error> {
        let title = if pull.draft { draft::mark(&pull.title) } else { pull.title.clone() };
        let body = json!({ "title": title, "body": pull.body, "head": pull.head, "base": pull.base });
        let url = self.url(&format!("/repos/{slug}/pulls"));
        let what = format!("open a pull request on {slug}");
        self.write::<Told>(&what, Method::POST, url, &body, Repeat::Never).await.map(Pull::from)
    }

    /// Gives an open pull request another title, text and base (`repoEditPullRequest`); a draft stays one.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn update_pull(&self, slug: &Slug, number: u64, change: &PullChange) -> Result<Pull, Error> {
        let present = self.pull(slug, number).await?;
        let title = format!("{}{}", draft::split(&present.title).0, change.title);
        let body = json!({ "title": title, "body": change.body, "base": change.base });
        self.edit_pull(slug, number, &body).await
    }

    /// Adds assignees (`repoEditPullRequest` takes the whole list).
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn add_assignees(&self, slug: &Slug, number: u64, assignees: &[String]) -> Result<(), Error> {
        let present = self.pull(slug, number).await?.assignees.unwrap_or_default();
        let all: Vec<&str> = present.iter().map(|user| user.login.as_str()).chain(assignees.iter().map(String::as_str)).collect();
        self.edit_pull(slug, number, &json!({ "assignees": all })).await.map(drop)
    }

    /// Asks people and teams for a review (`repoCreatePullReviewRequests`). Teams go by their short name, without the organisation.
    ///
    /// # Errors
    /// When the server refuses; a pull request's author can't review it.
    pub async fn request_reviews(&self, slug: &Slug, number: u64, people: &[String], teams: &[String]) -> Result<(), Error> {
        let teams: Vec<&str> = teams.iter().map(|team| team.rsplit('/').next().unwrap_or(team)).collect();
        let body = json!({ "reviewers": people, "team_reviewers": teams });
        let url = self.url(&format!("/repos/{slug}/pulls/{number}/requested_reviewers"));
        self.write::<Value>(&format!("ask for reviews of {slug}#{number}"), Method::POST, url, &body, Repeat::Safe).await.map(drop)
    }

    async fn pull(&self, slug: &Slug, number: u64) -> Result<Told, Error> {
        self.get(&format!("look up {slug}#{number}"), self.pull_url(slug, number)).await
    }

    async fn edit_pull(&self, slug: &Slug, number: u64, body: &Value) -> Result<Pull, Error> {
        let url = self.pull_url(slug, number);
        self.write::<Told>(&format!("change {slug}#{number}"), Method::PATCH, url, body, Repeat::Safe).await.map(Pull::from)
    }

    fn pull_url(&self, slug: &Slug, number: u64) -> Url {
        self.url(&format!("/repos/{slug}/pulls/{number}"))
    }
}
