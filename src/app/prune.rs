//! What an earlier release has left and this one no longer has.

use super::Run;
use crate::cluster::{Cluster, DryRun};
use crate::error::Problems;
use crate::report::Object;
use crate::rollout::prune::{self, Found, Inventory, Store};
use crate::rollout::{Need, Outcome, Plan};

/// What is to be deleted when the release has succeeded, and where that is remembered.
pub(super) struct Pruning {
    store: Store,
    /// As earlier releases have left it; empty before the first one.
    old: Inventory,
    plan: prune::Plan,
    /// What the cluster says is in the inventory.
    kept: Option<Inventory>,
}

impl Run<'_> {
    /// Plans what goes, and tries whether the inventory can be written.
    pub(super) async fn plan_pruning(&mut self, cluster: &Cluster, plan: &Plan, namespace: &str) -> Result<Option<Pruning>, Problems> {
        if !self.inputs.prune {
            return Ok(None);
        }
        let store = Store::of(&self.app_name(), namespace);
        let found = store.read(cluster).await?;
        if found.own.is_none() {
            self.log.say(format!("{store} is new, so this release deletes nothing; what the next one no longer has is deleted by that"));
        }
        let doomed = prune::look(cluster, &store, &found, plan).await?;
        if !doomed.is_empty() || !doomed.left.is_empty() {
            self.log.say(&doomed);
        }
        let Found { own, .. } = found;
        let pruning = Pruning { store, old: own.clone().unwrap_or_default(), plan: doomed, kept: own };
        if let Some(inventory) = pruning.before(plan)
            && !creates_namespace(plan, namespace)
        {
            pruning.store.write(cluster, &inventory, DryRun::Yes).await?;
        }
        Ok(Some(pruning))
    }

    /// Names what is about to be applied beside what was, so that the run after one that is killed knows both. What is new in a new namespace
    /// can only be named when that is there.
    pub(super) async fn note_applied(
        &self,
        cluster: &Cluster,
        pruning: &mut Pruning,
        plan: &Plan,
        namespace: &str,
    ) -> Result<(), Problems> {
        if let Some(inventory) = pruning.before(plan)
            && !creates_namespace(plan, namespace)
        {
            pruning.store.write(cluster, &inventory, DryRun::No).await?;
            pruning.kept = Some(inventory);
        }
        Ok(())
    }

    /// Deletes, and remembers what is left.
    pub(super) async fn prune(&mut self, cluster: &Cluster, plan: &Plan, outcome: &Outcome, pruning: Pruning) -> Result<(), Problems> {
        let Pruning { store, old, plan: doomed, kept } = pruning;
        let pruned = prune::run(cluster, &doomed, self.inputs.timeout, &self.journal, &|event| self.log.say(event)).await;
        if !doomed.is_empty() {
            self.log.say(&pruned);
        }
        let rows = doomed.doomed().map(|one| match (pruned.deleted.contains(&one.id), pruned.failed.contains(&one.id)) {
            (true, _) => row(&one.id, "deleted".to_owned()),
            (_, true) => row(&one.id, "not deleted".to_owned()),
            _ => row(&one.id, "somebody has deleted it".to_owned()),
        });
        self.report.objects.extend(rows.chain(left(&doomed)).collect::<Vec<_>>());
        let inventory = doomed.inventory(&old, &Inventory::after(plan, &outcome.uids), &pruned.failed);
        let written = match kept.as_ref() == Some(&inventory) {
            true => Ok(()),
            false => store.write(cluster, &inventory, DryRun::No).await,
        };
        match (pruned.problems, written) {
            (None, Ok(())) => Ok(()),
            (None, Err(error)) => Err(error.into()),
            (Some(problems), Ok(())) => Err(problems),
            (Some(mut problems), Err(error)) => {
                problems.extend(error.into());
                Err(problems)
            }
        }
    }
}

impl Pruning {
    /// What the account needs for it beyond what was rehearsed.
    pub(super) fn needs(&self) -> Vec<Need> {
        self.store.needs()
    }

    /// Whether a release with this plan writes something because of it.
    pub(super) fn writes(&self, plan: &Plan) -> bool {
        self.deletes() || self.before(plan).is_some()
    }

    /// Whether there is something to delete.
    pub(super) fn deletes(&self) -> bool {
        !self.plan.is_empty()
    }

    /// The inventory as it has to be before the first write, unless it is so already.
    fn before(&self, plan: &Plan) -> Option<Inventory> {
        let inventory = self.old.joined(&Inventory::before(plan));
        (self.kept.as_ref() != Some(&inventory)).then_some(inventory)
    }

    /// As the report shows it when nothing has been deleted yet.
    pub(super) fn rows(&self) -> Vec<Object> {
        self.plan.doomed().map(|doomed| row(&doomed.id, "to delete".to_owned())).chain(left(&self.plan)).collect()
    }
}

fn left(plan: &prune::Plan) -> impl Iterator<Item = Object> {
    plan.left.iter().map(|left| row(&left.id, format!("no longer in the manifests, left as it is: {}", left.why)))
}

fn row(id: &crate::resource::Id, action: String) -> Object {
    Object { object: id.to_string(), wave: "prune".to_owned(), action, changes: Vec::new(), status: String::new() }
}

/// Whether a namespace isn't there before the release is applied: nothing is live in it, and nothing can be kept there.
pub(super) fn creates_namespace(plan: &Plan, namespace: &str) -> bool {
    plan.steps.iter().any(|step| step.resource.id.is("", "Namespace") && step.resource.id.name == namespace && step.live.is_none())
}
