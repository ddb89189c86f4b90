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
const LOOKS: u32 = 40;
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Now,
    ChecksSucceed,
}

#[derive(Deserialize)]
struct Branch {
    user_can_push: bool,
    /// Told to administrators only.
    #[serde(default)]
    effective_branch_protection_name: String,
}

/// Whether the server has not found out yet whether the pull request can be merged (`ErrNotMergeableState`).
fn is_unchecked(error: &Error) -> bool {
    error.status() == Some(405) && error.to_string().contains("try again later")
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

    /// Lets the server merge a pull request as soon as its checks and reviews are there (`repoMergePullRequest`). One that has nothing to
    /// wait for is merged here and now: Forgejo and older Giteas take the wish, but look at it only when a check or a review comes in
    /// (`ScheduleAutoMerge` in services/automerge/automerge.go).
    ///
    /// # Errors
    /// When the server refuses: 405 when it can't be merged, or not by the token's owner.
    pub async fn merge_when_ready(&self, slug: &Slug, number: u64, method: MergeMethod, head: &str) -> Result<Merge, Error> {
        for _ in 0..LOOKS {
            if self.is_mergeable(slug, number).await? {
                match self.merge_or_schedule(slug, number, method, head).await {
                    // It looks at a branch once more when it has come to what was pushed there.
                    Err(error) if is_unchecked(&error) => {}
                    result => return result,
                }
            }
            tokio::time::sleep(APART).await;
        }
        self.merge_or_schedule(slug, number, method, head).await
    }

    async fn merge_or_schedule(&self, slug: &Slug, number: u64, method: MergeMethod, head: &str) -> Result<Merge, Error> {
        let merged = Merge { is_merged: true, ..Merge::default() };
        let scheduled = Merge { automatic: Some(Automatic { method: None }), ..Merge::default() };
        match self.merge(slug, number, method, head, When::Now).await {
            // The base asks for something that isn't there yet.
            Err(error) if error.status() == Some(405) && !is_unchecked(&error) => {}
            result => return result.map(|_| merged),
        }
        match self.merge(slug, number, method, head, When::ChecksSucceed).await {
            Ok(StatusCode::CREATED) => Ok(scheduled),
            Ok(_) => Ok(merged),
            // "already scheduled": somebody was faster.
            Err(error) if error.status() == Some(409) && error.to_string().contains("already scheduled") => Ok(scheduled),
            Err(error) => Err(error),
        }
    }

    async fn merge(&self, slug: &Slug, number: u64, method: MergeMethod, head: &str, when: When) -> Result<StatusCode, Error> {
        let waits = when == When::ChecksSucceed;
        let body = json!({ "Do": method.name(), "head_commit_id": head, "merge_when_checks_succeed": waits });
        let what = format!("merge {slug}#{number}{}", if waits { " when its checks succeed" } else { "" });
        let url = self.url(&format!("/repos/{slug}/pulls/{number}/merge"));
        Ok(self.post(&what, url, &body, Repeat::Never).await?.status)
    }

    /// Whether the server has found out that the pull request can be merged. It refuses any wish before, and ever after when it can't.
    async fn is_mergeable(&self, slug: &Slug, number: u64) -> Result<bool, Error> {
        let url = self.url(&format!("/repos/{slug}/pulls/{number}"));
        let Mergeable { mergeable } = self.get(&format!("look up {slug}#{number}"), url).await?;
        Ok(mergeable)
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
