//! Where an entry's repository is, and what the token may do there. It is asked for once: in the seconds of a lost race none of it changes.

use crate::forge::{self, Forge, Hosted};
use crate::git::{self, Base, Remote};

use super::entry::{Entry, Target};
use super::plan::BranchStep;
use super::source::{Checkout, Choice, Means, Source, Way, choose};
use super::{Error, Infra, Publish};

/// What stays as it is while the same is tried again.
#[derive(Debug, Clone)]
pub(super) struct Ground {
    pub(super) remote: Remote,
    pub(super) hosted: Option<Hosted>,
    pub(super) base: Base,
    pub(super) choice: Choice,
    /// How a commit is to reach its base, with what a person should know about it; known once it was wanted.
    pub(super) way_to_base: Option<(Publish, Option<String>)>,
    pub(super) rights: Rights,
}

/// What the token was found to be good for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rights {
    push: bool,
    propose: bool,
}

impl Infra {
    /// Finds an entry's repository, and the way into it.
    pub(super) async fn survey(&self, entry: &Entry) -> Result<Ground, Error> {
        let (remote, hosted) = self.locate(&entry.repository).await?;
        let means = Means { has_token: !self.settings.tokens.is_empty(), has_signing_key: self.git.signs() };
        let choice = choose(entry, &remote, hosted.as_ref(), means)?;
        let base = self.base(entry, hosted.as_ref()).await?;
        Ok(Ground { remote, hosted, base, choice, way_to_base: None, rights: Rights::default() })
    }

    /// Reads the heads; of what git fetched earlier, only what has changed.
    pub(super) async fn source(&self, ground: &Ground, earlier: Option<&Source>, branch: &str, entry: &Entry) -> Result<Source, Error> {
        let way = ground.choice.way;
        match (way, &ground.hosted, &ground.base, earlier) {
            (Way::Api | Way::OnlyApi, Some(Hosted { forge: Forge::GitHub(github), slug }), Base::Named(base), _) => {
                Ok(Source::Api(Box::new(Checkout::open(github, slug, base, branch, entry, way).await?)))
            }
            (_, _, _, Some(Source::Git(fetched))) => fetched.again(branch).await,
            _ => Source::fetch(&self.git, &ground.remote, &ground.base, branch).await,
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

    /// How a commit is to reach its base.
    pub(super) async fn way_to_base(
        &self,
        ground: &mut Ground,
        entry: &Entry,
        source: &Source,
        notes: &mut Vec<String>,
    ) -> Result<Publish, Error> {
        let (way, note) = match (&ground.way_to_base, &ground.hosted) {
            (Some(known), _) => known.clone(),
            (None, Some(hosted)) => self.ask_way_to(entry, hosted, source).await?,
            (None, None) => (Publish::Commit, None),
        };
        notes.extend(note.clone());
        ground.way_to_base = Some((way, note));
        Ok(way)
    }

    /// Finds out whether the token may do what is planned, while nothing is written yet.
    pub(super) async fn check_rights(&self, ground: &Ground, source: &Source, step: &BranchStep) -> Result<Rights, Error> {
        let propose = self.check_right_to_propose(ground, step, source.base_branch());
        let (push, propose) = futures::try_join!(self.check_right_to_push(ground, source, step), propose)?;
        Ok(Rights { push, propose })
    }

    /// The API tells what a token's owner may do, and not of every token what it may itself: git's server does.
    async fn check_right_to_push(&self, ground: &Ground, source: &Source, step: &BranchStep) -> Result<bool, Error> {
        let has_token = matches!(&ground.remote, Remote::Http { token: Some(_), .. });
        if ground.rights.push || !has_token || matches!(step, BranchStep::Nothing | BranchStep::Keep) {
            return Ok(ground.rights.push);
        }
        let answer = match source {
            Source::Git(fetched) => fetched.call_for_push().await,
            Source::Api(_) => self.git.check_right_to_push(&ground.remote).await,
        };
        match (answer, &ground.hosted) {
            (Err(git::Error::Forbidden { .. }), Some(hosted)) => {
                Err(Error::NoPushRight { repository: hosted.to_string(), needs: hosted.rights() })
            }
            (Err(error), _) => Err(error.into()),
            (Ok(()), _) => Ok(true),
        }
    }

    /// Where our branch is there, the token that made it could open its pull request too.
    async fn check_right_to_propose(&self, ground: &Ground, step: &BranchStep, base: &str) -> Result<bool, Error> {
        let is_needed = *step == BranchStep::Create && !ground.rights.propose;
        let Some(hosted) = ground.hosted.as_ref().filter(|_| is_needed) else { return Ok(ground.rights.propose) };
        match hosted.check_right_to_open_pulls(base).await {
            Err(error) if error.is_missing_permission() => {
                Err(Error::NoPullRight { repository: hosted.to_string(), source: Box::new(error) })
            }
            // Any other answer decides nothing; opening it will tell.
            _ => Ok(true),
        }
    }
}
