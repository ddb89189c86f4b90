//! Rules that keep commits off a branch (GitHub docs, "Available rules for rulesets").

use serde::Deserialize;

use super::objects::in_path;
use super::{Client, Error, Slug};

/// Rules that no commit of ours can meet when it is pushed straight to the branch: each asks for something that is there only after a pull
/// request.
const IN_THE_WAY: [&str; 5] = ["pull_request", "merge_queue", "required_status_checks", "required_deployments", "update"];
const SIGNATURES: &str = "required_signatures";

/// Whether the commits that are to be pushed bear a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// Of ours, or of the server's where it makes the commit; that one is known only afterwards.
    Expected,
    None,
}

/// Whether the token's owner is above the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bypass {
    Never,
    /// Or the server does not tell.
    Possible,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(rename = "type")]
    kind: String,
    ruleset_id: Option<u64>,
}

#[derive(Deserialize)]
struct Ruleset {
    current_user_can_bypass: Option<String>,
}

impl Client {
    /// The rule that keeps commits from being pushed to a branch, and whether the token's owner may do it nevertheless. Protection rules of
    /// the older kind are told to administrators only; servers that don't know rules have none.
    ///
    /// # Errors
    /// When the rules can't be read.
    pub async fn rule_against_pushes(&self, slug: &Slug, branch: &str, signature: Signature) -> Result<Option<(String, Bypass)>, Error> {
        let is_unmet = |kind: &str| IN_THE_WAY.contains(&kind) || (kind == SIGNATURES && signature == Signature::None);
        let path = format!("/repos/{slug}/rules/branches/{}?per_page=100", in_path(branch).replace('/', "%2F"));
        let rules: Vec<Rule> = match self.get(&path).await {
            Err(error) if matches!(error.status(), Some(403 | 404)) => return Ok(None),
            result => result?,
        };
        let mut possible = None;
        for rule in rules.into_iter().filter(|rule| is_unmet(&rule.kind)) {
            match self.bypass(slug, rule.ruleset_id).await? {
                Bypass::Never => return Ok(Some((rule.kind, Bypass::Never))),
                Bypass::Possible => possible = possible.or(Some((rule.kind, Bypass::Possible))),
            }
        }
        Ok(possible)
    }

    async fn bypass(&self, slug: &Slug, ruleset: Option<u64>) -> Result<Bypass, Error> {
        let Some(id) = ruleset else { return Ok(Bypass::Possible) };
        let found: Ruleset = match self.get(&format!("/repos/{slug}/rulesets/{id}")).await {
            Err(error) if matches!(error.status(), Some(403 | 404)) => return Ok(Bypass::Possible),
            result => result?,
        };
        Ok(match found.current_user_can_bypass.as_deref() {
            Some("never" | "pull_requests_only") => Bypass::Never,
            _ => Bypass::Possible,
        })
    }
}
