use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use git2::{AutotagOption, Direction, FetchOptions, Oid, Repository, RepositoryInitOptions};
use tempfile::TempDir;

use super::greeting::HEADS;
use super::receive_pack::Receiver;
use super::session::Session;
use super::upload_pack::{self, Earlier, Heads, Welcome};
use super::{Client, Error, Key, Person, Remote};

const BASE: &str = "refs/tagboat/base";
const BRANCH: &str = "refs/tagboat/branch";

/// How often a fetch starts again when a branch moves under it.
const TRIES: u64 = 6;

/// Which branch to start from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// The branch that the repository's HEAD names.
    Default,
    Named(String),
}

/// The newest commit of a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    pub id: Oid,
    pub tree: Oid,
    pub parents: Vec<Oid>,
    pub author: Person,
    pub committer: Person,
    pub message: String,
}

/// The heads of two branches as a repository had them at one moment, in a bare temporary repository that goes away with the last clone
/// of this value.
#[derive(Debug, Clone)]
pub struct Snapshot {
    directory: Arc<TempDir>,
    pub(super) remote: Remote,
    pub(super) signer: Option<Key>,
    /// Name of the base branch, without `refs/heads/`.
    pub base_branch: String,
    pub base: Commit,
    /// The head of the branch that was asked for beside the base, if the repository has it.
    pub branch: Option<Commit>,
    welcome: Option<Welcome>,
    /// The server for pushes, once it was called.
    pub(super) receiver: Arc<OnceLock<Receiver>>,
}

impl Client {
    /// Fetches the heads of the base branch and, where it exists, of `branch`. From servers without their history (depth 1); libgit2 can't do
    /// that for folders.
    ///
    /// # Errors
    /// When the repository can't be reached or read, or has no such base branch.
    pub async fn fetch(&self, remote: &Remote, base: &Base, branch: &str) -> Result<Snapshot, Error> {
        self.try_fetch(remote, base, branch, None).await
    }

    /// As [`Client::fetch`], of what a repository has by now; of that only what the earlier snapshot lacks, where the server can do so.
    ///
    /// # Errors
    /// As [`Client::fetch`].
    pub async fn fetch_again(&self, earlier: &Snapshot, branch: &str) -> Result<Snapshot, Error> {
        let base = Base::Named(earlier.base_branch.clone());
        self.try_fetch(&earlier.remote, &base, branch, Some(earlier)).await
    }

    async fn try_fetch(&self, remote: &Remote, base: &Base, branch: &str, earlier: Option<&Snapshot>) -> Result<Snapshot, Error> {
        let mut tried = 1;
        loop {
            let (source, base, branch) = (remote.clone(), base.clone(), branch.to_owned());
            let (signer, earlier) = (self.signer.clone(), earlier.cloned());
            match self.blocking(remote, move |session| Snapshot::fetch(session, source, (&base, &branch), signer, earlier)).await {
                Err(error) if tried < TRIES && has_moved(&error) => {
                    tokio::time::sleep(Duration::from_millis(rand::random_range(20..=100 * tried))).await;
                    tried += 1;
                }
                result => return result,
            }
        }
    }
}

impl Snapshot {
    fn fetch(
        session: &Arc<Session>,
        remote: Remote,
        branches: (&Base, &str),
        signer: Option<Key>,
        earlier: Option<Snapshot>,
    ) -> Result<Self, Error> {
        let fail = |source| Error::Fetch { remote: remote.to_string(), source };
        let (directory, receiver, earlier) = match earlier {
            Some(earlier) => {
                let commits = earlier.branch.iter().chain([&earlier.base]).map(|commit| commit.id).collect();
                (earlier.directory, earlier.receiver, Earlier { welcome: earlier.welcome, commits })
            }
            None => (Arc::new(empty()?), Arc::default(), Earlier::default()),
        };
        let repository = Repository::open_bare(directory.path()).map_err(fail)?;
        let heads = match &remote {
            Remote::Http { .. } | Remote::Ssh(_) => upload_pack::fetch(session, &repository, &remote, branches, earlier)?,
            Remote::Folder(path) => from_folder(&repository, &remote, path, branches)?,
        };
        let describe = |id| describe(&repository, id).map_err(fail);
        let (base, branch) = (describe(heads.base)?, heads.branch.map(describe).transpose()?);
        drop(repository);
        Ok(Self { directory, remote, signer, base_branch: heads.base_branch, base, branch, welcome: heads.welcome, receiver })
    }

    /// Opens the temporary repository; libgit2's handles can't be shared between threads, so each piece of work has its own.
    pub(super) fn open(&self) -> Result<Repository, git2::Error> {
        Repository::open_bare(self.directory.path())
    }
}

/// A bare repository without anything, in a temporary folder.
fn empty() -> Result<TempDir, Error> {
    let directory = tempfile::Builder::new().prefix("tagboat-git-").tempdir().map_err(Error::Temporary)?;
    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false).no_reinit(true);
    Repository::init_opts(directory.path(), &options).map_err(|error| Error::Temporary(io::Error::other(error)))?;
    Ok(directory)
}

/// Everything of a folder's two branches; libgit2 can't leave their history there.
fn from_folder(to: &Repository, remote: &Remote, path: &Path, (base, branch): (&Base, &str)) -> Result<Heads, Error> {
    let fail = |source| Error::Fetch { remote: remote.to_string(), source };
    let mut connection = to.remote_anonymous(&folder(path)?).map_err(fail)?;
    let mut connected = connection.connect_auth(Direction::Fetch, None, None).map_err(fail)?;
    let names: Vec<String> = connected.list().map_err(fail)?.iter().map(|head| head.name().to_owned()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let default = connected.default_branch().ok().and_then(|name| String::from_utf8(name.to_vec()).ok());
    let base_branch = choose_base(remote, base, &names, default.as_deref())?;
    let has_branch = names.contains(&format!("{HEADS}{branch}").as_str());
    let mut refspecs = vec![format!("+{HEADS}{base_branch}:{BASE}")];
    if has_branch {
        refspecs.push(format!("+{HEADS}{branch}:{BRANCH}"));
    }
    let mut options = FetchOptions::new();
    options.download_tags(AutotagOption::None).update_fetchhead(false);
    connected.remote().fetch(&refspecs, Some(&mut options), None).map_err(fail)?;
    drop(connected);
    let head = |name: &str| to.refname_to_id(name).map_err(fail);
    Ok(Heads { base: head(BASE)?, branch: if has_branch { Some(head(BRANCH)?) } else { None }, base_branch, welcome: None })
}

/// A server refuses, or hangs up, when a branch has moved between its listing and the fetch and its old head is not there any more
/// ("upload-pack: not our ref").
fn has_moved(error: &Error) -> bool {
    match error {
        Error::FetchRefused { text, .. } => text.contains("not our ref"),
        Error::HungUp { .. } => true,
        _ => false,
    }
}

pub(super) fn choose_base(remote: &Remote, base: &Base, heads: &[&str], default: Option<&str>) -> Result<String, Error> {
    let name = match base {
        Base::Named(name) => name.clone(),
        Base::Default => default
            .and_then(|name| name.strip_prefix(HEADS))
            .ok_or_else(|| Error::NoDefaultBranch { remote: remote.to_string() })?
            .to_owned(),
    };
    if heads.contains(&format!("{HEADS}{name}").as_str()) {
        return Ok(name);
    }
    Err(Error::NoBranch { remote: remote.to_string(), branch: name })
}

/// What libgit2 takes for a folder's address. The folder is opened first: libgit2's error for one that is no repository names nothing.
pub(super) fn folder(path: &Path) -> Result<String, Error> {
    let fail = |source| Error::Folder { folder: path.display().to_string(), source };
    let path: PathBuf = path.canonicalize().map_err(|error| fail(git2::Error::from_str(&error.to_string())))?;
    let repository = Repository::open_bare(&path).map_err(fail)?;
    drop(repository);
    path.to_str().map(str::to_owned).ok_or_else(|| fail(git2::Error::from_str("the path is not UTF-8")))
}

pub(super) fn describe(repository: &Repository, id: Oid) -> Result<Commit, git2::Error> {
    let commit = repository.find_commit(id)?;
    let person = |signature: &git2::Signature<'_>| Person {
        name: String::from_utf8_lossy(signature.name_bytes()).into_owned(),
        email: String::from_utf8_lossy(signature.email_bytes()).into_owned(),
    };
    Ok(Commit {
        id,
        tree: commit.tree_id(),
        parents: commit.parent_ids().collect(),
        author: person(&commit.author()),
        committer: person(&commit.committer()),
        message: String::from_utf8_lossy(commit.message_bytes()).into_owned(),
    })
}
