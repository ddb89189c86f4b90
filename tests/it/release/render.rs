//! `mode: render`: the ordered, pinned manifests in a folder, as `kubectl` takes them.

use crate::harness::Workspace;
use crate::servers::cluster;

use super::{Place, count, registry};

#[test]
fn the_rendered_folder_is_what_kubectl_applies_and_the_second_run_changes_nothing() {
    let (registry, place) = (registry(), Place::new());
    let shop = Workspace::shop_in(&place.name());
    let step = shop.step("render").releases_from(&registry).with_manifests();

    let rehearsal = step.clone().input("dry-run", "true").run();
    rehearsal.exits(0).says("would be written: rendered/01-definitions.yaml");
    assert!(shop.files("rendered").is_empty());

    let run = step.clone().run();
    run.exits(0);
    insta::assert_snapshot!(run.ending(), @"done; 5 things were changed ((n) s: Release (n) s, Images (n) s, Registry (n) s, Render (n) s)");
    assert_eq!((run.output("outcome"), run.output("changed")), ("done", "true"));
    let files = shop.files("rendered");
    let names: Vec<&String> = files.keys().collect();
    insta::assert_snapshot!(format!("{names:?}"), @r#"["01-definitions.yaml", "02-policy-and-identity.yaml", "03-configuration-and-storage.yaml", "04-endpoints.yaml", "05-workloads.yaml"]"#);
    let digest = registry.digest("acme/shop-api", "latest").unwrap();
    assert!(files["05-workloads.yaml"].contains(&format!("image: {}/acme/shop-api:v1.2.3@{digest}", registry.host())));
    assert_eq!(count(&registry.requests(), "PUT"), 0);

    // A rehearsal on the server needs the namespace.
    cluster().kubectl(&["create", "namespace", &place.name()]);
    let folder = shop.path().join("rendered").display().to_string();
    let applied = cluster().kubectl(&["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--filename", &folder]);
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    assert_eq!(String::from_utf8_lossy(&applied.stdout).lines().count(), 11);

    let again = step.run();
    again.exits(0);
    assert_eq!((again.output("outcome"), again.output("changed")), ("unchanged", "false"));
    assert_eq!(shop.files("rendered"), files);
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let registry = registry();
    let shop = Workspace::shop();
    shop.write("rendered/mine.yaml", "a: 1\n");
    let run = shop.step("render").releases_from(&registry).with_manifests().run();
    run.exits(2).says("rendered/mine.yaml");
    assert_eq!(shop.files("rendered").len(), 1);
}
