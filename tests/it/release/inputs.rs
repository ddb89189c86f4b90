//! Mistakes in the inputs: all of them at once, nothing is touched, and the report is written all the same.

use crate::harness::Workspace;

use super::{count, registry};

#[test]
fn all_mistakes_are_told_at_once() {
    let registry = registry();
    let shop = Workspace::shop();
    let step = shop.step("aply").releases_from(&registry).input("timeout", "10").input("wait", "yes").input("registry-username", "ada");
    let run = step.run();
    run.exits(2);
    insta::assert_snapshot!(run.log(), @r#"
    ::error title=tagboat::the input `mode` is "aply", but it must be one of plan, retag, apply, pull-request, commit, render%0Ahint: did you mean `mode: apply`?
    ::error title=tagboat::the input `wait` is "yes", but it must be true or false%0Ahint: change `wait` under `with:`: wait until what was applied has rolled out
    ::error title=tagboat::the input `timeout` is "10", but it has no unit; write it as 90s, 10m or 1h30m%0Ahint: change `timeout` under `with:`: one deadline for all of the registry's work, and one for the whole rollout: `90s`, `10m`, `1h30m`
    ::error title=tagboat::the input `registry-username` is given without `registry-password`%0Ahint: give `registry-password` too, or remove `registry-username`; a secret that is not set arrives empty
    refused; nothing was changed
    "#);
    insta::assert_snapshot!(run.stable_summary(), @r#"
    ## ❌ Tagboat: its inputs

    Refused; nothing was changed.

    > [!CAUTION]
    > the input `mode` is "aply", but it must be one of plan, retag, apply, pull-request, commit, render
    >
    > hint: did you mean `mode: apply`?

    > [!CAUTION]
    > the input `wait` is "yes", but it must be true or false
    >
    > hint: change `wait` under `with:`: wait until what was applied has rolled out

    > [!CAUTION]
    > the input `timeout` is "10", but it has no unit; write it as 90s, 10m or 1h30m
    >
    > hint: change `timeout` under `with:`: one deadline for all of the registry's work, and one for the whole rollout: `90s`, `10m`, `1h30m`

    > [!CAUTION]
    > the input `registry-username` is given without `registry-password`
    >
    > hint: give `registry-password` too, or remove `registry-username`; a secret that is not set arrives empty
    "#);
    assert_eq!((run.output("outcome"), run.output("changed"), run.output("tag")), ("refused", "false", ""));
    assert!(registry.requests().is_empty());
}

#[test]
fn an_unknown_input_gets_a_suggestion() {
    let run = Workspace::shop().step("plan").input("compose-file", "compose.yaml").run();
    run.exits(2).says("there is no input `compose-file`%0Ahint: did you mean `compose-files`?");
    assert_eq!(run.output("outcome"), "refused");
}

#[test]
fn a_mistake_in_the_variables_shows_none_of_them() {
    let shop = Workspace::shop();
    let step = shop.step("apply").input("manifests", "kubernetes/").input("variables", "TOKEN=t0p-s3cret-value\nPASSWORD an0ther-s3cret");
    let run = step.secret("t0p-s3cret-value").secret("an0ther-s3cret").run();
    run.exits(2).says("line 2 is not of the form NAME=value");
}

#[test]
fn wrong_manifests_are_refused_before_any_write() {
    let cases = [
        ("a duplicate", "kubernetes/50-more.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop-settings, namespace: shop}\n"),
        ("no YAML", "kubernetes/50-more.yaml", "apiVersion: v1\nkind: [ConfigMap\n"),
        ("a duplicate key", "kubernetes/50-more.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, name: b}\n"),
        ("no value", "kubernetes/50-more.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {A: '%%NOBODY%%'}\n"),
    ];
    let mut told = String::new();
    for (name, file, text) in cases {
        let registry = registry();
        let shop = Workspace::shop();
        shop.write(file, text);
        let run = shop.step("apply").releases_from(&registry).with_manifests().run();
        run.exits(2);
        assert_eq!(count(&registry.requests(), "PUT"), 0);
        told += &format!("{name}:\n{}\n", run.ending());
    }
    insta::assert_snapshot!(told, @r#"
    a duplicate:
    ::error file=kubernetes/50-more.yaml,line=1,title=tagboat::kubernetes/50-more.yaml:1: ConfigMap shop/shop-settings is there twice: kubernetes/30-settings.yaml:1 and kubernetes/50-more.yaml:1%0Ahint: remove or rename one of the two; which of them would win depends on the order of the files
    refused; nothing was changed ((n) s: Release (n) s, Images (n) s, Registry (n) s, Manifests (n) s)
    no YAML:
    ::error file=kubernetes/50-more.yaml,line=2,title=tagboat,col=7::kubernetes/50-more.yaml:2:7: couldn't read the manifest%0Abecause: not YAML: unclosed bracket '['%0Ahint: correct the YAML at this place
    refused; nothing was changed ((n) s: Release (n) s, Images (n) s, Registry (n) s, Manifests (n) s)
    a duplicate key:
    ::error file=kubernetes/50-more.yaml,line=3,title=tagboat::kubernetes/50-more.yaml:3: couldn't read the manifest%0Abecause: the key "name" is there twice, both in line 3%0Ahint: remove one of the two; kubectl would silently take the last one
    refused; nothing was changed ((n) s: Release (n) s, Images (n) s, Registry (n) s, Manifests (n) s)
    no value:
    ::error file=kubernetes/50-more.yaml,line=4,title=tagboat,col=12::kubernetes/50-more.yaml:4:12: the placeholder %25%25NOBODY%25%25 has no value%0Ahint: add a line `NOBODY=…` to `variables`, or write %25%25%25%25NOBODY%25%25%25%25 for the text itself
    refused; nothing was changed ((n) s: Release (n) s, Images (n) s, Registry (n) s, Manifests (n) s)
    "#);
}

#[test]
fn an_image_that_no_manifest_uses_is_told() {
    let registry = registry();
    let shop = Workspace::shop();
    shop.edit("kubernetes/10-workloads.yaml", "image: shop-web", "image: shop-wep");
    let run = shop.step("apply").releases_from(&registry).with_manifests().run();
    run.exits(2);
    insta::assert_snapshot!(run.ending(), @"
    ::error file=compose.yaml,line=30,title=tagboat,col=12::compose.yaml:30:12: the image of the service web (HOST/acme/shop-web:v1.2.3@sha256:(64)) is used by no manifest%0Ahint: looked for shop-web; map the name that the manifests use with `image-names: NAME: web`, or leave the service out with `services`
    refused; nothing was changed ((n) s: Release (n) s, Images (n) s, Registry (n) s, Manifests (n) s)
    ");
}

#[test]
fn wrong_compose_files_are_refused_before_the_registry_is_asked() {
    let cases = [
        ("not there", "compose.yaml", "compose-files", "production.yml"),
        ("no YAML", "services: [api\n", "compose-files", "compose.yaml"),
        ("no tag", "services: {api: {build: ., image: 'acme/api:${NOBODY}'}}\n", "compose-files", "compose.yaml"),
    ];
    let mut told = String::new();
    for (name, text, input, value) in cases {
        let registry = registry();
        let shop = Workspace::shop();
        shop.write("compose.yaml", text);
        let run = shop.step("retag").releases_from(&registry).input(input, value).run();
        run.exits(2);
        assert!(registry.requests().is_empty());
        told += &format!("{name}:\n{}\n", run.ending());
    }
    insta::assert_snapshot!(told, @r#"
    not there:
    ::error title=tagboat::couldn't find the compose file production.yml%0Ahint: correct the input `compose-files` (or COMPOSE_FILE); paths are relative to the workspace, and the repository must be checked out
    refused; nothing was changed ((n) s: Release (n) s, Images (n) s)
    no YAML:
    ::error file=compose.yaml,line=1,title=tagboat,col=11::compose.yaml:1:11: couldn't read YAML%0Abecause: not YAML: unclosed bracket '['%0Ahint: correct the YAML at this line
    refused; nothing was changed ((n) s: Release (n) s, Images (n) s)
    no tag:
    ::error file=compose.yaml,line=1,title=tagboat,col=35::compose.yaml:1:35: couldn't use the image "acme/api:" of service api: NOBODY is not set%0Ahint: set NOBODY in the step's `env:` or in the variables file, or give it a default: ${NOBODY:-…}
    refused; nothing was changed ((n) s: Release (n) s, Images (n) s)
    "#);
}

#[test]
fn a_kubeconfig_with_a_plugin_that_is_not_there_is_refused_before_any_write() {
    let registry = registry();
    let kubeconfig = "\
apiVersion: v1
kind: Config
current-context: production
clusters: [{name: production, cluster: {server: 'https://127.0.0.1:1'}}]
contexts: [{name: production, context: {cluster: production, user: deployer}}]
users:
  - name: deployer
    user:
      exec: {apiVersion: client.authentication.k8s.io/v1, command: no-such-plugin, interactiveMode: Never}
";
    let run = Workspace::shop().step("apply").releases_from(&registry).with_manifests().input("kubeconfig", kubeconfig).run();
    insta::assert_snapshot!(run.ending(), @r#"
    ::error title=tagboat::the kubeconfig's user "deployer" gets its credentials from the program "no-such-plugin", which isn't here%0Ahint: the action's container has no programs of the runner; EKS, AKS and GKE need none (`aws eks get-token`, `kubelogin`, `gke-gcloud-auth-plugin`); else use a kubeconfig with a token of a service account (`kubectl create token`)
    refused; nothing was changed ((n) s: Release (n) s, Images (n) s, Registry (n) s, Manifests (n) s, Plan (n) s)
    "#);
    run.exits(2);
    assert_eq!(count(&registry.requests(), "PUT"), 0);
}
