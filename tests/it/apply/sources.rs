//! Where manifests come from: plain files and kustomizations, through the real binary and the real kustomize.

use std::process::Command;

use super::*;
use crate::servers::command;

fn workspace(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(&file, text).expect("a file");
    }
    folder
}

/// Exit code and log of a run in a folder, with this PATH.
fn tagboat(folder: &Path, path: &Path, arguments: &[&str]) -> (i32, String) {
    let mut tagboat = Command::new(env!("CARGO_BIN_EXE_tagboat"));
    tagboat.args(arguments).current_dir(folder).env_clear().env("PATH", path).env("HOME", folder);
    let output = tagboat.output().unwrap_or_else(|e| panic!("couldn't run tagboat: {e}"));
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned())
}

const SHOP: [(&str, &str); 5] = [
    (
        "base/api.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\nspec:\n  selector: {matchLabels: {app: api}}\n  template:\n    metadata: {labels: {app: api}, annotations: {release: '%%VERSION%%'}}\n    spec:\n      containers:\n        - {name: api, image: registry.example/acme/api:v1}\n",
    ),
    ("base/kustomization.yaml", "resources: [api.yaml]\n"),
    (
        "overlays/shop/kustomization.yaml",
        "namePrefix: shop-\nresources: [../../base]\nconfigMapGenerator: [{name: settings, literals: [A=b]}]\n",
    ),
    (
        "plain/service.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: shop-api}\nspec: {selector: {app: api}, ports: [{port: 80}]}\n",
    ),
    ("broken/kustomization.yaml", "resources: [nowhere.yaml]\n"),
];

#[test]
fn kustomizations_and_plain_files_are_one_set() {
    let kustomize = command("kubernetes", "kustomize");
    let folder = workspace(&SHOP);
    let arguments = ["--mode=render", "--version=v1.2.3", "--manifests=overlays/shop\nplain", "--image-pull-secrets=registry"];
    let (code, log) = tagboat(folder.path(), kustomize.parent().expect("a folder"), &arguments);
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("Deployment shop-api  (overlays/shop/kustomization.yaml)"), "{log}");
    assert!(log.contains("Service shop-api  (plain/service.yaml:1)"), "{log}");
    let workloads = std::fs::read_to_string(folder.path().join("rendered/03-workloads.yaml")).expect("the workloads");
    assert!(workloads.contains("imagePullSecrets:\n") && workloads.contains("release: 1.2.3"), "{workloads}");
}

#[test]
fn a_kustomization_that_can_not_be_built_is_shown_with_what_kustomize_says() {
    let kustomize = command("kubernetes", "kustomize");
    let folder = workspace(&SHOP);
    let (code, log) = tagboat(folder.path(), kustomize.parent().expect("a folder"), &["--mode=render", "--manifests=broken"]);
    assert_eq!(code, 2, "{log}");
    assert!(log.contains("couldn't build broken with kustomize (exit status: 1): accumulating resources"), "{log}");
    assert!(log.contains("nowhere.yaml"), "{log}");
}

#[test]
fn a_machine_without_kustomize_says_how_to_get_it() {
    let folder = workspace(&SHOP);
    let (code, log) = tagboat(folder.path(), folder.path(), &["--mode=plan", "--manifests=overlays/shop"]);
    if Path::new("/usr/local/bin/kustomize").exists() {
        return assert_eq!(code, 0, "{log}");
    }
    assert_eq!(code, 2, "{log}");
    assert!(log.contains("couldn't find kustomize, which overlays/shop needs") && log.contains("go install"), "{log}");
}
