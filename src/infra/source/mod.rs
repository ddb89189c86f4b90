//! Where an entry's files are read and its commit is made: a fetched repository, or GitHub's API. Both give the same trees.

mod api;
mod choice;
mod trees;

use crate::git::{self, Base, Commit, Depth, File, Oid, Person, Remote};
use crate::github::Verification;

use super::plan::{BranchStep, Proposal};
use super::{Entry, Error};

pub(super) use api::Checkout;
pub(super) use choice::{Choice, Means, Way, choose};

/// A repository as it was at one moment, and the way back into it.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// Everything at the base's head is here; a push brings the commit there.
    Git(Box<Fetched>),
    /// Only what is asked for is brought here; the server makes the commit.
    Api(Box<Checkout>),
}

/// What was fetched, and by whom.
#[derive(Debug, Clone)]
pub(super) struct Fetched {
    client: git::Client,
    snapshot: git::Snapshot,
}

/// Files of a commit that is to be: paths with their bytes, `None` for a file that is removed.
pub(super) type Writes = [(String, Option<Vec<u8>>)];

/// A commit that is planned, and what making it takes.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) proposal: Proposal,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    /// The base has everything.
    Nothing,
    /// Made on this machine already.
    Local(Oid),
    Remote(api::Content),
}

/// A commit that is made; no branch has it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) id: Oid,
    /// What a server that makes commits says about their signature.
    pub(super) verification: Option<Verification>,
}

impl Fetched {
    /// Fetches what both branches have by now.
    pub(super) async fn again(&self, branch: &str) -> Result<Source, Error> {
        let snapshot = self.client.fetch_again(&self.snapshot, branch).await?;
        Ok(Source::Git(Box::new(Self { client: self.client.clone(), snapshot })))
    }

    /// Begins a push, as far as the server's word whether it takes one.
    pub(super) async fn call_for_push(&self) -> Result<(), git::Error> {
        self.client.call_for_push(&self.snapshot).await
    }
}

impl Source {
    /// Fetches the heads of both branches.
    pub(super) async fn fetch(client: &git::Client, remote: &Remote, base: &Base, branch: &str) -> Result<Self, Error> {
        let snapshot = client.fetch(remote, base, branch).await?;
        Ok(Self::Git(Box::new(Fetched { client: client.clone(), snapshot })))
    }

    /// Name of the base branch, without `refs/heads/`.
    pub(super) fn base_branch(&self) -> &str {
        match self {
            Self::Git(fetched) => &fetched.snapshot.base_branch,
            Self::Api(checkout) => &checkout.base_branch,
        }
    }

    /// The base's head.
    pub(super) fn base(&self) -> &Commit {
        match self {
            Self::Git(fetched) => &fetched.snapshot.base,
            Self::Api(checkout) => &checkout.base,
        }
    }

    /// The head of our own branch, if it is there.
    pub(super) fn branch(&self) -> Option<&Commit> {
        match self {
            Self::Git(fetched) => fetched.snapshot.branch.as_ref(),
            Self::Api(checkout) => checkout.branch.as_ref(),
        }
    }

    /// A file at the base's head; `None` when there is no such path. A folder or submodule has no bytes.
    pub(super) async fn read(&self, path: &str) -> Result<Option<File>, Error> {
        match self {
            Self::Git(fetched) => Ok(fetched.snapshot.read(path)?),
            Self::Api(checkout) => checkout.read(path).await,
        }
    }

    /// Paths of the files in a folder, sorted as git sorts them; links, submodules and what is hidden are left out.
    pub(super) async fn list(&self, folder: &str, depth: Depth) -> Result<Vec<String>, Error> {
        match self {
            Self::Git(fetched) => Ok(fetched.snapshot.list(folder, depth)?),
            Self::Api(checkout) => checkout.list(folder, depth).await,
        }
    }

    /// Reads files and keeps those whose bytes are wanted.
    pub(super) async fn read_all(
        &self,
        paths: &[String],
        wanted: &mut (dyn FnMut(&[u8]) -> bool + Send),
    ) -> Result<Vec<(String, Vec<u8>)>, Error> {
        match self {
            Self::Git(fetched) => Ok(fetched.snapshot.read_all(paths, wanted)?),
            Self::Api(checkout) => checkout.read_all(paths, wanted).await,
        }
    }

    /// Plans one commit on top of the base's head. Nothing leaves this machine.
    pub(super) async fn draft(&self, writes: &Writes, message: &str, person: &Person) -> Result<Draft, Error> {
        if writes.is_empty() {
            let base = self.base();
            let proposal = Proposal { tree: base.tree, parents: base.parents.clone(), message: message.to_owned() };
            return Ok(Draft { proposal, content: Content::Nothing });
        }
        match self {
            Self::Git(fetched) => {
                let commit = fetched.snapshot.commit(writes, message, person)?;
                let proposal = Proposal { tree: commit.tree, parents: commit.parents, message: commit.message };
                Ok(Draft { proposal, content: Content::Local(commit.id) })
            }
            Self::Api(checkout) => {
                let (proposal, content) = checkout.draft(writes, message).await?;
                Ok(Draft { proposal, content: Content::Remote(content) })
            }
        }
    }

    /// Makes the commit. Nobody sees it before a branch has it.
    pub(super) async fn commit(&self, draft: &Draft) -> Result<Made, Error> {
        match (self, &draft.content) {
            (Self::Api(checkout), Content::Remote(content)) => checkout.commit(&draft.proposal, content).await,
            (_, Content::Local(id)) => Ok(Made { id: *id, verification: None }),
            _ => Ok(Made { id: self.base().id, verification: None }),
        }
    }

    /// Puts a branch at the commit, provided that it is still where it was when this was read.
    pub(super) async fn push(&self, commit: Oid, branch: &str, step: &BranchStep) -> Result<(), Error> {
        match (self, step) {
            (Self::Git(fetched), BranchStep::Commit) => Ok(fetched.client.push_to_base(&fetched.snapshot, commit).await?),
            (Self::Git(fetched), _) => Ok(fetched.client.push(&fetched.snapshot, commit, branch).await?),
            (Self::Api(checkout), step) => checkout.push(commit, branch, step).await,
        }
    }
}
