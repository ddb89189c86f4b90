//! What a retag will do: the state of the registry is read, then every tag is decided on. Deciding is pure.

mod decide;
mod look;
mod note;
mod ready;
mod table;

use futures::future::join_all;
use futures::stream::{self, StreamExt as _};

use super::again::{Freshness, Look};
use super::revision::Revision;
use super::select::{Selection, Skipped, Task};
use super::tags::{Role, Values, Wanted, withhold};
use super::verify::verify;
use super::{Copy, Error, Referrers, Route, copy};
use crate::image::{Digest, Manifest, Tag};
use crate::store::{Access, Store, docker};

pub use decide::{Action, decide, decide_unpushed};
use look::{Seen, look};
pub use note::Note;
use note::notes;
pub(super) use ready::pins;
pub use ready::{Pin, Ready};

/// Images that are looked at at the same time; the store has its own limit on requests.
const CONCURRENCY: usize = 64;

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
