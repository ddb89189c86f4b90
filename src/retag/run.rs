//! Carrying a plan out: release tags of all images first, then the floats, `latest` last.

use std::fmt;

use super::plan::{Action, Ready, Step};
use super::select::Task;
use super::tags::Role;
use super::write::Writer;
use crate::error::Problems;
use crate::image::{Digest, Manifest, Tag};
use crate::journal::Journal;
use crate::store::Store;

/// A wave begins when the one before it is complete, so that no float names a release that isn't there for all images.
pub(super) const WAVES: [&[Role]; 3] = [&[Role::Fixed], &[Role::Minor, Role::Major], &[Role::Latest]];

/// What happened to one tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Tagged {
        image: String,
        before: Option<Digest>,
        after: Digest,
    },
    /// A newer release has come since the plan was made.
    LeftAlone {
        image: String,
        newer: Tag,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tagged { image, before: Some(before), after } => write!(f, "{image} moved from {} to {}", before.short(), after.short()),
            Self::Tagged { image, before: None, after } => write!(f, "{image} is {}", after.short()),
            Self::LeftAlone { image, newer } => write!(f, "{image} left alone: {newer} is newer, and has come since"),
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

/// One image on its way: its steps change when floats are looked at again.
pub(super) struct Work<'a> {
    pub(super) task: &'a Task,
    pub(super) manifest: &'a Manifest,
    pub(super) steps: Vec<Step>,
}

/// Writes the tags of a plan. What was there already costs no request; floats are looked at again when the plan isn't fresh any more.
///
/// # Errors
/// Everything that failed in the first wave that failed; later waves are then not begun. The journal knows what was written.
pub async fn run(store: &Store, ready: &Ready, journal: &Journal, progress: &(dyn Fn(Event) + Send + Sync)) -> Result<Summary, Problems> {
    let mut look = ready.look.clone();
    let images = ready.images.iter().map(|(task, manifest, steps)| Work { task, manifest, steps: steps.clone() });
    let mut work: Vec<Work<'_>> = images.collect();
    let writer = Writer::new(store, journal, progress, &work);
    for wave in WAVES {
        if !wave.contains(&Role::Fixed) {
            look.before_floats(store, &mut work, wave, progress).await?;
        }
        Problems::check(writer.wave(&work, wave).await)?;
    }
    look.after_floats(&writer, &mut work).await?;
    Ok(summary(work.iter().flat_map(|work| &work.steps)))
}

impl Ready {
    /// What carrying it out comes to.
    pub fn summary(&self) -> Summary {
        summary(self.images.iter().flat_map(|(_, _, steps)| steps))
    }
}

fn summary<'s>(steps: impl Iterator<Item = &'s Step>) -> Summary {
    steps.fold(Summary::default(), |mut summary, step| {
        match step.action {
            Action::Create => summary.created += 1,
            Action::Move => summary.moved += 1,
            Action::AlreadyThere => summary.already_there += 1,
            Action::Withheld(_) | Action::Conflict => summary.left_alone += 1,
        }
        summary
    })
}
