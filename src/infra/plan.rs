//! What to do with a repository, decided from what was read. Pure.

use std::fmt;

use crate::git::{Commit, Oid, Person};
use crate::github::Pull;

use super::edit::Change;

/// What happens to the branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BranchStep {
    /// The base has all values already.
    Nothing,
    /// The branch is exactly the proposed commit.
    Keep,
    Create,
    /// The commit goes straight to the base.
    Commit,
    /// The branch is made anew on the base's head.
    Rebuild {
        from: Oid,
    },
}

/// What happens to the pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullStep {
    Nothing,
    /// Nobody there takes pull requests.
    Unavailable,
    Open,
    Update {
        number: u64,
        url: String,
    },
    Keep {
        number: u64,
        url: String,
    },
}

/// The last commit of a branch is somebody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    pub commit: Oid,
    pub author: Person,
}

/// A commit that is to be: what tells whether it is one that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    pub tree: Oid,
    pub parents: Vec<Oid>,
}

/// Begins the last line of a message, with the commit's tree behind it.
const MARK: &str = "Tagboat-Tree: ";

/// A message for a commit that bears the name of a token's owner. The tree in it tells ours from that person's own, and from ours after
/// somebody has changed it.
pub fn marked(message: &str, tree: Oid) -> String {
    format!("{}\n\n{MARK}{tree}\n", message.trim_end())
}

fn is_marked(commit: &Commit) -> bool {
    let tree = commit.tree.to_string();
    commit.message.lines().filter_map(|line| line.strip_prefix(MARK)).any(|marked| marked.trim() == tree)
}

/// Whose the commit is, when it is not ours.
pub fn stranger<'c>(commit: &'c Commit, us: &Person) -> Option<&'c Person> {
    [&commit.author, &commit.committer].into_iter().find(|person| person.email != us.email).filter(|_| !is_marked(commit))
}

/// Title and text of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pub title: String,
    pub body: String,
}

/// Compares the proposed commit with the branch as it is.
///
/// # Errors
/// When the branch ends with somebody else's commit, which is never overwritten.
pub fn branch_step(base: &Commit, proposed: &Proposal, present: Option<&Commit>, us: &Person) -> Result<BranchStep, Foreign> {
    if proposed.tree == base.tree {
        return Ok(BranchStep::Nothing);
    }
    let Some(present) = present else { return Ok(BranchStep::Create) };
    // A branch that was put back to the base's head has no commit of its own.
    let has_own_commit = present.id != base.id;
    if has_own_commit && let Some(author) = stranger(present, us) {
        return Err(Foreign { commit: present.id, author: author.clone() });
    }
    if present.tree == proposed.tree && present.parents == proposed.parents {
        return Ok(BranchStep::Keep);
    }
    Ok(BranchStep::Rebuild { from: present.id })
}

/// Compares the wanted pull request with the open one.
pub fn pull_step(text: &Text, base: &str, open: Option<&Pull>) -> PullStep {
    let Some(pull) = open else { return PullStep::Open };
    let (number, url) = (pull.number, pull.html_url.clone());
    let plain = |text: &str| text.replace("\r\n", "\n").trim_end().to_owned();
    let is_same = pull.title == text.title && plain(pull.body.as_deref().unwrap_or_default()) == plain(&text.body);
    if is_same && pull.base.branch == base { PullStep::Keep { number, url } } else { PullStep::Update { number, url } }
}

/// The plan for one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The entry as people know it.
    pub place: String,
    pub base: String,
    pub branch: String,
    pub changes: Vec<Change>,
    pub notes: Vec<String>,
    /// The way into the repository and why it was chosen, when it was for us to choose.
    pub way: Option<String>,
    pub branch_step: BranchStep,
    pub pull_step: PullStep,
    /// Pull requests that are not needed any more.
    pub closes: Vec<String>,
}

impl Plan {
    /// Whether carrying it out changes anything. Missing labels and assignees of an open pull request are added beside it.
    pub fn writes(&self) -> bool {
        let branch = matches!(self.branch_step, BranchStep::Create | BranchStep::Commit | BranchStep::Rebuild { .. });
        branch || matches!(self.pull_step, PullStep::Open | PullStep::Update { .. }) || !self.closes.is_empty()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match (&self.branch_step, &self.pull_step) {
            (BranchStep::Nothing, _) => write!(f, "nothing to change, {} has it already", self.base)?,
            (BranchStep::Keep, PullStep::Keep { url, .. }) => write!(f, "proposed already, {url}")?,
            (BranchStep::Keep, _) => write!(f, "branch {} is there already", self.branch)?,
            (BranchStep::Commit, _) => write!(f, "commit to {}", self.base)?,
            (BranchStep::Create, _) => write!(f, "push branch {} on {}", self.branch, self.base)?,
            (BranchStep::Rebuild { .. }, _) => write!(f, "rebuild branch {} on {}", self.branch, self.base)?,
        }
        match &self.pull_step {
            PullStep::Open => f.write_str(", open a pull request")?,
            PullStep::Update { url, .. } => write!(f, ", update {url}")?,
            PullStep::Keep { url, .. } if self.branch_step != BranchStep::Keep => write!(f, ", {url} follows")?,
            PullStep::Unavailable => f.write_str(", no forge there to open a pull request on")?,
            PullStep::Nothing | PullStep::Keep { .. } => {}
        }
        for url in &self.closes {
            write!(f, ", close {url}")?;
        }
        for change in &self.changes {
            write!(f, "\n  {change}")?;
        }
        if let Some(way) = &self.way {
            write!(f, "\n  {way}")?;
        }
        for note in &self.notes {
            write!(f, "\n  note: {note}")?;
        }
        Ok(())
    }
}
