//! Whole runs of the real binary on real servers, as a workflow starts them, and what a person sees of them.

mod adopted;
mod app;
mod apply;
mod cancel;
mod checks;
mod commit;
mod connection;
mod enterprise;
mod inputs;
mod killed;
mod manifests;
mod permissions;
mod plan;
mod promotion;
mod prune;
mod pull_request;
mod reach;
mod render;
mod retag;
mod ssh;
mod trace;
mod untrusted;

use crate::harness::Step;
use crate::servers::{Namespace, Platforms, Recorded, Registry, cluster};

const SERVICES: [&str; 3] = ["api", "web", "worker"];
const PASSWORD: &str = "correct-horse-battery";

/// A registry with the three images of the shop as a build has left them.
fn registry() -> Registry {
    let registry = Registry::start();
    push_images(&registry);
    registry
}

fn push_images(registry: &Registry) {
    for service in SERVICES {
        registry.push_image(&format!("acme/shop-{service}"), "latest", Platforms::Several);
    }
}

impl Step<'_> {
    /// The release v1.2.3 of the shop, whose images are in this registry.
    fn releases_from(self, registry: &Registry) -> Self {
        let prefix = format!("{}/acme", registry.host());
        self.tag("v1.2.3").env("REGISTRY", &prefix).input("registry", &prefix)
    }

    /// The manifests of the shop, and which image of theirs is which service's.
    fn with_manifests(self) -> Self {
        self.input("manifests", "kubernetes/")
            .input("variables", &format!("DATABASE_PASSWORD={PASSWORD}"))
            .input("image-names", "ghcr.io/acme/shop-api: api\nghcr.io/acme/shop-worker: worker\nshop-web: web")
            .secret(PASSWORD)
    }
}

/// The name of a namespace that the shop's own manifest makes; deleted in the end.
struct Place(Namespace);

impl Place {
    fn new() -> Place {
        Place(cluster().namespace("shop"))
    }

    fn name(&self) -> String {
        format!("{}-release", self.0.name())
    }

    fn live(&self, path: &str) -> Option<serde_json::Value> {
        let (group, rest) = path.split_once(':').expect("GROUP:COLLECTION/NAME");
        let prefix = if group == "v1" { "/api/v1".to_owned() } else { format!("/apis/{group}") };
        cluster().get(&format!("{prefix}/namespaces/{}/{rest}", self.name()))
    }

    fn deployment(&self, name: &str) -> serde_json::Value {
        self.live(&format!("apps/v1:deployments/{name}")).unwrap_or_else(|| panic!("there is no Deployment {name}"))
    }

    fn image(&self, deployment: &str) -> String {
        self.deployment(deployment)["spec"]["template"]["spec"]["containers"][0]["image"]
            .as_str()
            .expect("a container has an image")
            .to_owned()
    }

    /// Asserts that a Deployment runs what its newest generation says, and nothing else.
    #[track_caller]
    fn has_rolled_out(&self, name: &str) {
        let live = self.deployment(name);
        assert_eq!(live["metadata"]["generation"], live["status"]["observedGeneration"], "{name}");
        for count in ["replicas", "updatedReplicas", "availableReplicas"] {
            assert_eq!(live["status"][count], live["spec"]["replicas"], "{name}: {count}");
        }
    }

    /// Marks all pods of the Deployment's as ready, as if what they waited for had come.
    fn make_ready(&self, app: &str) {
        let name = self.name();
        let pods = ["--namespace", &name, "get", "pods", "--selector", &format!("app={app}"), "--output", "name"].map(str::to_owned);
        let listed = cluster().kubectl(&pods.each_ref().map(String::as_str));
        for pod in String::from_utf8_lossy(&listed.stdout).lines() {
            let patch =
                r#"{"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"}]}}"#;
            let done =
                cluster().kubectl(&["--namespace", &name, "patch", pod, "--subresource=status", "--type=strategic", "--patch", patch]);
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // That it can't be deleted is nobody's loss: the cluster goes with the test run.
        let _ = cluster().kubectl(&["delete", "namespace", &self.name(), "--wait=false", "--ignore-not-found"]);
    }
}

fn count(requests: &[Recorded], method: &str) -> usize {
    requests.iter().filter(|request| request.method == method).count()
}

/// The real applies among requests to the API server.
fn applies(requests: &[Recorded]) -> Vec<String> {
    let real = requests.iter().filter(|request| !["GET", "HEAD"].contains(&request.method.as_str()));
    let real = real.filter(|request| !request.target.contains("dryRun") && !request.target.contains("/selfsubject"));
    real.map(|request| request.path().to_owned()).collect()
}
