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
    /// Whether it has two parents, as one that brings the branch up to date.
    pub is_merge: bool,
}

/// A commit that is to be: what tells whether it is one that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    pub tree: Oid,
    pub parents: Vec<Oid>,
    pub message: String,
}

/// Begins the last line of a message, with the commit's tree behind it.
const MARK: &str = "Tagboat-Tree: ";

/// A message for a commit that bears the name of a token's owner. The tree in it tells ours from that person's own, and from ours after
/// somebody has changed it.
pub fn marked(message: &str, tree: Oid) -> String {
    let message = message.trim_end();
    let gap = if ends_in_trailers(message) { "\n" } else { "\n\n" };
    format!("{message}{gap}{MARK}{tree}\n")
}

/// Whether the last paragraph behind the subject is one of trailers, as `Signed-off-by`: readers look for them in the last one only
/// (git-interpret-trailers(1)). The lines that we write of images begin with a small letter.
fn ends_in_trailers(message: &str) -> bool {
    let is_token = |token: &str| {
        token.starts_with(|c: char| c.is_ascii_uppercase()) && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_trailer = |line: &str| line.split_once(": ").is_some_and(|(token, _)| is_token(token));
    message.rsplit_once("\n\n").is_some_and(|(_, last)| last.lines().all(is_trailer))
}

/// Whether messages are the same but for our mark, which only one of the ways leaves, and what servers trim.
fn say_the_same(one: &str, other: &str) -> bool {
    let plain = |text: &str| {
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with(MARK)).map(str::trim_end).collect();
        lines.join("\n").trim().to_owned()
    };
    plain(one) == plain(other)
}

fn is_marked(commit: &Commit) -> bool {
    let tree = commit.tree.to_string();
    commit.message.lines().filter_map(|line| line.strip_prefix(MARK)).any(|marked| marked.trim() == tree)
}

/// Whose the commit is, when it is not ours.
pub fn stranger<'c>(commit: &'c Commit, us: &Person) -> Option<&'c Person> {
    [&commit.author, &commit.committer].into_iter().find(|person| person.email != us.email).filter(|_| !is_marked(commit))
}

/// Our commit at the bottom of a branch that was brought up to date: above it there are only merges, each of the base into what is below.
/// `commits` are all that the branch has and the base has not, so that a second parent that is not among them is the base's.
pub fn beneath_updates<'c>(commits: &'c [Commit], head: &str, us: &Person) -> Option<&'c Commit> {
    let among = |id: Oid| commits.iter().find(|commit| commit.id == id);
    let mut at = among(Oid::from_str(head).ok()?)?;
    for _ in 1..commits.len() {
        match at.parents[..] {
            [below, base] if among(base).is_none() => at = among(below)?,
            _ => return None,
        }
    }
    // By now each of them was seen, if they are a chain.
    (at.parents.len() == 1 && among(at.parents[0]).is_none() && stranger(at, us).is_none()).then_some(at)
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
        return Err(Foreign { commit: present.id, author: author.clone(), is_merge: present.parents.len() == 2 });
    }
    let is_same = present.tree == proposed.tree && present.parents == proposed.parents;
    if is_same && say_the_same(&present.message, &proposed.message) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_joins_trailers_and_makes_no_other_message() {
        let tree = Oid::ZERO_SHA1;
        let table = [
            ("Deploy 1\n\nSigned-off-by: A <a@b>\n", "Deploy 1\n\nSigned-off-by: A <a@b>\nTagboat-Tree: "),
            ("Deploy 1\n\nweb: 1 → 2\n", "Deploy 1\n\nweb: 1 → 2\n\nTagboat-Tree: "),
            ("Deploy: 1\n", "Deploy: 1\n\nTagboat-Tree: "),
        ];
        for (message, expected) in table {
            let marked = marked(message, tree);
            assert_eq!(marked, format!("{expected}{tree}\n"));
            assert!(say_the_same(message, &marked) && !say_the_same("Deploy 2", &marked));
        }
    }
}
