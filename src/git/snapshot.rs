use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use git2::{AutotagOption, Direction, FetchOptions, Oid, Repository, RepositoryInitOptions};
use tempfile::TempDir;

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
}

impl Client {
    /// Fetches the heads of the base branch and, where it exists, of `branch`. From servers without their history (depth 1); libgit2 can't do
    /// that for folders.
    ///
    /// # Errors
    /// When the repository can't be reached or read, or has no such base branch.
    pub async fn fetch(&self, remote: &Remote, base: &Base, branch: &str) -> Result<Snapshot, Error> {
        let mut tried = 1;
        loop {
            let (source, base, branch, signer) = (remote.clone(), base.clone(), branch.to_owned(), self.signer.clone());
            match self.blocking(remote, move || Snapshot::fetch(source, &base, &branch, signer)).await {
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
    fn fetch(remote: Remote, base: &Base, branch: &str, signer: Option<Key>) -> Result<Self, Error> {
        let directory = tempfile::Builder::new().prefix("tagboat-git-").tempdir().map_err(Error::Temporary)?;
        let fail = |source| Error::Fetch { remote: remote.to_string(), source };
        let mut options = RepositoryInitOptions::new();
        options.bare(true).external_template(false).no_reinit(true);
        let repository = Repository::init_opts(directory.path(), &options).map_err(fail)?;
        let address = address(&remote)?;
        let mut connection = repository.remote_anonymous(&address).map_err(fail)?;
        let (base_branch, has_branch) = {
            let mut connected = connection.connect_auth(Direction::Fetch, None, None).map_err(fail)?;
            let heads: Vec<String> = connected.list().map_err(fail)?.iter().map(|head| head.name().to_owned()).collect();
            let base_branch = choose_base(&remote, base, &heads, connected.default_branch().ok().as_deref())?;
            let has_branch = heads.contains(&format!("refs/heads/{branch}"));
            let mut refspecs = vec![format!("+refs/heads/{base_branch}:{BASE}")];
            if has_branch {
                refspecs.push(format!("+refs/heads/{branch}:{BRANCH}"));
            }
            let mut options = FetchOptions::new();
            options.download_tags(AutotagOption::None).update_fetchhead(false);
            if !matches!(remote, Remote::Folder(_)) {
                options.depth(1);
            }
            connected.remote().fetch(&refspecs, Some(&mut options), None).map_err(fail)?;
            (base_branch, has_branch)
        };
        drop(connection);
        let head = |name: &str| repository.refname_to_id(name).and_then(|id| describe(&repository, id)).map_err(fail);
        let base = head(BASE)?;
        let branch = if has_branch { Some(head(BRANCH)?) } else { None };
        drop(repository);
        Ok(Self { directory: Arc::new(directory), remote, signer, base_branch, base, branch })
    }

    /// Opens the temporary repository; libgit2's handles can't be shared between threads, so each piece of work has its own.
    pub(super) fn open(&self) -> Result<Repository, git2::Error> {
        Repository::open_bare(self.directory.path())
    }
}

/// A server hangs up when a branch has moved between its listing and the fetch, and its old head is not reachable any more ("upload-pack:
/// not our ref"); libgit2 passes on only that the answer ended.
fn has_moved(error: &Error) -> bool {
    match error {
        Error::Fetch { source, .. } => {
            // What libgit2 makes of the server's last word depends on how much of it has arrived when the connection ends.
            let messages = ["not our ref", "unexpected packet type"];
            source.code() == git2::ErrorCode::Eof || messages.iter().any(|message| source.message().contains(message))
        }
        _ => false,
    }
}

fn choose_base(remote: &Remote, base: &Base, heads: &[String], default: Option<&[u8]>) -> Result<String, Error> {
    let name = match base {
        Base::Named(name) => name.clone(),
        Base::Default => default
            .and_then(|name| std::str::from_utf8(name).ok())
            .and_then(|name| name.strip_prefix("refs/heads/"))
            .ok_or_else(|| Error::NoDefaultBranch { remote: remote.to_string() })?
            .to_owned(),
    };
    if heads.contains(&format!("refs/heads/{name}")) {
        return Ok(name);
    }
    Err(Error::NoBranch { remote: remote.to_string(), branch: name })
}

/// What libgit2 takes for a remote's address. A folder is opened first: libgit2's error for one that is no repository names nothing.
pub(super) fn address(remote: &Remote) -> Result<String, Error> {
    match remote {
        Remote::Http { url, .. } => Ok(url.as_str().to_owned()),
        // The transport takes the address from its session; libgit2 only needs the scheme.
        Remote::Ssh(_) => Ok("ssh://host/repository".to_owned()),
        Remote::Folder(path) => {
            let fail = |source| Error::Folder { folder: path.display().to_string(), source };
            let path: PathBuf = path.canonicalize().map_err(|error| fail(git2::Error::from_str(&error.to_string())))?;
            let repository = Repository::open_bare(&path).map_err(fail)?;
            drop(repository);
            path.to_str().map(str::to_owned).ok_or_else(|| fail(git2::Error::from_str("the path is not UTF-8")))
        }
    }
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
        parents: parents(&commit),
        author: person(&commit.author()),
        committer: person(&commit.committer()),
        message: String::from_utf8_lossy(commit.message_bytes()).into_owned(),
    })
}

/// The parents that a commit names. libgit2 hides those that were not fetched.
fn parents(commit: &git2::Commit<'_>) -> Vec<Oid> {
    let header = String::from_utf8_lossy(commit.raw_header_bytes());
    header.lines().filter_map(|line| line.strip_prefix("parent ")).filter_map(|id| Oid::from_str(id).ok()).collect()
}
