//! Carrying a plan out: release tags of all images first, then the floats, `latest` last.

use std::fmt;

use futures::stream::{self, StreamExt as _};

use super::plan::{Action, Ready, Step};
use super::select::Task;
use super::{Error, Role, Route, copy};
use crate::error::Problems;
use crate::image::{Digest, Manifest};
use crate::journal::{Journal, Kind};
use crate::store::Pointer;
use crate::store::Store;

/// Tags that are written at the same time; the store has its own limit on requests.
const CONCURRENCY: usize = 64;
/// A wave begins when the one before it is complete, so that no float names a release that isn't there for all images.
const WAVES: [&[Role]; 3] = [&[Role::Fixed], &[Role::Minor, Role::Major], &[Role::Latest]];

/// What happened to one tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Tagged {
        image: String,
        before: Option<Digest>,
        after: Digest,
    },
    /// A large blob is on its way.
    Streaming {
        blob: Digest,
        sent: u64,
        size: u64,
    },
    /// An image's content, and what refers to it, is at the target.
    Copied {
        from: String,
        to: String,
        counts: Copied,
    },
}

/// What copying one image came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    pub manifests: u64,
    /// Blobs by the way they took.
    pub mounted: u64,
    pub streamed: u64,
    pub already_there: u64,
    /// Bytes of the blobs that were streamed.
    pub bytes: u64,
    /// Signatures, attestations and SBOMs among it.
    pub attached: u64,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tagged { image, before: Some(before), after } => write!(f, "{image} moved from {} to {}", before.short(), after.short()),
            Self::Tagged { image, before: None, after } => write!(f, "{image} is {}", after.short()),
            Self::Streaming { blob, sent, size } => {
                write!(f, "{}: {} of {} ({} %)", blob.short(), copy::bytes(*sent), copy::bytes(*size), sent * 100 / size.max(&1))
            }
            Self::Copied { from, to, counts } => write!(f, "{from} is copied to {to}: {counts}"),
        }
    }
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = vec![format!("{} manifests", self.manifests)];
        let mut part = |count: u64, text: String| {
            if count > 0 {
                parts.push(text);
            }
        };
        part(self.mounted, format!("{} blobs mounted", self.mounted));
        part(self.streamed, format!("{} blobs streamed ({})", self.streamed, copy::bytes(self.bytes)));
        part(self.already_there, format!("{} blobs already there", self.already_there));
        part(self.attached, format!("{} that refer to it", self.attached));
        f.write_str(&parts.join(", "))
    }
}

/// How many tags were written and how many needed no writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    pub created: usize,
    pub moved: usize,
    pub already_there: usize,
    pub left_alone: usize,
    /// Images of which something was copied to another repository.
    pub copied: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.created + self.moved + self.copied {
            0 => write!(f, "nothing written: {} already there", tags(self.already_there))?,
            _ => write!(f, "{} created, {} moved, {} already there", tags(self.created), self.moved, self.already_there)?,
        }
        match self.left_alone {
            0 => {}
            left => write!(f, ", {left} left alone")?,
        }
        match self.copied {
            0 => Ok(()),
            1 => f.write_str(", 1 image copied"),
            copied => write!(f, ", {copied} images copied"),
        }
    }
}

fn tags(count: usize) -> String {
    if count == 1 { "1 tag".to_owned() } else { format!("{count} tags") }
}

/// Writes the tags of a plan, after it has copied what is missing at the target. What was there already costs no request.
///
/// # Errors
/// Everything that failed in the first wave that failed; later waves are then not begun. The journal knows what was written.
pub async fn run(
    route: impl Into<Route<'_>>,
    ready: &Ready,
    journal: &Journal,
    progress: &(dyn Fn(Event) + Send + Sync),
) -> Result<Summary, Problems> {
    let route = route.into();
    Problems::check(copy::carry_out(route, &ready.copies, journal, progress).await)?;
    for wave in WAVES {
        let mut writes = Vec::new();
        for (task, manifest, steps) in &ready.images {
            for step in steps.iter().filter(|step| wave.contains(&step.role) && step.writes()) {
                writes.push(write(route.target, task, manifest, step, journal, progress));
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
        let copied = self.copies.iter().filter(|copy| copy.is_needed()).count();
        self.images.iter().flat_map(|(_, _, steps)| steps).fold(Summary { copied, ..Summary::default() }, |mut summary, step| {
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
