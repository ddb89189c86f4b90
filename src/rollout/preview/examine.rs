//! One object: what the server would make of it, and so what the apply does.

use serde_json::Value;

use super::super::diff;
use super::super::error::{Error, Stage, Subject};
use super::super::hooks;
use super::super::live::Live;
use super::super::order;
use super::super::ownership;
use super::super::plan::{Action, Step, Why};
use super::super::renewal;
use super::super::restarts::{self, Configs};
use super::super::settled::is_settled;
use super::super::submit::{Submission, submit};
use super::super::takeover::{self, Scaler, Takeover};
use super::super::trace;
use super::super::volumes::{self, Growth};
use super::ground::Definition;
use super::refused::needs_a_new_job;
use super::{Place, Preview};
use crate::cluster::{DryRun, Endpoint, Newness, Refusal};
use crate::resource::Resource;

impl Preview<'_> {
    pub(super) async fn examine(&self, resource: &Resource, place: Place, live: Live, configs: &Configs) -> Result<Step, Error> {
        let Place { endpoint, definition, missing_ground } = place;
        let newness = if definition.is_some() { Newness::JustDefined } else { Newness::Known };
        let mut resource = Resource { value: takeover::payload(resource), ..resource.clone() };
        let restarts = match &live {
            Live::Seen(live) => configs.stamp(&mut resource, live.as_ref()),
            _ if missing_ground.is_some() => configs.stamp(&mut resource, None),
            // Whether an entry is there can't be seen: none is ever written to such a workload.
            _ => Vec::new(),
        };
        let step = |resource, action, live, takeover| {
            let restarts = restarts.clone();
            Step { resource, endpoint: endpoint.clone(), newness, action, live, takeover, restarts }
        };
        if let Some(why) = missing_ground {
            return Ok(step(resource, Action::Unvalidated(why), None, Takeover::default()));
        }
        let live = match live {
            Live::Failed(_) if definition.is_some() => {
                let why = Why::ChangedKind(resource.id.kind.clone());
                return Ok(step(resource, Action::Unvalidated(why), None, Takeover::default()));
            }
            Live::Failed(error) => return Err(Error::of(&resource, Stage::Plan, error)),
            Live::Seen(live) => Some(live),
            Live::Hidden => None,
        };
        trace::carry(&mut resource, live.as_ref().and_then(Option::as_ref));
        let takeover = match &live {
            Some(Some(live)) => self.takeover(&mut resource, live, &endpoint).await,
            _ => Takeover::default(),
        };
        if let Some(Some(live)) = &live
            && definition.is_none()
            && !takeover.writes()
            && is_settled(&resource, live)
        {
            return Ok(step(resource, Action::Keep, Some(live.clone()), takeover));
        }
        if let Some(Some(left_over)) = &live
            && order::runs_again(&resource)
        {
            let action = self.replacement(&resource, left_over, &endpoint).await?;
            return Ok(step(resource, action, Some(left_over.clone()), Takeover::default()));
        }
        let seen = live.as_ref().map(Option::as_ref);
        let action = self.judge(&mut resource, seen, &takeover, configs, (&endpoint, definition)).await?;
        Ok(step(resource, action, live.flatten(), takeover))
    }

    /// Rehearses the apply of an object that isn't settled. `live` is `None` when it may not be read. Pods that will be replaced get
    /// the annotation that says what they read.
    async fn judge(
        &self,
        resource: &mut Resource,
        live: Option<Option<&Value>>,
        takeover: &Takeover,
        configs: &Configs,
        (endpoint, definition): (&Endpoint, Option<Definition>),
    ) -> Result<Action, Error> {
        let there = live.flatten();
        if let Some(reason) = there.and_then(|live| volumes::refusal(&resource.id, live, &resource.value)) {
            return Err(Error::Volume { object: Subject::of(resource), reason });
        }
        let growths = there.map(|live| volumes::growths(&resource.id, live, &resource.value)).unwrap_or_default();
        let mut next = self.rehearse(resource, there, (takeover, &growths), endpoint).await;
        if let (Ok(changed), Some(live)) = (&next, there)
            && restarts::replaces_pods(resource, live, changed)
            && configs.complete(resource)
        {
            next = self.rehearse(resource, there, (takeover, &growths), endpoint).await;
        }
        match next {
            Ok(next) => match (action(live, &next, takeover), there) {
                (action, Some(live)) if !growths.is_empty() => self.grow(action, growths, resource, live, endpoint).await,
                (action, _) => Ok(action),
            },
            Err(error) => match there.filter(|_| needs_a_new_job(&resource.id, &error)) {
                Some(live) if has_ended(live) => Ok(Action::Renew),
                Some(_) => Err(Error::StillRunning { object: Subject::of(resource) }),
                None => self.excuse(error, resource, endpoint, definition),
            },
        }
    }

    /// What the server would make of it.
    async fn rehearse(
        &self,
        resource: &Resource,
        live: Option<&Value>,
        (takeover, growths): (&Takeover, &[Growth]),
        endpoint: &Endpoint,
    ) -> Result<Value, Error> {
        let mut rehearsed = rehearsed(resource, takeover);
        if let (false, Some(live)) = (growths.is_empty(), live) {
            rehearsed.value = volumes::with_sizes_of(&rehearsed.value, live);
        }
        let (newness, dry_run, stage) = (Newness::Known, DryRun::Yes, Stage::Plan);
        submit(self.cluster, &Submission { resource: &rehearsed, endpoint, newness, dry_run, stage }, self.conflicts).await
    }

    /// What a hook or a check does about the one that is left of the last release. That gives way to a new one: what can't be changed in it
    /// needn't be.
    async fn replacement(&self, resource: &Resource, left_over: &Value, endpoint: &Endpoint) -> Result<Action, Error> {
        let rehearse = async |resource: &Resource| {
            let submission = Submission { resource, endpoint, newness: Newness::Known, dry_run: DryRun::Yes, stage: Stage::Plan };
            submit(self.cluster, &submission, self.conflicts).await
        };
        let rehearsed = rehearse(resource).await;
        if let Ok(next) = &rehearsed
            && diff::fields(left_over, next).is_empty()
        {
            return Ok(Action::Keep);
        }
        // What a check looks at is about to be replaced; nothing is lost with it.
        if hooks::is_at_work(left_over) && !order::is_check(resource) {
            return Err(Error::StillRunning { object: Subject::of(resource) });
        }
        let Err(error) = rehearsed else { return Ok(Action::Recreate) };
        if error.is_about_the_cluster() {
            return Err(error);
        }
        // The refusal may be about the old one. A new one of another name tells whether the manifest is good.
        match rehearse(&hooks::renamed(resource)).await {
            Err(Error::Object { source, .. }) if source.refusal().is_some_and(Refusal::is_forbidden) => Ok(Action::Recreate),
            Err(Error::Object { source, stage, .. }) => {
                let error = Error::Object { object: Subject::of(resource), stage, source };
                self.excuse(error, resource, endpoint, None).map(|_| Action::Recreate)
            }
            Err(error) => Err(error),
            Ok(_) => Ok(Action::Recreate),
        }
    }

    /// Finds the claims that grow with a StatefulSet's templates, and rehearses that: their class may not allow it.
    async fn grow(
        &self,
        besides: Action,
        growths: Vec<Growth>,
        set: &Resource,
        live: &Value,
        endpoint: &Endpoint,
    ) -> Result<Action, Error> {
        let wrong = |error| Error::of(set, Stage::Plan, error);
        let place = renewal::claims_of(endpoint);
        let labels = live.pointer("/spec/selector/matchLabels").and_then(Value::as_object).into_iter().flatten();
        let labels: Vec<String> = labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        let there = self.cluster.list(&place, &[("labelSelector", &labels.join(","))]).await.map_err(wrong)?;
        let claims = volumes::claims(&set.id.name, &growths, &there);
        let rehearsed = claims.iter().map(|claim| self.cluster.grow(&place, &claim.name, &claim.to, DryRun::Yes));
        futures::future::try_join_all(rehearsed).await.map_err(wrong)?;
        let fields = match besides {
            Action::Update(fields) => fields,
            _ => Vec::new(),
        };
        Ok(Action::Grow { growths, claims, fields })
    }

    /// What has to change hands before the apply; takes out of the intent what an autoscaler decides.
    async fn takeover(&self, resource: &mut Resource, live: &Value, endpoint: &Endpoint) -> Takeover {
        let mut takeover = Takeover { from: takeover::earlier_tools(live, self.conflicts), ..Takeover::default() };
        let replicas = live.pointer("/spec/replicas").and_then(Value::as_i64);
        if let (Some(replicas), Some(wanted)) = (replicas, resource.value.pointer("/spec/replicas").and_then(Value::as_i64)) {
            match self.autoscalers.of(&resource.id, endpoint, wanted != replicas).await {
                Ok(Some(by)) => {
                    takeover.scaled_by = Some(Scaler { by, replicas });
                    resource.value["spec"].as_object_mut().and_then(|spec| spec.shift_remove("replicas"));
                }
                Ok(None) => {}
                Err(why) => takeover.blind = Some(why),
            }
        }
        takeover.hold = takeover::replicas_to_hold(live, &resource.value);
        takeover
    }
}

/// Whether a Job has come to its end, one way or the other. The server says what the end will be (Kubernetes 1.31) before the last
/// pod is gone.
fn has_ended(job: &Value) -> bool {
    const ENDS: [&str; 4] = ["Complete", "SuccessCriteriaMet", "Failed", "FailureTarget"];
    let conditions = job.pointer("/status/conditions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    conditions.iter().any(|condition| ENDS.iter().any(|end| condition["type"] == *end) && condition["status"] == "True")
}

/// What the rehearsal is of: one that holds replicas first would only be told that they fall to one.
fn rehearsed(resource: &Resource, takeover: &Takeover) -> Resource {
    let mut rehearsed = resource.clone();
    if let Some(replicas) = takeover.hold {
        rehearsed.value["spec"]["replicas"] = replicas.into();
    }
    rehearsed
}

/// What an apply does, from the live object (`None` when it may not be read) and the rehearsed one.
fn action(live: Option<Option<&Value>>, next: &Value, takeover: &Takeover) -> Action {
    let live = match live {
        None => return Action::Unseen,
        Some(None) => return Action::Create,
        Some(Some(live)) => live,
    };
    let fields = match takeover.from.is_empty() {
        true => diff::fields(live, next),
        false => diff::fields(live, &takeover::after_merge(live, next)),
    };
    match fields.is_empty() {
        false => Action::Update(fields),
        true if takeover.writes() || ownership::adopts(live, next) => Action::Adopt,
        true => Action::Keep,
    }
}
