//! Carries out a plan: push, then pull request. Everything that it sends stands in the journal before it is sent.

use std::time::{Duration, Instant};

use crate::forge::Hosted;
use crate::git;
use crate::github::{NewPull, Pull, PullChange};
use crate::journal::Kind;

use super::edit::{Change, ImagePin};
use super::entry::OnProtected;
use super::merging::Merging;
use super::plan::{BranchStep, PullStep};
use super::review::Review;
use super::source::Made;
use super::{Error, Event, Infra, Prepared, Progress, Publish};

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
    /// The base has all values, and the pull request that proposed them is closed.
    Closed,
    /// The pull request was merged at once.
    Merged,
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
    /// Whether the server merges the pull request by itself.
    pub automatic: bool,
    /// Pull requests that were not needed any more.
    pub closed: Vec<String>,
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
            State::Committed if self.closed.is_empty() => write!(f, "committed to {}", self.base),
            State::Committed => write!(f, "committed to {}; closed {}", self.base, self.closed.join(", ")),
            State::Pushed => write!(f, "branch {} pushed; no forge there to open a pull request on", self.branch),
            State::Closed => write!(f, "nothing to change, {} has it already; closed {}", self.base, self.closed.join(", ")),
            State::Merged => write!(f, "pull request merged: {url}"),
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
                Err(error @ Error::Protected { .. }) if prepared.entry.on_protected == OnProtected::PullRequest => {
                    progress(Event::Proposed { place: prepared.plan.place.clone(), reason: error.to_string() });
                    prepared = self.prepare_again(prepared, images, Publish::PullRequest).await?;
                    continue;
                }
                result => return result,
            };
            let place = prepared.plan.place.clone();
            if tried == TRIES || begun.elapsed() > TIME {
                return Err(Error::Busy { place, tries: tried, source: Box::new(error) });
            }
            progress(Event::Retried { place, reason: error.to_string() });
            tokio::time::sleep(pause(tried)).await;
            tried += 1;
            let publish = prepared.publish;
            prepared = self.prepare_again(prepared, images, publish).await?;
        }
    }

    async fn attempt(&self, prepared: &mut Prepared, progress: Progress<'_>) -> Result<Done, Error> {
        let is_pushed = match prepared.plan.branch_step {
            BranchStep::Nothing => return Ok(self.satisfied(prepared, State::Nothing, progress).await),
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
            return Ok(self.satisfied(prepared, State::Committed, progress).await);
        }
        let Some(hosted) = &prepared.ground.hosted else {
            return Ok(done(prepared, if is_pushed { State::Pushed } else { State::Present }, None));
        };
        let (state, pull) = match (&plan.pull_step, &prepared.ours.present) {
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
        Ok(self.finish(hosted, prepared, state, &pull, progress).await)
    }

    /// The base has everything, or has it now: pull requests of ours that propose it are closed.
    async fn satisfied(&self, prepared: &Prepared, state: State, progress: Progress<'_>) -> Done {
        let Some(hosted) = &prepared.ground.hosted else { return done(prepared, state, None) };
        let (closed, warnings) = self.close_satisfied(hosted, prepared, progress).await;
        let (state, pull) = match state {
            State::Committed => (state, None),
            _ => (if closed.is_empty() { state } else { State::Closed }, prepared.ours.present.as_ref()),
        };
        Done { closed, warnings, ..done(prepared, state, pull) }
    }

    /// What is done about a pull request that is as it is to be. None of it fails the release.
    async fn finish(&self, hosted: &Hosted, prepared: &Prepared, state: State, pull: &Pull, progress: Progress<'_>) -> Done {
        let (entry, review) = (&prepared.entry, if state == State::Proposed { Review::Leave } else { Review::Ask });
        let mut warnings = self.decorate(hosted, entry, pull, review).await;
        let (closed, left_open) = self.close_superseded(hosted, prepared, pull, progress).await;
        warnings.extend(left_open);
        let merging = match entry.auto_merge {
            Some(method) => {
                let head = prepared.head.map(|id| id.to_string()).unwrap_or_default();
                self.merge(hosted, pull, &head, method, progress).await
            }
            None => Merging::Left(None),
        };
        let state = if merging == Merging::Merged { State::Merged } else { state };
        let automatic = merging == Merging::Waits;
        if let Merging::Left(Some(warning)) = merging {
            warnings.push(warning);
        }
        Done { automatic, closed, warnings, ..done(prepared, state, Some(pull)) }
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
        let (subject, request) = (format!("{hosted}#{}", pull.number), hosted.update_pull(pull.number, &change));
        Ok(self.noted(Kind::PullRequest, subject, Some(&pull.title), &change.title, request).await?)
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
}

fn done(prepared: &Prepared, state: State, pull: Option<&Pull>) -> Done {
    let plan = &prepared.plan;
    Done {
        repository: prepared.entry.repository.to_string(),
        environment: prepared.entry.environment.clone(),
        state,
        base: plan.base.clone(),
        branch: plan.branch.clone(),
        commit: prepared.head.filter(|_| !matches!(state, State::Nothing | State::Closed)).map(|id| id.to_string()),
        number: pull.map(|pull| pull.number),
        url: pull.map(|pull| pull.html_url.clone()),
        changes: plan.changes.clone(),
        automatic: false,
        closed: Vec::new(),
        warnings: Vec::new(),
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
