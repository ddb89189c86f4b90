//! Deleting hooks and checks that have ended, where their annotations want that.

use futures::{StreamExt as _, stream};

use super::error::{Error, Stage};
use super::event::{Event, Progress};
use super::order::{Ending, is_deleted_after};
use super::plan::{Plan, Step};
use super::readiness::{self, Status};
use crate::cluster::{Cluster, Deletion};
use crate::journal::{self, Journal};

const PARALLEL: usize = 8;

/// Deletes the hooks and checks of a plan that have ended so and are to go then; the uids are those of the
/// [outcome](super::Outcome). Gives those that couldn't be deleted.
pub async fn sweep(
    cluster: &Cluster,
    plan: &Plan,
    uids: &[Option<String>],
    ending: Ending,
    journal: &Journal,
    progress: Progress<'_>,
) -> Vec<Error> {
    let wanted = plan.steps.iter().zip(uids).filter(|(step, _)| is_deleted_after(&step.resource, ending));
    let wanted: Vec<(&Step, &str)> = wanted.filter_map(|(step, uid)| Some((step, uid.as_deref()?))).collect();
    let deleted = wanted.into_iter().map(|(step, uid)| delete(cluster, step, uid, ending, journal, progress));
    stream::iter(deleted).buffered(PARALLEL).filter_map(|ended| std::future::ready(ended.err())).collect().await
}

async fn delete(cluster: &Cluster, step: &Step, uid: &str, ending: Ending, journal: &Journal, progress: Progress<'_>) -> Result<(), Error> {
    let (id, wrong) = (&step.resource.id, |error| Error::of(&step.resource, Stage::Remove, error));
    let Some(live) = cluster.get(&step.endpoint, &id.name).await.map_err(wrong)? else { return Ok(()) };
    let has_ended = match readiness::of(&live, 0) {
        Status::Ready => ending == Ending::Succeeded,
        Status::Doomed { .. } => ending == Ending::Failed,
        _ => false,
    };
    if !has_ended {
        return Ok(());
    }
    let pending = journal.begin(journal::Kind::Object, id.to_string(), Some("a hook that has ended".into()), "deleted");
    match cluster.delete(&step.endpoint, &id.name, uid).await {
        Ok(Deletion::Accepted) => {
            pending.done();
            progress(Event::Deleted { id: id.clone() });
            Ok(())
        }
        Ok(Deletion::Gone) => {
            pending.failed();
            Ok(())
        }
        Err(error) => {
            if error.certainly_not_done() {
                pending.failed();
            }
            Err(wrong(error))
        }
    }
}
