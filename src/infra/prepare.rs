//! Reads a repository and plans what to do with it. Writes nothing.

use crate::error::Explain as _;
use crate::forge::Hosted;
use crate::git::Oid;

use super::edit::{self, Edits, ImagePin, helm, kustomize, placeholders, render};
use super::entry::Entry;
use super::find::{Found, check_place, find};
use super::ground::Ground;
use super::lifecycle::Ours;
use super::plan::{BranchStep, Plan, Proposal, PullStep, Text, branch_step, pull_step};
use super::source::{Choice, Draft, Source, Way};
use super::wording::Wording;
use super::{Error, Infra, Publish, branch, downgrade, text};

/// A plan with what carrying it out needs.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub plan: Plan,
    pub(super) entry: Entry,
    pub(super) ground: Ground,
    pub(super) source: Source,
    pub(super) draft: Draft,
    /// The branch's head: what is there, later what was put there.
    pub(super) head: Option<Oid>,
    pub(super) text: Text,
    pub(super) ours: Ours,
    /// How the commit gets to the base.
    pub(super) publish: Publish,
}

impl Infra {
    pub(super) async fn prepare(&self, entry: &Entry, images: &[ImagePin]) -> Result<Prepared, Error> {
        let ground = self.survey(entry).await?;
        self.prepare_on(ground, None, entry, images, self.settings.publish).await
    }

    /// Prepares anew what has changed under our hands. What is as it was is not asked for again.
    pub(super) async fn prepare_again(&self, earlier: Prepared, images: &[ImagePin], publish: Publish) -> Result<Prepared, Error> {
        let Prepared { ground, source, entry, .. } = earlier;
        self.prepare_on(ground, Some(&source), &entry, images, publish).await
    }

    async fn prepare_on(
        &self,
        ground: Ground,
        earlier: Option<&Source>,
        entry: &Entry,
        images: &[ImagePin],
        publish: Publish,
    ) -> Result<Prepared, Error> {
        match self.prepare_by(ground.clone(), earlier, entry, images, publish).await {
            Err(Error::Unsuited { reason }) if ground.choice.way == Way::Api => {
                let ground = Ground { choice: Choice::git(reason), ..ground };
                self.prepare_by(ground, earlier, entry, images, publish).await
            }
            result => result,
        }
    }

    /// Reads what is at the base's head, edits, and compares with the branch and the pull requests that are there.
    async fn prepare_by(
        &self,
        mut ground: Ground,
        earlier: Option<&Source>,
        entry: &Entry,
        images: &[ImagePin],
        publish: Publish,
    ) -> Result<Prepared, Error> {
        let branch = branch::name(&self.settings.app, entry.distinction());
        let wording = Wording::of(&self.settings, entry)?;
        let source = self.source(&ground, earlier, &branch, entry).await?;
        let mut edited = self.edit(&source, entry, &chosen(entry, images)?).await?;
        let back = self.allowed(entry, downgrade::of_changes(&edited.changes, images), &mut edited.notes)?;
        let message = text::commit_message(&self.settings, entry, &edited.changes, back.as_ref(), &wording);
        let draft = source.draft(&edited.writes, &message, &self.settings.author).await?;
        let is_there = draft.proposal.tree == source.base().tree;
        let publish = match publish {
            Publish::Commit if !is_there => self.way_to_base(&mut ground, entry, &source, &mut edited.notes).await?,
            _ => publish,
        };
        let hosted = ground.hosted.as_ref();
        let branch_step = self.branch_step(entry, hosted, &source, &draft.proposal, &branch, publish).await?;
        let is_proposal = publish == Publish::PullRequest && !is_there;
        // Without a branch of ours there is nothing to look for when the base has it already, or is about to have it.
        let may_have_pulls = hosted.filter(|_| is_proposal || source.branch().is_some());
        let looked = self.ours(entry, may_have_pulls, &branch, source.base_branch(), publish, &mut edited.notes);
        let (ours, rights) = futures::try_join!(looked, self.check_rights(&ground, &source, &branch_step))?;
        let (ours, back) = self.not_newer(entry, ours, back, is_proposal, &mut edited.notes)?;
        let text = text::pull(&self.settings, entry, &edited.changes, back.as_ref(), &wording);
        let pull_step = match (hosted, &branch_step) {
            (_, BranchStep::Nothing | BranchStep::Commit) => PullStep::Nothing,
            (None, _) => PullStep::Unavailable,
            (Some(_), _) => pull_step(&text, source.base_branch(), ours.present.as_ref()),
        };
        let closes = ours.others.iter().chain(ours.present.as_ref().filter(|_| !is_proposal)).map(|pull| pull.html_url.clone());
        let plan = Plan {
            place: entry.to_string(),
            base: source.base_branch().to_owned(),
            branch: if publish == Publish::Commit { source.base_branch().to_owned() } else { branch },
            changes: edited.changes,
            notes: edited.notes,
            way: ground.choice.why.as_ref().map(|why| format!("{}: {why}", ground.choice.way)),
            branch_step,
            pull_step,
            closes: closes.collect(),
        };
        let head = source.branch().map(|commit| commit.id);
        ground.rights = rights;
        Ok(Prepared { plan, entry: entry.clone(), ground, source, draft, head, text, ours, publish })
    }

    /// Our pull requests for this place. A commit can do without knowing them: what keeps them from being read is a note then.
    async fn ours(
        &self,
        entry: &Entry,
        hosted: Option<&Hosted>,
        branch: &str,
        base: &str,
        publish: Publish,
        notes: &mut Vec<String>,
    ) -> Result<Ours, Error> {
        let Some(hosted) = hosted else { return Ok(Ours::default()) };
        match (hosted.open_pulls().await, publish) {
            (Ok(pulls), _) => Ok(Ours::among(pulls, &hosted.slug, &text::marker(&self.settings, entry), branch, base)),
            (Err(error), Publish::PullRequest) => Err(error.into()),
            (Err(error), Publish::Commit) => {
                notes.push(format!("the branch {branch} and its pull request are left as they are: {error}; {}", error.hint()));
                Ok(Ours::default())
            }
        }
    }

    /// Compares with the branch that is there.
    async fn branch_step(
        &self,
        entry: &Entry,
        hosted: Option<&Hosted>,
        source: &Source,
        proposal: &Proposal,
        branch: &str,
        publish: Publish,
    ) -> Result<BranchStep, Error> {
        if publish == Publish::Commit {
            return Ok(if proposal.tree == source.base().tree { BranchStep::Nothing } else { BranchStep::Commit });
        }
        let foreign = match branch_step(source.base(), proposal, source.branch(), &self.settings.author) {
            Ok(step) => return Ok(step),
            Err(foreign) => foreign,
        };
        if let Some(hosted) = hosted.filter(|_| foreign.is_merge)
            && self.is_only_updated(hosted, source.base_branch(), branch, &foreign.commit.to_string()).await
        {
            return Ok(BranchStep::Rebuild { from: foreign.commit });
        }
        Err(Error::ForeignCommit {
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
            Found::Rendered(present) => {
                for name in content.rendered.keys() {
                    check_place(source, &render::place(&entry.path, name)).await?;
                }
                render::edit(&entry.path, &content.rendered, &present)?
            }
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
