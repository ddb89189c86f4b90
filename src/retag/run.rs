//! Carrying a plan out: release tags of all images first, then the floats, `latest` last.

use std::fmt;

use super::plan::{Action, Pin, Ready, Step, pins};
use super::tags::Role;
use super::work::Work;
use super::write::Writer;
use crate::error::Problems;
use crate::image::{Digest, Tag};
use crate::journal::Journal;
use crate::store::{Store, docker};

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
    /// The Docker daemon is at work.
    Pushing {
        image: String,
        step: docker::Progress,
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
            Self::Pushing { image, step } => write!(f, "{image}: {step}"),
            Self::LeftAlone { image, newer } => write!(f, "{image} left alone: {newer} is newer, and has come since"),
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

/// Writes the tags of a plan. What was there already costs no request; floats are looked at again when the plan isn't fresh any more. An
/// image of the Docker daemon is pushed once, with the first of its tags; the others are put on what the registry has then.
///
/// # Errors
/// Everything that failed in the first wave that failed; later waves are then not begun. The journal knows what was written.
pub async fn run(store: &Store, ready: &Ready, journal: &Journal, progress: &(dyn Fn(Event) + Send + Sync)) -> Result<Summary, Problems> {
    let mut look = ready.look.clone();
    let mut work = Work::of(ready);
    let writer = Writer::new(store, journal, progress, &work);
    for wave in WAVES {
        if !wave.contains(&Role::Fixed) {
            look.before_floats(store, &mut work, wave, progress).await?;
        }
        Problems::check(writer.push(&mut work, wave).await)?;
        Problems::check(writer.wave(&work, wave).await)?;
    }
    look.after_floats(&writer, &mut work).await?;
    let mut summary = summary(work.iter().flat_map(|work| &work.steps));
    for work in work.iter().filter(|work| work.pushed.is_some()) {
        let digest = work.manifest().map(crate::image::Manifest::digest);
        summary.pushed.extend(digest.into_iter().flat_map(|digest| pins(work.task, digest, &work.steps)));
    }
    Ok(summary)
}

impl Ready {
    /// What carrying it out comes to.
    pub fn summary(&self) -> Summary {
        let (known, unpushed) = (self.images.iter().flat_map(|(_, _, s)| s), self.unpushed.iter().flat_map(|(_, _, s)| s));
        summary(known.chain(unpushed))
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
