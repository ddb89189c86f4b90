//! What is missing at the target: everything is read before anything is written.

use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::attached::attachments;
use super::{Attachments, Copy, Referrers, Tree, blobs, children};
use crate::image::{Digest, Manifest};
use crate::retag::plan::{Action, Step};
use crate::retag::select::Task;
use crate::retag::{Error, Route};
use crate::store::{self, Place, Pointer};

/// Manifests of one image that are read at the same time; the store has its own limit on requests.
const CONCURRENCY: usize = 16;
/// Indexes in indexes, and manifests below one image, beyond which it isn't an image.
const MAX_DEPTH: usize = 8;
const MAX_MANIFESTS: usize = 2000;

/// Finds out what to copy for an image; `None` when a tag is all that it needs.
pub(in crate::retag) async fn find(
    route: Route<'_>,
    task: &Task,
    manifest: &Manifest,
    steps: &[Step],
    referrers: Referrers,
) -> Result<Option<Copy>, Error> {
    let is_held = steps.iter().any(|step| step.before.as_ref() == Some(manifest.digest()));
    let is_wanted = steps.iter().any(Step::writes) || is_held;
    if !route.crosses(task) || !is_wanted || steps.iter().any(|step| step.action == Action::Conflict) {
        return Ok(None);
    }
    let source = Place { store: route.source, repository: &task.source.repository };
    let target = Place { store: route.target, repository: &task.target };
    let unreadable = |source| Error::Source {
        services: task.services.join(", "),
        image: task.source.to_string(),
        source: Box::new(source),
        location: task.location.clone(),
    };
    let content = match is_held {
        true => Tree::default(),
        false => tree(source, manifest).await.map_err(unreadable)?,
    };
    let attached = match referrers {
        Referrers::Leave => Attachments::default(),
        Referrers::Copy => {
            let mut subjects: Vec<Digest> = vec![manifest.digest().clone()];
            subjects.extend(children(manifest).iter().map(|child| child.digest.clone()));
            subjects.extend(content.levels.iter().flatten().map(|child| child.digest().clone()));
            attachments(source, target, subjects, is_held).await.map_err(unreadable)?
        }
    };
    let (from, to) = (task.source.repository.clone(), task.target.clone());
    Ok(Some(Copy { from, to, root: manifest.clone(), content, attached }))
}

/// All manifests below a root, and the blobs of all of them.
pub(super) async fn tree(place: Place<'_>, root: &Manifest) -> Result<Tree, store::Error> {
    let mut tree = Tree::default();
    tree.add(blobs(root).cloned());
    let mut wanted = distinct(std::slice::from_ref(root));
    while !wanted.is_empty() {
        if tree.levels.len() == MAX_DEPTH || tree.manifests() + wanted.len() > MAX_MANIFESTS {
            let (what, registry) = (Pointer::from(root.digest()).of(place.repository), place.repository.registry().to_owned());
            let reason = format!("it is an index of more than {MAX_MANIFESTS} manifests, or of indexes nested more than {MAX_DEPTH} deep");
            return Err(store::Error::Malformed { what, registry, reason });
        }
        let reads = wanted.iter().map(|digest| async move { place.store.manifest(place.repository, &Pointer::from(digest)).await });
        let level: Vec<Manifest> = stream::iter(reads.collect::<Vec<_>>()).buffered(CONCURRENCY).try_collect().await?;
        level.iter().for_each(|manifest| tree.add(blobs(manifest).cloned()));
        wanted = distinct(&level);
        tree.levels.push(level);
    }
    tree.levels.reverse();
    // One that is found on two levels has to be there for the first of them.
    let mut known: Vec<Digest> = Vec::new();
    for level in &mut tree.levels {
        level.retain(|manifest| !known.contains(manifest.digest()));
        known.extend(level.iter().map(|manifest| manifest.digest().clone()));
    }
    Ok(tree)
}

fn distinct(parents: &[Manifest]) -> Vec<Digest> {
    let mut digests: Vec<Digest> = Vec::new();
    for child in parents.iter().flat_map(children) {
        if !digests.contains(&child.digest) {
            digests.push(child.digest.clone());
        }
    }
    digests
}
