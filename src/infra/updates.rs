//! Branches of ours that somebody has brought up to date.
//!
//! The button "Update branch" of a pull request merges the base into our branch, in the name of whoever presses it. Such a merge holds no
//! work of theirs, so the branch stays ours. It does hold some when they have resolved a conflict or changed anything else: then what the
//! branch has beyond its base is not what our commit changes.

use crate::forge::{self, Hosted};
use crate::git::{Commit, Oid, Person};
use crate::github::{Actor, Difference, Written};

use super::Infra;
use super::plan::beneath_updates;

impl Infra {
    /// Whether a branch has nothing beyond its base but our commit, and merges that bring it up to date. `head` is at its end and not ours.
    /// A server that can't tell leaves the branch to the person.
    pub(super) async fn is_only_updated(&self, hosted: &Hosted, base: &str, branch: &str, head: &str) -> bool {
        self.compare(hosted, base, branch, head).await.unwrap_or(false)
    }

    async fn compare(&self, hosted: &Hosted, base: &str, branch: &str, head: &str) -> Result<bool, forge::Error> {
        let Some(ahead) = hosted.ahead(base, branch, head).await? else { return Ok(false) };
        let commits: Vec<Commit> = ahead.commits.into_iter().map(commit).collect();
        let Some(ours) = beneath_updates(&commits, head, &self.settings.author) else { return Ok(false) };
        let Some(parent) = ours.parents.first() else { return Ok(false) };
        // By now the base has all of it.
        if ahead.difference == Difference::default() {
            return Ok(true);
        }
        let change = hosted.difference(&parent.to_string(), &ours.id.to_string()).await?;
        Ok(change == Some(ahead.difference))
    }
}

/// A commit as forges tell it.
pub(super) fn commit(written: Written) -> Commit {
    let oid = |text: &String| Oid::from_str(text).unwrap_or(Oid::ZERO_SHA1);
    let person = |actor: Actor| Person { name: actor.name.unwrap_or_default(), email: actor.email.unwrap_or_default() };
    Commit {
        id: oid(&written.id),
        tree: oid(&written.tree),
        parents: written.parents.iter().map(oid).collect(),
        author: person(written.author),
        committer: person(written.committer),
        message: written.message,
    }
}
