use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::inventory::Entry;
use super::plan::{Seen, candidates, plan};
use super::{Error, Inventory, Plan};
use crate::cluster::{Endpoint, Newness};
use crate::resource::Id;
use crate::resource::testing::{explain_one, resources};
use crate::rollout::order::order;
use crate::rollout::plan::{Action, Plan as Forward, Step};
use crate::rollout::takeover::Takeover;

fn endpoint(kind: &str) -> Endpoint {
    let (group, plural) = match kind {
        "Deployment" => ("apps", "deployments"),
        "Ingress" => ("networking.k8s.io", "ingresses"),
        "Fleet" => ("acme.io", "fleets"),
        "PersistentVolumeClaim" => ("", "persistentvolumeclaims"),
        _ => ("", "configmaps"),
    };
    Endpoint::built_in(group, "v1", kind, plural, Some("shop"))
}

fn entry(kind: &str, name: &str) -> Entry {
    Entry { endpoint: endpoint(kind), name: name.into(), uid: Some(format!("uid-{name}")) }
}

fn inventory(entries: &[Entry]) -> Inventory {
    Inventory::from(entries.iter().cloned())
}

/// An object as we have applied it.
fn live(name: &str) -> Value {
    let entry = json!({"manager": "tagboat", "operation": "Apply", "apiVersion": "v1", "fieldsV1": {"f:data": {}}});
    json!({"metadata": {"name": name, "uid": format!("uid-{name}"), "managedFields": [entry]}})
}

fn with(pointer: &str, value: Value) -> Value {
    let mut live = live("gone");
    live["metadata"][pointer] = value;
    live
}

fn forward(manifests: &str) -> Forward {
    let resources = resources(manifests);
    let order = order(&resources).unwrap();
    let step = |resource: crate::resource::Resource| Step {
        endpoint: endpoint(&resource.id.kind),
        live: Some(live(&resource.id.name)),
        resource,
        newness: Newness::Known,
        action: Action::Keep,
        takeover: Takeover::default(),
        restarts: Vec::new(),
    };
    Forward { order, steps: resources.into_iter().map(step).collect() }
}

fn there(value: Value) -> Seen {
    Seen::There(Box::new(value))
}

/// What is planned for one object that a release of three objects no longer has.
fn fate(entry: Entry, seen: Seen) -> String {
    let all = inventory(&[self::entry("ConfigMap", "a"), self::entry("ConfigMap", "b"), entry.clone()]);
    plan(&all, vec![(entry, seen)], &BTreeMap::new(), "ConfigMap shop/i").unwrap().to_string()
}

#[test]
fn only_what_is_certainly_ours_and_of_no_more_use_is_deleted() {
    let one = || entry("ConfigMap", "gone");
    let unconfirmed = || Entry { uid: None, ..one() };
    let somebody = json!([{"manager": "helm", "operation": "Apply", "fieldsV1": {"f:data": {}}}]);
    let told = [
        fate(one(), there(live("gone"))),
        fate(unconfirmed(), there(live("gone"))),
        fate(one(), there(with("managedFields", json!([])))),
        fate(one(), Seen::Gone),
        fate(one(), Seen::Hidden),
        fate(one(), Seen::Replaced),
        fate(one(), there(with("uid", json!("another")))),
        fate(one(), there(with("managedFields", somebody.clone()))),
        fate(unconfirmed(), there(with("managedFields", json!([])))),
        fate(one(), there(with("annotations", json!({"helm.sh/resource-policy": "keep"})))),
        fate(one(), there(with("deletionTimestamp", json!("now")))),
        fate(entry("PersistentVolumeClaim", "gone"), there(live("gone"))),
        fate(Entry { endpoint: Endpoint { namespace: Some("kube-system".into()), ..endpoint("ConfigMap") }, ..one() }, there(live("gone"))),
    ];
    insta::assert_snapshot!(told.join("\n"), @"
    - ConfigMap shop/gone: deleted when everything else is ready
    - ConfigMap shop/gone: deleted when everything else is ready
    - ConfigMap shop/gone: deleted when everything else is ready

    leave ConfigMap shop/gone: the account may not read it
    leave ConfigMap shop/gone: its versions have replaced it; delete it when nothing reads it any more
    leave ConfigMap shop/gone: it isn't the one that was applied, but another one of its name
    leave ConfigMap shop/gone: somebody else manages it now
    leave ConfigMap shop/gone: somebody else manages it now
    leave ConfigMap shop/gone: its annotation `helm.sh/resource-policy: keep` says so
    leave ConfigMap shop/gone: it is being deleted already
    leave PersistentVolumeClaim shop/gone: its removal would take along what is in it
    leave ConfigMap kube-system/gone: it is in a namespace of the cluster's own
    ");
}

#[test]
fn what_another_application_has_as_well_stays() {
    let gone = entry("ConfigMap", "gone");
    let others = BTreeMap::from([(gone.id().key(), "tagboat-inventory-other".to_owned())]);
    let all = inventory(&[entry("ConfigMap", "a"), gone.clone()]);
    let plan = plan(&all, vec![(gone, there(live("gone")))], &others, "i").unwrap();
    assert_eq!(plan.to_string(), "leave ConfigMap shop/gone: it is in tagboat-inventory-other as well");
}

#[test]
fn an_application_is_neither_emptied_nor_halved() {
    let all = inventory(&["a", "b", "c"].map(|name| entry("Deployment", name)));
    let refused = |names: &[&str]| {
        let seen = names.iter().map(|name| (entry("Deployment", name), there(live(name)))).collect();
        plan(&all, seen, &BTreeMap::new(), "ConfigMap shop/tagboat-inventory-shop")
    };
    assert!(refused(&["a"]).is_ok());
    insta::assert_snapshot!(explain_one(&refused(&["a", "b"]).unwrap_err()), @"
    `prune` would delete 2 of the 3 objects that earlier releases have applied: Deployment shop/a, Deployment shop/b
      → check `manifests`, and that no other workflow uses the same `app`. If it is meant: release with `prune: false`, then delete them by hand (kubectl delete), or delete ConfigMap shop/tagboat-inventory-shop to keep them for good
    ");
    // Those that somebody has deleted by hand count no longer.
    let seen = vec![(entry("Deployment", "a"), there(live("a"))), (entry("Deployment", "b"), Seen::Gone)];
    assert!(plan(&all, seen, &BTreeMap::new(), "i").is_ok());
    // A volume is left in any case, and makes no application.
    let rest = inventory(&[entry("Deployment", "a"), entry("PersistentVolumeClaim", "disk")]);
    let seen = vec![(entry("Deployment", "a"), there(live("a"))), (entry("PersistentVolumeClaim", "disk"), there(live("disk")))];
    assert!(matches!(plan(&rest, seen, &BTreeMap::new(), "i"), Err(Error::TooMany { .. })));
}

#[test]
fn deletions_go_the_other_way_round_and_custom_objects_before_those_who_look_after_them() {
    let kinds = [("ConfigMap", "c"), ("Deployment", "d"), ("Ingress", "i"), ("Fleet", "f")];
    let stay = (0..8).map(|n| entry("ConfigMap", &format!("s{n}")));
    let all: Vec<Entry> = kinds.iter().map(|(kind, name)| entry(kind, name)).chain(stay).collect();
    let seen = kinds.iter().map(|(kind, name)| (entry(kind, name), there(live(name)))).collect();
    let plan = plan(&inventory(&all), seen, &BTreeMap::new(), "i").unwrap();
    let batches: Vec<Vec<&str>> = plan.batches.iter().map(|batch| batch.iter().map(|doomed| doomed.id.kind.as_str()).collect()).collect();
    assert_eq!(batches, [["Ingress"], ["Fleet"], ["Deployment"], ["ConfigMap"]]);
}

#[test]
fn an_object_that_has_only_moved_to_another_group_is_still_there() {
    let mut moved = entry("Ingress", "api");
    moved.endpoint.group = "extensions".into();
    let set = forward("{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: api, namespace: shop}}");
    assert!(candidates(&inventory(&[moved.clone()]), &set).is_empty());
    assert_eq!(candidates(&inventory(&[Entry { uid: Some("another".into()), ..moved }]), &set).len(), 1);
}

#[test]
fn a_text_that_is_no_inventory_is_refused() {
    assert_eq!(Inventory::parse("").unwrap(), Inventory::default());
    for text in ["x", "[]", r#"["v1","ConfigMap","configmaps","shop","a"]"#, r#"["v1","ConfigMap","configmaps",1,"a",null]"#] {
        assert!(Inventory::parse(text).unwrap_err().contains("names no object"), "{text}");
    }
}

fn names() -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set("[a-h]", 0..8)
}

fn of(names: &BTreeSet<String>) -> Inventory {
    inventory(&names.iter().map(|name| entry("ConfigMap", name)).collect::<Vec<_>>())
}

fn planned(old: &BTreeSet<String>, new: &BTreeSet<String>, gone: &BTreeSet<String>) -> Result<Plan, Error> {
    let manifests: String =
        new.iter().map(|name| format!("---\n{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: shop}}}}\n")).collect();
    let inventory = of(old);
    let seen = candidates(&inventory, &forward(&manifests)).into_iter().cloned();
    let seen = seen.map(|entry| if gone.contains(&entry.name) { (entry, Seen::Gone) } else { (entry.clone(), there(live(&entry.name))) });
    plan(&inventory, seen.collect(), &BTreeMap::new(), "i")
}

proptest! {
    #[test]
    fn what_is_deleted_was_applied_before_and_is_not_now(old in names(), new in names(), gone in names()) {
        let expected: BTreeSet<String> = old.iter().filter(|name| !new.contains(*name) && !gone.contains(*name)).cloned().collect();
        let left = old.iter().filter(|name| !gone.contains(*name) || new.contains(*name)).count();
        match planned(&old, &new, &gone) {
            Ok(plan) => {
                let deleted: BTreeSet<String> = plan.doomed().map(|doomed| doomed.id.name.clone()).collect();
                prop_assert_eq!(&deleted, &expected);
                prop_assert!(deleted.len() * 2 <= left);
                // When all is done, the inventory is the new set, and a second run has nothing to do.
                prop_assert_eq!(plan.inventory(&of(&old), &of(&new), &[]), of(&new));
                prop_assert!(planned(&new, &new, &gone).unwrap().is_empty());
                // What couldn't be deleted is still known.
                let failed: Vec<Id> = plan.doomed().map(|doomed| doomed.id.clone()).collect();
                let known = plan.inventory(&of(&old), &of(&new), &failed);
                prop_assert_eq!(known, of(&new.union(&expected).cloned().collect()));
            }
            Err(_) => prop_assert!(!expected.is_empty() && (expected.len() * 2 > left || old.is_disjoint(&new))),
        }
    }

    #[test]
    fn a_run_that_is_killed_anywhere_leaves_an_inventory_that_names_everything(old in names(), new in names()) {
        let union = of(&old).joined(&of(&new));
        let all: BTreeSet<String> = old.union(&new).cloned().collect();
        prop_assert_eq!(&union, &of(&all));
        prop_assert_eq!(Inventory::parse(&union.text()).unwrap(), union);
    }

    #[test]
    fn an_inventory_reads_what_it_has_written(name in "[ -~]{1,20}", uid in prop::option::of("[a-z0-9-]{1,9}"), namespace in prop::option::of("[a-z]{1,4}")) {
        let endpoint = Endpoint::built_in("rbac.authorization.k8s.io", "v1", "Role", "roles", namespace.as_deref());
        let one = inventory(&[Entry { endpoint, name, uid }]);
        prop_assert_eq!(Inventory::parse(&one.text()).unwrap(), one);
    }
}

#[test]
fn the_uid_of_a_secret_is_known_again_but_not_told() {
    let set = forward("{apiVersion: v1, kind: Secret, metadata: {name: gone, namespace: shop}}");
    let written = Inventory::after(&set, &[Some("uid-gone".into())]);
    assert!(!written.text().contains("uid-gone"), "{}", written.text());
    let entry = written.entries().next().unwrap().clone();
    assert_eq!(fate(entry.clone(), there(live("gone"))), "- Secret shop/gone: deleted when everything else is ready");
    assert!(fate(entry, there(with("uid", json!("another")))).contains("another one of its name"));
}
