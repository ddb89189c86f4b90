//! Reads a repository and plans what to do with it. Writes nothing.

use crate::git::{self, Base, Mode, Remote, Snapshot};
use crate::github::{Pull, Slug};

use super::edit::{Edited, ImagePin, kustomize};
use super::entry::{Edit, Entry, Target};
use super::plan::{BranchStep, Plan, PullStep, Text, branch_step, pull_step};
use super::{Error, Infra, branch, text};

/// A plan with what carrying it out needs.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub plan: Plan,
    pub(super) entry: Entry,
    pub(super) slug: Option<Slug>,
    pub(super) snapshot: Snapshot,
    pub(super) commit: git::Commit,
    pub(super) text: Text,
    pub(super) pull: Option<Pull>,
}

impl Infra {
    /// Fetches the base's head, edits, and compares with the branch and the pull request that are there.
    pub(super) async fn prepare(&self, entry: &Entry, images: &[ImagePin]) -> Result<Prepared, Error> {
        let (remote, slug) = self.locate(&entry.repository);
        let base = self.base(entry, slug.as_ref()).await?;
        let branch = branch::name(&self.settings.app, entry.distinction());
        let snapshot = self.git.fetch(&remote, &base, &branch).await?;
        let (file, edited) = match entry.edit {
            Edit::Auto | Edit::Kustomize => {
                let file = find_kustomization(&snapshot, entry)?;
                let edited = kustomize::edit(&file.path, &file.bytes, images)?;
                (file, edited)
            }
        };
        let commit = self.commit(&snapshot, entry, file, &edited)?;
        let branch_step = branch_step(&snapshot.base, &commit, snapshot.branch.as_ref(), &self.settings.author).map_err(|foreign| {
            Error::ForeignCommit {
                repository: entry.repository.to_string(),
                branch: branch.clone(),
                commit: foreign.commit.to_string(),
                author: foreign.author.to_string(),
                expected: self.settings.author.to_string(),
            }
        })?;
        let text = text::pull(&self.settings, entry, &edited.changes);
        let pull = match &slug {
            Some(slug) if branch_step != BranchStep::Nothing => self.github.open_pull(slug, &branch).await?,
            _ => None,
        };
        let pull_step = match (&slug, &branch_step) {
            (_, BranchStep::Nothing) => PullStep::Nothing,
            (None, _) => PullStep::Unavailable,
            (Some(_), _) => pull_step(&text, &snapshot.base_branch, pull.as_ref()),
        };
        let plan = Plan {
            place: entry.to_string(),
            base: snapshot.base_branch.clone(),
            branch,
            changes: edited.changes,
            notes: edited.notes,
            branch_step,
            pull_step,
        };
        Ok(Prepared { plan, entry: entry.clone(), slug, snapshot, commit, text, pull })
    }

    /// The git address of a repository, and its name on the forge if it is on the one that we know.
    fn locate(&self, target: &Target) -> (Remote, Option<Slug>) {
        let (server, token) = (&self.settings.server, self.settings.token.clone());
        match target {
            Target::Hosted(slug) => {
                let mut url = server.clone();
                url.set_path(&format!("{}/{slug}.git", server.path().trim_end_matches('/')));
                (Remote::Http { url, token }, Some(slug.clone()))
            }
            Target::Url(url) => (Remote::Http { url: url.clone(), token }, slug_on(server, url)),
            Target::Folder(path) => (Remote::Folder(self.settings.workspace.join(path)), None),
        }
    }

    /// Asks the forge first: its answers about rights are clearer than git's, and come before anything is fetched.
    async fn base(&self, entry: &Entry, slug: Option<&Slug>) -> Result<Base, Error> {
        let named = entry.base.clone().map(Base::Named);
        let Some(slug) = slug else { return Ok(named.unwrap_or(Base::Default)) };
        let repository = self.github.repository(slug).await?;
        if repository.archived {
            return Err(Error::Archived { repository: slug.to_string() });
        }
        if repository.permissions.is_some_and(|permissions| !permissions.push) {
            return Err(Error::NoPushRight { repository: slug.to_string() });
        }
        Ok(named.unwrap_or(Base::Named(repository.default_branch)))
    }

    /// The proposed commit; the base's head itself when nothing changes.
    fn commit(&self, snapshot: &Snapshot, entry: &Entry, file: Found, edited: &Edited) -> Result<git::Commit, Error> {
        if edited.bytes == file.bytes {
            return Ok(snapshot.base.clone());
        }
        let message = text::commit_message(&self.settings, entry, &edited.changes);
        Ok(snapshot.commit(&[(file.path, edited.bytes.clone())], &message, &self.settings.author)?)
    }
}

fn slug_on(server: &url::Url, url: &url::Url) -> Option<Slug> {
    let is_there = server.host_str() == url.host_str() && server.port_or_known_default() == url.port_or_known_default();
    let path = url.path().strip_prefix(server.path().trim_end_matches('/'))?.trim_matches('/');
    let (owner, name) = path.strip_suffix(".git").unwrap_or(path).split_once('/')?;
    (is_there && !name.contains('/')).then(|| Slug { owner: owner.to_owned(), name: name.to_owned() })
}

/// The file to edit, with its present bytes.
struct Found {
    path: String,
    bytes: Vec<u8>,
}

/// `path` names the kustomization, or the folder that holds exactly one.
fn find_kustomization(snapshot: &Snapshot, entry: &Entry) -> Result<Found, Error> {
    let is_folder = entry.path.is_empty() || snapshot.read(&entry.path)?.is_none_or(|file| file.mode == Mode::Tree);
    let candidates = match is_folder {
        true => kustomize::FILE_NAMES.map(|name| format!("{}/{name}", entry.path).trim_start_matches('/').to_owned()).to_vec(),
        false => vec![entry.path.clone()],
    };
    let mut found = Vec::new();
    for path in &candidates {
        found.extend(snapshot.read(path)?.map(|file| (path.clone(), file)));
    }
    let place = || format!("{} at {}", entry.repository, snapshot.base_branch);
    if found.len() > 1 {
        let names: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        return Err(Error::Ambiguous { place: place(), found: names.join(" and ") });
    }
    let Some((path, file)) = found.pop() else {
        return Err(Error::NothingToEdit { place: place(), looked_for: candidates.join(", ") });
    };
    match file.mode {
        Mode::Regular | Mode::Executable => Ok(Found { path, bytes: file.bytes }),
        Mode::Link => Err(Error::NotAFile { file: path, what: "a symbolic link" }),
        Mode::Tree => Err(Error::NotAFile { file: path, what: "a folder" }),
        Mode::Submodule => Err(Error::NotAFile { file: path, what: "a submodule" }),
    }
}
