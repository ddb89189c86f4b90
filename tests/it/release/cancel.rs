//! A person cancels the workflow: the runner sends SIGINT, and SIGTERM 7.5 seconds later.

use std::time::Duration;

use crate::harness::Workspace;
use crate::servers::{Fault, Platforms, cluster};

use super::{Place, applies, registry};

#[test]
fn a_rollout_that_is_cancelled_tells_what_it_changed_and_the_next_run_finishes_it() {
    for signal in ["INT", "TERM"] {
        let (registry, place, proxy) = (registry(), Place::new(), cluster().proxy());
        registry.push_image("acme/shop-unready", "latest", Platforms::One);
        let shop = Workspace::shop_in(&place.name());
        shop.edit("compose.yaml", "shop-worker:latest", "shop-unready:latest");
        let step = shop.step("apply").releases_from(&registry).with_manifests().input("kubeconfig", &cluster().kubeconfig_through(&proxy));
        let mut running = step.clone().start();
        running.until_it_says("/worker: 0 of 1 replica is available");
        let (run, took) = running.ends_after(signal);
        run.exits(130);
        assert!(took < Duration::from_secs(7), "it took {took:?}");
        assert_eq!((run.output("outcome"), run.output("changed")), ("cancelled", "true"));
        run.says(&format!("cancelled by SIG{signal}")).says("changed before it ended:");
        run.sums_up("⏹️ Tagboat apply: v1.2.3").sums_up("All 14 changes, in order").sums_up("| Apply | ");
        let applied = run.json("applied");
        assert!(applied.as_array().unwrap().iter().all(|object| object["action"] == "created"), "{applied}");
        if signal == "INT" {
            insta::assert_snapshot!(run.ending(), @"
            ::error title=tagboat::cancelled by SIGINT%0Ahint: run it again: what is done already is not repeated, and the rest is finished
            changed before it ended:
              HOST/acme/shop-api:v1.2.3: new, sha256:(64)
              HOST/acme/shop-web:v1.2.3: new, sha256:(64)
              HOST/acme/shop-unready:v1.2.3: new, sha256:(64)
              Namespace NAMESPACE: new, applied
              ServiceAccount NAMESPACE/shop: new, applied
              Secret NAMESPACE/shop-database: new, applied
              ConfigMap NAMESPACE/shop-settings: new, applied
              Service NAMESPACE/api: new, applied
              Service NAMESPACE/cache: new, applied
              Service NAMESPACE/web: new, applied
              Deployment NAMESPACE/api: new, applied
              Deployment NAMESPACE/cache: new, applied
              Deployment NAMESPACE/web: new, applied
              Deployment NAMESPACE/worker: new, applied
            cancelled; 14 things were changed ((n) s: Release (n) s, Images (n) s, Registry (n) s, Manifests (n) s, Plan (n) s, Retag (n) s, Apply (n) s)
            ");
        }

        // What the pod waited for has come.
        place.make_ready("worker");
        let seen = proxy.requests().len();
        let next = step.run();
        next.exits(0);
        assert_eq!(next.output("outcome"), "unchanged");
        assert_eq!(applies(&proxy.requests_since(seen)), Vec::<String>::new());
        place.has_rolled_out("worker");
    }
}

#[test]
fn a_write_without_an_answer_is_told_as_uncertain() {
    let registry = registry();
    let is_held = |target: &str| target.contains("shop-web");
    registry
        .proxy()
        .on(move |request| request.method == "PUT" && is_held(&request.target))
        .fault(Fault::Delay(Duration::from_secs(86_400)));
    let shop = Workspace::shop();
    let mut running = shop.step("retag").releases_from(&registry).start();
    running.until_it_says("v1.2.3 is sha256:");
    running.until_it_says("v1.2.3 is sha256:");
    let (run, took) = running.ends_after("TERM");
    run.exits(130);
    assert!(took < Duration::from_secs(7), "it took {took:?}");
    insta::assert_snapshot!(run.ending(), @"
    ::error title=tagboat::cancelled by SIGTERM%0Ahint: run it again: what is done already is not repeated, and the rest is finished
    changed before it ended:
      HOST/acme/shop-api:v1.2.3: new, sha256:(64)
      HOST/acme/shop-web:v1.2.3: new, sha256:(64) (sent, no answer seen: may or may not have taken effect)
      HOST/acme/shop-worker:v1.2.3: new, sha256:(64)
    cancelled; 2 changes were made, 1 more may or may not have been ((n) s: Release (n) s, Images (n) s, Registry (n) s, Retag (n) s)
    ");
    run.sums_up("sent, no answer seen");
}
