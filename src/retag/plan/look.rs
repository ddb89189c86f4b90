//! What is read about one image before anything is decided.

use futures::future::{join, join_all};

use super::{Action, Intent, Outcome, Overwrite, Published, Rules, Step, decide, decide_unpushed};
use crate::image::{Digest, Tag};
use crate::retag::select::Task;
use crate::retag::tags::{Role, Wanted, need_listing};
use crate::retag::{Error, Route};
use crate::store::{self, Pointer, Source, Store, docker};

/// What was read about one image.
pub(super) struct Seen {
    source: Source,
    /// In the order of the wanted tags.
    before: Vec<Option<Digest>>,
    pub(super) existing: Vec<Tag>,
}

pub(super) async fn look(route: Route<'_>, task: &Task, wanted: &[Wanted], rules: &Rules) -> Result<Seen, Error> {
    let source = route.source.source(&task.source.repository, &task.source.pointer);
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
    let in_its_place = async |digest| route.target.manifest(&task.target, &Pointer::from(digest)).await.map(Box::new).map(Source::Manifest);
    let source = match (source, published) {
        (Ok(source), Some(digest)) if rules.published == Published::Keep && !source.is(digest) => in_its_place(digest).await,
        (Err(error), Some(digest)) if error.is_absent() => in_its_place(digest).await,
        (Err(missing @ store::Error::NotFound { .. }), None) if rules.intent == Intent::Write && before.is_ok() => {
            let late = route.source.late_manifest(&task.source.repository, &task.source.pointer, missing).await;
            late.map(Box::new).map(Source::Manifest)
        }
        (Ok(Source::Local(image)), _) => in_target(route.target, task, image, before.as_deref().unwrap_or_default()).await,
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
    pub(super) fn outcome(self, wanted: &[Wanted], overwrite: Overwrite) -> Outcome {
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
