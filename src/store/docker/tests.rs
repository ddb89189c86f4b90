use super::*;
use bytes::Bytes;

fn inspected(json: &str) -> Image {
    let inspected: Inspected = serde_json::from_str(json).unwrap();
    Image {
        wire: Arc::new(Wire::new(Address::default())),
        name: "web:latest".into(),
        id: inspected.id.parse().unwrap(),
        known_as: inspected.repo_digests.iter().flatten().filter_map(|text| known_as(text)).collect(),
        descriptor: inspected.descriptor,
        absent: absent(inspected.manifests.as_deref().unwrap_or_default()),
        labels: inspected.config.and_then(|config| config.labels).unwrap_or_default(),
    }
}

const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

#[test]
fn names_are_those_that_people_see() {
    let name = |text: &str| familiar(&text.parse::<Reference>().unwrap().repository(), &Pointer::latest());
    assert_eq!(name("web"), "web:latest");
    assert_eq!(name("acme/web"), "acme/web:latest");
    assert_eq!(name("ghcr.io/acme/web"), "ghcr.io/acme/web:latest");
    assert_eq!(wire::escaped("[::1]:5000/web"), "%5B::1%5D:5000/web");
}

#[test]
fn a_registry_is_known_to_have_an_image_by_the_repository_that_it_was_pushed_to() {
    let json = format!(r#"{{"Id": "{A}", "RepoDigests": ["r.example/web@{B}", "web@{A}", "<none>@<none>"], "RepoTags": []}}"#);
    let image = inspected(&json);
    let known = |text: &str| image.known_in(&text.parse::<Reference>().unwrap().repository()).map(Digest::to_string).collect::<Vec<_>>();
    assert_eq!(known("r.example/web"), [B]);
    assert_eq!(known("web"), [A]);
    assert!(known("r.example/api").is_empty());
    assert!(inspected(&format!(r#"{{"Id": "{A}", "RepoDigests": null}}"#)).known_as.is_empty());
}

#[test]
fn a_manifest_is_the_image_when_it_has_its_configuration_or_is_its_manifest() {
    let manifest = format!(r#"{{"schemaVersion":2,"config":{{"digest":"{A}","size":2}},"layers":[]}}"#);
    let manifest = Manifest::read(Bytes::from(manifest), None, None).unwrap();
    let image = |id: &str| inspected(&format!(r#"{{"Id": "{id}"}}"#));
    assert!(image(A).is(&manifest) && !image(B).is(&manifest));
    assert!(image(manifest.digest().as_str()).is(&manifest), "as containerd names its images");
}

#[test]
fn an_index_with_platforms_that_the_daemon_lacks_is_not_pushed() {
    let json = format!(
        r#"{{"Id": "{A}", "Descriptor": {{"mediaType": "application/vnd.oci.image.index.v1+json", "digest": "{A}", "size": 1}},
        "Manifests": [
            {{"ID": "{A}", "Available": true, "Kind": "image", "ImageData": {{"Platform": {{"os": "linux", "architecture": "amd64"}}}}}},
            {{"ID": "{B}", "Available": false, "Kind": "image", "ImageData": {{"Platform": {{"os": "linux", "architecture": "arm64"}}}}}},
            {{"ID": "{B}", "Available": false, "Kind": "attestation"}}]}}"#
    );
    let image = inspected(&json);
    let error = image.check_complete().unwrap_err().to_string();
    assert_eq!(error, "couldn't push web:latest as it is: the Docker daemon lacks linux/arm64");
    let replaced = image.replaced("r.example/web:v1", B).to_string();
    assert!(replaced.contains(&format!("it pushed {B} instead of the index {A}")), "{replaced}");
    assert!(inspected(&format!(r#"{{"Id": "{A}"}}"#)).check_complete().is_ok());
}
