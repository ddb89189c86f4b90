//! Who is to look at a pull request: labels, assignees, reviewers. None of it can fail the release.

use crate::error::Explain as _;
use crate::forge::{self, Hosted};
use crate::github::Pull;
use crate::journal::Kind;

use super::{Entry, Infra};

/// Whether there is something new to review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Review {
    Ask,
    Leave,
}

impl Infra {
    /// Labels and assignees that are missing are added; reviews are asked for when there is something new to review. Gives warnings.
    pub(super) async fn decorate(&self, hosted: &Hosted, entry: &Entry, pull: &Pull, review: Review) -> Vec<String> {
        let (number, mut warnings) = (pull.number, Vec::new());
        let labels = missing(&entry.labels, pull.labels.iter().map(|label| label.name.as_str()));
        if !labels.is_empty() {
            let result = self.decoration(hosted, number, "labels", &labels, hosted.add_labels(number, &labels)).await;
            warnings.extend(result.err().map(|error| warning(hosted, number, "labels", &labels, &error)));
        }
        let assignees = missing(&entry.assignees, pull.assignees.iter().map(|user| user.login.as_str()));
        if !assignees.is_empty() {
            let result = self.decoration(hosted, number, "assignees", &assignees, hosted.add_assignees(number, &assignees)).await;
            warnings.extend(result.err().map(|error| warning(hosted, number, "assignees", &assignees, &error)));
        }
        if review == Review::Ask {
            warnings.extend(self.ask_for_reviews(hosted, entry, pull).await);
        }
        warnings
    }

    /// Nobody can review their own pull request, and nobody is asked twice. One wrong name refuses them all: then they are asked one by one.
    async fn ask_for_reviews(&self, hosted: &Hosted, entry: &Entry, pull: &Pull) -> Vec<String> {
        let people = pull.user.iter().chain(&pull.requested_reviewers).map(|user| user.login.as_str());
        let people = missing(&entry.reviewers, people);
        let teams: Vec<String> = entry.team_reviewers.iter().map(|team| team.rsplit('/').next().unwrap_or(team).to_owned()).collect();
        let teams = missing(&teams, pull.requested_teams.iter().map(|team| team.slug.as_str()));
        let error = match self.request_reviews(hosted, pull.number, &people, &teams).await {
            Ok(()) => return Vec::new(),
            Err(error) => error,
        };
        let everybody = [people.clone(), teams.clone()].concat();
        if error.status() != Some(422) || everybody.len() == 1 {
            return vec![warning(hosted, pull.number, "reviewers", &everybody, &error)];
        }
        let mut warnings = Vec::new();
        let alone = people.into_iter().map(|name| (vec![name], Vec::new())).chain(teams.into_iter().map(|name| (Vec::new(), vec![name])));
        for (people, teams) in alone {
            if let Err(error) = self.request_reviews(hosted, pull.number, &people, &teams).await {
                warnings.push(warning(hosted, pull.number, "reviewers", &[people, teams].concat(), &error));
            }
        }
        warnings
    }

    async fn request_reviews(&self, hosted: &Hosted, number: u64, people: &[String], teams: &[String]) -> Result<(), forge::Error> {
        let everybody = [people, teams].concat();
        if everybody.is_empty() {
            return Ok(());
        }
        self.decoration(hosted, number, "reviewers", &everybody, hosted.request_reviews(number, people, teams)).await
    }

    async fn decoration(
        &self,
        hosted: &Hosted,
        number: u64,
        what: &str,
        names: &[String],
        request: impl Future<Output = Result<(), forge::Error>>,
    ) -> Result<(), forge::Error> {
        self.noted(Kind::PullRequest, format!("{hosted}#{number} {what}"), None, &names.join(", "), request).await
    }
}

fn warning(hosted: &Hosted, number: u64, what: &str, names: &[String], error: &forge::Error) -> String {
    format!("{hosted}#{number}: {what} {} not set: {error}; {}", names.join(", "), error.hint())
}

/// The wanted names that are not there yet; names on forges don't differ by case.
fn missing<'p>(wanted: &[String], present: impl Iterator<Item = &'p str>) -> Vec<String> {
    let present: Vec<&str> = present.collect();
    wanted.iter().filter(|name| !present.iter().any(|there| there.eq_ignore_ascii_case(name))).cloned().collect()
}
