//! Reads a repository and plans what to do with it. Writes nothing.

use crate::forge::{self, Hosted};
use crate::git::{self, Base, Remote, Snapshot};

use super::edit::{self, Edits, ImagePin, helm, kustomize, placeholders, render};
use super::entry::{Entry, Target};
use super::find::{Found, find};
use super::lifecycle::Ours;
use super::plan::{BranchStep, Plan, PullStep, Text, branch_step, pull_step};
use super::{Downgrade, Downgrades, Error, Infra, Publish, branch, downgrade, text};

/// A plan with what carrying it out needs.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub plan: Plan,
    pub(super) entry: Entry,
    pub(super) hosted: Option<Hosted>,
    pub(super) snapshot: Snapshot,
    pub(super) commit: git::Commit,
    pub(super) text: Text,
    pub(super) ours: Ours,
    /// How the commit gets to the base.
    pub(super) publish: Publish,
}

impl Prepared {
    /// The commit at the branch's head when all is done. The commit that would be made today is another one than the same of yesterday.
    pub(super) fn head(&self) -> git::Oid {
        let present = self.snapshot.branch.as_ref().filter(|_| self.plan.branch_step == BranchStep::Keep);
        present.unwrap_or(&self.commit).id
    }
}

impl Infra {
    /// Fetches the base's head, edits, and compares with the branch and the pull requests that are there.
    pub(super) async fn prepare(&self, entry: &Entry, images: &[ImagePin]) -> Result<Prepared, Error> {
        self.prepare_as(entry, images, self.settings.publish).await
    }

    pub(super) async fn prepare_as(&self, entry: &Entry, images: &[ImagePin], publish: Publish) -> Result<Prepared, Error> {
        let (remote, hosted) = self.locate(&entry.repository).await?;
        let base = self.base(entry, hosted.as_ref()).await?;
        let branch = branch::name(&self.settings.app, entry.distinction());
        let snapshot = self.git.fetch(&remote, &base, &branch).await?;
        let mut edited = self.edit(&snapshot, entry, &chosen(entry, images)?)?;
        let back = self.allowed(entry, downgrade::of_changes(&edited.changes, images), &mut edited.notes)?;
        let commit = self.commit(&snapshot, entry, &edited, back.as_ref())?;
        let is_there = commit.tree == snapshot.base.tree;
        let publish = match (&hosted, publish) {
            (Some(hosted), Publish::Commit) if !is_there => self.way_to(entry, hosted, &snapshot.base_branch, &mut edited.notes).await?,
            _ => publish,
        };
        let branch_step = match publish {
            Publish::Commit if is_there => BranchStep::Nothing,
            Publish::Commit => BranchStep::Commit,
            Publish::PullRequest => self.branch_step(entry, &snapshot, &commit, &branch)?,
        };
        let ours = match &hosted {
            // Without a branch of ours there is nothing to look for when the base has it already.
            Some(hosted) if publish == Publish::PullRequest && (!is_there || snapshot.branch.is_some()) => {
                self.ours(entry, hosted, &branch, &snapshot.base_branch).await?
            }
            _ => Ours::default(),
        };
        let (ours, back) = self.not_newer(entry, ours, back, is_there, &mut edited.notes)?;
        let text = text::pull(&self.settings, entry, &edited.changes, back.as_ref());
        let pull_step = match (&hosted, &branch_step) {
            (_, BranchStep::Nothing | BranchStep::Commit) => PullStep::Nothing,
            (None, _) => PullStep::Unavailable,
            (Some(_), _) => pull_step(&text, &snapshot.base_branch, ours.present.as_ref()),
        };
        let closes = ours.others.iter().chain(ours.present.as_ref().filter(|_| is_there)).map(|pull| pull.html_url.clone());
        let plan = Plan {
            place: entry.to_string(),
            base: snapshot.base_branch.clone(),
            branch: if publish == Publish::Commit { snapshot.base_branch.clone() } else { branch },
            changes: edited.changes,
            notes: edited.notes,
            branch_step,
            pull_step,
            closes: closes.collect(),
        };
        Ok(Prepared { plan, entry: entry.clone(), hosted, snapshot, commit, text, ours, publish })
    }

    async fn ours(&self, entry: &Entry, hosted: &Hosted, branch: &str, base: &str) -> Result<Ours, Error> {
        let pulls = hosted.open_pulls().await?;
        Ok(Ours::among(pulls, &hosted.slug, &text::marker(&self.settings, entry), branch, base))
    }

    /// A step back is told, or refused when nobody asked for it.
    fn allowed(&self, entry: &Entry, back: Option<Downgrade>, notes: &mut Vec<String>) -> Result<Option<Downgrade>, Error> {
        let Some(downgrade) = back else { return Ok(None) };
        let by = match (entry.allow_downgrade, self.settings.downgrades) {
            (true, _) => "`allow-downgrade`",
            (false, Downgrades::Asked) => "the input `version`",
            (false, Downgrades::Refuse) => return Err(Error::Downgrade { place: entry.to_string(), downgrade }),
        };
        let Downgrade { what, from, to } = &downgrade;
        notes.push(format!("downgrade: {what} goes from {from} back to {to}, as {by} asks"));
        Ok(Some(downgrade))
    }

    /// A newer release that is proposed already is not taken back by an older one. When the base has the older one, there is nothing to do,
    /// and the newer proposal stays.
    fn not_newer(
        &self,
        entry: &Entry,
        ours: Ours,
        back: Option<Downgrade>,
        is_there: bool,
        notes: &mut Vec<String>,
    ) -> Result<(Ours, Option<Downgrade>), Error> {
        let version = self.settings.release.version.as_ref();
        let Some((pull, from)) = version.and_then(|version| ours.newer_than(version)) else { return Ok((ours, back)) };
        let is_asked = entry.allow_downgrade || self.settings.downgrades == Downgrades::Asked;
        if is_there && !is_asked {
            notes.push(format!("{} stays open: it proposes the newer {from}", pull.html_url));
            return Ok((Ours::default(), back));
        }
        let what = format!("the open pull request {}", pull.html_url);
        let found = version.map(|to| Downgrade { what, from, to: to.clone() });
        let told = self.allowed(entry, found, notes)?;
        Ok((ours, back.or(told)))
    }

    /// The git address of a repository, and the repository on its forge if its server is one.
    async fn locate(&self, target: &Target) -> Result<(Remote, Option<Hosted>), Error> {
        let (server, tokens) = (&self.settings.server, &self.settings.tokens);
        Ok(match target {
            Target::Hosted(slug) => {
                let mut url = server.clone();
                url.set_path(&format!("{}/{slug}.git", server.path().trim_end_matches('/')));
                (Remote::Http { url, token: tokens.of(&slug.owner).cloned() }, Some(self.forges.at_home(slug)))
            }
            Target::Url(url) => {
                let home = forge::slug_below(server, url);
                let token = home.as_ref().map_or(tokens.any(), |slug| tokens.of(&slug.owner)).cloned();
                (Remote::Http { url: url.clone(), token }, self.forges.find(url).await?)
            }
            Target::Folder(path) => (Remote::Folder(self.settings.workspace.join(path)), None),
        })
    }

    /// Asks the forge first: its answers about rights are clearer than git's, and come before anything is fetched.
    async fn base(&self, entry: &Entry, hosted: Option<&Hosted>) -> Result<Base, Error> {
        let named = entry.base.clone().map(Base::Named);
        let Some(hosted) = hosted else { return Ok(named.unwrap_or(Base::Default)) };
        let repository = hosted.repository().await?;
        if repository.archived {
            return Err(Error::Archived { repository: hosted.to_string() });
        }
        if repository.permissions.is_some_and(|permissions| !permissions.push) {
            return Err(Error::NoPushRight { repository: hosted.to_string() });
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
    fn commit(&self, snapshot: &Snapshot, entry: &Entry, edited: &Edits, back: Option<&Downgrade>) -> Result<git::Commit, Error> {
        if edited.writes.is_empty() {
            return Ok(snapshot.base.clone());
        }
        let message = text::commit_message(&self.settings, entry, &edited.changes, back);
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
