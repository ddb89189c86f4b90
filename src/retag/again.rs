//! Floats are looked at again: two releases may run at once, and no registry has a compare-and-swap.
//!
//! A release writes its release tags before its floats. So of two releases at least one sees the other's release tags when it lists
//! them right before its own floats, and the older of the two leaves the floats alone; should it have written them already, it finds
//! the newer one when it lists them once more afterwards, and puts the newer one back.

use std::time::Duration;

use futures::future::join;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

use super::plan::{Action, Rules, Step};
use super::select::Task;
use super::tags::{Role, Values, Wanted, Withheld, withhold};
use super::work::Work;
use super::write::Writer;
use super::{Error, Event};
use crate::error::Problems;
use crate::image::{Digest, Tag};
use crate::store::{self, Pointer, Store};

/// Images that are looked at at the same time; the store has its own limit on requests.
const CONCURRENCY: usize = 64;

/// How long what was seen of floats is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness(pub Duration);

impl Default for Freshness {
    /// A retag of some images takes less; looking again would double its requests to narrow a gap that stays as wide as one request.
    fn default() -> Self {
        Self(Duration::from_secs(2))
    }
}

/// When floats were looked at, and by what they are judged.
#[derive(Debug, Clone)]
pub(super) struct Look {
    at: Instant,
    freshness: Freshness,
    values: Values,
}

impl Look {
    pub(super) fn now(rules: &Rules) -> Self {
        Self { at: Instant::now(), freshness: rules.freshness, values: rules.values.clone() }
    }

    fn is_fresh(&self) -> bool {
        self.at.elapsed() < self.freshness.0
    }

    /// Before floats are written: lists and floats are read again unless they were read a moment ago. Floats that have been overtaken
    /// are left alone, those that another run has written are there already.
    pub(super) async fn before_floats(
        &mut self,
        store: &Store,
        work: &mut [Work<'_>],
        wave: &[Role],
        progress: &(dyn Fn(Event) + Send + Sync),
    ) -> Result<(), Problems> {
        let is_pending = |step: &Step| wave.contains(&step.role) && step.writes();
        if self.is_fresh() || !work.iter().any(|work| work.steps.iter().any(is_pending)) {
            return Ok(());
        }
        self.at = Instant::now();
        let newer = self.overtaken(store, work).await?;
        let looks = work.iter_mut().map(|work| {
            let newer = &newer;
            async move {
                for at in 0..work.steps.len() {
                    let (role, tag) = (work.steps[at].role, work.steps[at].tag.clone());
                    if !is_pending(&work.steps[at]) {
                        continue;
                    }
                    if let Some(newer) = newer.iter().find(|(other, _)| *other == role).map(|(_, tag)| tag) {
                        work.steps[at].action = Action::Withheld(Withheld::Newer(newer.clone()));
                        progress(Event::LeftAlone { image: work.task.target.with_tag(&tag), newer: newer.clone() });
                        continue;
                    }
                    let before = store.digest(&work.task.target, &tag).await.map_err(|source| unreadable(work.task, &tag, source))?;
                    work.steps[at].action = work.decide(role, before.as_ref());
                    work.steps[at].before = before;
                }
                Ok(())
            }
        });
        stream::iter(looks.collect::<Vec<_>>()).buffer_unordered(CONCURRENCY).try_collect::<()>().await.map_err(|error: Error| error.into())
    }

    /// After floats were written: when that took its time, a newer release may have come in between; its images get the floats back.
    pub(super) async fn after_floats(&mut self, writer: &Writer<'_>, work: &mut [Work<'_>]) -> Result<(), Problems> {
        let is_written = |step: &Step| step.role != Role::Fixed && step.writes();
        if self.is_fresh() || !work.iter().any(|work| work.steps.iter().any(is_written)) {
            return Ok(());
        }
        self.at = Instant::now();
        let newer = self.overtaken(writer.store, work).await?;
        let mut repairs = Vec::new();
        for work in work {
            let Some(ours) = work.manifest().map(|manifest| manifest.digest().clone()) else { continue };
            for step in work.steps.iter_mut().filter(|step| is_written(step)) {
                if let Some((_, tag)) = newer.iter().find(|(role, _)| *role == step.role) {
                    repairs.push(give_back(writer, work.task, step, ours.clone(), tag));
                }
            }
        }
        let failed: Vec<Option<Error>> = stream::iter(repairs).buffered(CONCURRENCY).map(Result::err).collect().await;
        Problems::check(failed.into_iter().flatten().collect())
    }

    /// The floats' roles that a newer release has by now, with that release's tag.
    async fn overtaken(&self, store: &Store, work: &[Work<'_>]) -> Result<Vec<(Role, Tag)>, Error> {
        // Without a version there is nothing to be newer than.
        if self.values.version.is_none() {
            return Ok(Vec::new());
        }
        let lists = work.iter().map(|work| async {
            store.tags(&work.task.target).await.map_err(|source| Error::Target {
                services: work.task.services.join(", "),
                image: work.task.target.to_string(),
                source: Box::new(source),
                location: work.task.location.clone(),
            })
        });
        let existing: Vec<Vec<Tag>> = stream::iter(lists.collect::<Vec<_>>()).buffered(CONCURRENCY).try_collect().await?;
        let mut wanted: Vec<Wanted> =
            [Role::Minor, Role::Major, Role::Latest].map(|role| Wanted { tag: Tag::latest(), role, withheld: None, asked: None }).into();
        withhold(&mut wanted, &self.values, existing.iter().flatten());
        let newer = wanted.into_iter().filter_map(|wanted| match wanted.withheld {
            Some(Withheld::Newer(tag)) => Some((wanted.role, tag)),
            _ => None,
        });
        Ok(newer.collect())
    }
}

/// Puts the newer release's image under a float that was written over it. A repository without that release keeps ours; a float that
/// names something else by now is somebody else's.
async fn give_back(writer: &Writer<'_>, task: &Task, step: &mut Step, ours: Digest, newer: &Tag) -> Result<(), Error> {
    let (store, repository) = (writer.store, &task.target);
    let unreadable = |tag: &Tag| {
        let tag = tag.clone();
        move |source| unreadable(task, &tag, source)
    };
    let (float, theirs) = join(store.digest(repository, &step.tag), store.digest(repository, newer)).await;
    let (float, theirs) = (float.map_err(unreadable(&step.tag))?, theirs.map_err(unreadable(newer))?);
    let Some(theirs) = theirs else { return Ok(()) };
    if float.as_ref() == Some(&ours) && theirs != ours {
        let manifest = store.manifest(repository, &Pointer::from(&theirs)).await.map_err(unreadable(newer))?;
        writer.move_back(task, step, &ours, &manifest).await?;
    }
    writer.left_alone(task, step, newer);
    step.action = Action::Withheld(Withheld::Newer(newer.clone()));
    Ok(())
}

fn unreadable(task: &Task, tag: &Tag, source: store::Error) -> Error {
    let (services, image) = (task.services.join(", "), task.target.with_tag(tag));
    Error::Target { services, image, source: Box::new(source), location: task.location.clone() }
}
