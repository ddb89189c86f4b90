//! A plan as it can be carried out, and what the images are called then.

use super::super::again::Look;
use super::super::select::{Place, Task};
use super::super::{Conflict, Copy, Error};
use super::{Action, Outcome, Plan, Step};
use crate::error::Problems;
use crate::image::{Digest, Manifest, Repository, Tag};
use crate::store::docker;

/// A plan without conflicts and unknowns.
#[derive(Debug)]
pub struct Ready {
    pub(in crate::retag) images: Vec<(Task, Manifest, Vec<Step>)>,
    pub(in crate::retag) unpushed: Vec<(Task, docker::Image, Vec<Step>)>,
    pub(in crate::retag) look: Look,
    pub(in crate::retag) copies: Vec<Copy>,
}

/// What a service's image is called once it is released.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Pin {
    pub service: String,
    pub repository: Repository,
    /// The first of the release's tags that is written or there already.
    pub tag: Tag,
    pub digest: Digest,
}

impl Plan {
    /// The plan as it can be carried out.
    ///
    /// # Errors
    /// All conflicts and everything that couldn't be read.
    pub fn ready(self) -> Result<Ready, Problems> {
        let (mut images, mut unpushed, mut copies, mut errors) = (Vec::new(), Vec::new(), Vec::new(), self.forbidden);
        errors.extend(self.unfit);
        for image in self.images {
            copies.extend(image.copy);
            match image.outcome {
                Outcome::Unknown(error) => errors.push(error),
                Outcome::Known { manifest, steps } => {
                    errors.extend(conflicts(&image.task, manifest.digest(), Place::Registry, &steps));
                    images.push((image.task, *manifest, steps));
                }
                Outcome::Unpushed { image: local, steps } => {
                    errors.extend(conflicts(&image.task, local.id(), Place::Daemon, &steps));
                    unpushed.push((image.task, *local, steps));
                }
            }
        }
        Problems::check(errors)?;
        Ok(Ready { images, unpushed, copies, look: self.look })
    }
}

impl Ready {
    /// What each service's image is called after the release; without those that have yet to be pushed.
    pub fn pins(&self) -> Vec<Pin> {
        self.images.iter().flat_map(|(task, manifest, steps)| pins(task, manifest.digest(), steps)).collect()
    }

    /// The images that have yet to be pushed.
    pub fn unpushed(&self) -> impl Iterator<Item = &Task> {
        self.unpushed.iter().map(|(task, ..)| task)
    }
}

pub(in crate::retag) fn pins(task: &Task, digest: &Digest, steps: &[Step]) -> Vec<Pin> {
    // A float that stays where it is names another image.
    let named = steps.iter().find(|step| !matches!(step.action, Action::Withheld(_)));
    let Some(first) = named.or(steps.first()) else { return Vec::new() };
    let pin = |service: &String| Pin {
        service: service.clone(),
        repository: task.target.clone(),
        tag: first.tag.clone(),
        digest: digest.clone(),
    };
    task.services.iter().map(pin).collect()
}

fn conflicts(task: &Task, new: &Digest, place: Place, steps: &[Step]) -> Vec<Error> {
    let conflict = |step: &Step| match (&step.action, &step.before) {
        (Action::Conflict, Some(existing)) => Some(Error::Conflict(Box::new(Conflict {
            services: task.services.join(", "),
            repository: task.target.clone(),
            tag: step.tag.clone(),
            existing: existing.clone(),
            source_image: task.source.to_string(),
            new: new.clone(),
            place,
            location: task.location.clone(),
        }))),
        _ => None,
    };
    steps.iter().filter_map(conflict).collect()
}
