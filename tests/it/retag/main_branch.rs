//! Pushes to a branch: no release, but images with tags.

use std::path::Path;
use std::process::Command;

use super::daemon::{Shop, uploads};
use crate::servers::Registry;
use crate::servers::docker::{Built, engine};

/// The binary on a push to the main branch, in a folder with a compose file.
fn on_push(folder: &Path, registry: &Registry, mode: &[&str]) -> (Option<i32>, String, String) {
    let outputs = folder.join("outputs");
    std::fs::write(&outputs, "").unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_tagboat"))
        .args(mode)
        .args(["--source", "docker", "--tags", "latest, {{sha}}", "--registry"])
        .arg(format!("{}/shop", registry.host()))
        .current_dir(folder)
        .env_clear()
        .env("DOCKER_HOST", engine().host())
        .env("HOME", folder)
        .env("GITHUB_WORKSPACE", folder)
        .env("GITHUB_REF", "refs/heads/main")
        .env("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567")
        .env("GITHUB_OUTPUT", &outputs)
        .output()
        .unwrap();
    let log = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    (run.status.code(), log, std::fs::read_to_string(outputs).unwrap())
}

#[test]
fn every_push_to_the_main_branch_gets_latest_and_its_commit() {
    let registry = Registry::start();
    let shop = Shop::new(&registry, &["web"]);
    let name = &shop.names[0];
    let _image = Built::new(name, "main");
    let folder = tempfile::tempdir().unwrap();
    let compose = format!("services:\n  web:\n    image: {name}\n    build: .\n  db:\n    image: postgres:18\n");
    std::fs::write(folder.path().join("compose.yaml"), compose).unwrap();
    let pod = format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec: {{containers: [{{name: web, image: {name}}}]}}\n");
    std::fs::write(folder.path().join("pod.yaml"), pod).unwrap();

    let (code, log, _) = on_push(folder.path(), &registry, &["--mode", "retag", "--dry-run", "true"]);
    assert_eq!((code, uploads(&registry.requests())), (Some(0), 0), "{log}");
    let (code, log, _) =
        on_push(folder.path(), &registry, &["--mode", "apply", "--compose-files", "compose.yaml", "--manifests", "pod.yaml"]);
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("couldn't pin the image of service web by its digest: it has none before it is pushed"), "{log}");

    let (code, log, outputs) = on_push(folder.path(), &registry, &["--mode", "retag"]);
    assert_eq!(code, Some(0), "{log}");
    let repository = format!("shop/{name}");
    assert_eq!(registry.tags(&repository), ["0123456789abcdef0123456789abcdef01234567", "latest"]);
    let digest = registry.digest(&repository, "latest").unwrap();
    assert!(outputs.contains(&digest), "the digest of what was pushed comes out: {outputs}");

    let (code, log, outputs) = on_push(folder.path(), &registry, &["--mode", "retag"]);
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("nothing written: 2 tags already there"), "{log}");
    assert!(outputs.contains(&digest), "{outputs}");

    let elsewhere = format!("{}/prod", registry.host());
    let (code, log, _) = on_push(folder.path(), &registry, &["--mode", "retag", "--target-registry", &elsewhere]);
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(registry.digest(&format!("prod/{name}"), "latest").as_ref(), Some(&digest), "the daemon pushes to the target as well");
    let (code, log, _) = on_push(folder.path(), &registry, &["--mode", "retag", "--target-registry", "oci:out"]);
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("couldn't release images of the Docker daemon to a folder"), "{log}");
}
