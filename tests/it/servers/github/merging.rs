//! Merging: REST's `merge`, and what GraphQL's wish for automatic merging comes to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{GitHub, Repository, openapi};

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

/// The owner of the repository that a document is about: the variables tell it, and so do the ids of repositories and pull requests.
pub(super) fn owner(body: &Value) -> Option<String> {
    let (variables, input) = (&body["variables"], &body["variables"]["input"]);
    let owner_in = |id: &str| id.split_once('_')?.1.split('/').next().map(str::to_owned);
    let id = input["repositoryId"].as_str().or(input["pullRequestId"].as_str());
    variables["owner"].as_str().map(str::to_owned).or_else(|| id.and_then(owner_in))
}

/// A pull request's id in GraphQL.
pub(super) fn id(slug: &str, number: u64) -> String {
    format!("PR_{slug}/{number}")
}

/// The repository and number of a pull request's id.
pub(super) fn of_id(id: &str) -> Option<(&str, u64)> {
    let (slug, number) = id.strip_prefix("PR_")?.rsplit_once('/')?;
    Some((slug, number.parse().ok()?))
}

/// Takes the wish of a mutation for automatic merging; tells what it is refused with.
pub(super) fn wish(repositories: &mut BTreeMap<String, Repository>, body: &Value) -> Option<String> {
    let input = &body["variables"]["input"];
    let (slug, number) = of_id(input["pullRequestId"].as_str()?)?;
    let repository = repositories.get_mut(slug)?;
    let index = repository.pulls.iter().position(|pull| pull.number == number)?;
    repository.enable(index, input)
}

impl Repository {
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
