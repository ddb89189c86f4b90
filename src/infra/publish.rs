//! Carries out a plan: push, then pull request. Everything that it sends stands in the journal before it is sent.

use std::time::{Duration, Instant};

use crate::error::Explain as _;
use crate::forge::{self, Hosted};
use crate::git;
use crate::github::{NewPull, Pull, PullChange};
use crate::journal::Kind;

use super::edit::{Change, ImagePin};
use super::plan::{BranchStep, PullStep};
use super::source::Made;
use super::{Error, Event, Infra, Prepared, Progress};

/// How often and how long a repository that changes under our hands is tried.
const TRIES: u32 = 40;
const TIME: Duration = Duration::from_secs(90);

/// What an entry came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The base has all values.
    Nothing,
    /// The pull request was there, as it is to be.
    Proposed,
    Opened,
    Updated,
    /// The commit is on the base branch.
    Committed,
    /// The branch is pushed; there is no forge to open a pull request on.
    Pushed,
    /// The branch was pushed before; there is no forge to open a pull request on.
    Present,
}

/// Whether there is something new to review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Review {
    Ask,
    Leave,
}

/// The good end of one entry.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Done {
    pub repository: String,
    pub environment: Option<String>,
    pub state: State,
    pub base: String,
    pub branch: String,
    /// The commit at the branch's head; absent when there was nothing to change.
    pub commit: Option<String>,
    pub number: Option<u64>,
    pub url: Option<String>,
    pub changes: Vec<Change>,
    /// What did not work and does not matter for the release: a label, a reviewer.
    pub warnings: Vec<String>,
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let url = self.url.as_deref().unwrap_or(&self.branch);
        match self.state {
            State::Nothing => write!(f, "nothing to change, {} has it already", self.base),
            State::Proposed => write!(f, "proposed already: {url}"),
            State::Opened => write!(f, "pull request opened: {url}"),
            State::Updated => write!(f, "pull request updated: {url}"),
            State::Committed => write!(f, "committed to {}", self.base),
            State::Pushed => write!(f, "branch {} pushed; no forge there to open a pull request on", self.branch),
            State::Present => write!(f, "branch {} is there already; no forge there to open a pull request on", self.branch),
        }
    }
}

impl Infra {
    /// Publishes, and starts again from the repository's new state when it changes meanwhile.
    pub(super) async fn publish_one(&self, prepared: Prepared, images: &[ImagePin], progress: Progress<'_>) -> Result<Done, Error> {
        let (mut prepared, begun, mut tried) = (prepared, Instant::now(), 1);
        loop {
            let error = match self.attempt(&mut prepared, progress).await {
                Err(error) if error.is_race() => error,
                result => return result,
            };
            let place = prepared.plan.place.clone();
            if tried == TRIES || begun.elapsed() > TIME {
                return Err(Error::Busy { place, tries: tried, source: Box::new(error) });
            }
            progress(Event::Retried { place, reason: error.to_string() });
            tokio::time::sleep(pause(tried)).await;
            tried += 1;
            prepared = self.prepare(&prepared.entry, images).await?;
        }
    }

    async fn attempt(&self, prepared: &mut Prepared, progress: Progress<'_>) -> Result<Done, Error> {
        let is_pushed = match prepared.plan.branch_step {
            BranchStep::Nothing => return Ok(done(prepared, State::Nothing, None, Vec::new())),
            BranchStep::Keep => false,
            BranchStep::Create | BranchStep::Commit | BranchStep::Rebuild { .. } => {
                let made = self.push(prepared).await?;
                prepared.head = Some(made.id);
                let (place, branch) = (prepared.plan.place.clone(), prepared.plan.branch.clone());
                let signature = made.verification.map(|said| if said.verified { "verified".to_owned() } else { said.reason });
                progress(Event::Pushed { place, branch, commit: short(&made.id.to_string()), signature });
                true
            }
        };
        let plan = &prepared.plan;
        if plan.branch_step == BranchStep::Commit {
            return Ok(done(prepared, State::Committed, None, Vec::new()));
        }
        let Some(hosted) = &prepared.hosted else {
            return Ok(done(prepared, if is_pushed { State::Pushed } else { State::Present }, None, Vec::new()));
        };
        let (state, pull) = match (&plan.pull_step, &prepared.pull) {
            (PullStep::Keep { .. }, Some(pull)) => (if is_pushed { State::Updated } else { State::Proposed }, pull.clone()),
            (PullStep::Update { .. }, Some(pull)) => (State::Updated, self.update(hosted, prepared, pull).await?),
            _ => self.open(hosted, prepared).await?,
        };
        let (place, url) = (plan.place.clone(), pull.html_url.clone());
        match state {
            State::Opened => progress(Event::Opened { place, url }),
            State::Updated => progress(Event::Updated { place, url }),
            _ => {}
        }
        let review = if state == State::Proposed { Review::Leave } else { Review::Ask };
        let warnings = self.decorate(hosted, prepared, &pull, review).await;
        Ok(done(prepared, state, Some(&pull), warnings))
    }

    /// Makes the commit and puts the branch at it. What is made before the branch moves is seen by nobody, so it is not in the journal.
    async fn push(&self, prepared: &Prepared) -> Result<Made, Error> {
        let (plan, source) = (&prepared.plan, &prepared.source);
        let is_direct = plan.branch_step == BranchStep::Commit;
        let made = source.commit(&prepared.draft).await?;
        let present = if is_direct { Some(source.base()) } else { source.branch() };
        let before = present.map(|commit| short(&commit.id.to_string()));
        let subject = format!("{} branch {}", prepared.entry.repository, plan.branch);
        let pending = self.journal.begin(Kind::Branch, subject, before, short(&made.id.to_string()));
        let Err(error) = source.push(made.id, &plan.branch, &plan.branch_step).await else {
            pending.done();
            return Ok(made);
        };
        if error.is_refusal() {
            pending.failed();
        }
        Err(match error {
            Error::Git(git::Error::Rejected { branch, reason, text, .. }) if is_direct => {
                Error::Protected { repository: prepared.entry.repository.to_string(), branch, reason, text }
            }
            error => error,
        })
    }

    async fn update(&self, hosted: &Hosted, prepared: &Prepared, pull: &Pull) -> Result<Pull, Error> {
        let text = prepared.text.clone();
        let change = PullChange { title: text.title, body: text.body, base: prepared.plan.base.clone() };
        let subject = format!("{hosted}#{}", pull.number);
        let pending = self.journal.begin(Kind::PullRequest, subject, Some(pull.title.clone()), change.title.clone());
        match hosted.update_pull(pull.number, &change).await {
            Ok(pull) => {
                pending.done();
                Ok(pull)
            }
            Err(error) => {
                if !error.is_uncertain() {
                    pending.failed();
                }
                Err(error.into())
            }
        }
    }

    /// Opens a pull request. When there is one already, or it is not known whether the request took effect, the server's list decides.
    async fn open(&self, hosted: &Hosted, prepared: &Prepared) -> Result<(State, Pull), Error> {
        let (plan, text) = (&prepared.plan, prepared.text.clone());
        let new =
            NewPull { title: text.title, body: text.body, head: plan.branch.clone(), base: plan.base.clone(), draft: prepared.entry.draft };
        let subject = format!("{hosted} pull request {} → {}", plan.branch, plan.base);
        let pending = self.journal.begin(Kind::PullRequest, subject, None, new.title.clone());
        let error = match hosted.create_pull(&new).await {
            Ok(pull) => {
                pending.done();
                return Ok((State::Opened, pull));
            }
            Err(error) => error,
        };
        if !error.is_uncertain() {
            pending.failed();
            if !error.is_already_open() {
                return Err(error.into());
            }
            return match hosted.open_pull(&plan.branch).await? {
                Some(pull) => Ok((State::Updated, self.update(hosted, prepared, &pull).await?)),
                None => Err(error.into()),
            };
        }
        match hosted.open_pull(&plan.branch).await? {
            Some(pull) => {
                pending.done();
                Ok((State::Opened, pull))
            }
            None => Err(error.into()),
        }
    }

    /// Labels and assignees that are missing are added; reviews are asked for when there is something new to review. None of it can fail
    /// the release.
    async fn decorate(&self, hosted: &Hosted, prepared: &Prepared, pull: &Pull, review: Review) -> Vec<String> {
        let (entry, number, mut warnings) = (&prepared.entry, pull.number, Vec::new());
        let labels = missing(&entry.labels, pull.labels.iter().map(|label| label.name.as_str()));
        if !labels.is_empty() {
            let result = hosted.add_labels(number, &labels);
            warnings.extend(self.decoration(hosted, number, "labels", &labels, result).await);
        }
        let assignees = missing(&entry.assignees, pull.assignees.iter().map(|user| user.login.as_str()));
        if !assignees.is_empty() {
            let result = hosted.add_assignees(number, &assignees);
            warnings.extend(self.decoration(hosted, number, "assignees", &assignees, result).await);
        }
        if review == Review::Ask {
            // Nobody can review their own pull request, and one wrong name would refuse them all.
            let people = missing(&entry.reviewers, pull.user.iter().map(|user| user.login.as_str()));
            let everybody = [people.clone(), entry.team_reviewers.clone()].concat();
            if !everybody.is_empty() {
                let result = hosted.request_reviews(number, &people, &entry.team_reviewers);
                warnings.extend(self.decoration(hosted, number, "reviewers", &everybody, result).await);
            }
        }
        warnings
    }

    async fn decoration(
        &self,
        hosted: &Hosted,
        number: u64,
        what: &str,
        names: &[String],
        request: impl Future<Output = Result<(), forge::Error>>,
    ) -> Option<String> {
        let pending = self.journal.begin(Kind::PullRequest, format!("{hosted}#{number} {what}"), None, names.join(", "));
        match request.await {
            Ok(()) => {
                pending.done();
                None
            }
            Err(error) => {
                if !error.is_uncertain() {
                    pending.failed();
                }
                Some(format!("{hosted}#{number}: {what} {} not set: {error}; {}", names.join(", "), error.hint()))
            }
        }
    }
}

/// The wanted names that are not there yet; names on forges don't differ by case.
fn missing<'p>(wanted: &[String], present: impl Iterator<Item = &'p str>) -> Vec<String> {
    let present: Vec<&str> = present.collect();
    wanted.iter().filter(|name| !present.iter().any(|there| there.eq_ignore_ascii_case(name))).cloned().collect()
}

fn done(prepared: &Prepared, state: State, pull: Option<&Pull>, warnings: Vec<String>) -> Done {
    let plan = &prepared.plan;
    Done {
        repository: prepared.entry.repository.to_string(),
        environment: prepared.entry.environment.clone(),
        state,
        base: plan.base.clone(),
        branch: plan.branch.clone(),
        commit: prepared.head.filter(|_| state != State::Nothing).map(|id| id.to_string()),
        number: pull.map(|pull| pull.number),
        url: pull.map(|pull| pull.html_url.clone()),
        changes: plan.changes.clone(),
        warnings,
    }
}

fn short(commit: &str) -> String {
    commit.chars().take(12).collect()
}

/// Longer each time, with jitter: runs that met once should not meet again.
fn pause(tried: u32) -> Duration {
    let longest = 200 * u64::from(tried.min(10));
    Duration::from_millis(rand::random_range(longest / 4..=longest))
}
