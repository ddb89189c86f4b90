//! Which hooks and checks a release runs. Pure.

use serde_json::Value;

use super::order;
use super::plan::{Action, Plan, Step};
use super::readiness::{self, Status};
use crate::resource::Resource;

/// A release that writes anything runs its hooks and checks; one that finds everything in place doesn't, unless they are to run in
/// any case (`always`). One that has not succeeded the last time runs again whatever else there is to do.
pub(super) fn run_again(steps: &mut [Step], always: bool) {
    // That a hook which goes when it has run isn't there is no sign that there is something to do.
    let has_gone =
        |step: &Step| step.live.is_none() && matches!(step.action, Action::Create | Action::Keep) && order::vanishes(&step.resource);
    let writes = steps.iter().any(|step| step.action.writes() && !has_gone(step));
    let runs = always || writes;
    for step in steps.iter_mut() {
        if has_gone(step) {
            step.action = if runs { Action::Create } else { Action::Keep };
        } else if let Some(live) = step.live.as_ref().filter(|_| order::runs_again(&step.resource)) {
            let again = match readiness::of(live, 0) {
                Status::Ready => runs,
                Status::Doomed { .. } => true,
                // A check that still runs looks at what this release is about to replace. A hook that does is the same as this release's, or it
                // would have been refused: it is waited for.
                _ => writes && order::is_check(&step.resource),
            };
            if again {
                step.action = Action::Recreate;
            }
        }
    }
}

/// Whether the pods of a left over hook do something; those that never started hold nothing up.
pub(super) fn is_at_work(hook: &Value) -> bool {
    match hook["kind"].as_str() {
        Some("Job") => hook.pointer("/status/ready").and_then(Value::as_i64).unwrap_or(0) > 0,
        _ => hook.pointer("/status/phase").is_some_and(|phase| phase == "Running"),
    }
}

/// A hook's object under a name that nothing has, as far as anybody can tell.
pub(super) fn renamed(resource: &Resource) -> Resource {
    /// The longest name of a Job whose pods get a label of it.
    const LONGEST: usize = 63;
    const END: &str = "-rehearsal";
    let mut renamed = resource.clone();
    let name: String = resource.id.name.chars().take(LONGEST - END.len()).collect();
    renamed.id.name = name.trim_end_matches(['-', '.']).to_owned() + END;
    renamed.value["metadata"]["name"] = renamed.id.name.clone().into();
    renamed
}

impl Plan {
    /// Runs hooks and checks even if nothing else is to be done: those that have succeeded may have done so in an earlier release,
    /// when the last one was cut off.
    pub fn run_hooks(&mut self) {
        run_again(&mut self.steps, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Endpoint, Newness};
    use crate::resource::testing::resources;
    use crate::rollout::takeover::Takeover;
    use serde_json::json;

    fn step(manifest: &str, action: Action, live: Option<Value>) -> Step {
        let resource = resources(manifest).remove(0);
        let endpoint = Endpoint::built_in("batch", "v1", "Job", "jobs", Some("shop"));
        Step { resource, endpoint, newness: Newness::Known, action, live, takeover: Takeover::default(), restarts: Vec::new() }
    }

    fn job(policy: &str, action: Action, condition: Option<&str>) -> Step {
        let manifest = format!(
            "{{apiVersion: batch/v1, kind: Job, metadata: {{name: a, annotations: {{helm.sh/hook: post-upgrade, helm.sh/hook-delete-policy: '{policy}'}}}}}}"
        );
        let live = condition.map(|kind| json!({"kind": "Job", "apiVersion": "batch/v1", "status": {"active": 1, "conditions": [{"type": kind, "status": "True"}]}}));
        step(&manifest, action, live)
    }

    fn settings(action: Action) -> Step {
        step("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}", action, None)
    }

    fn decided(hook: Step, other: Action, always: bool) -> Action {
        let mut steps = [hook, settings(other)];
        run_again(&mut steps, always);
        steps[0].action.clone()
    }

    #[test]
    fn a_hook_runs_again_when_something_changes_when_it_has_failed_or_when_the_last_release_was_cut_off() {
        let kept = |condition| job("before-hook-creation", Action::Keep, Some(condition));
        assert_eq!(decided(kept("Complete"), Action::Keep, false), Action::Keep);
        assert_eq!(decided(kept("Complete"), Action::Create, false), Action::Recreate);
        assert_eq!(decided(kept("Failed"), Action::Keep, false), Action::Recreate);
        assert_eq!(decided(kept("Complete"), Action::Keep, true), Action::Recreate);
        assert_eq!(decided(kept("Other"), Action::Create, true), Action::Keep, "it still runs");
    }

    #[test]
    fn a_check_that_still_runs_gives_way_to_a_release_that_changes_what_it_looks_at() {
        let running = || {
            let mut check = job("before-hook-creation", Action::Keep, Some("Other"));
            check.resource.purpose = crate::resource::Purpose::Check;
            check
        };
        assert_eq!(decided(running(), Action::Create, false), Action::Recreate);
        assert_eq!(decided(running(), Action::Keep, true), Action::Keep, "the release that was cut off is finished: it is waited for");
    }

    #[test]
    fn a_hook_that_goes_when_it_has_run_is_made_only_when_something_else_changes() {
        let gone = || job("hook-succeeded", Action::Create, None);
        assert_eq!(decided(gone(), Action::Keep, false), Action::Keep);
        assert_eq!(decided(gone(), Action::Create, false), Action::Create);
        assert_eq!(decided(gone(), Action::Keep, true), Action::Create);
        assert_eq!(decided(job("hook-failed", Action::Create, None), Action::Keep, false), Action::Create, "it stays when it succeeds");
        let expires = step(
            "{apiVersion: batch/v1, kind: Job, metadata: {name: a, annotations: {argocd.argoproj.io/hook: PostSync}}, spec: {ttlSecondsAfterFinished: 9}}",
            Action::Create,
            None,
        );
        assert_eq!(decided(expires, Action::Keep, false), Action::Keep);
        let plain =
            step("{apiVersion: batch/v1, kind: Job, metadata: {name: a}, spec: {ttlSecondsAfterFinished: 9}}", Action::Create, None);
        assert_eq!(decided(plain, Action::Keep, false), Action::Create, "no hook");
    }
}
