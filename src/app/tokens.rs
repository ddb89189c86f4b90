//! Tokens for infrastructure repositories: the input `infra-token`, or those of an App, one for each owner. The workflow's own token is for
//! this repository and goes to no other.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::Run;
use crate::action::Log;
use crate::action::values::Mode;
use crate::error::Problems;
use crate::github::{App, Installation, Purpose, Slug, Tokens};
use crate::infra::{Entry, Infra, OnProtected};

/// How long giving tokens back may take: a run that was cancelled has few seconds.
const FAREWELL: Duration = Duration::from_secs(3);

impl Run<'_> {
    /// The tokens for these entries. Each is masked before it is used.
    pub(super) async fn tokens(&mut self, http: &reqwest::Client, api: &Url, server: &Url, entries: &[Entry]) -> Result<Tokens, Problems> {
        let mut tokens = Tokens::from(self.inputs.infra_token.clone());
        let (Some(id), Some(key)) = (&self.inputs.infra_app_id, &self.inputs.infra_app_key) else { return Ok(tokens) };
        let app = App::new(http.clone(), api, id, key, Timestamp::now())?;
        let may_propose = self.inputs.mode != Mode::Commit || entries.iter().any(|entry| entry.on_protected == OnProtected::PullRequest);
        let has_teams = entries.iter().any(|entry| !entry.team_reviewers.is_empty());
        let purpose = match (may_propose, has_teams) {
            (false, _) => Purpose::Commits,
            (true, false) => Purpose::PullRequests,
            (true, true) => Purpose::TeamReviews,
        };
        for repositories in by_owner(entries.iter().filter_map(|entry| Infra::slug(entry, server))) {
            if let Some(installation) = app.installation(&repositories, purpose, |token| mask(self.log, token)).await? {
                tokens.add(&installation.owner, installation.token.clone());
                self.installations.push(installation);
            }
        }
        Ok(tokens)
    }

    /// Makes the App's tokens worthless. They end by themselves within an hour, so that it fails is nobody's loss.
    pub(super) async fn give_tokens_back(&mut self) {
        let installations = std::mem::take(&mut self.installations);
        let all = futures::future::join_all(installations.iter().map(Installation::revoke));
        if tokio::time::timeout(FAREWELL, all).await.is_err() {
            self.log.say("the App's tokens were not given back in time; they end within the hour");
        }
    }
}

/// Hides a token, and the form in which git sends it.
pub(super) fn mask(log: &Log, token: &SecretString) {
    log.mask(token.expose_secret());
    log.mask(&STANDARD.encode(format!("x-access-token:{}", token.expose_secret())));
}

/// Repositories in groups of one owner each, none twice; names don't differ by case.
fn by_owner(slugs: impl Iterator<Item = Slug>) -> Vec<Vec<Slug>> {
    let mut groups: Vec<Vec<Slug>> = Vec::new();
    for slug in slugs {
        match groups.iter_mut().find(|group| group[0].owner.eq_ignore_ascii_case(&slug.owner)) {
            Some(group) if group.iter().any(|other| other.name.eq_ignore_ascii_case(&slug.name)) => {}
            Some(group) => group.push(slug),
            None => groups.push(vec![slug]),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_owner_gets_one_token_for_all_its_repositories() {
        let slugs = ["acme/a", "other/x", "Acme/b", "acme/A"].map(|text| {
            let (owner, name) = text.split_once('/').unwrap();
            Slug { owner: owner.into(), name: name.into() }
        });
        let groups: Vec<String> =
            by_owner(slugs.into_iter()).iter().map(|group| group.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(groups, ["acme/a Acme/b", "other/x"]);
    }
}
