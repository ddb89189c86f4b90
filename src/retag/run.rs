//! Carrying a plan out: release tags of all images first, then the floats, `latest` last.

use std::fmt;

use futures::stream::{self, StreamExt as _};

use super::plan::{Action, Pin, Ready, Step, pins};
use super::select::Task;
use super::{Error, Role};
use crate::error::Problems;
use crate::image::{Digest, Manifest};
use crate::journal::{Journal, Kind};
use crate::store::{self, Pointer, Store, docker};

/// Tags that are written at the same time; the store has its own limit on requests.
const CONCURRENCY: usize = 64;
/// Images that the Docker daemon pushes at the same time; it has several layers of each under way.
const PUSHES: usize = 3;
/// A wave begins when the one before it is complete, so that no float names a release that isn't there for all images.
const WAVES: [&[Role]; 3] = [&[Role::Fixed], &[Role::Minor, Role::Major], &[Role::Latest]];

/// What happened to one tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Tagged { image: String, before: Option<Digest>, after: Digest },
    Pushing { image: String, step: docker::Progress },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tagged { image, before: Some(before), after } => write!(f, "{image} moved from {} to {}", before.short(), after.short()),
            Self::Pushing { image, step } => write!(f, "{image}: {step}"),
            Self::Tagged { image, before: None, after } => write!(f, "{image} is {}", after.short()),
        }
    }
}

/// How many tags were written and how many needed no writing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    pub created: usize,
    pub moved: usize,
    pub already_there: usize,
    pub left_alone: usize,
    /// The images that the Docker daemon pushed, with the digests they got.
    pub pushed: Vec<Pin>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.created + self.moved {
            0 => write!(f, "nothing written: {} already there", tags(self.already_there))?,
            _ => write!(f, "{} created, {} moved, {} already there", tags(self.created), self.moved, self.already_there)?,
        }
        match self.left_alone {
            0 => Ok(()),
            left => write!(f, ", {left} left alone"),
        }
    }
}

fn tags(count: usize) -> String {
    if count == 1 { "1 tag".to_owned() } else { format!("{count} tags") }
}

/// Writes the tags of a plan. What was there already costs no request. An image of the Docker daemon is pushed once, with the first of its
/// tags; the others are put on what the registry has then.
///
/// # Errors
/// Everything that failed in the first wave that failed; later waves are then not begun. The journal knows what was written.
pub async fn run(store: &Store, ready: &Ready, journal: &Journal, progress: &(dyn Fn(Event) + Send + Sync)) -> Result<Summary, Problems> {
    let to = To { store, journal, progress };
    let mut pushed: Vec<Option<Pushed<'_>>> = ready.unpushed.iter().map(|_| None).collect();
    for wave in WAVES {
        let mut pushes = Vec::new();
        for (at, (task, image, steps)) in ready.unpushed.iter().enumerate() {
            let first = steps.iter().find(|step| wave.contains(&step.role) && step.writes()).filter(|_| pushed[at].is_none());
            if let Some(step) = first {
                let push = to.push(task, image, step);
                pushes.push(async move { push.await.map(|pushed| (at, pushed)) });
            }
        }
        let results: Vec<Result<(usize, Pushed<'_>), Error>> = stream::iter(pushes).buffered(PUSHES).collect().await;
        let mut errors = Vec::new();
        for result in results {
            match result {
                Ok((at, new)) => pushed[at] = Some(new),
                Err(error) => errors.push(error),
            }
        }
        Problems::check(errors)?;
        let mut writes = Vec::new();
        for (task, manifest, steps) in &ready.images {
            writes
                .extend(steps.iter().filter(|step| wave.contains(&step.role) && step.writes()).map(|step| to.write(task, manifest, step)));
        }
        for ((task, _, steps), pushed) in ready.unpushed.iter().zip(&pushed) {
            let Some(pushed) = pushed else { continue };
            let left = pushed.left(steps).filter(|step| wave.contains(&step.role) && step.writes());
            writes.extend(left.map(|step| to.write(task, &pushed.manifest, step)));
        }
        let results: Vec<Result<(), Error>> = stream::iter(writes).buffered(CONCURRENCY).collect().await;
        Problems::check(results.into_iter().filter_map(Result::err).collect())?;
    }
    let mut summary = ready.summary();
    for ((task, _, steps), pushed) in ready.unpushed.iter().zip(&pushed) {
        let Some(pushed) = pushed else { continue };
        summary.pushed.extend(pins(task, pushed.manifest.digest(), steps));
        // A float that named it already, which nobody could know.
        let found = steps.iter().filter(|step| step.writes() && step.before.as_ref() == Some(pushed.manifest.digest())).count();
        summary.moved -= found;
        summary.already_there += found;
    }
    Ok(summary)
}

/// An image that the daemon has pushed.
struct Pushed<'a> {
    manifest: Manifest,
    /// The step that the push has carried out.
    step: &'a Step,
}

impl<'a> Pushed<'a> {
    /// The steps that the push has not carried out, without those whose tag turned out to name the image already.
    fn left(&'a self, steps: &'a [Step]) -> impl Iterator<Item = &'a Step> {
        steps.iter().filter(|step| step.tag != self.step.tag && step.before.as_ref() != Some(self.manifest.digest()))
    }
}

/// Where writes go and who is told of them.
struct To<'a> {
    store: &'a Store,
    journal: &'a Journal,
    progress: &'a (dyn Fn(Event) + Send + Sync),
}

impl To<'_> {
    async fn write(&self, task: &Task, manifest: &Manifest, step: &Step) -> Result<(), Error> {
        let image = task.target.with_tag(&step.tag);
        let before = step.before.as_ref().map(Digest::to_string);
        let pending = self.journal.begin(Kind::Tag, &image, before, manifest.digest().to_string());
        match self.store.put(&task.target, &Pointer::from(&step.tag), manifest).await {
            Ok(()) => {
                pending.done();
                (self.progress)(Event::Tagged { image, before: step.before.clone(), after: manifest.digest().clone() });
                Ok(())
            }
            Err(source) => {
                // Otherwise it stays in the journal as uncertain.
                if source.nothing_happened() {
                    pending.failed();
                }
                Err(Error::Write { image, source: Box::new(source) })
            }
        }
    }

    async fn push<'s>(&self, task: &Task, local: &docker::Image, step: &'s Step) -> Result<Pushed<'s>, Error> {
        let image = task.target.with_tag(&step.tag);
        let before = step.before.as_ref().map(Digest::to_string);
        let pending =
            self.journal.begin(Kind::Tag, &image, before, format!("{} of the Docker daemon ({})", local.name(), local.id().short()));
        let tell = |step| (self.progress)(Event::Pushing { image: image.clone(), step });
        let digest = match local.push(&task.target, &step.tag, &tell).await.map_err(store::Error::from) {
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
        let manifest = manifest.map_err(|source| Error::Write { image, source: Box::new(source) })?;
        Ok(Pushed { manifest, step })
    }
}

impl Ready {
    /// What carrying it out comes to.
    pub fn summary(&self) -> Summary {
        let (known, unpushed) = (self.images.iter().flat_map(|(_, _, s)| s), self.unpushed.iter().flat_map(|(_, _, s)| s));
        known.chain(unpushed).fold(Summary::default(), |mut summary, step| {
            match step.action {
                Action::Create => summary.created += 1,
                Action::Move => summary.moved += 1,
                Action::AlreadyThere => summary.already_there += 1,
                Action::Withheld(_) | Action::Conflict => summary.left_alone += 1,
            }
            summary
        })
    }
}
