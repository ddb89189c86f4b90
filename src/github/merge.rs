//! Merging pull requests, at once or when everything that the branch asks for is there.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Client, Error, Slug};

/// How the commits of a pull request get to the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeMethod {
    Squash,
    Merge,
    Rebase,
}

impl MergeMethod {
    /// As in REST.
    pub fn name(self) -> &'static str {
        match self {
            Self::Squash => "squash",
            Self::Merge => "merge",
            Self::Rebase => "rebase",
        }
    }
}

/// How a pull request stands, as far as its merging goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merge {
    /// The node's id, for GraphQL; empty on other servers.
    pub id: String,
    /// Whether it will be merged by itself.
    pub automatic: Option<Automatic>,
    /// Whether the base takes pull requests through a queue, which decides about the method.
    pub has_queue: bool,
    pub is_queued: bool,
    pub is_merged: bool,
}

/// That a pull request will be merged by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Automatic {
    /// In small letters; `None` when the server does not tell.
    pub method: Option<String>,
}

impl Merge {
    /// Whether it waits for being merged in this way already. A queue decides about the method itself.
    pub fn waits_for(&self, method: MergeMethod) -> bool {
        let is_so = |it: &Automatic| self.has_queue || it.method.as_ref().is_none_or(|present| present == method.name());
        self.is_queued || self.automatic.as_ref().is_some_and(is_so)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    id: String,
    auto_merge_request: Option<Wish>,
    #[serde(default)]
    is_merge_queue_enabled: bool,
    #[serde(default)]
    is_in_merge_queue: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wish {
    enabled_at: Option<String>,
    merge_method: Option<String>,
}

impl From<Node> for Merge {
    fn from(node: Node) -> Self {
        // An answer without a date was seen for a request that had no effect.
        let automatic = node.auto_merge_request.filter(|it| it.enabled_at.is_some());
        let automatic = automatic.map(|it| Automatic { method: it.merge_method.map(|method| method.to_ascii_lowercase()) });
        let (has_queue, is_queued) = (node.is_merge_queue_enabled, node.is_in_merge_queue);
        Self { id: node.id, automatic, has_queue, is_queued, is_merged: false }
    }
}

const FIELDS: &str = "id autoMergeRequest { enabledAt mergeMethod } isMergeQueueEnabled isInMergeQueue";

impl Client {
    /// How a pull request stands.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn merge_state(&self, slug: &Slug, number: u64) -> Result<Merge, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Repository {
            pull_request: Node,
        }
        #[derive(Deserialize)]
        struct Data {
            repository: Repository,
        }
        let query = format!(
            "query($owner: String!, $name: String!, $number: Int!) {{ repository(owner: $owner, name: $name) {{ \
             pullRequest(number: $number) {{ {FIELDS} }} }} }}"
        );
        let variables = json!({ "owner": slug.owner, "name": slug.name, "number": number });
        let data: Data = self.query(&slug.owner, &query, variables).await?;
        Ok(data.repository.pull_request.into())
    }

    /// Lets the server merge a pull request as soon as everything is there, or put it into the queue that the base has; a queue decides about
    /// the method itself and takes none. `head` is the commit that may be merged.
    ///
    /// # Errors
    /// [`Error::is_ready_to_merge`] when there is nothing to wait for.
    pub async fn merge_when_ready(&self, slug: &Slug, pull: &Merge, method: MergeMethod, head: &str) -> Result<Merge, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Payload {
            pull_request: Node,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            enable_pull_request_auto_merge: Payload,
        }
        let query = format!(
            "mutation($input: EnablePullRequestAutoMergeInput!) {{ enablePullRequestAutoMerge(input: $input) {{ pullRequest {{ {FIELDS} }} }} }}"
        );
        let mut input = json!({ "pullRequestId": pull.id, "expectedHeadOid": head });
        if !pull.has_queue {
            input["mergeMethod"] = method.name().to_ascii_uppercase().into();
        }
        let data: Data = self.set(&slug.owner, &query, json!({ "input": input })).await?;
        Ok(data.enable_pull_request_auto_merge.pull_request.into())
    }

    /// Merges a pull request whose head is still this commit.
    ///
    /// # Errors
    /// When it can't be merged (405), or its head has changed (409).
    pub async fn merge_now(&self, slug: &Slug, number: u64, method: MergeMethod, head: &str) -> Result<(), Error> {
        let body = json!({ "sha": head, "merge_method": method.name() });
        self.put::<Value>(&format!("/repos/{slug}/pulls/{number}/merge"), &body).await.map(drop)
    }
}
