//! `target-registry`: images go to another registry, and manifests name them there.

use crate::harness::Workspace;
use crate::servers::{Image, Platforms, Registry};

use super::count;

const MANIFEST: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - {name: web, image: HOST/acme/web:latest}
        - {name: api, image: api}
";

/// Two services: one named in full, one by what `registry` puts a prefix before.
fn shop(source: &Registry) -> Workspace {
    for name in ["web", "api"] {
        source.push(&format!("acme/{name}"), "latest", &Image::new(Platforms::Several).content(name));
    }
    let shop = Workspace::empty();
    let compose = "services:\n  web: {image: HOST/acme/web, build: .}\n  api: {image: api, build: .}\n";
    shop.write("compose.yaml", &compose.replace("HOST", &source.host()));
    shop.write("kubernetes/web.yaml", &MANIFEST.replace("HOST", &source.host()));
    shop
}

#[test]
fn images_are_promoted_and_manifests_name_them_where_they_are() {
    let (source, target) = (Registry::start(), Registry::start());
    let shop = shop(&source);
    let step = |mode| {
        let step = shop.step(mode).tag("v1.2.3").input("registry", &format!("{}/acme", source.host()));
        step.input("target-registry", &format!("https://{}/prod/", target.host()))
    };
    let rehearsal = step("retag").input("dry-run", "true").run();
    rehearsal.exits(0).says("/prod/web comes from ").says("4 manifests, 6 blobs of ");
    assert_eq!(count(&target.requests(), "PUT") + count(&target.requests(), "POST"), 0);

    let run = step("retag").run();
    run.exits(0).says("is copied to ").says("2 tags created, 0 moved, 0 already there, 2 images copied");
    let digest = |name: &str| source.digest(&format!("acme/{name}"), "latest").unwrap();
    for name in ["web", "api"] {
        assert_eq!(target.digest(&format!("prod/{name}"), "v1.2.3"), Some(digest(name)));
        assert_eq!(run.json("digests")[name], digest(name));
    }
    assert!(run.json("images")[0]["repository"].as_str().unwrap().starts_with(&format!("{}/prod/", target.host())));
    assert_eq!(source.tags("acme/web"), ["latest"], "the source is only read");

    let again = step("retag").run();
    again.exits(0).says("nothing written: 2 tags already there");
    assert_eq!(again.output("changed"), "false");

    step("render").input("manifests", "kubernetes/").run().exits(0);
    let rendered: String = shop.files("rendered").into_values().collect();
    for name in ["web", "api"] {
        assert!(rendered.contains(&format!("image: {}/prod/{name}:v1.2.3@{}", target.host(), digest(name))), "{rendered}");
    }
}

#[test]
fn a_folder_carries_a_release_to_a_registry_that_the_source_cant_reach() {
    let (source, target) = (Registry::start(), Registry::start());
    let shop = shop(&source);
    let step = || shop.step("retag").tag("v1.2.3").input("registry", &format!("{}/acme", source.host()));
    step().input("target-registry", "oci:images").run().exits(0).says("2 images copied");
    let inward = || {
        let step = step().input("source", "oci:images").input("source-tag", "v1.2.3");
        step.input("target-registry", &format!("{}/prod", target.host()))
    };
    inward().run().exits(0).says("2 images copied");
    assert_eq!(target.digest("prod/api", "v1.2.3"), source.digest("acme/api", "latest"));
    inward().run().exits(0).says("nothing written");
}

#[test]
fn a_target_that_is_none_is_told_before_anything_else() {
    let run = Workspace::empty().step("retag").tag("v1.2.3").input("target-registry", "acme/production").run();
    run.exits(2).says("must be a registry or a prefix that begins with one, such as ghcr.io/acme, or oci:FOLDER");
}
