//! Merging pull requests when everything that their base asks for is there, and rules of branches.

use std::time::Duration;

use http::{Method, StatusCode};
use reqwest::Request;
use serde::Deserialize;
use serde_json::json;

use super::{Client, Error, MAX_PAGES, PAGE, Repeat, read};
use crate::github::{Automatic, Bypass, Merge, MergeMethod, Slug};

/// How often a pull request is looked at until the server has found out whether it can be merged, and how long apart: some seconds, as it
/// is found out in the background after each push, and nothing tells when.
const LOOKS: u32 = 20;
const APART: Duration = Duration::from_millis(500);

/// An event in the history of a pull request.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Mergeable {
    #[serde(default)]
    mergeable: bool,
}

#[derive(Deserialize)]
struct Branch {
    user_can_push: bool,
    /// Told to administrators only.
    #[serde(default)]
    effective_branch_protection_name: String,
}

impl Client {
    /// Whether a pull request will be merged by itself. Only its history tells (`issueGetCommentsAndTimeline`), and without the method.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn merge_state(&self, slug: &Slug, number: u64) -> Result<Merge, Error> {
        let what = format!("read the history of {slug}#{number}");
        let mut is_scheduled = false;
        // Unlike other lists, this one does not say whether there is more.
        for page in 1..=MAX_PAGES {
            let mut url = self.url(&format!("/repos/{slug}/issues/{number}/timeline"));
            url.query_pairs_mut().append_pair("limit", &PAGE.to_string()).append_pair("page", &page.to_string());
            let events: Option<Vec<Event>> = self.get(&what, url).await?;
            let events = events.unwrap_or_default();
            if events.is_empty() {
                break;
            }
            for event in events {
                match event.kind.as_str() {
                    "pull_scheduled_merge" => is_scheduled = true,
                    "pull_cancel_scheduled_merge" => is_scheduled = false,
                    _ => {}
                }
            }
        }
        Ok(Merge { automatic: is_scheduled.then_some(Automatic { method: None }), ..Merge::default() })
    }

    /// Lets the server merge a pull request as soon as its checks and reviews are there (`repoMergePullRequest` with
    /// `merge_when_checks_succeed`); servers before 1.25 merge it at once when there is nothing to wait for.
    ///
    /// # Errors
    /// When the server refuses: 405 when it can't be merged, or not by the token's owner.
    pub async fn merge_when_ready(&self, slug: &Slug, number: u64, method: MergeMethod, head: &str) -> Result<Merge, Error> {
        self.wait_until_checked(slug, number).await?;
        let body = json!({ "Do": method.name(), "head_commit_id": head, "merge_when_checks_succeed": true });
        let what = format!("merge {slug}#{number} when its checks succeed");
        let url = self.url(&format!("/repos/{slug}/pulls/{number}/merge"));
        let scheduled = Merge { automatic: Some(Automatic { method: None }), ..Merge::default() };
        match self.post(&what, url, &body, Repeat::Never).await {
            Ok(answer) if answer.status == StatusCode::CREATED => Ok(scheduled),
            Ok(_) => Ok(Merge { is_merged: true, ..Merge::default() }),
            // "already scheduled": somebody was faster.
            Err(error) if error.status() == Some(409) && error.to_string().contains("already scheduled") => Ok(scheduled),
            Err(error) => Err(error),
        }
    }

    /// Until the server knows whether the pull request can be merged; it refuses the wish before. A pull request that can't be is refused
    /// after the wait.
    async fn wait_until_checked(&self, slug: &Slug, number: u64) -> Result<(), Error> {
        for _ in 0..LOOKS {
            let url = self.url(&format!("/repos/{slug}/pulls/{number}"));
            let Mergeable { mergeable } = self.get(&format!("look up {slug}#{number}"), url).await?;
            if mergeable {
                break;
            }
            tokio::time::sleep(APART).await;
        }
        Ok(())
    }

    /// The rule that keeps the token's owner from pushing to a branch (`repoGetBranch`).
    ///
    /// # Errors
    /// When the branch can't be looked up.
    pub async fn rule_against_pushes(&self, slug: &Slug, branch: &str) -> Result<Option<(String, Bypass)>, Error> {
        let what = format!("look up the branch {branch} of {slug}");
        let answer =
            self.send(&what, Request::new(Method::GET, self.url(&format!("/repos/{slug}/branches/{branch}"))), Repeat::Safe).await?;
        let Branch { user_can_push, effective_branch_protection_name: name } = read(&what, &answer)?;
        let name = if name.is_empty() { "branch protection".to_owned() } else { format!("branch protection `{name}`") };
        Ok((!user_can_push).then_some((name, Bypass::Never)))
    }
}
