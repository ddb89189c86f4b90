//! `mode: plan`: what would be done, without credentials and without a write.

use crate::harness::Workspace;
use crate::servers::{Fault, Registry, free_port};

use super::{count, registry};

#[test]
fn a_plan_prints_the_release_its_images_and_its_waves_and_writes_nothing() {
    let registry = registry();
    let shop = Workspace::shop();
    let run = shop.step("plan").releases_from(&registry).with_manifests().run();
    run.exits(0);
    insta::assert_snapshot!(run.log(), @"
    ::add-mask::correct-horse-battery
    ::group::Release
    release v1.2.3 (from GITHUB_REF)
    version 1.2.3 · channel stable · environment production
    ::endgroup::
    ::group::Images
    read compose.yaml: 5 services
    ::endgroup::
    ::group::Registry
    SERVICE  IMAGE                             TAG     DIGEST                     ACTION
    api      HOST/acme/shop-api     v1.2.3  new → sha256:(12)  create
    web      HOST/acme/shop-web     v1.2.3  new → sha256:(12)  create
    worker   HOST/acme/shop-worker  v1.2.3  new → sha256:(12)  create
    cache (redis:7.4-alpine) is not released: it has no `build` and doesn't lie under HOST/acme
    db (postgres:17-alpine) is not released: it has no `build` and doesn't lie under HOST/acme
    (6 requests to the registry)
    ::endgroup::
    ::group::Manifests
    Deployment shop/api /spec/template/spec/containers/0/image: ghcr.io/acme/shop-api → HOST/acme/shop-api:v1.2.3@sha256:(64)
    Deployment shop/worker /spec/template/spec/initContainers/0/image: ghcr.io/acme/shop-api → HOST/acme/shop-api:v1.2.3@sha256:(64)
    Deployment shop/worker /spec/template/spec/containers/0/image: ghcr.io/acme/shop-worker → HOST/acme/shop-worker:v1.2.3@sha256:(64)
    Deployment shop/web /spec/template/spec/containers/0/image: shop-web → HOST/acme/shop-web:v1.2.3@sha256:(64)
    wave 1: definitions
      Namespace shop  (kubernetes/40-namespace.yaml:2)
      then wait until ready: Namespace shop
    wave 2: policy and identity
      ServiceAccount shop/shop  (kubernetes/30-settings.yaml:21)
    wave 3: configuration and storage
      Secret shop/shop-database  (kubernetes/30-settings.yaml:12)
      ConfigMap shop/shop-settings  (kubernetes/30-settings.yaml:1)
    wave 4: endpoints
      Service shop/api  (kubernetes/20-services.yaml:4)
      Service shop/cache  (kubernetes/20-services.yaml:12)
      Service shop/web  (kubernetes/20-services.yaml:8)
    wave 5: workloads
      Deployment shop/api  (kubernetes/10-workloads.yaml:2)
      Deployment shop/cache  (kubernetes/10-workloads.yaml:73)
      Deployment shop/web  (kubernetes/10-workloads.yaml:54)
      Deployment shop/worker  (kubernetes/10-workloads.yaml:28)
    ::endgroup::
    planned; nothing was changed ((n) s: Release (n) s, Images (n) s, Registry (n) s, Manifests (n) s)
    next: `mode: apply` gives the images their tag and applies the manifests
    ");
    insta::assert_snapshot!(run.stable_summary(), @r#"
    ## 📝 Tagboat plan: v1.2.3

    Planned; nothing was changed.

    | version | tag | channel | environment | commit |
    | --- | --- | --- | --- | --- |
    | `1.2.3` | `v1.2.3` | stable | production | `5c0ffee5c0ff` |

    ### Images

    | service | image | old | new |  |
    | --- | --- | --- | --- | --- |
    | api | `HOST/acme/shop-api:v1.2.3` | — | `sha256:(12)` | create |
    | web | `HOST/acme/shop-web:v1.2.3` | — | `sha256:(12)` | create |
    | worker | `HOST/acme/shop-worker:v1.2.3` | — | `sha256:(12)` | create |

    Not ours: cache (`redis:7.4-alpine`: it has no `build` and doesn't lie under HOST/acme), db (`postgres:17-alpine`: it has no `build` and doesn't lie under HOST/acme).

    ### Waves

    ```mermaid
    flowchart TD
      subgraph w0["1 · definitions"]
        n0["Namespace shop"]
      end
      subgraph w1["2 · policy and identity"]
        n1["ServiceAccount shop/shop"]
      end
      subgraph w2["3 · configuration and storage"]
        n2["Secret shop/shop-database"]
        n3["ConfigMap shop/shop-settings"]
      end
      subgraph w3["4 · endpoints"]
        n4["Service shop/api"]
        n5["Service shop/cache"]
        n6["Service shop/web"]
      end
      subgraph w4["5 · workloads"]
        n7["Deployment shop/api"]
        n8["Deployment shop/cache"]
        n9["Deployment shop/web"]
        n10["Deployment shop/worker"]
      end
      w0 --> w1
      w1 --> w2
      w2 --> w3
      w3 --> w4
      n1 -.-> n7
      n1 -.-> n10
      n2 -.-> n7
      n2 -.-> n10
      n3 -.-> n7
      n3 -.-> n10
    ```

    ### Time

    | phase | took |
    | --- | --- |
    | Release | (n) s |
    | Images | (n) s |
    | Registry | (n) s |
    | Manifests | (n) s |

    ### Next

    - `mode: apply` gives the images their tag and applies the manifests
    "#);
    let requests = registry.requests();
    assert_eq!(requests.len(), count(&requests, "GET") + count(&requests, "HEAD"), "{requests:?}");
    assert_eq!((run.output("tag"), run.output("version"), run.output("channel")), ("v1.2.3", "1.2.3", "stable"));
    assert_eq!((run.output("environment"), run.output("outcome"), run.output("changed")), ("production", "planned", "false"));
    let digest = registry.digest("acme/shop-api", "latest").unwrap();
    assert_eq!(run.json("digests")["api"], digest.as_str());
    assert_eq!(run.json("images")[0]["tag"], "v1.2.3");
    assert_eq!(run.json("matrix")["include"][0]["environment"], "production");
    assert_eq!(run.json("plan")["skipped"][0]["service"], "cache");
}

#[test]
fn a_plan_on_a_branch_says_what_was_seen() {
    let registry = registry();
    let shop = Workspace::shop();
    let run = shop.step("plan").releases_from(&registry).git_ref("refs/heads/main").with_manifests().run();
    run.exits(0);
    insta::assert_snapshot!(run.group("Release"), @r#"
    no release: this run is not for a release: no release tag in `version` (not set), GITHUB_REF ("refs/heads/main"), the event ("push")
      start the workflow from a release or a `v*` tag (`on: release: types: [published]`), or set the input `version`; a branch is not a release, whatever its name
    "#);
    insta::assert_snapshot!(run.group("Registry"), @"
    api: HOST/acme/shop-api would be released from HOST/acme/shop-api:latest
    web: HOST/acme/shop-web would be released from HOST/acme/shop-web:latest
    worker: HOST/acme/shop-worker would be released from HOST/acme/shop-worker:latest
    cache (redis:7.4-alpine) is not released: it has no `build` and doesn't lie under HOST/acme
    db (postgres:17-alpine) is not released: it has no `build` and doesn't lie under HOST/acme
    ");
    assert_eq!((run.output("tag"), run.output("outcome")), ("", "planned"));
    assert!(registry.requests().is_empty());
}

#[test]
fn a_plan_without_a_registry_to_ask_is_a_plan_with_a_warning() {
    let shop = Workspace::shop();
    let host = format!("127.0.0.1:{}/acme", free_port());
    let run = shop.step("plan").tag("v1.2.3").env("REGISTRY", &host).input("registry", &host).with_manifests().run();
    run.exits(0);
    insta::assert_snapshot!(run.log(), @"
    ::add-mask::correct-horse-battery
    ::group::Release
    release v1.2.3 (from GITHUB_REF)
    version 1.2.3 · channel stable · environment production
    ::endgroup::
    ::group::Images
    read compose.yaml: 5 services
    ::endgroup::
    ::group::Registry
    SERVICE  IMAGE                             TAG  DIGEST  ACTION
    api      HOST/acme/shop-api                  unknown: couldn't use HOST/acme/shop-api
    web      HOST/acme/shop-web                  unknown: couldn't use HOST/acme/shop-web
    worker   HOST/acme/shop-worker               unknown: couldn't use HOST/acme/shop-worker
    cache (redis:7.4-alpine) is not released: it has no `build` and doesn't lie under HOST/acme
    db (postgres:17-alpine) is not released: it has no `build` and doesn't lie under HOST/acme
    (30 requests to the registry)
    ::warning file=compose.yaml,line=14,title=tagboat,col=12::compose.yaml:14:12: couldn't read HOST/acme/shop-api:latest, the image of service api%0Abecause: couldn't use HOST/acme/shop-api%0Abecause: couldn't reach the server: GET http://HOST/v2/acme/shop-api/manifests/latest%0Abecause: error sending request%0Abecause: client error (Connect)%0Abecause: tcp connect error%0Abecause: Connection refused (os error 111)%0Ahint: check `registry` and the network of the runner; a registry without TLS must be listed in `insecure-registries`
    ::warning file=compose.yaml,line=30,title=tagboat,col=12::compose.yaml:30:12: couldn't read HOST/acme/shop-web:latest, the image of service web%0Abecause: couldn't use HOST/acme/shop-web%0Abecause: couldn't reach the server: GET http://HOST/v2/acme/shop-web/manifests/latest%0Abecause: error sending request%0Abecause: client error (Connect)%0Abecause: tcp connect error%0Abecause: Connection refused (os error 111)%0Ahint: check `registry` and the network of the runner; a registry without TLS must be listed in `insecure-registries`
    ::warning file=compose.yaml,line=21,title=tagboat,col=12::compose.yaml:21:12: couldn't read HOST/acme/shop-worker:latest, the image of service worker%0Abecause: couldn't use HOST/acme/shop-worker%0Abecause: couldn't reach the server: GET http://HOST/v2/acme/shop-worker/manifests/latest%0Abecause: error sending request%0Abecause: client error (Connect)%0Abecause: tcp connect error%0Abecause: Connection refused (os error 111)%0Ahint: check `registry` and the network of the runner; a registry without TLS must be listed in `insecure-registries`
    ::endgroup::
    ::group::Manifests
    Deployment shop/api /spec/template/spec/containers/0/image: ghcr.io/acme/shop-api → HOST/acme/shop-api:v1.2.3
    Deployment shop/worker /spec/template/spec/initContainers/0/image: ghcr.io/acme/shop-api → HOST/acme/shop-api:v1.2.3
    Deployment shop/worker /spec/template/spec/containers/0/image: ghcr.io/acme/shop-worker → HOST/acme/shop-worker:v1.2.3
    Deployment shop/web /spec/template/spec/containers/0/image: shop-web → HOST/acme/shop-web:v1.2.3
    wave 1: definitions
      Namespace shop  (kubernetes/40-namespace.yaml:2)
      then wait until ready: Namespace shop
    wave 2: policy and identity
      ServiceAccount shop/shop  (kubernetes/30-settings.yaml:21)
    wave 3: configuration and storage
      Secret shop/shop-database  (kubernetes/30-settings.yaml:12)
      ConfigMap shop/shop-settings  (kubernetes/30-settings.yaml:1)
    wave 4: endpoints
      Service shop/api  (kubernetes/20-services.yaml:4)
      Service shop/cache  (kubernetes/20-services.yaml:12)
      Service shop/web  (kubernetes/20-services.yaml:8)
    wave 5: workloads
      Deployment shop/api  (kubernetes/10-workloads.yaml:2)
      Deployment shop/cache  (kubernetes/10-workloads.yaml:73)
      Deployment shop/web  (kubernetes/10-workloads.yaml:54)
      Deployment shop/worker  (kubernetes/10-workloads.yaml:28)
    ::endgroup::
    planned; nothing was changed ((n) s: Release (n) s, Images (n) s, Registry (n) s, Manifests (n) s)
    next: `mode: apply` gives the images their tag and applies the manifests
    ");
    assert_eq!(run.output("outcome"), "planned");
}

#[test]
fn a_plan_that_the_registry_denies_is_a_plan_with_a_warning() {
    let registry = Registry::start();
    registry.proxy().on(|_| true).fault(Fault::reply(403, r#"{"errors":[{"code":"DENIED","message":"not yours"}]}"#));
    let run = Workspace::shop().step("plan").releases_from(&registry).run();
    run.exits(0);
    insta::assert_snapshot!(run.group("Registry"), @"
    SERVICE  IMAGE                             TAG  DIGEST  ACTION
    api      HOST/acme/shop-api                  unknown: couldn't use HOST/acme/shop-api:latest: access is denied
    web      HOST/acme/shop-web                  unknown: couldn't use HOST/acme/shop-web:latest: access is denied
    worker   HOST/acme/shop-worker               unknown: couldn't use HOST/acme/shop-worker:latest: access is denied
    cache (redis:7.4-alpine) is not released: it has no `build` and doesn't lie under HOST/acme
    db (postgres:17-alpine) is not released: it has no `build` and doesn't lie under HOST/acme
    (6 requests to the registry)
    ::warning file=compose.yaml,line=14,title=tagboat,col=12::compose.yaml:14:12: couldn't read HOST/acme/shop-api:latest, the image of service api%0Abecause: couldn't use HOST/acme/shop-api:latest: access is denied%0Abecause: GET http://HOST/v2/acme/shop-api/manifests/latest answered 403 Forbidden: DENIED: not yours%0Ahint: give the credentials the right to pull and push this repository (on GitHub: `permissions: packages: write`, and the package linked to this repository)
    ::warning file=compose.yaml,line=30,title=tagboat,col=12::compose.yaml:30:12: couldn't read HOST/acme/shop-web:latest, the image of service web%0Abecause: couldn't use HOST/acme/shop-web:latest: access is denied%0Abecause: GET http://HOST/v2/acme/shop-web/manifests/latest answered 403 Forbidden: DENIED: not yours%0Ahint: give the credentials the right to pull and push this repository (on GitHub: `permissions: packages: write`, and the package linked to this repository)
    ::warning file=compose.yaml,line=21,title=tagboat,col=12::compose.yaml:21:12: couldn't read HOST/acme/shop-worker:latest, the image of service worker%0Abecause: couldn't use HOST/acme/shop-worker:latest: access is denied%0Abecause: GET http://HOST/v2/acme/shop-worker/manifests/latest answered 403 Forbidden: DENIED: not yours%0Ahint: give the credentials the right to pull and push this repository (on GitHub: `permissions: packages: write`, and the package linked to this repository)
    ");
}

#[test]
fn an_empty_repository_has_a_plan_too() {
    let run = Workspace::empty().step("plan").git_ref("refs/heads/main").run();
    run.exits(0);
    insta::assert_snapshot!(run.log(), @r#"
    ::group::Release
    no release: this run is not for a release: no release tag in `version` (not set), GITHUB_REF ("refs/heads/main"), the event ("push")
      start the workflow from a release or a `v*` tag (`on: release: types: [published]`), or set the input `version`; a branch is not a release, whatever its name
    ::endgroup::
    ::group::Images
    no compose file: no images are retagged, manifests keep their images
    ::endgroup::
    planned; nothing was changed ((n) s: Release (n) s, Images (n) s)
    "#);
}
