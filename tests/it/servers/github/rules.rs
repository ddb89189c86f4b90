//! Rules of branches.

use serde_json::{Value, json};

use super::{GitHub, Repository, openapi};

/// A rule of every branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub kind: &'static str,
    /// What the server says about the token's owner; nothing when it doesn't tell.
    pub bypass: Option<&'static str>,
}

impl GitHub {
    pub fn add_rule(&self, slug: &str, rule: Rule) {
        self.change(slug, |repository| repository.rules.push(rule));
    }
}

impl Repository {
    pub(super) fn told_rules(&self, operation: &str, parameters: &[String]) -> Option<(u16, Value)> {
        match operation {
            "GET /repos/{owner}/{repo}/rules/branches/{branch}" => {
                let rule = |(index, rule): (usize, &Rule)| {
                    let source = parameters[..2].join("/");
                    json!({ "type": rule.kind, "ruleset_source_type": "Repository", "ruleset_source": source, "ruleset_id": index + 1 })
                };
                Some((200, self.rules.iter().enumerate().map(rule).collect()))
            }
            "GET /repos/{owner}/{repo}/rulesets/{ruleset_id}" => {
                let index = parameters[2].parse::<usize>().ok()?;
                let mut ruleset = openapi::example("repository-ruleset");
                ruleset["id"] = json!(index);
                match self.rules.get(index - 1)?.bypass {
                    Some(bypass) => ruleset["current_user_can_bypass"] = json!(bypass),
                    None => drop(ruleset.as_object_mut()?.remove("current_user_can_bypass")),
                }
                Some((200, ruleset))
            }
            _ => None,
        }
    }
}
