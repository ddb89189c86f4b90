//! Reads a repository and plans what to do with it. Writes nothing.

use crate::git::{Base, Oid, Remote};
use crate::github::{Pull, Slug};

use super::edit::{self, Edits, ImagePin, helm, kustomize, placeholders, render};
use super::entry::{Entry, Target};
use super::find::{Found, find};
use super::plan::{BranchStep, Plan, Proposal, PullStep, Text, branch_step, pull_step};
use super::source::{Choice, Draft, Source, Way, choose};
use super::{Error, Infra, Publish, branch, text};

/// A plan with what carrying it out needs.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub plan: Plan,
    pub(super) entry: Entry,
    pub(super) slug: Option<Slug>,
    pub(super) source: Source,
    pub(super) draft: Draft,
    /// The branch's head: what is there, later what was put there.
    pub(super) head: Option<Oid>,
    pub(super) text: Text,
    pub(super) pull: Option<Pull>,
}

impl Infra {
    /// Reads what is at the base's head, edits, and compares with the branch and the pull request that are there.
    pub(super) async fn prepare(&self, entry: &Entry, images: &[ImagePin]) -> Result<Prepared, Error> {
        let (remote, slug) = self.locate(&entry.repository);
        let choice = choose(entry, &remote, slug.as_ref(), self.settings.token.is_some())?;
        let base = self.base(entry, slug.as_ref()).await?;
        match self.prepare_by(&choice, &remote, slug.as_ref(), &base, entry, images).await {
            Err(Error::Unsuited { reason }) if choice.way == Way::Api => {
                self.prepare_by(&Choice::git(reason), &remote, slug.as_ref(), &base, entry, images).await
            }
            result => result,
        }
    }

    async fn prepare_by(
        &self,
        choice: &Choice,
        remote: &Remote,
        slug: Option<&Slug>,
        base: &Base,
        entry: &Entry,
        images: &[ImagePin],
    ) -> Result<Prepared, Error> {
        let branch = branch::name(&self.settings.app, entry.distinction());
        let source = match (choice.way, slug, base) {
            (Way::Api | Way::OnlyApi, Some(slug), Base::Named(base)) => {
                Source::ask(&self.github, slug, base, &branch, entry, choice.way).await?
            }
            _ => Source::fetch(&self.git, remote, base, &branch).await?,
        };
        let edited = self.edit(&source, entry, &chosen(entry, images)?).await?;
        let message = text::commit_message(&self.settings, entry, &edited.changes);
        let draft = source.draft(&edited.writes, &message, &self.settings.author).await?;
        let branch_step = match self.settings.publish {
            Publish::Commit if draft.proposal.tree == source.base().tree => BranchStep::Nothing,
            Publish::Commit => BranchStep::Commit,
            Publish::PullRequest => self.branch_step(entry, &source, &draft.proposal, &branch)?,
        };
        let text = text::pull(&self.settings, entry, &edited.changes);
        let pull = match slug {
            Some(slug) if !matches!(branch_step, BranchStep::Nothing | BranchStep::Commit) => self.github.open_pull(slug, &branch).await?,
            _ => None,
        };
        let pull_step = match (slug, &branch_step) {
            (_, BranchStep::Nothing | BranchStep::Commit) => PullStep::Nothing,
            (None, _) => PullStep::Unavailable,
            (Some(_), _) => pull_step(&text, source.base_branch(), pull.as_ref()),
        };
        let plan = Plan {
            place: entry.to_string(),
            base: source.base_branch().to_owned(),
            branch: if self.settings.publish == Publish::Commit { source.base_branch().to_owned() } else { branch },
            changes: edited.changes,
            notes: edited.notes,
            way: choice.why.as_ref().map(|why| format!("{}: {why}", choice.way)),
            branch_step,
            pull_step,
        };
        let head = source.branch().map(|commit| commit.id);
        Ok(Prepared { plan, entry: entry.clone(), slug: slug.cloned(), source, draft, head, text, pull })
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

    /// Compares with the branch that is there.
    fn branch_step(&self, entry: &Entry, source: &Source, proposal: &Proposal, branch: &str) -> Result<BranchStep, Error> {
        branch_step(source.base(), proposal, source.branch(), &self.settings.author).map_err(|foreign| Error::ForeignCommit {
            repository: entry.repository.to_string(),
            branch: branch.to_owned(),
            commit: foreign.commit.to_string(),
            author: foreign.author.to_string(),
            expected: self.settings.author.to_string(),
        })
    }

    /// Finds the files that the entry means and edits them.
    async fn edit(&self, source: &Source, entry: &Entry, images: &[ImagePin]) -> Result<Edits, Error> {
        let content = &self.settings.content;
        let edits = match find(source, entry, images).await? {
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
    let path = url.path().strip_prefix(server.path().trim_end_matches('/'))?.trim_matches('/');
    let (owner, name) = path.strip_suffix(".git").unwrap_or(path).split_once('/')?;
    (is_there && !name.contains('/')).then(|| Slug { owner: owner.to_owned(), name: name.to_owned() })
}
