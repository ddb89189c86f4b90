//! What a retag will do: the state of the registry is read, then every tag is decided on. Deciding is pure.

mod table;

use std::fmt;

use futures::future::{join, join_all};
use futures::stream::{self, StreamExt as _};

use super::select::{Selection, Skipped, Task};
use super::tags::{Role, Values, Wanted, Withheld, need_listing, withhold};
use super::{Conflict, Copy, Error, Referrers, Route, copy};
use crate::error::Problems;
use crate::image::{Digest, Manifest, Repository, Tag};
use crate::store::{self, Access, Pointer, Store};

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
    /// Source or target couldn't be read.
    Unknown(Error),
}

/// What a retag would do. Printing it shows everything, [`Plan::ready`] tells whether it may be done.
#[derive(Debug)]
pub struct Plan {
    pub images: Vec<Image>,
    pub skipped: Vec<Skipped>,
    /// Repositories that would be written to without having the right to; looked into only with [`Intent::Write`].
    pub forbidden: Vec<Error>,
}

/// A plan without conflicts and unknowns.
#[derive(Debug)]
pub struct Ready {
    pub(super) images: Vec<(Task, Manifest, Vec<Step>)>,
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

/// What was read about one image.
struct Seen {
    manifest: Manifest,
    /// In the order of the wanted tags.
    before: Vec<Option<Digest>>,
    existing: Vec<Tag>,
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
    match std::ptr::eq(route.source, route.target) {
        // Together, so that one token is good for both ends of a mount.
        true => route.source.announce(sources.chain(targets)),
        false => {
            route.source.announce(sources);
            route.target.announce(targets);
        }
    }
    let looks: Vec<_> = selection.images.iter().map(|task| look(route, task, wanted, rules)).collect();
    let seen: Vec<Result<Seen, Error>> = stream::iter(looks).buffered(CONCURRENCY).collect().await;
    let mut wanted = wanted.to_vec();
    withhold(&mut wanted, &rules.values, seen.iter().flatten().flat_map(|seen| &seen.existing));
    let image = |(task, seen): (Task, Result<Seen, Error>)| {
        let outcome = match seen {
            Ok(seen) => Outcome::Known { steps: steps(&seen, &wanted, rules.overwrite), manifest: Box::new(seen.manifest) },
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
    Plan { images, skipped: selection.skipped, forbidden }
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
            Outcome::Unknown(_) => Ok(None),
        }
    }));
    for (image, copy) in copies.await.into_iter().enumerate() {
        match copy {
            Ok(copy) => images[image].copy = copy,
            Err(error) => images[image].outcome = Outcome::Unknown(error),
        }
    }
}

async fn look(route: Route<'_>, task: &Task, wanted: &[Wanted], rules: &Rules) -> Result<Seen, Error> {
    let source = route.source.manifest(&task.source.repository, &task.source.pointer);
    let targets = join_all(wanted.iter().map(|wanted| async {
        match wanted.withheld {
            Some(_) => Ok(None),
            None => route.target.digest(&task.target, &wanted.tag).await.map_err(|source| unreadable(task, &wanted.tag, source)),
        }
    }));
    let existing = async {
        match need_listing(wanted, &rules.values) {
            true => route.target.tags(&task.target).await,
            false => Ok(Vec::new()),
        }
    };
    let (source, (targets, existing)) = join(source, join(targets, existing)).await;
    let before = targets.into_iter().collect::<Result<Vec<_>, Error>>();
    let published = before.as_ref().ok().and_then(|before| released(wanted, before));
    let manifest = match (source, published) {
        (Ok(manifest), Some(digest)) if rules.published == Published::Keep && manifest.digest() != digest => {
            route.target.manifest(&task.target, &Pointer::from(digest)).await
        }
        (Err(store::Error::NotFound { .. }), Some(digest)) => route.target.manifest(&task.target, &Pointer::from(digest)).await,
        (source, _) => source,
    };
    let manifest = manifest.map_err(|source| Error::Source {
        services: task.services.join(", "),
        image: task.source.to_string(),
        source: Box::new(source),
        location: task.location.clone(),
    })?;
    let existing = existing.map_err(|source| Error::Target {
        services: task.services.join(", "),
        image: task.target.to_string(),
        source: Box::new(source),
        location: task.location.clone(),
    })?;
    Ok(Seen { manifest, before: before?, existing })
}

/// What the release tag names already.
fn released<'a>(wanted: &[Wanted], before: &'a [Option<Digest>]) -> Option<&'a Digest> {
    let (first, digest) = wanted.iter().zip(before).next()?;
    digest.as_ref().filter(|_| first.role == Role::Fixed)
}

fn unreadable(task: &Task, tag: &Tag, source: store::Error) -> Error {
    let (services, image) = (task.services.join(", "), task.target.with_tag(tag));
    Error::Target { services, image, source: Box::new(source), location: task.location.clone() }
}

fn steps(seen: &Seen, wanted: &[Wanted], overwrite: Overwrite) -> Vec<Step> {
    let step = |(wanted, before): (&Wanted, &Option<Digest>)| {
        let action = match &wanted.withheld {
            Some(reason) => Action::Withheld(reason.clone()),
            None => decide(wanted.role, before.as_ref(), seen.manifest.digest(), overwrite),
        };
        Step { tag: wanted.tag.clone(), role: wanted.role, before: before.clone(), action }
    };
    wanted.iter().zip(&seen.before).map(step).collect()
}

impl Plan {
    /// Whether carrying it out would write anything.
    pub fn changes(&self) -> bool {
        self.images.iter().any(Image::changes)
    }

    /// What each service's image is called after the release; images that couldn't be read are left out.
    pub fn pins(&self) -> Vec<Pin> {
        let pins = self.images.iter().flat_map(|image| match &image.outcome {
            Outcome::Known { manifest, steps } => pins(&image.task, manifest, steps),
            Outcome::Unknown(_) => Vec::new(),
        });
        pins.collect()
    }

    /// The plan as it can be carried out.
    ///
    /// # Errors
    /// All conflicts and everything that couldn't be read.
    pub fn ready(self) -> Result<Ready, Problems> {
        let (mut images, mut copies, mut errors) = (Vec::new(), Vec::new(), self.forbidden);
        for image in self.images {
            copies.extend(image.copy);
            match image.outcome {
                Outcome::Unknown(error) => errors.push(error),
                Outcome::Known { manifest, steps } => {
                    errors.extend(conflicts(&image.task, &manifest, &steps));
                    images.push((image.task, *manifest, steps));
                }
            }
        }
        Problems::check(errors)?;
        Ok(Ready { images, copies })
    }
}

impl Ready {
    /// What each service's image is called after the release.
    pub fn pins(&self) -> Vec<Pin> {
        self.images.iter().flat_map(|(task, manifest, steps)| pins(task, manifest, steps)).collect()
    }
}

fn pins(task: &Task, manifest: &Manifest, steps: &[Step]) -> Vec<Pin> {
    // A float that stays where it is names another image.
    let named = steps.iter().find(|step| !matches!(step.action, Action::Withheld(_)));
    let Some(first) = named.or(steps.first()) else { return Vec::new() };
    let pin = |service: &String| Pin {
        service: service.clone(),
        repository: task.target.clone(),
        tag: first.tag.clone(),
        digest: manifest.digest().clone(),
    };
    task.services.iter().map(pin).collect()
}

fn conflicts(task: &Task, manifest: &Manifest, steps: &[Step]) -> Vec<Error> {
    let conflict = |step: &Step| match (&step.action, &step.before) {
        (Action::Conflict, Some(existing)) => Some(Error::Conflict(Box::new(Conflict {
            services: task.services.join(", "),
            repository: task.target.clone(),
            tag: step.tag.clone(),
            existing: existing.clone(),
            source_image: task.source.to_string(),
            new: manifest.digest().clone(),
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
        let copies = self.copy.as_ref().is_some_and(Copy::is_needed);
        matches!(&self.outcome, Outcome::Known { steps, .. } if copies || steps.iter().any(Step::writes))
    }
}

#[cfg(test)]
mod tests;
