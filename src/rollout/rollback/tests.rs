use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::plan::{Undo, Written, plan};
use crate::cluster::{Endpoint, Newness};
use crate::resource::parse;
use crate::rollout::order::order;
use crate::rollout::plan::{Action, Plan as Forward, Step, Why};
use crate::rollout::takeover::{Scaler, Takeover};

/// A plan over these manifests, in which nothing is live.
fn forward(manifests: &str) -> Forward {
    let resources = parse(Path::new("a.yaml"), manifests, &BTreeMap::new()).unwrap();
    let order = order(&resources).unwrap();
    let step = |resource: &crate::resource::Resource| Step {
        resource: resource.clone(),
        endpoint: Endpoint::of(
            &resource.id,
            &crate::resource::Catalog::of(&resources).get(&resource.id.group, &resource.id.kind).unwrap(),
            "shop",
        ),
        newness: Newness::Known,
        action: Action::Create,
        live: None,
        takeover: Takeover::default(),
        restarts: Vec::new(),
    };
    let steps = resources.iter().map(step).collect();
    Forward { order, steps }
}

fn written(plan: &Forward, now: impl Fn(&Step) -> Result<Option<Value>, String>) -> Vec<Written> {
    plan.steps.iter().enumerate().map(|(at, step)| Written { at, now: now(step) }).collect()
}

fn there(step: &Step) -> Result<Option<Value>, String> {
    let mut now = step.resource.value.clone();
    now["metadata"]["uid"] = "u".into();
    now["metadata"]["managedFields"] = json!([entry("tagboat", "Apply", json!({"f:data": {}}))]);
    Ok(Some(now))
}

fn mixed() -> &'static str {
    "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: tight, namespace: shop}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: disk, namespace: shop}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, namespace: shop}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: strict}
"
}

#[test]
fn what_could_refuse_us_goes_first_and_what_holds_data_stays() {
    let forward = forward(mixed());
    insta::assert_snapshot!(plan(&forward, &written(&forward, there)), @"
    remove ResourceQuota shop/tight
    remove ValidatingWebhookConfiguration strict
    remove Job shop/migrate (what it has done stays done)
    remove Service shop/api
    remove ConfigMap shop/settings
    leave Namespace shop: its removal would take along what is in it
    leave PersistentVolumeClaim shop/disk: its removal would take along what is in it
    ");
    assert!(plan(&forward, &written(&forward, |_| Ok(None))).is_empty(), "what isn't there needs no removal");
    assert!(plan(&forward, &[]).is_empty());
}

#[test]
fn what_somebody_else_has_made_stays() {
    let forward = forward("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\ndata: {x: '1'}\n");
    let theirs = |step: &Step| Ok(Some(step.resource.value.clone()));
    insta::assert_snapshot!(plan(&forward, &written(&forward, theirs)), @"leave ConfigMap shop/a: somebody else has made it");
}

#[test]
fn what_was_not_seen_before_is_not_touched() {
    let mut forward = forward("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n");
    for action in [Action::Unseen, Action::Unvalidated(Why::ChangedKind("ConfigMap".into()))] {
        forward.steps[0].action = action;
        let plan = plan(&forward, &written(&forward, there));
        assert!(plan.is_empty() && plan.left.len() == 1, "{plan}");
    }
    forward.steps[0].action = Action::Create;
    let plan = plan(&forward, &written(&forward, |_| Err("403".into())));
    insta::assert_snapshot!(plan, @"leave ConfigMap shop/a: it couldn't be read: 403");
}

fn entry(manager: &str, operation: &str, fields: Value) -> Value {
    json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsV1": fields})
}

/// A Deployment whose live state, and state now, have these entries and specs.
fn changed(before: (Value, Value), now: (Value, Value)) -> (Forward, Vec<Written>) {
    let mut forward = forward("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api, namespace: shop}\n");
    let object = |(entries, spec): (Value, Value)| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "api", "namespace": "shop", "managedFields": entries}, "spec": spec})
    };
    forward.steps[0].action = Action::Update(Vec::new());
    forward.steps[0].live = Some(object(before));
    let now = object(now);
    let written = written(&forward, |_| Ok(Some(now.clone())));
    (forward, written)
}

fn spec(intent: &Value) -> Value {
    intent["spec"].clone()
}

#[test]
fn the_way_back_is_what_was_ours_and_where_needed_what_became_ours() {
    let ours = json!({"f:spec": {"f:paused": {}}});
    let more = json!({"f:spec": {"f:paused": {}, "f:replicas": {}, "f:minReadySeconds": {}}});
    let (forward, written) = changed(
        (
            json!([entry("tagboat", "Apply", ours), entry("kubectl-edit", "Update", json!({"f:spec": {"f:replicas": {}}}))]),
            json!({"paused": false, "replicas": 2}),
        ),
        (json!([entry("tagboat", "Apply", more)]), json!({"paused": true, "replicas": 3, "minReadySeconds": 9})),
    );
    let way_back = plan(&forward, &written);
    let Some(Undo::Restore { own, all, .. }) = way_back.steps().next().map(|step| &step.undo) else { panic!("{way_back}") };
    assert_eq!(own.as_ref().map(spec), Some(json!({"paused": false})));
    assert_eq!(spec(all), json!({"paused": false, "replicas": 2}), "what was new is in neither");
    assert_eq!(all["metadata"], json!({"name": "api", "namespace": "shop"}));
    insta::assert_snapshot!(way_back, @"
    restore Deployment shop/api
        spec.minReadySeconds: - 9
        spec.paused: true → false
        spec.replicas: 3 → 2
    ");
}

#[test]
fn an_object_that_kubectl_had_applied_goes_back_to_what_kubectl_said() {
    let theirs = json!({"f:spec": {"f:paused": {}, "f:minReadySeconds": {}}});
    let (forward, written) = changed(
        (json!([entry("kubectl-client-side-apply", "Update", theirs)]), json!({"paused": true, "minReadySeconds": 3})),
        (json!([entry("tagboat", "Apply", json!({"f:spec": {"f:paused": {}}}))]), json!({"paused": false})),
    );
    let way_back = plan(&forward, &written);
    let Some(Undo::Restore { own: None, all, .. }) = way_back.steps().next().map(|step| &step.undo) else { panic!("{way_back}") };
    assert_eq!(spec(all), json!({"paused": true, "minReadySeconds": 3}));
}

#[test]
fn an_object_without_accounts_is_replaced_and_one_that_is_the_same_is_left_alone() {
    let (forward, written) = changed((Value::Null, json!({"paused": true})), (json!([]), json!({"paused": false})));
    assert!(matches!(plan(&forward, &written).steps().next().map(|step| &step.undo), Some(Undo::Replace { .. })));
    let (forward, written) = changed((json!([]), json!({"paused": true})), (json!([]), json!({"paused": true})));
    assert!(plan(&forward, &written).is_empty());
}

#[test]
fn replicas_stay_with_the_autoscaler() {
    let ours = json!([entry("tagboat", "Apply", json!({"f:spec": {"f:paused": {}, "f:replicas": {}}}))]);
    let (mut forward, written) =
        changed((ours.clone(), json!({"paused": true, "replicas": 2})), (ours, json!({"paused": false, "replicas": 7})));
    forward.steps[0].takeover.scaled_by = Some(Scaler { by: "HorizontalPodAutoscaler shop/api".into(), replicas: 2 });
    let way_back = plan(&forward, &written);
    let Some(Undo::Restore { all, changes, .. }) = way_back.steps().next().map(|step| &step.undo) else { panic!("{way_back}") };
    assert_eq!(spec(all), json!({"paused": true}));
    assert_eq!(changes.len(), 1);
}

#[test]
fn an_older_record_leads_further_back_and_to_objects_that_are_no_longer_in_the_set() {
    use crate::rollout::record::Record;
    let both = forward(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, namespace: shop}\n",
    );
    let older = Record::of(&both, "v1");
    let mut next = forward("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\ndata: {x: '1'}\n");
    next.steps[0].live = there(&next.steps[0]).unwrap();
    next.steps[0].action = Action::Keep;
    let (recalled, at) = older.recall(&next);
    assert_eq!(at, [0, 1]);
    insta::assert_snapshot!(plan(&recalled, &written(&recalled, there)), @"
    remove ConfigMap shop/a
    remove ConfigMap shop/b
    ");
}

#[test]
fn a_job_that_a_release_cut_off_has_made_anew_or_was_about_to_is_left_as_it_is() {
    let mut forward = forward("apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate, namespace: shop}\nspec: {suspend: false}\n");
    // The record says that there was one, the plan of the next run that there is none.
    let mut before = there(&forward.steps[0]).unwrap().unwrap();
    before["metadata"]["uid"] = "another".into();
    before["spec"] = json!({"suspend": true});
    forward.steps[0].live = Some(before.clone());
    for now in [there(&forward.steps[0]), Ok(None)] {
        let way_back = plan(&forward, &written(&forward, |_| now.clone()));
        assert!(way_back.is_empty() && way_back.left[0].1.contains("can't be undone"), "{way_back}");
    }
    before["metadata"]["uid"] = "u".into();
    forward.steps[0].live = Some(before);
    assert!(!plan(&forward, &written(&forward, there)).is_empty(), "the same Job, with a field that can change");
}
