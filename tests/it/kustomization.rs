//! Kustomizations after an edit, as `kubectl kustomize` renders them.
#![allow(clippy::unwrap_used, reason = "what a test can't go on without ends it")]

use std::process::Command;

use tagboat::image::Reference;
use tagboat::infra::ImagePin;
use tagboat::infra::edit::kustomize;

use crate::servers::command;

const OLD: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const NEW: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn pin(name: &str, repository: &str, tag: &str, digest: Option<&str>) -> ImagePin {
    let repository = repository.parse::<Reference>().unwrap().repository();
    ImagePin {
        service: name.into(),
        name: name.into(),
        repository,
        tag: tag.parse().unwrap(),
        digest: digest.map(|digest| digest.parse().unwrap()),
    }
}

/// The image of each container after kustomize.
fn rendered(kustomization: &[u8], images: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let containers: String = images.iter().enumerate().map(|(n, image)| format!("  - name: c{n}\n    image: '{image}'\n")).collect();
    let pod = format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n{containers}");
    std::fs::write(folder.path().join("pod.yaml"), pod).unwrap();
    std::fs::write(folder.path().join("kustomization.yaml"), kustomization).unwrap();
    let output = Command::new(command("kubernetes", "kubectl")).arg("kustomize").arg(folder.path()).output().unwrap();
    let shown = || format!("{}\n{}", String::from_utf8_lossy(kustomization), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}", shown());
    let pod = tagboat::yaml::parse(std::str::from_utf8(&output.stdout).unwrap()).unwrap().remove(0).root;
    let containers = pod.get("spec").and_then(|spec| spec.get("containers")).unwrap();
    containers.items().iter().map(|container| container.get("image").unwrap().as_str().unwrap().to_owned()).collect()
}

#[test]
fn kustomize_renders_what_was_planned() {
    let images = ["web:dev", "ghcr.io/acme/api:dev", "redis:7", "ghcr.io/acme/worker"];
    let pins = [
        pin("web", "ghcr.io/acme/web", "1.26", None),
        pin("ghcr.io/acme/api", "ghcr.io/acme/api", "12345e6", Some(NEW)),
        pin("ghcr.io/acme/worker", "ghcr.io/acme/worker", "v2", None),
    ];
    let stale = format!("images:\n  - name: ghcr.io/acme/worker\n    digest: {OLD}\n    newTag: v1\n");
    let kustomizations = [
        ("", "redis:7"),
        ("images: []\n", "redis:7"),
        ("images:\n- {name: web}\n- name: redis\n  newTag: 7-alpine\n", "redis:7-alpine"),
        ("images:\n- name: web\n  newName: old.io/web\n  newTag: 1.25 # a number, which kustomize refuses\n", "redis:7"),
        (stale.as_str(), "redis:7"),
        ("images:\n- name: ghcr.io/acme/.*\n  newTag: old\n", "redis:7"),
        ("images:\r\n- name: ghcr\\.io/acme/api\r\n  digest: sha256:aa # cut off", "redis:7"),
    ];
    for (text, redis) in kustomizations {
        let text = format!("resources: [pod.yaml]\n{text}");
        let edited = kustomize::edit("kustomization.yaml", text.as_bytes(), &pins).unwrap();
        let api = format!("ghcr.io/acme/api:12345e6@{NEW}");
        assert_eq!(rendered(&edited.bytes, &images), ["ghcr.io/acme/web:1.26", &api, redis, "ghcr.io/acme/worker:v2"], "{text}");
    }
}

#[test]
fn versions_have_the_hash_that_kustomize_gives_them() {
    let configs = [
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: empty}}",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: void}, data: {}}",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a.b-c}, data: {z: \"<&>\", a: \"line\\nbreak\\t\\\"quoted\\\" \\\\ ü \\u2028\", m: ''}, binaryData: {b: AAEC}}",
        "{apiVersion: v1, kind: Secret, metadata: {name: plain}, stringData: {a: b}}",
        "{apiVersion: v1, kind: Secret, metadata: {name: typed}, type: kubernetes.io/tls, data: {tls.crt: YQ==, tls.key: Yg==}}",
    ];
    for config in configs {
        let folder = tempfile::tempdir().unwrap();
        let asked = config.replace("metadata: {", "metadata: {annotations: {internal.config.kubernetes.io/needsHashSuffix: enabled}, ");
        std::fs::write(folder.path().join("config.yaml"), asked).unwrap();
        std::fs::write(folder.path().join("kustomization.yaml"), "resources: [config.yaml]\n").unwrap();
        let output = Command::new(command("kubernetes", "kubectl")).arg("kustomize").arg(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let parse = |text: &str| tagboat::resource::parse(std::path::Path::new("a.yaml"), text, &Default::default()).unwrap().remove(0);
        let (ours, theirs) = (parse(config), parse(std::str::from_utf8(&output.stdout).unwrap()));
        assert_eq!(theirs.id.name, format!("{}-{}", ours.id.name, tagboat::resource::config::hash(&ours)), "{config}");
    }
}
