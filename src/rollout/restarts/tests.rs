use proptest::prelude::*;

use super::*;
use crate::cluster::{Endpoint, Newness};
use crate::resource::testing::resources;
use crate::rollout::diff;
use crate::rollout::takeover::Takeover;

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  template:
    spec:
      containers: [{name: api, image: a:1, envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: database}}, {configMapRef: {name: theirs}}]}]
";

fn settings(mode: &str) -> Resource {
    resources(&format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: settings, namespace: shop}}, data: {{mode: {mode}}}}}"))
        .remove(0)
}

fn database(password: &str) -> Resource {
    let text =
        format!("{{apiVersion: v1, kind: Secret, metadata: {{name: database, namespace: shop}}, stringData: {{password: {password}}}}}");
    resources(&text).remove(0)
}

/// The object as the server has it.
fn live(resource: &Resource) -> Value {
    let mut value = resource.value.clone();
    value["metadata"]["uid"] = format!("uid-{}", resource.id.name).into();
    value
}

fn step(wanted: &Resource, before: Option<&Resource>) -> Step {
    let live = before.map(live);
    let action = match &live {
        None => Action::Create,
        Some(live) => match diff::fields(live, &wanted.value) {
            fields if wanted.value["data"] == live["data"] && wanted.value["stringData"] == live["stringData"] => {
                assert!(fields.is_empty());
                Action::Keep
            }
            fields => Action::Update(fields),
        },
    };
    let endpoint = Endpoint::built_in("", "v1", &wanted.id.kind, "", Some("shop"));
    let (resource, takeover) = (wanted.clone(), Takeover::default());
    Step { resource, endpoint, newness: Newness::Known, action, live, takeover, restarts: Vec::new() }
}

/// What the cluster has, between the releases.
#[derive(Default)]
struct World {
    settings: Option<Resource>,
    database: Option<Resource>,
    deployment: Option<Value>,
}

impl World {
    fn adopted(settings: Resource, database: Resource) -> Self {
        Self { settings: Some(settings), database: Some(database), deployment: Some(live(&resources(DEPLOYMENT)[0])) }
    }

    /// Why pods are replaced, and the annotation afterwards.
    fn release(&mut self, wanted: &Resource, secret: &Resource) -> (String, String) {
        let steps = [step(wanted, self.settings.as_ref()), step(secret, self.database.as_ref())];
        let configs = Configs::of(ConfigUpdates::Restart, steps.iter(), None);
        let mut workload = resources(DEPLOYMENT).remove(0);
        let reasons = configs.stamp(&mut workload, self.deployment.as_ref());
        // Both are there before the workload's turn comes.
        let known = [Some(live(wanted)), Some(live(secret))];
        let workload = identified(&workload, &steps, &known).unwrap_or(workload);
        (self.settings, self.database) = (Some(wanted.clone()), Some(secret.clone()));
        self.deployment = Some(live(&workload));
        (reasons.join(", "), self.annotation())
    }

    fn annotation(&self) -> String {
        let read =
            |deployment: &Value| Some(deployment.pointer("/spec/template/metadata/annotations/tagboat~1config")?.as_str()?.to_owned());
        self.deployment.as_ref().and_then(read).unwrap_or_default()
    }
}

#[test]
fn a_first_release_says_what_its_pods_read_and_the_second_changes_nothing() {
    let mut world = World::default();
    let (why, first) = world.release(&settings("a"), &database("one"));
    assert_eq!(why, "");
    assert!(first.starts_with("configmap/settings:") && first.contains("secret/database:") && !first.contains("new"), "{first}");
    assert_eq!(world.release(&settings("a"), &database("one")), (String::new(), first));
}

#[test]
fn a_change_replaces_pods_once_and_the_way_back_has_the_old_annotation() {
    let mut world = World::default();
    let (_, first) = world.release(&settings("a"), &database("one"));
    let (why, second) = world.release(&settings("b"), &database("one"));
    assert_eq!(why, "ConfigMap settings changed");
    assert_ne!(first, second);
    assert_eq!(world.release(&settings("b"), &database("one")), (String::new(), second));
    assert_eq!(world.release(&settings("a"), &database("one")), ("ConfigMap settings changed".into(), first));
    let (why, with_secret) = world.release(&settings("a"), &database("two"));
    assert_eq!(why, "Secret database changed");
    assert!(with_secret.contains("secret/database:"), "{with_secret}");
}

#[test]
fn what_is_adopted_is_not_restarted_until_something_changes() {
    let mut world = World::adopted(settings("a"), database("one"));
    assert_eq!(world.release(&settings("a"), &database("one")), (String::new(), String::new()));
    let (why, after) = world.release(&settings("a"), &database("two"));
    assert_eq!(why, "Secret database changed");
    assert!(after.starts_with("secret/database:") && !after.contains("settings"), "only what changed: {after}");
}

#[test]
fn a_secret_that_is_new_replaces_pods_once() {
    let mut world = World::adopted(settings("a"), database("one"));
    world.database = None;
    let (why, first) = world.release(&settings("a"), &database("one"));
    assert_eq!(why, "Secret database is new");
    assert!(first.starts_with("secret/database:") && !first.contains("new"), "{first}");
    assert_eq!(world.release(&settings("a"), &database("one")), (String::new(), first.clone()));
    let (why, after) = world.release(&settings("a"), &database("two"));
    assert_eq!(why, "Secret database changed");
    assert_ne!(after, first);
}

#[test]
fn a_plan_says_that_a_secret_is_new_and_an_apply_what_it_is() {
    let steps = [step(&database("one"), None)];
    let mut workload = resources(DEPLOYMENT).remove(0);
    assert_eq!(Configs::of(ConfigUpdates::Restart, steps.iter(), None).stamp(&mut workload, None), Vec::<String>::new());
    let annotation = |workload: &Resource| World { deployment: Some(workload.value.clone()), ..World::default() }.annotation();
    assert_eq!(annotation(&workload), "secret/database:new");
    let written = identified(&workload, &steps, &[Some(live(&database("one")))]).unwrap();
    assert!(!annotation(&written).contains("new"));
    assert_eq!(identified(&written, &steps, &[Some(live(&database("one")))]), None);
}

#[test]
fn a_workload_that_reloader_restarts_keeps_its_entries() {
    let mut world = World::default();
    let (_, first) = world.release(&settings("a"), &database("one"));
    let steps = [step(&settings("b"), Some(&settings("a")))];
    let mut workload = resources(DEPLOYMENT).remove(0);
    workload.value["metadata"]["annotations"] = json!({"reloader.stakater.com/auto": "true"});
    let configs = Configs::of(ConfigUpdates::Restart, steps.iter(), None);
    assert_eq!(configs.stamp(&mut workload, world.deployment.as_ref()), Vec::<String>::new());
    assert!(!configs.complete(&mut workload));
    world.deployment = Some(workload.value);
    assert_eq!(world.annotation(), first);
}

#[test]
fn a_release_that_was_cut_off_between_configuration_and_workload_is_made_up_for() {
    let (before, now) = (settings("a"), settings("b"));
    let steps = [step(&now, Some(&now))];
    let deployment = resources(DEPLOYMENT).remove(0);
    let why = |record: Option<&Record>| {
        Configs::of(ConfigUpdates::Restart, steps.iter(), record).stamp(&mut deployment.clone(), Some(&live(&deployment))).join(", ")
    };
    assert_eq!(why(None), "");
    let order = crate::rollout::order::order(std::slice::from_ref(&now)).unwrap();
    let unfinished = Record::of(&crate::rollout::Plan { order, steps: vec![step(&now, Some(&before))] }, "v1");
    assert_eq!(why(Some(&unfinished)), "ConfigMap settings changed");
}

#[test]
fn entries_stay_when_nobody_looks_after_them() {
    let mut world = World::default();
    let (_, annotation) = world.release(&settings("a"), &database("one"));
    let steps = [step(&settings("b"), Some(&settings("a")))];
    let configs = Configs::of(ConfigUpdates::Leave, steps.iter(), None);
    let mut workload = resources(DEPLOYMENT).remove(0);
    assert_eq!(configs.stamp(&mut workload, world.deployment.as_ref()), Vec::<String>::new());
    world.deployment = Some(workload.value);
    assert_eq!(world.annotation(), annotation);
    assert!(!configs.complete(&mut resources(DEPLOYMENT).remove(0)));
}

#[test]
fn pods_that_are_replaced_anyway_get_all_entries() {
    let steps = [step(&settings("a"), Some(&settings("a"))), step(&database("one"), Some(&database("one")))];
    let configs = Configs::of(ConfigUpdates::Restart, steps.iter(), None);
    let mut workload = resources(DEPLOYMENT).remove(0);
    assert!(configs.complete(&mut workload));
    let all = World { deployment: Some(workload.value.clone()), ..World::default() }.annotation();
    assert!(all.contains("configmap/settings:") && all.contains("secret/database:") && !all.contains("theirs"), "{all}");
    assert!(!configs.complete(&mut workload), "nothing is left to add");
}

proptest! {
    /// Whatever is released in whatever order: pods are replaced exactly when what they read is not what it was.
    #[test]
    fn pods_are_replaced_when_what_they_read_changes_and_only_then(
        adopted in any::<bool>(),
        releases in proptest::collection::vec((0..3u8, 0..3u8), 2..7),
    ) {
        let make = |(mode, password): (u8, u8)| (settings(["a", "b", "c"][mode as usize]), database(["one", "two", "three"][password as usize]));
        let (first, secret) = make(releases[0]);
        let mut world = if adopted { World::adopted(first.clone(), secret.clone()) } else { World::default() };
        if !adopted {
            world.release(&first, &secret);
        }
        for pair in releases.windows(2) {
            let before = world.annotation();
            let (wanted, secret) = make(pair[1]);
            let (why, after) = world.release(&wanted, &secret);
            prop_assert_eq!(pair[0] != pair[1], before != after);
            prop_assert_eq!(pair[0].0 != pair[1].0, why.contains("ConfigMap settings changed"));
            prop_assert_eq!(pair[0].1 != pair[1].1, why.contains("Secret database changed"));
        }
    }
}
