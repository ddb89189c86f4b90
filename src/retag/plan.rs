//! What a retag will do: the state of the registry is read, then every tag is decided on. Deciding is pure.

mod table;

use std::fmt;

use futures::future::{join, join_all};
use futures::stream::{self, StreamExt as _};

use super::again::{Freshness, Look};
use super::revision::Revision;
use super::select::{Place, Selection, Skipped, Task};
use super::tags::{Role, Values, Wanted, Withheld, need_listing, withhold};
use super::verify::verify;
use super::{Conflict, Error};
use crate::error::Problems;
use crate::image::{Digest, Manifest, Repository, Tag};
use crate::store::{self, Access, Pointer, Source, Store, docker};

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
    /// Images that aren't what is to be released.
    pub unfit: Vec<Error>,
    /// Repositories that would be written to without having the right to; looked into only with [`Intent::Write`].
    pub forbidden: Vec<Error>,
    pub(super) look: Look,
}

/// A plan without conflicts and unknowns.
#[derive(Debug)]
pub struct Ready {
    pub(super) images: Vec<(Task, Manifest, Vec<Step>)>,
    pub(super) unpushed: Vec<(Task, docker::Image, Vec<Step>)>,
    pub(super) look: Look,
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

/// What was read about one image.
struct Seen {
    source: Source,
    /// In the order of the wanted tags.
    before: Vec<Option<Digest>>,
    existing: Vec<Tag>,
}

/// Reads sources, targets and, for floats, the tags that exist; all images at the same time, nothing but manifests.
///
/// When a source is gone but its release tag is there (a later run of the same release), the release tag says what the image is.
/// When both are there and differ, [`Published`] decides: mostly it is a conflict, because the tag was released as something else and only
/// a person knows which is meant.
pub async fn plan(store: &Store, selection: Selection, wanted: &[Wanted], rules: &Rules) -> Plan {
    let access = match rules.intent {
        Intent::Look => Access::Pull,
        Intent::Write => Access::Push,
    };
    let sources = selection.images.iter().map(|task| (&task.source.repository, Access::Pull));
    // What lies in the daemon is asked of no registry.
    let sources = sources.filter(|_| !matches!(store, Store::Daemon(_)));
    store.announce(sources.chain(selection.images.iter().map(|task| (&task.target, access))));
    let seen_at = Look::now(rules);
    let looks: Vec<_> = selection.images.iter().map(|task| look(store, task, wanted, rules)).collect();
    let seen: Vec<Result<Seen, Error>> = stream::iter(looks).buffered(CONCURRENCY).collect().await;
    let mut wanted = wanted.to_vec();
    withhold(&mut wanted, &rules.values, seen.iter().flatten().flat_map(|seen| &seen.existing));
    let image = |(task, seen): (Task, Result<Seen, Error>)| {
        let outcome = match seen {
            Ok(seen) => seen.outcome(&wanted, rules.overwrite),
            Err(error) => Outcome::Unknown(error),
        };
        Image { task, outcome }
    };
    let images: Vec<Image> = selection.images.into_iter().zip(seen).map(image).collect();
    let forbidden = match rules.intent {
        Intent::Look => Vec::new(),
        Intent::Write => forbidden(store, &images).await,
    };
    let unfit = verify(store, &images, rules).await;
    Plan { images, skipped: selection.skipped, unfit, forbidden, look: seen_at }
}

async fn forbidden(store: &Store, images: &[Image]) -> Vec<Error> {
    let checks = images.iter().filter(|image| image.changes()).map(|Image { task, .. }| async move {
        let (services, image, location) = (task.services.join(", "), task.target.to_string(), task.location.clone());
        let check = store.check_push(&task.target).await;
        check.map_err(|source| Error::Target { services, image, source: Box::new(source), location })
    });
    join_all(checks).await.into_iter().filter_map(Result::err).collect()
}

async fn look(store: &Store, task: &Task, wanted: &[Wanted], rules: &Rules) -> Result<Seen, Error> {
    let source = store.source(&task.source.repository, &task.source.pointer);
    let targets = join_all(wanted.iter().map(|wanted| async {
        match wanted.withheld {
            Some(_) => Ok(None),
            None => store.digest(&task.target, &wanted.tag).await.map_err(|source| unreadable(task, &wanted.tag, source)),
        }
    }));
    let existing = async {
        match need_listing(wanted, &rules.values) {
            true => store.tags(&task.target).await,
            false => Ok(Vec::new()),
        }
    };
    let (source, (targets, existing)) = join(source, join(targets, existing)).await;
    let before = targets.into_iter().collect::<Result<Vec<_>, Error>>();
    let published = before.as_ref().ok().and_then(|before| released(wanted, before));
    let in_its_place = async |digest| store.manifest(&task.target, &Pointer::from(digest)).await.map(Box::new).map(Source::Manifest);
    let source = match (source, published) {
        (Ok(source), Some(digest)) if rules.published == Published::Keep && !source.is(digest) => in_its_place(digest).await,
        (Err(error), Some(digest)) if error.is_absent() => in_its_place(digest).await,
        (Err(missing @ store::Error::NotFound { .. }), None) if rules.intent == Intent::Write && before.is_ok() => {
            let late = store.late_manifest(&task.source.repository, &task.source.pointer, missing).await;
            late.map(Box::new).map(Source::Manifest)
        }
        (Ok(Source::Local(image)), _) => in_target(store, task, image, before.as_deref().unwrap_or_default()).await,
        (source, _) => source,
    };
    let source = source.map_err(|source| Error::Source {
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
    Ok(Seen { source, before: before?, existing })
}

/// What the target has of an image of the daemon: the manifest as which it was pushed there before, or what a tag names and is the same image.
/// Where it has neither, the image must be pushed.
async fn in_target(store: &Store, task: &Task, image: docker::Image, before: &[Option<Digest>]) -> Result<Source, store::Error> {
    let mut digests: Vec<&Digest> = image.known_in(&task.target).collect();
    for digest in before.iter().flatten() {
        if !digests.contains(&digest) {
            digests.push(digest);
        }
    }
    for digest in digests {
        match store.manifest(&task.target, &Pointer::from(digest)).await {
            Ok(manifest) if image.is(&manifest) || image.known_in(&task.target).any(|known| known == digest) => {
                return Ok(Source::Manifest(Box::new(manifest)));
            }
            Ok(_) => {}
            // The daemon's memory of a push is older than the registry's of the image.
            Err(error) if error.is_absent() => {}
            Err(error) => return Err(error),
        }
    }
    image.check_complete()?;
    Ok(Source::Local(image))
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

impl Seen {
    fn outcome(self, wanted: &[Wanted], overwrite: Overwrite) -> Outcome {
        match self.source {
            Source::Manifest(manifest) => {
                let steps = steps(wanted, &self.before, |role, before| decide(role, before, manifest.digest(), overwrite));
                Outcome::Known { manifest, steps }
            }
            Source::Local(image) => {
                let steps = steps(wanted, &self.before, |role, before| decide_unpushed(role, before, overwrite));
                Outcome::Unpushed { image: Box::new(image), steps }
            }
        }
    }
}

fn steps(wanted: &[Wanted], before: &[Option<Digest>], decide: impl Fn(Role, Option<&Digest>) -> Action) -> Vec<Step> {
    let step = |(wanted, before): (&Wanted, &Option<Digest>)| {
        let action = match &wanted.withheld {
            Some(reason) => Action::Withheld(reason.clone()),
            None => decide(wanted.role, before.as_ref()),
        };
        Step { tag: wanted.tag.clone(), role: wanted.role, before: before.clone(), action }
    };
    wanted.iter().zip(before).map(step).collect()
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
        let (mut images, mut unpushed, mut errors) = (Vec::new(), Vec::new(), self.forbidden);
        errors.extend(self.unfit);
        for image in self.images {
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
        Ok(Ready { images, unpushed, look: self.look })
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
        self.outcome.steps().iter().any(Step::writes)
    }
}

#[cfg(test)]
mod tests;
