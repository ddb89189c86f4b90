//! Carrying a plan out: release tags of all images first, then the floats, `latest` last.

use std::fmt;

use futures::stream::{self, StreamExt as _};

use super::plan::{Action, Ready, Step};
use super::select::Task;
use super::{Error, Role};
use crate::error::Problems;
use crate::image::{Digest, Manifest};
use crate::journal::{Journal, Kind};
use crate::store::{Pointer, Store};

/// Tags that are written at the same time; the store has its own limit on requests.
const CONCURRENCY: usize = 64;
/// A wave begins when the one before it is complete, so that no float names a release that isn't there for all images.
const WAVES: [&[Role]; 3] = [&[Role::Fixed], &[Role::Minor, Role::Major], &[Role::Latest]];

/// What happened to one tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Tagged { image: String, before: Option<Digest>, after: Digest },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tagged { image, before: Some(before), after } => write!(f, "{image} moved from {} to {}", before.short(), after.short()),
            Self::Tagged { image, before: None, after } => write!(f, "{image} is {}", after.short()),
        }
    }
}

/// How many tags were written and how many needed no writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    pub created: usize,
    pub moved: usize,
    pub already_there: usize,
    pub left_alone: usize,
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

/// Writes the tags of a plan. What was there already costs no request.
///
/// # Errors
/// Everything that failed in the first wave that failed; later waves are then not begun. The journal knows what was written.
pub async fn run(store: &Store, ready: &Ready, journal: &Journal, progress: &(dyn Fn(Event) + Send + Sync)) -> Result<Summary, Problems> {
    for wave in WAVES {
        let mut writes = Vec::new();
        for (task, manifest, steps) in &ready.images {
            for step in steps.iter().filter(|step| wave.contains(&step.role) && step.writes()) {
                writes.push(write(store, task, manifest, step, journal, progress));
            }
        }
        let results: Vec<Result<(), Error>> = stream::iter(writes).buffered(CONCURRENCY).collect().await;
        Problems::check(results.into_iter().filter_map(Result::err).collect())?;
    }
    Ok(ready.summary())
}

async fn write(
    store: &Store,
    task: &Task,
    manifest: &Manifest,
    step: &Step,
    journal: &Journal,
    progress: &(dyn Fn(Event) + Send + Sync),
) -> Result<(), Error> {
    let image = task.target.with_tag(&step.tag);
    let before = step.before.as_ref().map(Digest::to_string);
    let pending = journal.begin(Kind::Tag, &image, before, manifest.digest().to_string());
    match store.put(&task.target, &Pointer::from(&step.tag), manifest).await {
        Ok(()) => {
            pending.done();
            progress(Event::Tagged { image, before: step.before.clone(), after: manifest.digest().clone() });
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

impl Ready {
    /// What carrying it out comes to.
    pub fn summary(&self) -> Summary {
        self.images.iter().flat_map(|(_, _, steps)| steps).fold(Summary::default(), |mut summary, step| {
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
