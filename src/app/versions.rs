//! Old versions of configuration: told with the plan, collected when the release is in place.

use super::Run;
use crate::action::values::ConfigUpdates;
use crate::cluster::Cluster;
use crate::report::Object;
use crate::rollout::collect::{self, Old};
use crate::rollout::{self, Plan};

impl Run<'_> {
    /// Which old versions there are. A release that writes nothing makes none, so it doesn't ask.
    pub(super) async fn old_versions(&mut self, cluster: &Cluster, plan: &Plan) -> Old {
        if self.inputs.config_updates != ConfigUpdates::Versioned || plan.is_empty() {
            return Old::default();
        }
        let old = rollout::collect::look(cluster, plan, &self.app_name()).await;
        if !old.versions.is_empty() {
            self.log.say(&old);
        }
        old
    }

    /// Deletes those that nothing refers to. One that stays does no harm, so that is a warning.
    pub(super) async fn collect(&mut self, cluster: &Cluster, old: &Old) {
        if old.versions.is_empty() && old.blind.is_empty() {
            return;
        }
        let collected = collect::collect(cluster, old, &self.journal, &|event| self.log.say(event)).await;
        self.log.say(&collected);
        self.report.objects.extend(collected.removed.iter().map(|version| Object {
            object: version.to_string(),
            wave: "old versions".to_owned(),
            action: format!("removed, nothing refers to this version of {} any more", version.original),
            changes: Vec::new(),
            status: String::new(),
        }));
        for why in &collected.blind {
            self.warn(None, &format!("old versions of configuration stay, because it can't be seen whether they are in use: {why}"));
        }
    }
}
