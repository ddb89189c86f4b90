//! Secrets that images are pulled with, added to pods.

use serde_json::{Value, json};

use super::{Resource, pods};

/// Adds the names to the `imagePullSecrets` of every pod specification that has containers; names that are there already stay once.
pub fn add(resources: &mut [Resource], names: &[String]) {
    for resource in resources.iter_mut().filter(|_| !names.is_empty()) {
        let has_containers = |spec: &Value| spec.get("containers").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
        let pointers: Vec<String> =
            pods::templates(resource).into_iter().filter(|template| has_containers(template.spec)).map(|t| t.pointer).collect();
        for pointer in pointers {
            if let Some(Value::Object(spec)) = resource.value.pointer_mut(&pointer) {
                let secrets = spec.entry("imagePullSecrets").or_insert_with(|| json!([]));
                if secrets.is_null() {
                    *secrets = json!([]);
                }
                if let Some(secrets) = secrets.as_array_mut() {
                    add_to(secrets, names);
                }
            }
        }
    }
}

fn add_to(secrets: &mut Vec<Value>, names: &[String]) {
    for name in names {
        if !secrets.iter().any(|secret| secret["name"] == **name) {
            secrets.push(json!({"name": name}));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::testing::resources;

    fn added(text: &str, names: &[&str]) -> String {
        let mut set = resources(text);
        add(&mut set, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        set.iter().map(|r| r.value.to_string() + "\n").collect()
    }

    #[test]
    fn every_pod_with_containers_gets_each_name_once() {
        let text = "
{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {imagePullSecrets: [{name: b}], containers: [{name: c}]}}
---
{apiVersion: batch/v1, kind: CronJob, metadata: {name: a}, spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: c}]}}}}}}
---
{apiVersion: acme.io/v1, kind: Fleet, metadata: {name: a}, spec: {pod: {containers: [{name: c, image: i}]}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: []}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
";
        insta::assert_snapshot!(added(text, &["a", "b", "a"]), @r#"
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"imagePullSecrets":[{"name":"b"},{"name":"a"}],"containers":[{"name":"c"}]}}
        {"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"a"},"spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[{"name":"c"}],"imagePullSecrets":[{"name":"a"},{"name":"b"}]}}}}}}
        {"apiVersion":"acme.io/v1","kind":"Fleet","metadata":{"name":"a"},"spec":{"pod":{"containers":[{"name":"c","image":"i"}],"imagePullSecrets":[{"name":"a"},{"name":"b"}]}}}
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[]}}
        {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}
        "#);
        assert!(!added(text, &[]).contains("\"a\"},{"));
    }
}
