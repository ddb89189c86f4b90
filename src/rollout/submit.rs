//! One server-side apply, rehearsed or real, under the policy for fields that others hold.

use serde_json::Value;

use super::error::{Error, Stage, Subject};
use super::ownership::{FieldConflicts, Verdict};
use crate::cluster::{Apply, Cluster, DryRun, Endpoint, Force, Newness};
use crate::resource::Resource;

/// What is applied, and where.
pub(super) struct Submission<'a> {
    pub resource: &'a Resource,
    pub endpoint: &'a Endpoint,
    pub newness: Newness,
    pub dry_run: DryRun,
    pub stage: Stage,
}

/// Applies; when others hold fields that the policy lets us take, applies again by force.
///
/// Force is never used at first: what nobody contests can't be taken from anybody by accident.
pub(super) async fn submit(cluster: &Cluster, submission: &Submission<'_>, policy: FieldConflicts) -> Result<Value, Error> {
    let Submission { resource, endpoint, newness, dry_run, stage } = *submission;
    let apply = |force| cluster.apply(endpoint, &resource.id.name, &resource.value, Apply { force, dry_run, newness });
    let error = match apply(Force::No).await {
        Ok(answer) => return Ok(answer),
        Err(error) => error,
    };
    let conflicts = error.refusal().map(crate::cluster::Refusal::conflicts).unwrap_or_default();
    if conflicts.is_empty() {
        return Err(Error::of(resource, stage, error));
    }
    match policy.judge(&conflicts) {
        Verdict::Take => apply(Force::Yes).await.map_err(|error| Error::of(resource, stage, error)),
        Verdict::Refuse(conflicts) => Err(Error::Held { object: Subject::of(resource), conflicts, stage }),
    }
}
