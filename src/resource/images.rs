//! The image fields of pod specifications: finding them, and pinning them to what was released.

use serde_json::Value;

use crate::error::Location;
use crate::image::{Reference, Repository};

use super::pods::{CONTAINER_LISTS, templates};
use super::{Id, Resource};

/// A place that names an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Index of the resource in its set.
    pub resource: usize,
    /// JSON pointer inside the resource's value.
    pub pointer: String,
    /// The image as written.
    pub text: String,
}

/// All image fields, in the order of the set: containers of every sort, and volumes that are images.
pub fn fields(resources: &[Resource]) -> Vec<Field> {
    resources.iter().enumerate().flat_map(|(index, resource)| fields_of(index, resource)).collect()
}

fn fields_of(index: usize, resource: &Resource) -> Vec<Field> {
    let mut found = Vec::new();
    for template in templates(resource) {
        let lists = CONTAINER_LISTS.map(|list| (list, "/image")).into_iter().chain([("volumes", "/image/reference")]);
        for (list, field) in lists {
            let items = template.spec.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            for (position, item) in items.iter().enumerate() {
                if let Some(text) = item.pointer(field).and_then(Value::as_str) {
                    let pointer = format!("{}/{list}/{position}{field}", template.pointer);
                    found.push(Field { resource: index, pointer, text: text.to_owned() });
                }
            }
        }
    }
    found
}

/// A name under which manifests mean an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// The repository, compared by its canonical name: `redis` is `docker.io/library/redis`.
    Repository(Repository),
    /// A name of the input `image-names`, compared with the image as written, without tag and digest.
    Alias(String),
}

/// What to write wherever one of the names stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    pub names: Vec<Name>,
    pub reference: Reference,
}

/// A field and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    pub id: Id,
    pub pointer: String,
    pub old: String,
    pub new: String,
}

/// An image that is no image reference and no alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    pub id: Id,
    pub pointer: String,
    pub text: String,
    pub reason: String,
    pub at: Location,
}

/// What pinning has done. Fields that had the wanted reference already are in `pinned` too, with `old` equal to `new`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PinReport {
    pub pinned: Vec<Pinned>,
    /// Pins that no field has the name of.
    pub unused: Vec<Pin>,
    /// Fields that no kubelet could pull.
    pub invalid: Vec<Invalid>,
}

/// Writes the reference of the first pin that has a field's name into that field; aliases go before repositories.
pub fn pin(resources: &mut [Resource], pins: &[Pin]) -> PinReport {
    let mut report = PinReport::default();
    let mut used = vec![false; pins.len()];
    for field in fields(resources) {
        let resource = &mut resources[field.resource];
        let reference = field.text.parse::<Reference>();
        match matching(pins, &field.text, reference.as_ref().ok()) {
            Some(index) => {
                used[index] = true;
                let new = pins[index].reference.to_string();
                if let Some(place) = resource.value.pointer_mut(&field.pointer) {
                    *place = Value::String(new.clone());
                }
                report.pinned.push(Pinned { id: resource.id.clone(), pointer: field.pointer, old: field.text, new });
            }
            None => {
                if let Err(error) = reference {
                    let (id, at) = (resource.id.clone(), resource.at.clone());
                    report.invalid.push(Invalid { id, pointer: field.pointer, text: field.text, reason: error.to_string(), at });
                }
            }
        }
    }
    report.unused = pins.iter().zip(used).filter(|(_, used)| !used).map(|(pin, _)| pin.clone()).collect();
    report
}

fn matching(pins: &[Pin], text: &str, reference: Option<&Reference>) -> Option<usize> {
    let repository = reference.map(Reference::repository);
    let by = |wanted: &dyn Fn(&Name) -> bool| pins.iter().position(|pin| pin.names.iter().any(wanted));
    by(&|name| matches!(name, Name::Alias(alias) if alias == without_tag(text)))
        .or_else(|| by(&|name| matches!(name, Name::Repository(known) if Some(known) == repository.as_ref())))
}

/// The name as written, also of texts that are no references (`API_IMAGE`); a colon behind the last slash starts a tag.
fn without_tag(text: &str) -> &str {
    let name = text.split_once('@').map_or(text, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::testing::resources;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn repository(text: &str) -> Name {
        Name::Repository(text.parse::<Reference>().unwrap().repository())
    }

    fn print(text: &str, pins: &[(Name, &str)]) -> String {
        let mut set = resources(text);
        let pins: Vec<Pin> = pins.iter().map(|(name, new)| Pin { names: vec![name.clone()], reference: new.parse().unwrap() }).collect();
        let report = pin(&mut set, &pins);
        let pinned = report.pinned.iter().map(|p| format!("{} {} {} → {}", p.id, p.pointer, p.old, p.new));
        let unused = report.unused.iter().map(|p| format!("unused: {}", p.reference));
        let invalid = report.invalid.iter().map(|i| format!("invalid: {} {}: {}", i.id, i.pointer, i.reason));
        for done in &report.pinned {
            assert!(set.iter().any(|r| r.value.pointer(&done.pointer).is_some_and(|v| *v == done.new)), "{done:?} was written");
        }
        pinned.chain(unused).chain(invalid).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_sort_of_pod_specification_is_found() {
        let text = "
{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{image: x:1}], ephemeralContainers: [{image: x:2}], volumes: [{image: {reference: x:3}}]}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: b}, spec: {template: {spec: {initContainers: [{image: x}], containers: [{image: x}]}}}}
---
{apiVersion: batch/v1, kind: CronJob, metadata: {name: c}, spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: x}]}}}}}}
---
{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: d}, spec: {template: {spec: {containers: [{image: x}]}}}}
---
{apiVersion: keda.sh/v1alpha1, kind: ScaledJob, metadata: {name: e}, spec: {jobTargetRef: {template: {spec: {containers: [{image: x}]}}}}}
---
{apiVersion: acme.io/v1, kind: Fleet, metadata: {name: f}, spec: {ships: [{a/b: {containers: [{image: x}]}}], containers: 3}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: g}, data: {image: x}}
";
        insta::assert_snapshot!(print(text, &[(repository("x"), "x:9")]), @"
        Pod a /spec/containers/0/image x:1 → x:9
        Pod a /spec/ephemeralContainers/0/image x:2 → x:9
        Pod a /spec/volumes/0/image/reference x:3 → x:9
        Deployment b /spec/template/spec/initContainers/0/image x → x:9
        Deployment b /spec/template/spec/containers/0/image x → x:9
        CronJob c /spec/jobTemplate/spec/template/spec/containers/0/image x → x:9
        Rollout d /spec/template/spec/containers/0/image x → x:9
        ScaledJob e /spec/jobTargetRef/template/spec/containers/0/image x → x:9
        Fleet f /spec/ships/0/a~1b/containers/0/image x → x:9
        ");
    }

    #[test]
    fn images_are_matched_by_what_they_name() {
        let text = format!(
            "
apiVersion: v1
kind: Pod
metadata: {{name: a}}
spec:
  containers:
  - image: host:5000/app:1
  - image: host:5000/app@{DIGEST}
  - image: docker.io/library/redis:7@{DIGEST}
  - image: host/app:1
  - image: laravel-app-nginx
  - image: WEB_IMAGE:old
  - image: acme/Api
"
        );
        let pins = [
            (repository("host:5000/app"), "host:5000/app:v2"),
            (repository("redis"), "redis:8"),
            (Name::Alias("laravel-app-nginx".into()), "ghcr.io/acme/web:v2"),
            (Name::Alias("WEB_IMAGE".into()), "ghcr.io/acme/web:v3"),
            (repository("ghcr.io/acme/unused"), "ghcr.io/acme/unused:v2"),
        ];
        insta::assert_snapshot!(print(&text, &pins), @r#"
        Pod a /spec/containers/0/image host:5000/app:1 → host:5000/app:v2
        Pod a /spec/containers/1/image host:5000/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 → host:5000/app:v2
        Pod a /spec/containers/2/image docker.io/library/redis:7@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 → redis:8
        Pod a /spec/containers/4/image laravel-app-nginx → ghcr.io/acme/web:v2
        Pod a /spec/containers/5/image WEB_IMAGE:old → ghcr.io/acme/web:v3
        unused: ghcr.io/acme/unused:v2
        invalid: Pod a /spec/containers/6/image: "acme/Api" is not an image reference: a repository name is lower case
        "#);
    }
}
