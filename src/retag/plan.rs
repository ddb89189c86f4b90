//! What a retag will do: the state of the registry is read, then every tag is decided on. Deciding is pure.

mod look;
mod table;

use std::fmt;

use futures::future::join_all;
use futures::stream::{self, StreamExt as _};

use super::again::{Freshness, Look};
use super::revision::Revision;
use super::select::{Place, Selection, Skipped, Task};
use super::tags::{Role, Values, Wanted, Withheld, rival, withhold};
use super::verify::verify;
use super::{Conflict, Copy, Error, Referrers, Route, copy};
use crate::error::Problems;
use crate::image::{Digest, Manifest, Repository, Tag};
use crate::store::{Access, Store, docker};

use look::{Seen, look};

/// Images that are looked at at the same time; the store has its own limit on requests.
const CONCURRENCY: usize = 64;

/// What becomes of a tag.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Create,
    Move,
    AlreadyThere,
    /// It must not move, but names another digest.
    Conflict,
    Withheld(Withheld),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create => f.write_str("create"),
            Self::Move => f.write_str("move"),
            Self::AlreadyThere => f.write_str("already there"),
            Self::Conflict => f.write_str("conflict"),
            Self::Withheld(reason) => write!(f, "left alone: {reason}"),
        }
    }
}

/// Whether a fixed tag may be put on another image (`overwrite-tags`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overwrite {
    #[default]
    Refuse,
    Allow,
}

/// What a release tag means that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Published {
    /// It must name the source's image; anything else is a conflict.
    #[default]
    Compare,
    /// It says what the image is, whatever the source names by now: the release was asked for by its name, to roll back or to deploy it again.
    Keep,
}

/// Whether the plan is going to be carried out: only then is the right to push asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Intent {
    #[default]
    Look,
    Write,
}

/// What the plan follows beside the selection.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    pub overwrite: Overwrite,
    pub intent: Intent,
    pub published: Published,
    pub referrers: Referrers,
    /// What the tags were made from; floats are compared with its version.
    pub values: Values,
    /// Whether images must be of the released commit.
    pub revision: Revision,
    /// How long what was seen of floats is believed.
    pub freshness: Freshness,
}

/// One tag of one image: what it names, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub tag: Tag,
    pub role: Role,
    pub before: Option<Digest>,
    pub action: Action,
}

/// One image of the plan.
#[derive(Debug)]
pub struct Image {
    pub task: Task,
    pub outcome: Outcome,
    /// What has to be brought to the target before a tag can name it there.
    pub copy: Option<Copy>,
}

/// What is known about an image.
#[derive(Debug)]
pub enum Outcome {
    Known {
        manifest: Box<Manifest>,
        steps: Vec<Step>,
    },
    /// It is in the Docker daemon and no registry is known to have it: its digest shows when it has been pushed.
    Unpushed {
        image: Box<docker::Image>,
        steps: Vec<Step>,
    },
    /// Source or target couldn't be read.
    Unknown(Error),
}

/// What a retag would do. Printing it shows everything, [`Plan::ready`] tells whether it may be done.
#[derive(Debug)]
pub struct Plan {
    pub images: Vec<Image>,
    pub skipped: Vec<Skipped>,
    pub notes: Vec<Note>,
    /// Images that aren't what is to be released.
    pub unfit: Vec<Error>,
    /// Repositories that would be written to without having the right to; looked into only with [`Intent::Write`].
    pub forbidden: Vec<Error>,
    pub(super) look: Look,
}

/// What a person should know about the tags of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// No tag may be called as a template came out.
    Renamed { asked: String, tag: Tag },
    /// A tag names the same version with other build metadata, by which no float can tell which is newer.
    SameButBuild { version: String, tag: Tag },
}

impl Note {
    /// Whether something may go otherwise than it was meant.
    pub fn is_warning(&self) -> bool {
        matches!(self, Self::SameButBuild { .. })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Renamed { asked, tag } => write!(f, "{asked} is the tag {tag}: a tag may hold neither `+` nor `/`"),
            Self::SameButBuild { version, tag } => write!(
                f,
                "{version} differs from the released {tag} in its build metadata only, which has no rank: floating tags name what is released last"
            ),
        }
    }
}

/// A plan without conflicts and unknowns.
#[derive(Debug)]
pub struct Ready {
    pub(super) images: Vec<(Task, Manifest, Vec<Step>)>,
    pub(super) unpushed: Vec<(Task, docker::Image, Vec<Step>)>,
    pub(super) look: Look,
    pub(super) copies: Vec<Copy>,
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

/// Decides on one tag, by what it names now and what it is to name.
pub fn decide(role: Role, before: Option<&Digest>, source: &Digest, overwrite: Overwrite) -> Action {
    match (before, role, overwrite) {
        (None, ..) => Action::Create,
        (Some(before), ..) if before == source => Action::AlreadyThere,
        (Some(_), Role::Fixed, Overwrite::Refuse) => Action::Conflict,
        (Some(_), ..) => Action::Move,
    }
}

/// Decides on one tag of an image whose digest nobody knows yet, which is none that the target's tags name.
pub fn decide_unpushed(role: Role, before: Option<&Digest>, overwrite: Overwrite) -> Action {
    match (before, role, overwrite) {
        (None, ..) => Action::Create,
        (Some(_), Role::Fixed, Overwrite::Refuse) => Action::Conflict,
        (Some(_), ..) => Action::Move,
    }
}

/// Reads sources, targets and, for floats, the tags that exist; all images at the same time, nothing but manifests.
///
/// When a source is gone but its release tag is there (a later run of the same release), the release tag says what the image is.
/// When both are there and differ, [`Published`] decides: mostly it is a conflict, because the tag was released as something else and only
/// a person knows which is meant.
pub async fn plan(route: impl Into<Route<'_>>, selection: Selection, wanted: &[Wanted], rules: &Rules) -> Plan {
    let route = route.into();
    let access = match rules.intent {
        Intent::Look => Access::Pull,
        Intent::Write => Access::Push,
    };
    let sources = selection.images.iter().map(|task| (&task.source.repository, Access::Pull));
    let targets = selection.images.iter().map(|task| (&task.target, access));
    match (route.source, std::ptr::eq(route.source, route.target)) {
        // What lies in the daemon is asked of no registry.
        (Store::Daemon(_), _) => route.target.announce(targets),
        // Together, so that one token is good for both ends of a mount.
        (_, true) => route.source.announce(sources.chain(targets)),
        (_, false) => {
            route.source.announce(sources);
            route.target.announce(targets);
        }
    }
    let seen_at = Look::now(rules);
    let looks: Vec<_> = selection.images.iter().map(|task| look(route, task, wanted, rules)).collect();
    let seen: Vec<Result<Seen, Error>> = stream::iter(looks).buffered(CONCURRENCY).collect().await;
    let mut wanted = wanted.to_vec();
    let existing = || seen.iter().flatten().flat_map(|seen| &seen.existing);
    withhold(&mut wanted, &rules.values, existing());
    let notes = notes(&wanted, &rules.values, existing());
    let image = |(task, seen): (Task, Result<Seen, Error>)| {
        let outcome = match seen {
            Ok(seen) => seen.outcome(&wanted, rules.overwrite),
            Err(error) => Outcome::Unknown(error),
        };
        Image { task, outcome, copy: None }
    };
    let mut images: Vec<Image> = selection.images.into_iter().zip(seen).map(image).collect();
    find_copies(route, &mut images, rules.referrers).await;
    let forbidden = match rules.intent {
        Intent::Look => Vec::new(),
        Intent::Write => forbidden(route.target, &images).await,
    };
    let unfit = verify(route.source, &images, rules).await;
    Plan { images, skipped: selection.skipped, notes, unfit, forbidden, look: seen_at }
}

fn notes<'a>(wanted: &[Wanted], values: &Values, existing: impl Iterator<Item = &'a Tag>) -> Vec<Note> {
    let renamed = wanted.iter().filter_map(|wanted| Some(Note::Renamed { asked: wanted.asked.clone()?, tag: wanted.tag.clone() }));
    let rival = rival(wanted, values, existing).zip(values.version.as_ref());
    let same = rival.map(|(tag, version)| Note::SameButBuild { version: version.to_string(), tag: tag.clone() });
    renamed.chain(same).collect()
}

async fn forbidden(store: &Store, images: &[Image]) -> Vec<Error> {
    let checks = images.iter().filter(|image| image.changes()).map(|Image { task, .. }| async move {
        let (services, image, location) = (task.services.join(", "), task.target.to_string(), task.location.clone());
        let check = store.check_push(&task.target).await;
        check.map_err(|source| Error::Target { services, image, source: Box::new(source), location })
    });
    join_all(checks).await.into_iter().filter_map(Result::err).collect()
}

/// An image that can't be copied as a whole isn't known well enough.
async fn find_copies(route: Route<'_>, images: &mut [Image], referrers: Referrers) {
    let copies = join_all(images.iter().map(|image| async {
        match &image.outcome {
            Outcome::Known { manifest, steps } => copy::find(route, &image.task, manifest, steps, referrers).await,
            Outcome::Unpushed { .. } | Outcome::Unknown(_) => Ok(None),
        }
    }));
    for (image, copy) in copies.await.into_iter().enumerate() {
        match copy {
            Ok(copy) => images[image].copy = copy,
            Err(error) => images[image].outcome = Outcome::Unknown(error),
        }
    }
}

impl Plan {
    /// Whether carrying it out would write anything.
    pub fn changes(&self) -> bool {
        self.images.iter().any(Image::changes)
    }

    /// What each service's image is called after the release; images that couldn't be read or have yet to be pushed are left out.
    pub fn pins(&self) -> Vec<Pin> {
        let pins = self.images.iter().flat_map(|image| match &image.outcome {
            Outcome::Known { manifest, steps } => pins(&image.task, manifest.digest(), steps),
            Outcome::Unpushed { .. } | Outcome::Unknown(_) => Vec::new(),
        });
        pins.collect()
    }

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

impl Outcome {
    /// What becomes of each tag, as far as that could be decided.
    pub fn steps(&self) -> &[Step] {
        match self {
            Self::Known { steps, .. } | Self::Unpushed { steps, .. } => steps,
            Self::Unknown(_) => &[],
        }
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

pub(super) fn pins(task: &Task, digest: &Digest, steps: &[Step]) -> Vec<Pin> {
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

impl Step {
    /// Whether it needs a request.
    pub fn writes(&self) -> bool {
        matches!(self.action, Action::Create | Action::Move)
    }
}

impl Image {
    fn changes(&self) -> bool {
        self.copy.as_ref().is_some_and(Copy::is_needed) || self.outcome.steps().iter().any(Step::writes)
    }
}

#[cfg(test)]
mod tests;
