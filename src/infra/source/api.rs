//! A repository through GitHub's API: what is needed of the base's head is asked for, the rest of the repository stays where it is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};

use crate::git::{self, Commit, Depth, File, Mode, Oid, Person, TreeEntry};
use crate::github::{self, Recursive, Slug, Tip, TreeChange};

use super::super::edit::kustomize;
use super::super::plan::{self, BranchStep, Proposal};
use super::super::{Edit, Entry, Error};
use super::trees::{Change, Named, Objects, by_name, id};
use super::{Made, Way, Writes};

/// More files than these are not searched one by one: a fetch brings them sooner.
const SEARCH_LIMIT: usize = 500;
/// Files asked for by one query, and queries at a time.
const BATCH: usize = 50;
const AT_ONCE: usize = 4;
/// GitHub takes bodies of up to 40 MiB; JSON makes texts longer.
const WRITE_LIMIT: usize = 30 << 20;

/// A repository as the API tells it.
#[derive(Debug, Clone)]
pub(in crate::infra) struct Checkout {
    github: github::Client,
    slug: Slug,
    /// The repository's id in queries.
    repository: String,
    way: Way,
    pub(super) base_branch: String,
    pub(super) base: Commit,
    pub(super) branch: Option<Commit>,
    objects: Arc<Mutex<Objects>>,
}

/// What makes a commit on the server.
#[derive(Debug, Clone)]
pub(super) struct Content {
    changes: Vec<TreeChange>,
    message: String,
}

impl Checkout {
    /// Asks for both heads, and in the same query for the folders down to the entry's path and the files that it will most likely want.
    pub(in crate::infra) async fn open(
        github: &github::Client,
        slug: &Slug,
        base: &str,
        branch: &str,
        entry: &Entry,
        way: Way,
    ) -> Result<Self, Error> {
        let heads = github.heads(slug, base, branch, &likely(entry)).await.map_err(|error| match way {
            Way::Api if error.is_beyond_it() => Error::Unsuited { reason: error.to_string() },
            _ => error.into(),
        })?;
        let Some(tip) = heads.base else {
            return Err(Error::NoBase { repository: slug.to_string(), branch: base.to_owned() });
        };
        let mut objects = Objects::default();
        for object in heads.objects {
            objects.take(object)?;
        }
        let unread = |branch: &str| Error::Unsuited { reason: format!("the API tells no ids of {branch}") };
        let branch = match &heads.branch {
            Some(tip) => Some(commit(tip).ok_or_else(|| unread(branch))?),
            None => None,
        };
        Ok(Self {
            github: github.clone(),
            slug: slug.clone(),
            repository: heads.repository,
            way,
            base_branch: base.to_owned(),
            base: commit(&tip).ok_or_else(|| unread(base))?,
            branch,
            objects: Arc::new(Mutex::new(objects)),
        })
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unfaithful(&self, what: &str, id: Oid) -> Error {
        Error::Unsuited { reason: format!("the API does not tell {what} {id} byte for byte") }
    }

    async fn tree(&self, id: Oid) -> Result<Arc<[TreeEntry]>, Error> {
        if let Some(tree) = self.objects().tree(id) {
            return Ok(tree);
        }
        let listing = self.github.tree(&self.slug, &id.to_string(), Recursive::No).await?;
        let mut objects = self.objects();
        objects.take_listing(id, &listing.tree)?;
        objects.tree(id).ok_or_else(|| self.unfaithful("the folder", id))
    }

    async fn blob(&self, id: Oid) -> Result<Arc<[u8]>, Error> {
        if let Some(blob) = self.objects().blob(id) {
            return Ok(blob);
        }
        let bytes = self.github.blob(&self.slug, &id.to_string()).await?;
        let mut objects = self.objects();
        objects.take_blob(id, bytes)?;
        objects.blob(id).ok_or_else(|| self.unfaithful("the file", id))
    }

    /// What is at a path of the base's head.
    async fn entry(&self, path: &str) -> Result<Option<TreeEntry>, Error> {
        let mut at = TreeEntry { name: String::new(), mode: 0o040_000, id: self.base.tree };
        for name in path.split('/').filter(|name| !name.is_empty()) {
            if at.kind() != Mode::Tree {
                return Ok(None);
            }
            match self.tree(at.id).await?.iter().find(|entry| entry.name == name) {
                Some(entry) => at = entry.clone(),
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    pub(super) async fn read(&self, path: &str) -> Result<Option<File>, Error> {
        let Some(entry) = self.entry(path).await? else { return Ok(None) };
        let mode = entry.kind();
        let bytes = match mode {
            Mode::Regular | Mode::Executable | Mode::Link => self.blob(entry.id).await?.to_vec(),
            Mode::Tree | Mode::Submodule => Vec::new(),
        };
        Ok(Some(File { mode, bytes }))
    }

    pub(super) async fn list(&self, folder: &str, depth: Depth) -> Result<Vec<String>, Error> {
        let Some(root) = self.entry(folder).await?.filter(|entry| entry.kind() == Mode::Tree) else { return Ok(Vec::new()) };
        if depth == Depth::All {
            self.read_folders(folder, root.id).await?;
        }
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut paths = Vec::new();
        self.walk(root.id, prefix, depth, &mut paths).await?;
        Ok(paths)
    }

    /// Brings all folders below one in a single answer. GitHub cuts listings off at 100,000 lines or 7 MB, and says so.
    async fn read_folders(&self, folder: &str, root: Oid) -> Result<(), Error> {
        let listing = self.github.tree(&self.slug, &root.to_string(), Recursive::Yes).await?;
        if listing.truncated {
            let reason = format!("the API cuts off the listing of {}", if folder.is_empty() { "the repository" } else { folder });
            return match self.way {
                Way::OnlyApi => Ok(()),
                Way::Api | Way::Git => Err(Error::Unsuited { reason }),
            };
        }
        self.objects().take_listing(root, &listing.tree)?;
        Ok(())
    }

    fn walk<'w>(&'w self, id: Oid, prefix: String, depth: Depth, paths: &'w mut Vec<String>) -> BoxFuture<'w, Result<(), Error>> {
        async move {
            for entry in self.tree(id).await?.iter().filter(|entry| !entry.name.starts_with('.')) {
                match entry.kind() {
                    Mode::Regular | Mode::Executable => paths.push(format!("{prefix}{}", entry.name)),
                    Mode::Tree if depth == Depth::All => {
                        self.walk(entry.id, format!("{prefix}{}/", entry.name), depth, paths).await?;
                    }
                    Mode::Tree | Mode::Link | Mode::Submodule => {}
                }
            }
            Ok(())
        }
        .boxed()
    }

    pub(super) async fn read_all(
        &self,
        paths: &[String],
        wanted: &mut (dyn FnMut(&[u8]) -> bool + Send),
    ) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let mut ids = Vec::new();
        for path in paths {
            ids.extend(self.entry(path).await?.map(|entry| (path, entry.id)));
        }
        let missing: Vec<Oid> = ids.iter().map(|(_, id)| *id).filter(|id| self.objects().blob(*id).is_none()).collect();
        if missing.len() > SEARCH_LIMIT && self.way == Way::Api {
            return Err(Error::Unsuited { reason: format!("{} files are to be searched", missing.len()) });
        }
        let batches = futures::stream::iter(missing.chunks(BATCH)).map(|batch| self.read_batch(batch));
        batches.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let mut kept = Vec::new();
        for (path, id) in ids {
            // What a query does not tell whole comes by itself.
            let bytes = self.blob(id).await?;
            if wanted(&bytes) {
                kept.push((path.clone(), bytes.to_vec()));
            }
        }
        Ok(kept)
    }

    async fn read_batch(&self, ids: &[Oid]) -> Result<(), Error> {
        let ids: Vec<String> = ids.iter().map(Oid::to_string).collect();
        let found = self.github.objects(&self.slug, &ids).await?;
        let mut objects = self.objects();
        for object in found {
            objects.take(object)?;
        }
        Ok(())
    }

    /// Finds out which tree the changes make, without making it.
    pub(super) async fn draft(&self, writes: &Writes, message: &str) -> Result<(Proposal, Content), Error> {
        let size: usize = writes.iter().filter_map(|(_, bytes)| bytes.as_ref()).map(Vec::len).sum();
        if size > WRITE_LIMIT {
            return Err(Error::Unsuited { reason: format!("{} MB are to be written", size / 1_000_000) });
        }
        let (mut changes, mut ids) = (Vec::new(), Vec::new());
        for (path, bytes) in writes {
            let Some(bytes) = bytes else {
                changes.push(TreeChange::remove(path.clone()));
                ids.push((path.as_str(), None));
                continue;
            };
            let is_executable = self.entry(path).await?.is_some_and(|entry| entry.kind() == Mode::Executable);
            let (mode, octal) = if is_executable { (0o100_755, "100755") } else { (0o100_644, "100644") };
            let Ok(text) = String::from_utf8(bytes.clone()) else {
                return Err(Error::Unsuited { reason: format!("{path} is not UTF-8") });
            };
            changes.push(TreeChange::write(path.clone(), octal, text));
            ids.push((path.as_str(), Some((mode, git::blob_id(bytes)?))));
        }
        let tree = match self.changed(Some(self.base.tree), ids).await? {
            Some(tree) => tree,
            None => git::tree_id(&[])?,
        };
        let message = plan::marked(message, tree);
        let proposal = Proposal { tree, parents: vec![self.base.id], message: message.clone() };
        Ok((proposal, Content { changes, message }))
    }

    /// The id of a folder after changes below it; `None` when nothing is left of it.
    fn changed<'c>(&'c self, folder: Option<Oid>, changes: Vec<(&'c str, Change)>) -> BoxFuture<'c, Result<Option<Oid>, Error>> {
        async move {
            let mut entries = match folder {
                Some(id) => self.tree(id).await?.to_vec(),
                None => Vec::new(),
            };
            for (name, Named { own, below }) in by_name(&changes) {
                let old = entries.iter().position(|entry| entry.name == name).map(|at| entries.swap_remove(at));
                let new = match own {
                    Some(change) => change,
                    None => {
                        let folder = old.filter(|entry| entry.kind() == Mode::Tree).map(|entry| entry.id);
                        self.changed(folder, below).await?.map(|id| (0o040_000, id))
                    }
                };
                entries.extend(new.map(|(mode, id)| TreeEntry { name: name.to_owned(), mode, id }));
            }
            if entries.is_empty() { Ok(None) } else { Ok(Some(git::tree_id(&entries)?)) }
        }
        .boxed()
    }

    /// Has the server make the commit. Its tree must be the planned one: what the server would make else is never published.
    pub(super) async fn commit(&self, proposal: &Proposal, content: &Content) -> Result<Made, Error> {
        let base = self.base.tree.to_string();
        let tree = self.github.create_tree(&self.slug, &base, &content.changes).await?;
        if tree != proposal.tree.to_string() {
            return Err(Error::OtherTree { repository: self.slug.to_string(), expected: proposal.tree.to_string(), made: tree });
        }
        let made = self.github.create_commit(&self.slug, &tree, &self.base.id.to_string(), &content.message).await?;
        let Some(id) = id(&made.sha) else {
            return Err(Error::OtherTree { repository: self.slug.to_string(), expected: tree, made: made.sha });
        };
        Ok(Made { id, verification: made.verification })
    }

    /// Puts a branch at the commit. A new branch must not be there yet, the base may only go forward, and our own branch goes from the
    /// commit that was seen: each time the server compares and sets at once.
    pub(super) async fn push(&self, commit: Oid, branch: &str, step: &BranchStep) -> Result<(), Error> {
        let new = commit.to_string();
        let (expected, result) = match step {
            BranchStep::Commit => (Some(self.base.id), self.github.forward_branch(&self.slug, branch, &new).await),
            BranchStep::Rebuild { from } => {
                (Some(*from), self.github.move_branch(&self.slug, &self.repository, branch, &from.to_string(), &new).await)
            }
            BranchStep::Create | BranchStep::Keep | BranchStep::Nothing => {
                (None, self.github.create_branch(&self.slug, branch, &new).await)
            }
        };
        match result {
            Ok(()) => Ok(()),
            Err(error) => self.explained(error, branch, expected, commit, step).await,
        }
    }

    /// Why a branch was not moved: where it is by now tells more than the server's words. It may even be where it was to go.
    async fn explained(
        &self,
        error: github::Error,
        branch: &str,
        expected: Option<Oid>,
        commit: Oid,
        step: &BranchStep,
    ) -> Result<(), Error> {
        // Without an answer to this one, the first error is the one to tell.
        let Ok(found) = self.github.branch(&self.slug, branch).await else { return Err(error.into()) };
        let found = found.as_deref().and_then(id);
        if found == Some(commit) {
            return Ok(());
        }
        if found != expected {
            let repository = self.slug.to_string();
            return Err(Error::Moved { repository, branch: branch.to_owned(), reason: error.to_string() });
        }
        match error {
            github::Error::Status { status: 403 | 409 | 422, answer, .. }
                if *step == BranchStep::Commit && answer.limit.is_none() && !answer.message.contains("Resource not accessible") =>
            {
                let text = answer.to_string();
                let reason = text.trim_start_matches(": ").to_owned();
                Err(Error::Protected { repository: self.slug.to_string(), branch: branch.to_owned(), reason, text: String::new() })
            }
            error => Err(error.into()),
        }
    }
}

/// The folders on the way to the entry's path, what is there, and the kustomization that may be in it.
fn likely(entry: &Entry) -> Vec<String> {
    let parts: Vec<&str> = entry.path.split('/').filter(|part| !part.is_empty()).collect();
    let mut paths: Vec<String> = (1..=parts.len()).map(|count| parts[..count].join("/")).collect();
    if matches!(entry.edit, Edit::Auto | Edit::Kustomize) && entry.values.is_empty() && entry.templates.is_empty() {
        paths.extend(kustomize::FILE_NAMES.map(|name| format!("{}/{name}", entry.path).trim_start_matches('/').to_owned()));
    }
    paths
}

fn commit(tip: &Tip) -> Option<Commit> {
    let person =
        |actor: &github::Actor| Person { name: actor.name.clone().unwrap_or_default(), email: actor.email.clone().unwrap_or_default() };
    Some(Commit {
        id: id(&tip.oid)?,
        tree: id(&tip.tree)?,
        parents: tip.parents.iter().map(|parent| id(parent)).collect::<Option<_>>()?,
        author: person(&tip.author),
        committer: person(&tip.committer),
        message: tip.message.clone(),
    })
}
