use std::collections::HashMap;

use serde_json::Value;

use crate::error::Problems;

use super::{Catalog, Error, Key, Resource, Scope};

/// Puts namespaced objects that name no namespace into `namespace`; cluster-scoped ones are left alone. Service accounts that a
/// binding names without a namespace are meant to be in the same one.
///
/// Objects of kinds that the catalog doesn't know are left alone too: call it again when [`Catalog::learn`] has been told.
///
/// # Errors
/// Namespaced objects that name another namespace, and objects that become one by it.
pub fn apply_namespace(resources: &mut [Resource], namespace: &str, catalog: &Catalog) -> Result<(), Problems> {
    let is_other = |resource: &&Resource| {
        let scope = catalog.get(&resource.id.group, &resource.id.kind).map(|kind| kind.scope);
        scope != Some(Scope::Cluster) && resource.id.namespace.as_deref().is_some_and(|other| other != namespace)
    };
    let other =
        |resource: &Resource| Error::OtherNamespace { id: resource.id.clone(), wanted: namespace.to_owned(), at: resource.at.clone() };
    let mut problems: Vec<Error> = resources.iter().filter(is_other).map(other).collect();
    problems.extend(default_namespace(resources, namespace, catalog));
    Problems::check(problems)
}

/// Puts namespaced objects that name no namespace into `namespace`, as kubectl does with the context's, and leaves others where they are.
/// Returns the objects that become another one by it.
pub fn default_namespace(resources: &mut [Resource], namespace: &str, catalog: &Catalog) -> Vec<Error> {
    for resource in resources.iter_mut() {
        let scope = catalog.get(&resource.id.group, &resource.id.kind).map(|kind| kind.scope);
        if resource.id.namespace.is_none() && scope == Some(Scope::Namespaced) {
            resource.value["metadata"]["namespace"] = Value::from(namespace);
            resource.id.namespace = Some(namespace.to_owned());
        }
        if resource.id.group == "rbac.authorization.k8s.io" {
            let own = resource.id.namespace.clone();
            name_subjects(&mut resource.value, own.as_deref().unwrap_or(namespace));
        }
    }
    check_duplicates(resources)
}

/// A subject of kind ServiceAccount must name its namespace (the API server requires it of both kinds of binding).
fn name_subjects(binding: &mut Value, namespace: &str) {
    let Some(subjects) = binding.get_mut("subjects").and_then(Value::as_array_mut) else { return };
    for subject in subjects.iter_mut().filter_map(Value::as_object_mut) {
        if subject.get("kind").is_some_and(|kind| kind == "ServiceAccount") {
            subject.entry("namespace").or_insert_with(|| Value::from(namespace));
        }
    }
}

/// Every object that another one before it has the identity of, in whichever version.
pub fn check_duplicates(resources: &[Resource]) -> Vec<Error> {
    let mut first: HashMap<Key, &Resource> = HashMap::with_capacity(resources.len());
    let mut problems = Vec::new();
    for resource in resources {
        let key = resource.id.key();
        match first.get(&key) {
            Some(earlier) => problems.push(Error::Duplicate { id: key, first: earlier.at.clone(), at: resource.at.clone() }),
            None => {
                first.insert(key, resource);
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::testing::{explain_one, resources};

    const SET: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: api}}
---
{apiVersion: v1, kind: Secret, metadata: {name: api, namespace: shop}}
---
{apiVersion: acme.io/v1, kind: Fleet, metadata: {name: one}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: api}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: ServiceAccount, name: api}, {kind: ServiceAccount, name: x, namespace: other}, {kind: User, name: ada}]
";

    fn applied(text: &str, namespace: &str) -> String {
        let mut set = resources(text);
        let catalog = Catalog::of(&set);
        match apply_namespace(&mut set, namespace, &catalog) {
            Ok(()) => set.iter().map(|r| format!("{}\n", r.id)).collect(),
            Err(problems) => problems.iter().map(|p| explain_one(p) + "\n").collect(),
        }
    }

    #[test]
    fn namespaced_objects_get_the_namespace_and_others_do_not() {
        insta::assert_snapshot!(applied(SET, "shop"), @"
        Namespace shop
        ConfigMap shop/api
        Secret shop/api
        Fleet one
        ClusterRoleBinding api
        ");
        let mut set = resources(SET);
        apply_namespace(&mut set, "shop", &Catalog::default()).unwrap();
        assert_eq!(set[1].value["metadata"]["namespace"], "shop");
        assert_eq!(
            set[4].value["subjects"].to_string(),
            r#"[{"kind":"ServiceAccount","name":"api","namespace":"shop"},{"kind":"ServiceAccount","name":"x","namespace":"other"},{"kind":"User","name":"ada"}]"#
        );
    }

    #[test]
    fn another_namespace_is_an_error_and_so_are_objects_that_become_one() {
        insta::assert_snapshot!(applied(SET, "staging"), @r#"
        all.yaml:6: Secret shop/api names another namespace than "staging"
          → remove `metadata.namespace` from the manifest, or leave the input `namespace` empty
        "#);
        let twice = "
{apiVersion: v1, kind: ConfigMap, metadata: {name: api}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: api, namespace: shop}}
";
        insta::assert_snapshot!(applied(twice, "shop"), @"
        all.yaml:4: ConfigMap shop/api is there twice: all.yaml:2 and all.yaml:4
          → remove or rename one of the two; which of them would win depends on the order of the files
        ");
    }

    #[test]
    fn a_discovered_kind_gets_its_namespace_in_a_second_call() {
        let mut set = resources(SET);
        let mut catalog = Catalog::of(&set);
        catalog.learn("acme.io", "Fleet", crate::resource::Kind { plural: "fleets".into(), scope: Scope::Namespaced, served: Vec::new() });
        apply_namespace(&mut set, "shop", &catalog).unwrap();
        assert_eq!(set[3].id.to_string(), "Fleet shop/one");
    }
}
