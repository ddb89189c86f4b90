//! Which run of which workflow has written an object: an annotation of the object's own metadata, so that no pod restarts. Pure.
//!
//! The annotation and its fields are those of Azure/k8s-deploy (its `src/types` and `getWorkflowAnnotations`), for the tools that look for
//! them. It never is a reason to write: an object that is in place keeps the one it has.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::owned::{self, Entry};
use super::ownership::{FieldConflicts, Verdict, ours};
use super::plan::{Plan, Step};
use crate::cluster::{Conflict, FIELD_MANAGER};
use crate::resource::Resource;

/// The annotation.
pub const ANNOTATION: &str = "actions.github.com/k8s-deploy";
const PATH: [&str; 3] = ["metadata", "annotations", ANNOTATION];

/// A run of a workflow; what isn't known is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_file_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Milliseconds since 1970.
    pub deploy_timestamp: i64,
    /// Where the files of the commit can be seen, up to their path.
    #[serde(skip)]
    pub files: Option<String>,
}

impl Trace {
    /// The annotation's value for one object.
    fn of(&self, step: &Step) -> String {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        let file = &step.resource.at.file;
        let url = self.files.as_ref().filter(|_| file.is_relative()).map(|files| format!("{files}/{}", file.display()));
        let last = step.live.as_ref().and_then(annotation).and_then(|text| serde_json::from_str::<Value>(text).ok());
        let last = last.as_ref().and_then(|last| last["commit"].as_str()).unwrap_or("NA");
        value["lastSuccessRunCommit"] = last.into();
        value["dockerfilePaths"] = json!(BTreeMap::<&str, &str>::new());
        value["manifestsPaths"] = json!(url.as_slice());
        value["helmChartPaths"] = json!([]);
        value["provider"] = "GitHub".into();
        value.to_string()
    }
}

fn annotation(object: &Value) -> Option<&str> {
    object.get("metadata")?.get("annotations")?.get(ANNOTATION)?.as_str()
}

/// Takes the annotation as it is live into the manifest, so that it makes no difference; what the manifest itself says in it was
/// copied from a cluster.
pub(super) fn carry(resource: &mut Resource, live: Option<&Value>) {
    unstamp(&mut resource.value);
    let Some(live) = live.filter(|live| ours(live).is_some_and(|fields| owned::has(fields, &PATH))) else { return };
    if let Some(text) = annotation(live) {
        stamp(&mut resource.value, text);
    }
}

fn unstamp(object: &mut Value) {
    let Some(metadata) = object["metadata"].as_object_mut() else { return };
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else { return };
    if annotations.shift_remove(ANNOTATION).is_some() && annotations.is_empty() {
        metadata.shift_remove("annotations");
    }
}

fn stamp(object: &mut Value, text: &str) {
    let annotations = &mut object["metadata"]["annotations"];
    if !annotations.is_object() {
        *annotations = json!({});
    }
    annotations[ANNOTATION] = text.into();
}

impl Plan {
    /// Lets every object that is written say by which run; by none, where it isn't written by a workflow. The annotation stays as it is where
    /// somebody holds it who isn't to be overruled.
    pub fn stamp(&mut self, trace: Option<&Trace>, policy: FieldConflicts) {
        for step in self.steps.iter_mut().filter(|step| step.action.writes()) {
            if step.live.as_ref().is_some_and(|live| policy.judge(&held(live)) != Verdict::Take) {
                continue;
            }
            match trace.map(|trace| trace.of(step)) {
                Some(text) => stamp(&mut step.resource.value, &text),
                None => unstamp(&mut step.resource.value),
            }
        }
    }
}

/// Those who hold the annotation besides us.
fn held(live: &Value) -> Vec<Conflict> {
    let others = Entry::all(live).filter(|entry| !entry.is_applied_by(FIELD_MANAGER));
    let holding = others.filter(|entry| entry.fields().is_some_and(|fields| owned::has(fields, &PATH)));
    holding.map(|entry| Conflict { field: format!(".metadata.annotations.{ANNOTATION}"), manager: entry.manager().to_owned() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Endpoint, Newness};
    use crate::resource::testing::resources;
    use crate::rollout::order::order;
    use crate::rollout::plan::Action;
    use crate::rollout::takeover::Takeover;

    fn live(manager: &str, operation: &str) -> Value {
        json!({"metadata": {
            "annotations": {ANNOTATION: r#"{"commit":"old"}"#},
            "managedFields": [{"manager": manager, "operation": operation, "fieldsV1": {"f:metadata": {"f:annotations": {format!("f:{ANNOTATION}"): {}}}}}],
        }})
    }

    fn plan(action: Action, live: Option<Value>) -> Plan {
        let mut resource = resources("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}").remove(0);
        carry(&mut resource, live.as_ref());
        let endpoint = Endpoint::built_in("", "v1", "ConfigMap", "configmaps", Some("shop"));
        let order = order(std::slice::from_ref(&resource)).unwrap();
        Plan {
            order,
            steps: vec![Step {
                resource,
                endpoint,
                newness: Newness::Known,
                action,
                live,
                takeover: Takeover::default(),
                restarts: Vec::new(),
            }],
        }
    }

    fn stamped(mut plan: Plan, trace: Option<&Trace>, policy: FieldConflicts) -> Option<String> {
        plan.stamp(trace, policy);
        annotation(&plan.steps[0].resource.value).map(str::to_owned)
    }

    fn trace() -> Trace {
        Trace {
            run: Some("7".into()),
            repository: Some("acme/shop".into()),
            run_uri: Some("https://github.example/acme/shop/actions/runs/7".into()),
            commit: Some("new".into()),
            deploy_timestamp: 1,
            files: Some("https://github.example/acme/shop/blob/new".into()),
            ..Trace::default()
        }
    }

    #[test]
    fn what_is_written_says_by_which_run_and_which_commit_was_there_before() {
        let ours = live("tagboat", "Apply");
        let text = stamped(plan(Action::Adopt, Some(ours)), Some(&trace()), FieldConflicts::Fail).unwrap();
        insta::assert_snapshot!(text, @r#"{"run":"7","repository":"acme/shop","runUri":"https://github.example/acme/shop/actions/runs/7","commit":"new","deployTimestamp":1,"lastSuccessRunCommit":"old","dockerfilePaths":{},"manifestsPaths":["https://github.example/acme/shop/blob/new/all.yaml"],"helmChartPaths":[],"provider":"GitHub"}"#);
        let text = stamped(plan(Action::Create, None), Some(&trace()), FieldConflicts::Fail).unwrap();
        assert!(text.contains(r#""lastSuccessRunCommit":"NA""#), "{text}");
    }

    #[test]
    fn what_is_not_written_keeps_what_it_says() {
        let ours = || Some(live("tagboat", "Apply"));
        assert_eq!(stamped(plan(Action::Keep, ours()), Some(&trace()), FieldConflicts::Human).as_deref(), Some(r#"{"commit":"old"}"#));
        assert_eq!(stamped(plan(Action::Adopt, ours()), None, FieldConflicts::Human), None, "no workflow has written it");
    }

    #[test]
    fn whoever_else_holds_the_annotation_is_overruled_as_for_any_other_field() {
        let kubectl = || plan(Action::Adopt, Some(live("kubectl-annotate", "Update")));
        assert!(stamped(kubectl(), Some(&trace()), FieldConflicts::Human).is_some());
        assert_eq!(stamped(kubectl(), Some(&trace()), FieldConflicts::Fail), None);
        assert_eq!(stamped(plan(Action::Adopt, Some(live("argocd", "Apply"))), Some(&trace()), FieldConflicts::Human), None);
    }

    #[test]
    fn what_a_manifest_says_in_it_does_not_count() {
        let mut copied =
            resources(&format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, annotations: {{{ANNOTATION}: x}}}}}}")).remove(0);
        carry(&mut copied, None);
        assert_eq!(copied.value["metadata"], json!({"name": "a"}));
    }
}
