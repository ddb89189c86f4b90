//! From manifests to running workloads.

use jiff::Timestamp;

use super::Run;
use super::images::Images;
use super::lock::Plans;
use super::manifests::Manifests;
use super::prune::{Pruning, creates_namespace};
use super::rollback::Memory;
use crate::action::values::{ConfigUpdates, DryRun, FieldConflicts, OnFailure};
use crate::cluster::{self, Cluster};
use crate::error::{Explain as _, Problems};
use crate::report::Object;
use crate::resource::{Catalog, Resource, default_namespace};
use crate::rollout::collect::Old;
use crate::rollout::lock::UNLOCKED;
use crate::rollout::order::Ending;
use crate::rollout::plan::{Action, Step};
use crate::rollout::record::FORGOTTEN;
use crate::rollout::{self, Failure, Need, Outcome, Plan, Purposes, Settings, Waiting};

/// A release that is planned against a cluster.
struct Release {
    cluster: Cluster,
    /// What the plan was made of, for the case that it has to be made again.
    manifests: Manifests,
    plan: Plan,
    memory: Memory,
    /// Nothing unless `prune` asks for it.
    pruning: Option<Pruning>,
    /// Versions of configuration that the release no longer uses.
    old: Old,
    /// Where the application's own records are.
    namespace: String,
    locks: Locks,
}

/// Whether the account may keep other runs away.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Locks {
    Yes,
    No,
}

impl Release {
    fn writes(&self) -> bool {
        !self.plan.is_empty() || self.pruning.as_ref().is_some_and(|pruning| pruning.writes(&self.plan))
    }
}

impl Run<'_> {
    /// The deployment as a plan prints it: needs no credentials, and says what it couldn't look at.
    pub(super) async fn plan_deployment(&mut self, images: &Images) -> Result<(), Problems> {
        if !self.inputs.manifests.is_empty() {
            self.timed("Manifests", async |run| {
                let (resources, catalog) = run.manifests(images).await?;
                let manifests = run.order(resources, catalog)?;
                run.log.say(manifests.order.to_string().trim_end());
                run.report.objects = planned_only(&manifests);
                Ok(())
            })
            .await?;
        }
        let next = match (self.inputs.manifests.is_empty(), self.inputs.infra.is_some()) {
            (_, true) => self.plan_repositories(images).await?.to_string(),
            (false, false) => "`mode: apply` gives the images their tag and applies the manifests".to_owned(),
            // There is nothing to release here, or nothing yet.
            (true, false) if images.released.is_empty() => return Ok(()),
            (true, false) => "`mode: retag` gives the images their release tag".to_owned(),
        };
        self.report.next.push(next);
        Ok(())
    }

    /// Plans against the live cluster, then writes: first the tags, then the objects.
    pub(super) async fn apply(&mut self, images: Images) -> Result<(), Problems> {
        let (resources, catalog) = self.timed("Manifests", async |run| run.manifests(&images).await).await?;
        let begun = Timestamp::now();
        let mut release = self.timed("Plan", async |run| run.plan_release(resources, catalog).await).await?;
        self.retag(images).await?;
        if self.inputs.dry_run == DryRun::Yes {
            self.server_warnings(&release.cluster.warnings());
            return Ok(());
        }
        let ended = self.timed("Apply", async |run| run.write_release(&mut release, begun).await).await?;
        match ended {
            Ok(outcome) => self.finish(release, &outcome).await,
            Err(failure) => {
                let uids = failure.outcome.uids.clone();
                let problems = self.fail(&release.cluster, &release.plan, *failure, &release.memory).await;
                self.sweep(&release, &uids, Ending::Failed).await;
                Err(problems)
            }
        }
    }

    async fn plan_release(&mut self, resources: Vec<Resource>, catalog: Catalog) -> Result<Release, Problems> {
        let cluster = self.cluster().await?;
        let manifests = self.placed(&cluster, resources, catalog).await?;
        let first = manifests.resources.iter().filter_map(|resource| resource.id.namespace.as_deref()).min();
        let namespace = self.inputs.namespace.as_deref().or(first).unwrap_or(cluster.namespace()).to_owned();
        let mut release = self.plan_placed(cluster, manifests, namespace).await?;
        self.preflight(&mut release).await?;
        Ok(release)
    }

    /// Asks whether the account may do what writing and going back take; what is only missed is a warning.
    async fn preflight(&mut self, release: &mut Release) -> Result<(), Problems> {
        if !release.writes() {
            return Ok(());
        }
        let rolls_back = self.inputs.on_failure == OnFailure::Rollback;
        let mut besides: Vec<Need> = release.pruning.iter().flat_map(Pruning::needs).collect();
        if !creates_namespace(&release.plan, &release.namespace) {
            besides.extend(self.place_of_lock(&release.namespace).needs());
            besides.extend(release.memory.needs().into_iter().filter(|_| rolls_back));
        }
        let purposes = Purposes { waiting: self.waiting(), rolls_back };
        let gaps = rollout::preflight(&release.cluster, &release.plan, purposes, besides).await?;
        for gap in &gaps {
            self.warn(None, &gap.to_string());
        }
        let misses = |what| gaps.iter().any(|gap| gap.misses(what));
        release.locks = if misses(UNLOCKED) { Locks::No } else { Locks::Yes };
        if misses(FORGOTTEN) {
            release.memory.cannot_be_kept();
        }
        Ok(())
    }

    /// Plans what is to be written and what is to go, against what the cluster has now.
    async fn plan_placed(&mut self, cluster: Cluster, manifests: Manifests, namespace: String) -> Result<Release, Problems> {
        let memory = self.recall(&cluster, &namespace).await;
        let (conflicts, updates) = (self.field_conflicts(), (self.config_updates(), memory.unfinished()));
        let mut plan = rollout::plan(&cluster, &manifests.resources, &manifests.order, &manifests.catalog, conflicts, updates).await?;
        if memory.is_of_a_cut_off_release() {
            plan.run_hooks();
        }
        plan.stamp(self.trace().as_ref(), conflicts);
        self.log.say(&plan);
        self.report.objects = objects(&plan, None);
        let pruning = self.plan_pruning(&cluster, &plan, &namespace).await?;
        self.report.objects.extend(pruning.iter().flat_map(Pruning::rows));
        let old = self.old_versions(&cluster, &plan).await;
        self.log.say(format!("({} requests to the cluster)", cluster.requests()));
        Ok(Release { cluster, manifests, plan, memory, pruning, old, namespace, locks: Locks::Yes })
    }

    /// Notes what is there and what comes, and applies.
    async fn write_release(&mut self, release: &mut Release, begun: Timestamp) -> Result<Result<Outcome, Box<Failure>>, Problems> {
        if release.writes()
            && release.locks == Locks::Yes
            && self.lock(&release.cluster, &release.plan, &release.namespace, begun).await? == Plans::MadeAgain
        {
            self.log.say("another run may have written meanwhile: planned again");
            let manifests = std::mem::take(&mut release.manifests);
            *release = self.plan_placed(release.cluster.clone(), manifests, release.namespace.clone()).await?;
            self.preflight(release).await?;
        }
        let Release { cluster, plan, memory, pruning, namespace, .. } = release;
        if let Some(pruning) = pruning {
            self.note_applied(cluster, pruning, plan, namespace).await?;
        }
        self.remember(cluster, plan, namespace, memory).await;
        Ok(self.roll_out(cluster, plan).await)
    }

    /// The release is in place: what has done its part goes.
    async fn finish(&mut self, release: Release, outcome: &Outcome) -> Result<(), Problems> {
        self.sweep(&release, &outcome.uids, Ending::Succeeded).await;
        // While there is a record, the next run may go back to what needs them.
        if !self.forget(&release.cluster, &release.memory).await {
            if release.pruning.is_some_and(|pruning| pruning.deletes()) {
                self.report.next.push("run it again: the next run deletes what this release no longer has".to_owned());
            }
            return Ok(());
        }
        self.collect(&release.cluster, &release.old).await;
        let Some(pruning) = release.pruning else { return Ok(()) };
        self.timed("Prune", async |run| run.prune(&release.cluster, &release.plan, outcome, pruning).await).await
    }

    /// Deletes hooks and checks that want to go when they have ended so. One that stays does no harm.
    async fn sweep(&mut self, release: &Release, uids: &[Option<String>], ending: Ending) {
        let errors = rollout::sweep(&release.cluster, &release.plan, uids, ending, &self.journal, &|event| self.log.say(event)).await;
        for error in errors {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            self.warn(error.location(), &format!("{error}{cause}"));
        }
    }

    /// Kinds that only the cluster knows are asked for before namespaces are put in and the order is made.
    async fn placed(&mut self, cluster: &Cluster, resources: Vec<Resource>, mut catalog: Catalog) -> Result<Manifests, Problems> {
        let failures = cluster.learn(&mut catalog, &resources).await;
        // A kind that isn't served is told by the plan, with the place of the object.
        let failures = failures.into_iter().map(|(_, error)| error).filter(|error| !matches!(error, cluster::Error::NotServed { .. }));
        Problems::check(failures.collect())?;
        let mut resources = resources;
        // What names no namespace goes to the context's, as with kubectl.
        let namespace = self.inputs.namespace.clone().unwrap_or_else(|| cluster.namespace().to_owned());
        Problems::check(default_namespace(&mut resources, &namespace, &catalog))?;
        self.order(resources, catalog)
    }

    async fn roll_out(&mut self, cluster: &Cluster, plan: &Plan) -> Result<Outcome, Box<Failure>> {
        let settings = Settings { conflicts: self.field_conflicts(), waiting: self.waiting(), timeout: self.inputs.timeout };
        let ended = rollout::run(cluster, plan, &settings, &self.journal, &|event| self.log.say(event)).await;
        let (outcome, failure) = match &ended {
            Ok(outcome) => (outcome, None),
            Err(failure) => (&failure.outcome, Some(failure)),
        };
        let evidence: Vec<String> = failure.into_iter().flat_map(|failure| &failure.evidence).map(ToString::to_string).collect();
        if !evidence.is_empty() {
            let text = evidence.join("\n");
            self.log.say(&text);
            self.report.evidence = Some(text);
        }
        self.log.say(format!("{outcome} ({} requests)", outcome.requests));
        self.report.objects = objects(plan, Some(outcome));
        self.server_warnings(&outcome.warnings);
        ended
    }

    pub(super) fn waiting(&self) -> Waiting {
        if self.inputs.wait { Waiting::UntilReady } else { Waiting::No }
    }

    fn server_warnings(&mut self, warnings: &[String]) {
        for warning in warnings {
            self.warn(None, &format!("the API server warns: {warning}"));
        }
    }

    fn config_updates(&self) -> rollout::ConfigUpdates {
        match self.inputs.config_updates {
            ConfigUpdates::Restart => rollout::ConfigUpdates::Restart,
            ConfigUpdates::Versioned | ConfigUpdates::None => rollout::ConfigUpdates::Leave,
        }
    }

    fn field_conflicts(&self) -> rollout::FieldConflicts {
        match self.inputs.field_conflicts {
            FieldConflicts::Human => rollout::FieldConflicts::Human,
            FieldConflicts::Force => rollout::FieldConflicts::Force,
            FieldConflicts::Fail => rollout::FieldConflicts::Fail,
        }
    }
}

/// Fields that change, and why pods are replaced.
fn changes(step: &Step) -> Vec<String> {
    let fields: &[_] = if let Action::Update(fields) | Action::Grow { fields, .. } = &step.action { fields } else { &[] };
    step.restarts.iter().map(|why| format!("restarts: {why}")).chain(fields.iter().map(ToString::to_string)).collect()
}

fn planned_only(manifests: &Manifests) -> Vec<Object> {
    let waves = manifests.order.waves.iter();
    let objects = waves.flat_map(|wave| wave.resources.iter().map(move |&at| (wave, at)));
    objects
        .map(|(wave, at)| Object {
            object: manifests.resources[at].id.to_string(),
            wave: wave.name.clone(),
            action: "planned".to_owned(),
            changes: Vec::new(),
            status: String::new(),
        })
        .collect()
}

/// The rows of the report, in the order of the waves.
fn objects(plan: &Plan, outcome: Option<&Outcome>) -> Vec<Object> {
    let waves = plan.order.waves.iter();
    let steps = waves.flat_map(|wave| wave.resources.iter().map(move |&at| (wave.name.as_str(), &plan.steps[at])));
    steps
        .map(|(wave, step)| {
            let id = &step.resource.id;
            let result = outcome.and_then(|outcome| outcome.objects.iter().find(|(known, _)| known == id)).map(|(_, result)| result);
            let ready = outcome.and_then(|outcome| outcome.ready.iter().find(|(known, _)| known == id)).map(|(_, after)| *after);
            Object {
                object: id.to_string(),
                wave: wave.to_owned(),
                action: result.map_or_else(|| planned(step), done),
                changes: changes(step),
                status: ready.map(|after| format!("ready after {:.1} s", after.as_secs_f64())).unwrap_or_default(),
            }
        })
        .collect()
}

fn planned(step: &Step) -> String {
    match &step.action {
        Action::Create => "to create".to_owned(),
        Action::Update(_) => "to change".to_owned(),
        Action::Adopt => "to take over".to_owned(),
        Action::Keep => "unchanged".to_owned(),
        Action::Recreate => "to run again".to_owned(),
        Action::Renew => "to make anew".to_owned(),
        Action::Grow { .. } => "to grow".to_owned(),
        Action::Unseen => "to apply, unseen".to_owned(),
        Action::Unvalidated(why) => format!("to apply, not validated yet: {why}"),
    }
}

fn done(result: &rollout::Result) -> String {
    match result {
        rollout::Result::Written(how) => how.to_string(),
        rollout::Result::Unchanged => "unchanged".to_owned(),
        rollout::Result::Failed => "failed".to_owned(),
        rollout::Result::NotReached => "not reached".to_owned(),
    }
}
