//! Reads a repository and plans what to do with it. Writes nothing.

use crate::error::Explain as _;
use crate::forge::{self, Forge, Hosted};
use crate::git::{self, Base, Oid, Remote};

use super::edit::{self, Edits, ImagePin, helm, kustomize, placeholders, render};
use super::entry::{Entry, Target};
use super::find::{Found, find};
use super::lifecycle::Ours;
use super::plan::{BranchStep, Plan, Proposal, PullStep, Text, branch_step, pull_step};
use super::source::{Choice, Draft, Means, Source, Way, choose};
use super::{Error, Infra, Publish, branch, downgrade, text};

/// A plan with what carrying it out needs.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub plan: Plan,
    pub(super) entry: Entry,
    pub(super) hosted: Option<Hosted>,
    pub(super) source: Source,
    pub(super) draft: Draft,
    /// The branch's head: what is there, later what was put there.
    pub(super) head: Option<Oid>,
    pub(super) text: Text,
    pub(super) ours: Ours,
    /// How the commit gets to the base.
    pub(super) publish: Publish,
}

/// Where an entry's repository is.
struct Place {
    remote: Remote,
    hosted: Option<Hosted>,
    base: Base,
}

impl Infra {
    pub(super) async fn prepare(&self, entry: &Entry, images: &[ImagePin]) -> Result<Prepared, Error> {
        self.prepare_as(entry, images, self.settings.publish).await
    }

    /// Reads what is at the base's head, edits, and compares with the branch and the pull requests that are there.
    pub(super) async fn prepare_as(&self, entry: &Entry, images: &[ImagePin], publish: Publish) -> Result<Prepared, Error> {
        let (remote, hosted) = self.locate(&entry.repository).await?;
        let means = Means { has_token: !self.settings.tokens.is_empty(), has_signing_key: self.git.signs() };
        let choice = choose(entry, &remote, hosted.as_ref(), means)?;
        let base = self.base(entry, hosted.as_ref()).await?;
        let place = Place { remote, hosted, base };
        match self.prepare_by(&choice, &place, entry, images, publish).await {
            Err(Error::Unsuited { reason }) if choice.way == Way::Api => {
                self.prepare_by(&Choice::git(reason), &place, entry, images, publish).await
            }
            result => result,
        }
    }

    async fn prepare_by(
        &self,
        choice: &Choice,
        place: &Place,
        entry: &Entry,
        images: &[ImagePin],
        publish: Publish,
    ) -> Result<Prepared, Error> {
        let branch = branch::name(&self.settings.app, entry.distinction());
        let source = self.source(choice, place, &branch, entry).await?;
        let mut edited = self.edit(&source, entry, &chosen(entry, images)?).await?;
        let back = self.allowed(entry, downgrade::of_changes(&edited.changes, images), &mut edited.notes)?;
        let message = text::commit_message(&self.settings, entry, &edited.changes, back.as_ref());
        let draft = source.draft(&edited.writes, &message, &self.settings.author).await?;
        let is_there = draft.proposal.tree == source.base().tree;
        let hosted = place.hosted.as_ref();
        let publish = match (hosted, publish) {
            (Some(hosted), Publish::Commit) if !is_there => self.way_to(entry, hosted, &source, &mut edited.notes).await?,
            _ => publish,
        };
        let branch_step = self.branch_step(entry, &source, &draft.proposal, &branch, publish)?;
        let is_proposal = publish == Publish::PullRequest && !is_there;
        // Without a branch of ours there is nothing to look for when the base has it already, or is about to have it.
        let may_have_pulls = hosted.filter(|_| is_proposal || source.branch().is_some());
        let looked = self.ours(entry, may_have_pulls, &branch, source.base_branch(), publish, &mut edited.notes);
        let may_push = self.check_right_to_push(place, &branch_step);
        let may_propose = self.check_right_to_propose(hosted, &branch_step, source.base_branch());
        let (ours, (), ()) = futures::try_join!(looked, may_push, may_propose)?;
        let (ours, back) = self.not_newer(entry, ours, back, is_proposal, &mut edited.notes)?;
        let text = text::pull(&self.settings, entry, &edited.changes, back.as_ref());
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
            way: choice.why.as_ref().map(|why| format!("{}: {why}", choice.way)),
            branch_step,
            pull_step,
            closes: closes.collect(),
        };
        let head = source.branch().map(|commit| commit.id);
        Ok(Prepared { plan, entry: entry.clone(), hosted: hosted.cloned(), source, draft, head, text, ours, publish })
    }

    async fn source(&self, choice: &Choice, place: &Place, branch: &str, entry: &Entry) -> Result<Source, Error> {
        match (choice.way, &place.hosted, &place.base) {
            (Way::Api | Way::OnlyApi, Some(Hosted { forge: Forge::GitHub(github), slug }), Base::Named(base)) => {
                Source::ask(github, slug, base, branch, entry, choice.way).await
            }
            _ => Source::fetch(&self.git, &place.remote, &place.base, branch).await,
        }
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
            Target::Ssh(address) => (Remote::Ssh(address.clone()), self.forges.behind_ssh(&address.host, &address.path).await?),
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
            return Err(Error::NoPushRight { repository: hosted.to_string(), needs: hosted.rights() });
        }
        Ok(named.unwrap_or(Base::Named(repository.default_branch)))
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

    /// The API tells what a token's owner may do, and not of every token what it may itself: git's server does.
    async fn check_right_to_push(&self, place: &Place, step: &BranchStep) -> Result<(), Error> {
        let has_token = matches!(&place.remote, Remote::Http { token: Some(_), .. });
        if !has_token || matches!(step, BranchStep::Nothing | BranchStep::Keep) {
            return Ok(());
        }
        match (self.git.check_right_to_push(&place.remote).await, &place.hosted) {
            (Err(git::Error::Forbidden { .. }), Some(hosted)) => {
                Err(Error::NoPushRight { repository: hosted.to_string(), needs: hosted.rights() })
            }
            (result, _) => Ok(result?),
        }
    }

    /// Where our branch is there, the token that made it could open its pull request too.
    async fn check_right_to_propose(&self, hosted: Option<&Hosted>, step: &BranchStep, base: &str) -> Result<(), Error> {
        let Some(hosted) = hosted.filter(|_| *step == BranchStep::Create) else { return Ok(()) };
        match hosted.check_right_to_open_pulls(base).await {
            Err(error) if error.is_missing_permission() => {
                Err(Error::NoPullRight { repository: hosted.to_string(), source: Box::new(error) })
            }
            // Any other answer decides nothing; opening it will tell.
            _ => Ok(()),
        }
    }

    /// Compares with the branch that is there.
    fn branch_step(
        &self,
        entry: &Entry,
        source: &Source,
        proposal: &Proposal,
        branch: &str,
        publish: Publish,
    ) -> Result<BranchStep, Error> {
        if publish == Publish::Commit {
            return Ok(if proposal.tree == source.base().tree { BranchStep::Nothing } else { BranchStep::Commit });
        }
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
            Found::Rendered(present) => {
                for name in content.rendered.keys() {
                    super::find::check_place(source, &render::place(&entry.path, name)).await?;
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
