//! Closes pull requests of ours that are not needed any more, and deletes their branches.

use crate::error::Explain as _;
use crate::forge::{self, Hosted};
use crate::github::Pull;
use crate::journal::Kind;

use super::lifecycle::Reason;
use super::plan::stranger;
use super::updates::commit;
use super::{Event, Infra, Prepared, Progress};

/// Whether the branch goes with its pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Branch {
    Delete,
    Keep,
}

/// What became of a pull request that is not needed any more.
enum Closing {
    /// It is closed. What did not work beside that.
    Closed(Vec<String>),
    /// Its last commit is this person's.
    Left(String),
}

impl Infra {
    /// Closes what the base has already. The warnings say what was left open, and why.
    pub(super) async fn close_satisfied(&self, hosted: &Hosted, prepared: &Prepared, progress: Progress<'_>) -> (Vec<String>, Vec<String>) {
        let (release, base) = (&self.settings.release.name, &prepared.plan.base);
        let reason = Reason::Satisfied { release, base };
        let pulls = prepared.ours.present.iter().chain(&prepared.ours.others);
        self.close_all(hosted, pulls.map(|pull| (pull, Branch::Delete)).collect(), &reason, progress).await
    }

    /// Closes those that the present pull request takes the place of.
    pub(super) async fn close_superseded(
        &self,
        hosted: &Hosted,
        prepared: &Prepared,
        by: &Pull,
        progress: Progress<'_>,
    ) -> (Vec<String>, Vec<String>) {
        let others = prepared.ours.others.iter().filter(|pull| pull.number != by.number);
        let with_branch = others.map(|pull| (pull, if pull.head.branch == by.head.branch { Branch::Keep } else { Branch::Delete }));
        self.close_all(hosted, with_branch.collect(), &Reason::Superseded(&by.html_url), progress).await
    }

    /// Addresses of what was closed, and warnings.
    async fn close_all(
        &self,
        hosted: &Hosted,
        pulls: Vec<(&Pull, Branch)>,
        reason: &Reason<'_>,
        progress: Progress<'_>,
    ) -> (Vec<String>, Vec<String>) {
        let (mut closed, mut warnings) = (Vec::new(), Vec::new());
        for (pull, branch) in pulls {
            match self.close(hosted, pull, branch, reason).await {
                Ok(Closing::Closed(missed)) => {
                    progress(Event::Closed { url: pull.html_url.clone(), reason: reason.to_string() });
                    closed.push(pull.html_url.clone());
                    warnings.extend(missed);
                }
                Ok(Closing::Left(person)) => {
                    warnings
                        .push(format!("{hosted}#{} is not needed any more and was left open: its last commit is by {person}", pull.number));
                }
                Err(error) => warnings.push(format!("{hosted}#{} not closed: {error}; {}", pull.number, error.hint())),
            }
        }
        (closed, warnings)
    }

    /// Closes one, unless its last commit is a person's.
    async fn close(&self, hosted: &Hosted, pull: &Pull, branch: Branch, reason: &Reason<'_>) -> Result<Closing, forge::Error> {
        if let Some(person) = self.stranger(hosted, pull).await? {
            return Ok(Closing::Left(person));
        }
        let subject = format!("{hosted}#{}", pull.number);
        self.noted(Kind::PullRequest, subject.clone(), Some("open"), "closed", hosted.close_pull(pull.number)).await?;
        // No later run finds it again: what is left to do is tried, whatever goes wrong.
        let mut missed = Vec::new();
        let text = reason.to_string();
        let comment = self.noted(Kind::PullRequest, format!("{subject} comment"), None, &text, hosted.comment(pull.number, &text));
        if let Err(error) = comment.await {
            missed.push(format!("{subject} closed without a comment: {error}; {}", error.hint()));
        }
        if branch == Branch::Delete {
            let subject = format!("{hosted} branch {}", pull.head.branch);
            let before: String = pull.head.sha.chars().take(12).collect();
            let deletion = self.noted(Kind::Branch, subject.clone(), Some(&before), "deleted", hosted.delete_branch(&pull.head.branch));
            if let Err(error) = deletion.await {
                missed.push(format!("{subject} not deleted: {error}; {}", error.hint()));
            }
        }
        Ok(Closing::Closed(missed))
    }

    /// Whose the last commit is, when it is not ours.
    async fn stranger(&self, hosted: &Hosted, pull: &Pull) -> Result<Option<String>, forge::Error> {
        let head = commit(hosted.written(&pull.head.sha).await?);
        let Some(person) = stranger(&head, &self.settings.author) else { return Ok(None) };
        let is_ours = head.parents.len() == 2 && self.is_only_updated(hosted, &pull.base.branch, &pull.head.branch, &pull.head.sha).await;
        Ok(Some(person.to_string()).filter(|_| !is_ours))
    }
}
