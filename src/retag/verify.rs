//! Is what is about to be released the image of the released commit, and whole? What that costs depends on [`Revision`].

use futures::future::join_all;
use futures::stream::{self, StreamExt as _};

use super::error::WrongCommit;
use super::plan::{Action, Image, Outcome, Rules, Step};
use super::revision::{self, Place, Revision, Verdict};
use super::select::{self, Task};
use super::{Error, Role};
use crate::image::manifest::Kind;
use crate::image::{Manifest, Repository};
use crate::store::{self, Pointer, Store, docker};

/// Images that are looked into at the same time; the store has its own limit on requests.
const CONCURRENCY: usize = 64;

/// The reasons not to release images that are about to get their release tag. What is released already isn't looked at again.
pub(super) async fn verify(store: &Store, images: &[Image], rules: &Rules) -> Vec<Error> {
    let checks = images.iter().filter_map(|Image { task, outcome, .. }| {
        let content = match outcome {
            Outcome::Known { manifest, steps } if is_new(steps) => Content::Manifest(manifest),
            Outcome::Unpushed { image, steps } if is_new(steps) => Content::Local(image),
            _ => return None,
        };
        Some((Check { store, rules, task, repository: repository(store, task) }, content))
    });
    let checks: Vec<_> = checks.map(|(check, content)| async move { check.run(content).await }).collect();
    let found: Vec<Vec<Error>> = stream::iter(checks).buffered(CONCURRENCY).collect().await;
    found.into_iter().flatten().collect()
}

/// Whether a release tag is going to be written, or, where none is wanted, any tag.
fn is_new(steps: &[Step]) -> bool {
    match steps.iter().any(|step| step.role == Role::Fixed) {
        true => steps.iter().any(|step| step.role == Role::Fixed && step.writes()),
        false => steps.iter().any(|step| matches!(step.action, Action::Create | Action::Move)),
    }
}

/// Where the manifest was read: what the Docker daemon has and a registry knows lies in the target.
fn repository<'a>(store: &Store, task: &'a Task) -> &'a Repository {
    match store {
        Store::Registry(_) | Store::Layout(_) => &task.source.repository,
        Store::Daemon(_) => &task.target,
    }
}

struct Check<'a> {
    store: &'a Store,
    rules: &'a Rules,
    task: &'a Task,
    repository: &'a Repository,
}

/// What is looked into.
#[derive(Clone, Copy)]
enum Content<'a> {
    Manifest(&'a Manifest),
    /// Not pushed yet: the daemon tells the labels, and there are no annotations.
    Local(&'a docker::Image),
}

impl Check<'_> {
    async fn run(&self, content: Content<'_>) -> Vec<Error> {
        match (self.rules.revision, content) {
            (Revision::Off, _) | (Revision::Auto, Content::Local(_)) => Vec::new(),
            (Revision::Auto, Content::Manifest(manifest)) => self.by_annotation(manifest).and_then(Result::err).into_iter().collect(),
            (Revision::Require, Content::Local(image)) => self.by_label(image.label(revision::KEY)).err().into_iter().collect(),
            (Revision::Require, Content::Manifest(manifest)) => match self.whole(manifest).await {
                missing if missing.is_empty() => self.commit(manifest).await.err().into_iter().collect(),
                missing => missing,
            },
        }
    }

    /// Whether everything that an index lists for a platform is there: registries' clean-up jobs delete what has no tag.
    async fn whole(&self, manifest: &Manifest) -> Vec<Error> {
        let repository = self.repository;
        let looks = revision::platforms(manifest).map(|child| async move {
            match self.store.has_manifest(repository, &child.digest).await {
                Ok(true) => None,
                Ok(false) => Some(Error::Incomplete {
                    services: self.task.services.join(", "),
                    image: self.task.source.to_string(),
                    child: match &child.platform {
                        Some(platform) => format!("{platform} ({})", child.digest),
                        None => child.digest.to_string(),
                    },
                    location: self.task.location.clone(),
                }),
                Err(source) => Some(self.unreadable(source)),
            }
        });
        join_all(looks).await.into_iter().flatten().collect()
    }

    /// The commit of the release, where there is one and it is known.
    fn released(&self) -> Option<(&str, &str)> {
        Some((self.rules.values.tag.as_deref()?, self.rules.values.commit.as_deref()?))
    }

    async fn commit(&self, manifest: &Manifest) -> Result<(), Error> {
        if self.released().is_none() {
            return Ok(());
        }
        if let Some(verdict) = self.by_annotation(manifest) {
            return verdict;
        }
        let label = self.label(manifest).await.map_err(|source| self.unreadable(source))?;
        self.by_label(label.as_deref())
    }

    fn by_label(&self, label: Option<&str>) -> Result<(), Error> {
        if self.released().is_none() {
            return Ok(());
        }
        let Some(text) = label else {
            let reason = match self.holder() {
                select::Place::Registry => "it has neither an annotation nor a label",
                select::Place::Daemon => "it has no label",
            };
            return Err(self.unknown(format!("{reason} {}", revision::KEY)));
        };
        let no_commit = || Err(self.unknown(format!("its label {} is {text:?}, which is no commit", revision::KEY)));
        self.judge(text, Place::Label).unwrap_or_else(no_commit)
    }

    /// What the annotations say; `None` when they say nothing about a commit.
    fn by_annotation(&self, manifest: &Manifest) -> Option<Result<(), Error>> {
        let texts = revision::annotations(manifest);
        let verdicts: Vec<_> = texts.into_iter().filter_map(|text| self.judge(text, Place::Annotation)).collect();
        verdicts.into_iter().reduce(Result::and)
    }

    /// The label of the first platform: one build labels all of them alike.
    async fn label(&self, manifest: &Manifest) -> Result<Option<String>, store::Error> {
        let repository = self.repository;
        let child = match revision::platforms(manifest).next() {
            Some(child) => Some(self.store.manifest(repository, &Pointer::from(&child.digest)).await?),
            None => None,
        };
        let image = child.as_ref().unwrap_or(manifest);
        if let Some(text) = image.content().annotations.get(revision::KEY) {
            return Ok(Some(text.clone()));
        }
        match &image.content().kind {
            Kind::Image { config, .. } => Ok(revision::label(&self.store.config(repository, config).await?)),
            Kind::Index { .. } => Ok(None),
        }
    }

    fn judge(&self, text: &str, place: Place) -> Option<Result<(), Error>> {
        let (tag, commit) = self.released()?;
        match revision::compare(text, commit) {
            Verdict::Same => Some(Ok(())),
            Verdict::NotACommit => None,
            Verdict::Other => Some(Err(Error::WrongCommit(Box::new(WrongCommit {
                services: self.task.services.join(", "),
                image: self.task.source.to_string(),
                built_from: text.trim().to_owned(),
                place,
                holder: self.holder(),
                tag: tag.to_owned(),
                commit: commit.to_owned(),
                location: self.task.location.clone(),
            })))),
        }
    }

    /// Where the image is that would have to be another one: what the Docker daemon has is built anew, whether it has been pushed or not.
    fn holder(&self) -> select::Place {
        match self.store {
            Store::Registry(_) | Store::Layout(_) => select::Place::Registry,
            Store::Daemon(_) => select::Place::Daemon,
        }
    }

    fn unknown(&self, reason: String) -> Error {
        let (services, image) = (self.task.services.join(", "), self.task.source.to_string());
        Error::NoCommit { services, image, reason, holder: self.holder(), location: self.task.location.clone() }
    }

    fn unreadable(&self, source: store::Error) -> Error {
        let (services, image) = (self.task.services.join(", "), self.task.source.to_string());
        Error::Source { services, image, source: Box::new(source), location: self.task.location.clone() }
    }
}
