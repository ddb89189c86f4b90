//! Merging: REST's `merge`, and the two documents of GraphQL, which are checked against the schema before they come here.

use serde_json::{Value, json};

use super::{GitHub, PREFIX, Reply, Repository, Request, State, openapi};

/// What a repository says to a wish for automatic merging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merging {
    /// Something is still missing: it will be merged later.
    Waits,
    /// Nothing is missing.
    Clean,
    /// The setting is off.
    Forbidden,
    /// It says yes and does nothing.
    Ignored,
}

/// Whether the base has a merge queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    None,
    Required,
}

impl GitHub {
    pub fn set_merging(&self, slug: &str, merging: Merging, queue: Queue) {
        self.change(slug, |repository| (repository.merging, repository.queue) = (merging, queue));
    }
}

fn is_mutation(body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body["query"].as_str().is_some_and(|query| query.starts_with("mutation"))
}

/// The owner of the repository that a document is about.
pub(super) fn owner(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let variables = &body["variables"];
    let of_id = || variables["input"]["repositoryId"].as_str()?.strip_prefix("R_")?.split('/').next();
    variables["owner"].as_str().or_else(of_id).map(str::to_owned)
}

/// A pull request's id in GraphQL.
fn id(slug: &str, number: u64) -> String {
    format!("PR_{}_{number}", slug.replace('/', "_"))
}

pub(super) fn graphql(state: &mut State, request: &Request) -> Reply {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let (query, variables) = (body["query"].as_str().unwrap_or_default(), &body["variables"]);
    let input = &variables["input"];
    let wanted = |slug: &str, number: u64| match is_mutation(&request.body) {
        true => input["pullRequestId"] == id(slug, number),
        false => {
            format!("{}/{}", variables["owner"].as_str().unwrap_or_default(), variables["name"].as_str().unwrap_or_default()) == *slug
                && variables["number"] == number
        }
    };
    let found = state.repositories.iter().find_map(|(slug, repository)| {
        let index = repository.pulls.iter().position(|pull| wanted(slug, pull.number))?;
        Some((slug.clone(), index))
    });
    let Some((slug, index)) = found else { return failure("Could not resolve to a PullRequest") };
    if !state.knows(request, slug.split('/').next()) {
        return Reply::json(401, &json!({ "message": "Bad credentials" }));
    }
    let repository = state.repositories.get_mut(&slug).expect("it was just found");
    if query.starts_with("query") && query.contains("pullRequest(number: $number)") {
        return Reply::json(200, &json!({ "data": { "repository": { "pullRequest": repository.node(&slug, index) } } }));
    }
    assert!(query.contains("enablePullRequestAutoMerge(input: $input)"), "the stand-in doesn't know {query}");
    if let Some(refusal) = repository.enable(index, input) {
        return failure(&refusal);
    }
    let node = repository.node(&slug, index);
    Reply::json(200, &json!({ "data": { "enablePullRequestAutoMerge": { "pullRequest": node } } }))
}

/// GraphQL says 200 to what it refuses.
fn failure(message: &str) -> Reply {
    Reply::json(200, &json!({ "data": null, "errors": [{ "type": "UNPROCESSABLE", "message": message }] }))
}

impl Repository {
    fn node(&self, slug: &str, index: usize) -> Value {
        let pull = &self.pulls[index];
        let automatic = pull.automatic.as_ref().filter(|how| *how != "queue");
        json!({
            "id": id(slug, pull.number),
            "autoMergeRequest": automatic.map(|how| json!({ "enabledAt": "2026-01-01T00:00:00Z", "mergeMethod": how })),
            "isMergeQueueEnabled": self.queue == Queue::Required,
            "isInMergeQueue": pull.automatic.as_deref() == Some("queue"),
        })
    }

    /// What the wish is refused with.
    fn enable(&mut self, index: usize, input: &Value) -> Option<String> {
        let head = self.head(&self.pulls[index].head.clone());
        if input["expectedHeadOid"].as_str() != head.as_deref() {
            return Some("Head branch was modified. Review and try the merge again.".into());
        }
        let method = input["mergeMethod"].as_str();
        match (self.queue, method, self.merging) {
            (Queue::Required, Some(_), _) => Some("The merge strategy for main is set by the merge queue".into()),
            (Queue::Required, None, _) => {
                self.pulls[index].automatic = Some("queue".into());
                None
            }
            (Queue::None, _, Merging::Clean) => Some("Pull request Pull request is in clean status".into()),
            (Queue::None, _, Merging::Forbidden) => Some("Auto merge is not allowed for this repository".into()),
            (Queue::None, _, Merging::Ignored) => None,
            (Queue::None, method, Merging::Waits) => {
                self.pulls[index].automatic = Some(method.unwrap_or("MERGE").to_owned());
                None
            }
        }
    }

    pub(super) fn merge(&mut self, operation: &str, parameters: &[String], body: &Value) -> Option<(u16, Value)> {
        if operation != "PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge" {
            return None;
        }
        let index = self.pulls.iter().position(|pull| pull.number.to_string() == parameters[2])?;
        let (head, base) = (self.pulls[index].head.clone(), self.pulls[index].base.clone());
        if body["sha"].as_str() != self.head(&head).as_deref() {
            return Some((409, json!({ "message": "Head branch was modified. Review and try the merge again." })));
        }
        // What is proposed is always one commit on the base's head, so that any method can do the same.
        self.git(&["update-ref", &format!("refs/heads/{base}"), body["sha"].as_str()?])?;
        let pull = &mut self.pulls[index];
        (pull.open, pull.merged) = (false, true);
        Some((200, openapi::example("pull-request-merge-result-response-if-merge-was-successful")))
    }
}
