//! Comments, authors of commits, deleted branches, and pull requests of others.

use serde_json::{Value, json};

use super::{GitHub, PullRequest, Repository, openapi};

impl GitHub {
    /// A pull request that somebody has opened in the repository, from one of its branches.
    pub fn add_pull(&self, slug: &str, head: &str, base: &str, body: &str) -> u64 {
        let mut number = 0;
        self.change(slug, |repository| {
            let (status, answer) = repository.open(slug, &json!({ "title": head, "body": body, "head": head, "base": base }));
            assert_eq!(status, 201, "{answer}");
            number = answer["number"].as_u64().expect("a pull request has a number");
        });
        number
    }

    pub fn pull(&self, slug: &str, number: u64) -> PullRequest {
        self.pulls(slug).into_iter().find(|pull| pull.number == number).expect("no such pull request")
    }
}

impl Repository {
    pub(super) fn closing(&mut self, operation: &str, parameters: &[String], body: &Value) -> Option<(u16, Value)> {
        match operation {
            "POST /repos/{owner}/{repo}/issues/{issue_number}/comments" => {
                let pull = self.pulls.iter_mut().find(|pull| pull.number.to_string() == parameters[2])?;
                pull.comments.push(body["body"].as_str().unwrap_or_default().to_owned());
                Some((201, openapi::example("issue-comment")))
            }
            "GET /repos/{owner}/{repo}/git/commits/{commit_sha}" => {
                let person = |which: &str| {
                    let format = format!("--format=%{which}n%n%{which}e");
                    let text = self.git(&["show", "--no-patch", &format, &parameters[2]])?;
                    let (name, email) = text.split_once('\n')?;
                    Some(json!({ "name": name, "email": email, "date": "2026-01-01T00:00:00Z" }))
                };
                let (Some(author), Some(committer)) = (person("a"), person("c")) else {
                    return Some((404, json!({ "message": "Not Found" })));
                };
                let mut commit = openapi::example("git-commit-2");
                (commit["author"], commit["committer"]) = (author, committer);
                commit["message"] = json!(self.git(&["show", "--no-patch", "--format=%B", &parameters[2]])?);
                commit["tree"]["sha"] = json!(self.git(&["show", "--no-patch", "--format=%T", &parameters[2]])?);
                Some((200, commit))
            }
            name if name.starts_with("DELETE /repos/{owner}/{repo}/git/refs/heads/") => {
                let branch = parameters[2..].join("/");
                if self.head(&branch).is_none() {
                    return Some((422, json!({ "message": "Reference does not exist" })));
                }
                self.git(&["update-ref", "-d", &format!("refs/heads/{branch}")])?;
                self.pulls.iter_mut().filter(|pull| pull.head == branch).for_each(|pull| pull.open = false);
                Some((204, Value::Null))
            }
            _ => None,
        }
    }
}
