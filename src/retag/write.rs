//! Writing tags: one request a tag, or one for several where the registry can.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use futures::future::join_all;
use futures::stream::{self, StreamExt as _};

use super::plan::Step;
use super::run::WAVES;
use super::select::Task;
use super::tags::Role;
use super::work::Work;
use super::{Error, Event};
use crate::image::{Digest, Manifest, Tag};
use crate::journal::{Journal, Kind, Pending};
use crate::store::{self, Pointer, Store, docker};

/// Images that are written at the same time; the store has its own limit on requests.
const CONCURRENCY: usize = 64;
/// Images that the Docker daemon pushes at the same time; it has several layers of each under way.
const PUSHES: usize = 3;
/// A registry is asked whether it takes several tags at once when that can save so many requests: asking one that can't costs one.
const WORTH_ASKING: usize = 8;

/// What is known of a registry's taking several tags with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Several {
    Unasked,
    Yes,
    No,
}

/// What all writes of a run share.
pub(super) struct Writer<'a> {
    pub(super) store: &'a Store,
    journal: &'a Journal,
    progress: &'a (dyn Fn(Event) + Send + Sync),
    several: Mutex<BTreeMap<String, Several>>,
}

/// The tags of one image that are written in one wave.
struct Group<'a> {
    task: &'a Task,
    manifest: &'a Manifest,
    steps: Vec<&'a Step>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(store: &'a Store, journal: &'a Journal, progress: &'a (dyn Fn(Event) + Send + Sync), work: &[Work<'_>]) -> Self {
        let mut savings: BTreeMap<&str, usize> = BTreeMap::new();
        for work in work {
            for wave in WAVES {
                let writes = work.pending(wave).count();
                *savings.entry(work.task.target.registry()).or_default() += writes.saturating_sub(1);
            }
        }
        let several = savings.into_iter().map(|(registry, saved)| match saved >= WORTH_ASKING {
            true => (registry.to_owned(), Several::Unasked),
            false => (registry.to_owned(), Several::No),
        });
        Self { store, journal, progress, several: Mutex::new(several.collect()) }
    }

    /// Writes what is to be written in a wave; gives everything that failed.
    pub(super) async fn wave(&self, work: &[Work<'_>], wave: &[Role]) -> Vec<Error> {
        let groups =
            work.iter().filter_map(|work| Some(Group { task: work.task, manifest: work.manifest()?, steps: work.pending(wave).collect() }));
        let groups: Vec<Group<'_>> = groups.filter(|group| !group.steps.is_empty()).collect();
        // The first write to a registry that could save others tells whether it can; the others wait for it.
        let (asking, others): (Vec<_>, Vec<_>) = groups.iter().partition(|group| {
            let first = groups.iter().find(|other| other.steps.len() > 1 && other.registry() == group.registry());
            self.several(group.registry()) == Several::Unasked && first.is_some_and(|first| std::ptr::eq(first, *group))
        });
        let mut failed = Vec::new();
        for groups in [asking, others] {
            let writes: Vec<_> = groups.into_iter().map(|group| self.group(group)).collect();
            let results: Vec<Vec<Error>> = stream::iter(writes).buffered(CONCURRENCY).collect().await;
            failed.extend(results.into_iter().flatten());
        }
        failed
    }

    /// Has the daemon push what hasn't been, each image under the first of its tags in a wave; gives everything that failed.
    pub(super) async fn push(&self, work: &mut [Work<'_>], wave: &[Role]) -> Vec<Error> {
        let mut pushes = Vec::new();
        for (at, work) in work.iter().enumerate() {
            if let (Some(image), Some(step)) = (work.local(), work.pending(wave).next()) {
                let (task, step) = (work.task, step.clone());
                pushes.push(async move { self.push_one(task, image, &step).await.map(|manifest| (at, step.tag, manifest)) });
            }
        }
        let results: Vec<Result<(usize, Tag, Manifest), Error>> = stream::iter(pushes).buffered(PUSHES).collect().await;
        let mut failed = Vec::new();
        for result in results {
            match result {
                Ok((at, tag, manifest)) => work[at].arrived(tag, manifest),
                Err(error) => failed.push(error),
            }
        }
        failed
    }

    async fn push_one(&self, task: &Task, local: &docker::Image, step: &Step) -> Result<Manifest, Error> {
        let image = task.target.with_tag(&step.tag);
        let login = self.store.login(&task.target).await;
        let login = login.map_err(|source| Error::Write { image: image.clone(), source: Box::new(source) })?;
        let before = step.before.as_ref().map(Digest::to_string);
        let pending =
            self.journal.begin(Kind::Tag, &image, before, format!("{} of the Docker daemon ({})", local.name(), local.id().short()));
        let tell = |step| (self.progress)(Event::Pushing { image: image.clone(), step });
        let digest = match local.push(&task.target, &step.tag, login.as_ref(), &tell).await.map_err(store::Error::from) {
            Ok(digest) => digest,
            Err(source) => {
                if source.nothing_happened() {
                    pending.failed();
                }
                return Err(Error::Write { image, source: Box::new(source) });
            }
        };
        pending.done_as(digest.to_string());
        (self.progress)(Event::Tagged { image: image.clone(), before: step.before.clone(), after: digest.clone() });
        let manifest = local.pushed(self.store, &task.target, &digest).await;
        manifest.map_err(|source| Error::Write { image, source: Box::new(source) })
    }

    async fn group(&self, group: &Group<'_>) -> Vec<Error> {
        let mut writes: Vec<(&Step, Pending)> =
            group.steps.iter().map(|step| (*step, self.begin(group.task, &step.tag, step.before.as_ref(), group.manifest))).collect();
        if writes.len() > 1 && self.several(group.registry()) != Several::No {
            let confirmed = self.at_once(group).await;
            let (done, rest): (Vec<_>, Vec<_>) = writes.into_iter().partition(|(step, _)| confirmed.contains(&step.tag));
            for (step, pending) in done {
                self.done(group.task, step, group.manifest, pending);
            }
            writes = rest;
        }
        let writes = writes.into_iter().map(|(step, pending)| self.one(group.task, step, group.manifest, pending));
        join_all(writes).await.into_iter().filter_map(Result::err).collect()
    }

    /// The tags that were written with one request: none when the registry can't, or refuses one of them. Which one it was, and what
    /// an uncertain answer did, shows when they are written one by one.
    async fn at_once(&self, group: &Group<'_>) -> Vec<Tag> {
        let tags: Vec<&Tag> = group.steps.iter().map(|step| &step.tag).collect();
        let confirmed = self.store.put_tags(&group.task.target, &tags, group.manifest).await.unwrap_or_default();
        if self.several(group.registry()) == Several::Unasked {
            let answer = if confirmed.is_empty() { Several::No } else { Several::Yes };
            let mut several = self.several.lock().unwrap_or_else(PoisonError::into_inner);
            several.insert(group.registry().to_owned(), answer);
        }
        confirmed
    }

    async fn one(&self, task: &Task, step: &Step, manifest: &Manifest, pending: Pending) -> Result<(), Error> {
        match self.store.put(&task.target, &Pointer::from(&step.tag), manifest).await {
            Ok(()) => {
                self.done(task, step, manifest, pending);
                Ok(())
            }
            Err(source) => {
                // Another run of the same release may have been faster; then the tag can't change any more, and needn't.
                if matches!(source, store::Error::Locked { .. })
                    && self.store.digest(&task.target, &step.tag).await.is_ok_and(|digest| digest.as_ref() == Some(manifest.digest()))
                {
                    pending.failed();
                    return Ok(());
                }
                // Otherwise it stays in the journal as uncertain.
                if source.nothing_happened() {
                    pending.failed();
                }
                Err(Error::Write { image: task.target.with_tag(&step.tag), source: Box::new(source) })
            }
        }
    }

    /// Puts a newer release's image back under a float.
    pub(super) async fn move_back(&self, task: &Task, step: &Step, from: &Digest, manifest: &Manifest) -> Result<(), Error> {
        let step = Step { before: Some(from.clone()), ..step.clone() };
        let pending = self.begin(task, &step.tag, step.before.as_ref(), manifest);
        self.one(task, &step, manifest, pending).await
    }

    /// Tells that a float is a newer release's after all.
    pub(super) fn left_alone(&self, task: &Task, step: &Step, newer: &Tag) {
        (self.progress)(Event::LeftAlone { image: task.target.with_tag(&step.tag), newer: newer.clone() });
    }

    fn begin(&self, task: &Task, tag: &Tag, before: Option<&Digest>, manifest: &Manifest) -> Pending {
        self.journal.begin(Kind::Tag, task.target.with_tag(tag), before.map(Digest::to_string), manifest.digest().to_string())
    }

    fn done(&self, task: &Task, step: &Step, manifest: &Manifest, pending: Pending) {
        pending.done();
        (self.progress)(Event::Tagged {
            image: task.target.with_tag(&step.tag),
            before: step.before.clone(),
            after: manifest.digest().clone(),
        });
    }

    fn several(&self, registry: &str) -> Several {
        let several = self.several.lock().unwrap_or_else(PoisonError::into_inner);
        several.get(registry).copied().unwrap_or(Several::No)
    }
}

impl Group<'_> {
    fn registry(&self) -> &str {
        self.task.target.registry()
    }
}
