//! Reads a repository and plans what to do with it. Writes nothing.

use crate::git::{self, Base, Remote, Snapshot};
use crate::github::{Pull, Slug};

use super::edit::{self, Edits, ImagePin, helm, kustomize, placeholders, render};
use super::entry::{Entry, Target};
use super::find::{Found, find};
use super::plan::{BranchStep, Plan, PullStep, Text, branch_step, pull_step};
use super::{Error, Infra, Publish, branch, text};

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
        let edited = self.edit(&snapshot, entry, &chosen(entry, images)?)?;
        let commit = self.commit(&snapshot, entry, &edited)?;
        let branch_step = match self.settings.publish {
            Publish::Commit if commit.tree == snapshot.base.tree => BranchStep::Nothing,
            Publish::Commit => BranchStep::Commit,
            Publish::PullRequest => self.branch_step(entry, &snapshot, &commit, &branch)?,
        };
        let text = text::pull(&self.settings, entry, &edited.changes);
        let pull = match &slug {
            Some(slug) if !matches!(branch_step, BranchStep::Nothing | BranchStep::Commit) => self.github.open_pull(slug, &branch).await?,
            _ => None,
        };
        let pull_step = match (&slug, &branch_step) {
            (_, BranchStep::Nothing | BranchStep::Commit) => PullStep::Nothing,
            (None, _) => PullStep::Unavailable,
            (Some(_), _) => pull_step(&text, &snapshot.base_branch, pull.as_ref()),
        };
        let plan = Plan {
            place: entry.to_string(),
            base: snapshot.base_branch.clone(),
            branch: if self.settings.publish == Publish::Commit { snapshot.base_branch.clone() } else { branch },
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
            Target::Ssh(address) => {
                // Without a token there is the branch, and nobody to ask for a pull request.
                let slug = token.and_then(|_| slug_of(server, &address.host, &address.path));
                (Remote::Ssh(address.clone()), slug)
            }
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

    /// Compares with the branch that is there.
    fn branch_step(&self, entry: &Entry, snapshot: &Snapshot, commit: &git::Commit, branch: &str) -> Result<BranchStep, Error> {
        branch_step(&snapshot.base, commit, snapshot.branch.as_ref(), &self.settings.author).map_err(|foreign| Error::ForeignCommit {
            repository: entry.repository.to_string(),
            branch: branch.to_owned(),
            commit: foreign.commit.to_string(),
            author: foreign.author.to_string(),
            expected: self.settings.author.to_string(),
        })
    }

    /// Finds the files that the entry means and edits them.
    fn edit(&self, snapshot: &Snapshot, entry: &Entry, images: &[ImagePin]) -> Result<Edits, Error> {
        let content = &self.settings.content;
        let edits = match find(snapshot, entry, images)? {
            Found::Kustomization(file) => {
                let mut edits = Edits::default();
                edits.add(&file, kustomize::edit(&file.path, &file.bytes, images)?);
                edits
            }
            Found::Chart(files) => helm::edit(&files, images, &helm::Options { keys: entry.values.clone(), bump: entry.chart_version })?,
            Found::Manifests { files, searched } => edit::manifests(&files, &searched, images)?,
            Found::Templates(templates) => {
                let mut variables = content.variables.clone();
                variables.extend(entry.environment.clone().map(|environment| ("ENVIRONMENT".to_owned(), environment)));
                let mut edits = Edits::default();
                for template in templates {
                    let (rendered, present) = (template.rendered, template.present);
                    let edited = placeholders::edit(&template.file, &rendered, present.as_deref(), images, &variables)?;
                    edits.put(rendered, present.as_deref(), edited);
                }
                edits
            }
            Found::Rendered(present) => render::edit(&entry.path, &content.rendered, &present)?,
        };
        Ok(edits)
    }

    /// The proposed commit; the base's head itself when nothing changes.
    fn commit(&self, snapshot: &Snapshot, entry: &Entry, edited: &Edits) -> Result<git::Commit, Error> {
        if edited.writes.is_empty() {
            return Ok(snapshot.base.clone());
        }
        let message = text::commit_message(&self.settings, entry, &edited.changes);
        Ok(snapshot.commit(&edited.writes, &message, &self.settings.author)?)
    }
}

/// The images of the services that an entry names.
fn chosen(entry: &Entry, images: &[ImagePin]) -> Result<Vec<ImagePin>, Error> {
    if entry.services.is_empty() {
        return Ok(images.to_vec());
    }
    let is_known = |service: &&String| images.iter().any(|image| image.service == **service);
    if let Some(service) = entry.services.iter().find(|service| !is_known(service)) {
        return Err(Error::UnknownService { service: service.clone(), place: entry.to_string() });
    }
    Ok(images.iter().filter(|image| entry.services.contains(&image.service)).cloned().collect())
}

fn slug_on(server: &url::Url, url: &url::Url) -> Option<Slug> {
    let is_there = server.host_str() == url.host_str() && server.port_or_known_default() == url.port_or_known_default();
    let path = url.path().strip_prefix(server.path().trim_end_matches('/'))?;
    slug(path).filter(|_| is_there)
}

/// The same for an address of SSH, whose port and path say nothing about the web server's.
fn slug_of(server: &url::Url, host: &str, path: &str) -> Option<Slug> {
    let is_there = server.host_str().is_some_and(|server| host == server || host.strip_prefix("ssh.") == Some(server));
    slug(path).filter(|_| is_there)
}

fn slug(path: &str) -> Option<Slug> {
    let path = path.trim_matches('/');
    let (owner, name) = path.strip_suffix(".git").unwrap_or(path).split_once('/')?;
    (!name.contains('/')).then(|| Slug { owner: owner.to_owned(), name: name.to_owned() })
}
