//! Carrying a plan out: release tags of all images first, then the floats, `latest` last.

use std::fmt;

use super::plan::{Action, Pin, Ready, Step, pins};
use super::tags::Role;
use super::work::Work;
use super::write::Writer;
use super::{Copy, Event, Route, copy};
use crate::error::Problems;
use crate::image::Manifest;
use crate::journal::Journal;

/// A wave begins when the one before it is complete, so that no float names a release that isn't there for all images.
pub(super) const WAVES: [&[Role]; 3] = [&[Role::Fixed], &[Role::Minor, Role::Major], &[Role::Latest]];

/// How many tags were written and how many needed no writing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    pub created: usize,
    pub moved: usize,
    pub already_there: usize,
    pub left_alone: usize,
    /// Images of which something was copied to another repository.
    pub copied: usize,
    /// The images that the Docker daemon pushed, with the digests they got.
    pub pushed: Vec<Pin>,
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

/// Writes the tags of a plan, after it has copied what is missing at the target. What was there already costs no request; floats are looked
/// at again when the plan isn't fresh any more. An image of the Docker daemon is pushed once, with the first of its tags; the others are
/// put on what the registry has then.
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
    let mut look = ready.look.clone();
    let mut work = Work::of(ready);
    let writer = Writer::new(route.target, journal, progress, &work);
    for wave in WAVES {
        if !wave.contains(&Role::Fixed) {
            look.before_floats(route.target, &mut work, wave, progress).await?;
        }
        Problems::check(writer.push(&mut work, wave).await)?;
        Problems::check(writer.wave(&work, wave).await)?;
    }
    look.after_floats(&writer, &mut work).await?;
    let mut summary = summary(&ready.copies, work.iter().flat_map(|work| &work.steps));
    for work in work.iter().filter(|work| work.pushed.is_some()) {
        let digest = work.manifest().map(Manifest::digest);
        summary.pushed.extend(digest.into_iter().flat_map(|digest| pins(work.task, digest, &work.steps)));
    }
    Ok(summary)
}

impl Ready {
    /// What carrying it out comes to.
    pub fn summary(&self) -> Summary {
        let (known, unpushed) = (self.images.iter().flat_map(|(_, _, s)| s), self.unpushed.iter().flat_map(|(_, _, s)| s));
        summary(&self.copies, known.chain(unpushed))
    }
}

fn summary<'s>(copies: &[Copy], steps: impl Iterator<Item = &'s Step>) -> Summary {
    let copied = copies.iter().filter(|copy| copy.is_needed()).count();
    steps.fold(Summary { copied, ..Summary::default() }, |mut summary, step| {
        match step.action {
            Action::Create => summary.created += 1,
            Action::Move => summary.moved += 1,
            Action::AlreadyThere => summary.already_there += 1,
            Action::Withheld(_) | Action::Conflict => summary.left_alone += 1,
        }
        summary
    })
}
