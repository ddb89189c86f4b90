//! Adapter for git repositories, through libgit2: fetch one branch without history, commit without a checkout, push with a lease.
//!
//! libgit2 makes the commits and packs them, and unpacks what was fetched; it is built without network code. What goes over the wire is
//! written here: HTTP and HTTPS on the client that the whole program shares, so that proxies, certificate roots and time limits are the
//! same everywhere; SSH in `ssh/`. libgit2 can neither push from a repository without history nor ask a server for less than all its
//! references.

mod commit;
mod error;
mod exchange;
mod greeting;
mod key;
mod packets;
mod push;
mod receive_pack;
mod server;
mod session;
mod snapshot;
mod ssh;
mod tree;
mod upload_pack;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Once};
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

pub use commit::{Depth, File, Mode};
pub use error::Error;
pub use git2::Oid;
pub use key::Key;
use session::Session;
pub use snapshot::{Base, Commit, Snapshot};
pub use ssh::{KnownHosts, Login, SshAddress};
pub use tree::{TreeEntry, blob_id, tree_id};

/// What servers are told who we are.
const AGENT: &str = concat!("agent=tagboat/", env!("CARGO_PKG_VERSION"));

/// Whose name a commit bears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub name: String,
    pub email: String,
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

/// Where a repository is.
#[derive(Debug, Clone)]
pub enum Remote {
    /// A server that speaks git's smart protocol over HTTP or HTTPS. The URL holds no credentials.
    Http { url: Url, token: Option<SecretString> },
    /// A server that runs git's commands over SSH.
    Ssh(SshAddress),
    /// A bare repository in a folder of this machine.
    Folder(PathBuf),
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { url, .. } => f.write_str(url.as_str()),
            Self::Ssh(address) => write!(f, "{address}"),
            Self::Folder(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Talks to git repositories. Every operation runs on a blocking thread and ends when its future is dropped or its time is up.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    limit: Duration,
    login: Login,
    signer: Option<Key>,
}

impl Client {
    /// `limit` bounds each fetch and each push as a whole.
    pub fn new(http: reqwest::Client, limit: Duration) -> Self {
        prepare_libgit2();
        Self { http, limit, login: Login::default(), signer: None }
    }

    /// With what servers are logged in to over SSH.
    #[must_use]
    pub fn with_login(self, login: Login) -> Self {
        Self { login, ..self }
    }

    /// Signs all commits with a key.
    #[must_use]
    pub fn with_signer(self, signer: Option<Key>) -> Self {
        Self { signer, ..self }
    }

    /// Whether commits made here are signed.
    pub fn signs(&self) -> bool {
        self.signer.is_some()
    }

    async fn blocking<T, F>(&self, remote: &Remote, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Arc<Session>) -> Result<T, Error> + Send + 'static,
    {
        let (_alive, session) = Session::new(self.http.clone(), self.login.clone(), remote, self.limit);
        let name = remote.to_string();
        match tokio::task::spawn_blocking(move || session.finish(work(&session))).await {
            Ok(result) => result,
            Err(_) => Err(Error::Aborted { remote: name }),
        }
    }
}

/// Sets libgit2's process-wide options once, before its first use.
#[allow(unsafe_code)]
fn prepare_libgit2() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        use git2::ConfigLevel::{Global, ProgramData, System, XDG};
        for level in [ProgramData, System, XDG, Global] {
            // SAFETY: `Client::new` is the only way to libgit2 in this program and it waits for this `Once`, so no other thread uses it
            // yet. Configuration of the machine must not change what is read from a folder, and which one.
            let _ = unsafe { git2::opts::set_search_path(level, "") };
        }
        // SAFETY: as above. In a container action the workspace belongs to another user than the one that runs; the folders that are
        // opened are our own temporary ones and those that the user named.
        let _ = unsafe { git2::opts::set_verify_owner_validation(false) };
    });
}
