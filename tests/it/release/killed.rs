//! Runs that are killed or cancelled, with everything on that writes: after each single write, and in each phase. Whatever they leave, the
//! next run goes on from there, or goes back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use super::prune::inventory;
use crate::harness::{Run, Running, Step, Workspace};
use crate::servers::{Fault, Namespace, Proxy, Recorded, cluster, has_succeeded};

const FOREVER: Fault = Fault::Delay(Duration::from_secs(86_400));

/// A small application that uses everything: configuration that pods read, a Job that gives way, an object that each release drops,
/// and a check.
struct Shop {
    space: Namespace,
    proxy: Proxy,
    workspace: Workspace,
    updates: &'static str,
    /// How often the workflow's run has been attempted: the next attempt may take the lock over.
    attempts: usize,
}

impl Shop {
    fn new(updates: &'static str) -> Self {
        Self { space: cluster().namespace("killed"), proxy: cluster().proxy(), workspace: Workspace::empty(), updates, attempts: 0 }
    }

    /// The next release: what its configuration says, the image of its pods and that of its check.
    fn is_to_be(&self, mode: &str, image: &str, check: &str) {
        let metadata = |name: &str| format!("metadata: {{name: {name}}}");
        let job = |name: &str, image: &str| {
            format!(
                "{{apiVersion: batch/v1, kind: Job, {}, spec: {{backoffLimit: 0, template: {{spec: {{restartPolicy: Never, containers: \
                 [{{name: {name}, image: registry.example/acme/{image}:v1, args: [{mode}]}}]}}}}}}}}\n",
                metadata(name)
            )
        };
        let config = |name: &str| format!("{{apiVersion: v1, kind: ConfigMap, {}, data: {{MODE: {mode}}}}}\n", metadata(name));
        let secret = format!("{{apiVersion: v1, kind: Secret, {}, stringData: {{PASSWORD: password-of-{mode}}}}}\n", metadata("database"));
        let api = format!(
            "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: api}}
spec:
  revisionHistoryLimit: 0
  selector: {{matchLabels: {{app: api}}}}
  template:
    metadata: {{labels: {{app: api}}}}
    spec:
      initContainers: [{{name: wait, image: registry.example/acme/wait:v1, env: [{{name: P, valueFrom: {{secretKeyRef: {{name: database, key: PASSWORD}}}}}}]}}]
      containers: [{{name: api, image: registry.example/acme/{image}:v1, envFrom: [{{configMapRef: {{name: settings}}}}]}}]
"
        );
        let dropped = config(&format!("only-{mode}"));
        self.workspace.write("kubernetes/app.yaml", &[config("settings"), secret, job("migrate", "migrate"), dropped, api].join("---\n"));
        self.workspace.write("kubernetes/checks/smoke.yaml", &job("smoke", check));
    }

    fn step(&mut self) -> Step<'_> {
        self.attempts += 1;
        let modes = self.workspace.read("kubernetes/app.yaml");
        let password = modes.split("PASSWORD: ").nth(1).and_then(|rest| rest.split('}').next()).unwrap_or_default().to_owned();
        self.workspace
            .step("apply")
            .input("manifests", "kubernetes/")
            .input("checks", "kubernetes/checks")
            .input("prune", "true")
            .input("config-updates", self.updates)
            .input("app", "shop")
            .input("namespace", self.space.name())
            .input("kubeconfig", &cluster().kubeconfig_through(&self.proxy))
            .secret(&password)
            .env("GITHUB_RUN_ID", "7")
            .env("GITHUB_RUN_ATTEMPT", &self.attempts.to_string())
    }

    /// Releases, and again, which writes nothing; everything is as the release wants it.
    fn releases(&mut self, mode: &str) {
        self.is_to_be(mode, "api", "check");
        self.step().run().exits(0);
        self.is(mode);
        let seen = self.proxy.requests().len();
        let again = self.step().run();
        again.exits(0);
        let written: Vec<String> = self.proxy.requests_since(seen).iter().filter(|r| is_write(r)).map(Recorded::line).collect();
        assert_eq!((again.output("outcome"), written), ("unchanged", Vec::new()), "{}", again.transcript);
    }

    /// Starts a run of which no more than `passed` writes get to the server, counted from where the run is to be; killed when it asks for one
    /// more. Whether it did.
    fn is_killed_after(&mut self, passed: usize, from: From) -> (bool, Run) {
        let (begun, count) = (AtomicBool::new(from == From::Start), AtomicUsize::new(0));
        let is_one_more = move |r: &Recorded| {
            let counts = is_write(r) && begun.load(Ordering::Relaxed);
            if is_real_patch(r, "/jobs/smoke") {
                begun.store(true, Ordering::Relaxed);
            }
            counts && count.fetch_add(1, Ordering::Relaxed) >= passed
        };
        let held = self.hold(is_one_more);
        let mut running = self.step().start();
        let mut killed = false;
        while !killed && !running.has_ended() {
            killed = held.recv_timeout(Duration::from_millis(20)).is_ok();
        }
        if killed {
            running.signal("KILL");
        }
        let run = running.end();
        self.proxy.heal();
        (killed, run)
    }

    /// Holds requests up for good, and tells of each.
    fn hold(&self, matches: impl Fn(&Recorded) -> bool + Send + 'static) -> Receiver<()> {
        let (reached, held) = channel();
        let tells = move |r: &Recorded| {
            let matches = matches(r);
            if matches {
                let _ = reached.send(());
            }
            matches
        };
        self.proxy.on(tells).fault(FOREVER);
        held
    }

    fn is_recorded(&self) -> bool {
        cluster().get(&self.space.path("secrets/tagboat-unfinished-shop")).is_some()
    }

    /// How often the pods have been replaced, as their controller counts.
    fn revision(&self) -> u32 {
        let live = self.space.deployment("api").unwrap_or_default();
        live["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// What the pods of a template read: the settings' content.
    fn read_by(&self, workload: &Value) -> Value {
        let name = workload["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"].as_str();
        let name = name.unwrap_or_else(|| panic!("it reads nothing: {workload}"));
        let settings = cluster().get(&self.space.path(&format!("configmaps/{name}")));
        settings.unwrap_or_else(|| panic!("{name} is gone, which {} reads", workload["metadata"]["name"]))["data"]["MODE"].clone()
    }

    #[track_caller]
    fn is(&self, mode: &str) {
        let api = self.space.deployment("api").expect("it is there");
        assert_eq!(self.read_by(&api), mode);
        assert_eq!((&api["status"]["readyReplicas"], &api["status"]["updatedReplicas"]), (&json!(1), &json!(1)));
        for name in ["migrate", "smoke"] {
            let job = self.space.job(name).expect("it is there");
            assert_eq!(job["spec"]["template"]["spec"]["containers"][0]["args"], json!([mode]));
            assert!(has_succeeded(&job), "{}", job["status"]);
        }
        let names: Vec<String> = self.configs().into_keys().filter(|name| name.starts_with("configmaps/only-")).collect();
        assert_eq!(names, [format!("configmaps/only-{mode}")]);
        assert!(!self.is_recorded());
        let versioned = self.updates == "versioned";
        let plain = if versioned { &[][..] } else { &["ConfigMap/settings", "Secret/database"][..] };
        let mut known: Vec<String> = plain.iter().map(|name| (*name).to_owned()).collect();
        known.extend([format!("ConfigMap/only-{mode}"), "Deployment/api".into(), "Job/migrate".into(), "Job/smoke".into()]);
        known.sort();
        let mut inventory = inventory(&self.space);
        inventory.sort();
        assert_eq!(inventory, known);
        // Whatever there is that could be gone back to finds its content.
        let sets = cluster().get(&self.space.group_path("apps/v1", "replicasets")).expect("a list");
        for set in sets["items"].as_array().expect("a list") {
            self.read_by(set);
        }
    }

    /// Configuration as people see it, by kind and name.
    fn configs(&self) -> BTreeMap<String, Value> {
        let list = |collection: &str| {
            let all = cluster().get(&self.space.path(collection)).expect("a list");
            let items = all["items"].as_array().expect("a list").clone();
            let named = items.into_iter().map(move |item| (item["metadata"]["name"].as_str().unwrap_or_default().to_owned(), item));
            named.filter(|(name, _)| !name.starts_with("tagboat-") && name != "kube-root-ca.crt").collect::<Vec<_>>()
        };
        let named =
            ["configmaps", "secrets"].map(|collection| list(collection).into_iter().map(move |(name, _)| format!("{collection}/{name}")));
        let paths: Vec<String> = named.into_iter().flatten().collect();
        paths.into_iter().map(|path| (path.clone(), cluster().meant(&self.space.path(&path)).unwrap_or_default())).collect()
    }

    /// Everything that a rollback has to bring back.
    fn picture(&self) -> BTreeMap<String, Value> {
        let mut all = self.configs();
        all.insert("api".into(), cluster().meant(&self.space.group_path("apps/v1", "deployments/api")).unwrap_or_default());
        all
    }

    /// Tries a release whose check fails, and is back at what was.
    #[track_caller]
    fn goes_back_to(&mut self, before: &BTreeMap<String, Value>) {
        let run = self.step().run();
        run.exits(4);
        assert_eq!(&self.picture(), before, "{}", run.transcript);
        assert!(!self.is_recorded(), "{}", run.transcript);
        assert_eq!(self.space.deployment("api").expect("it is there")["status"]["readyReplicas"], 1);
    }
}

/// From which write on is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Start,
    /// After the check has been made: when it fails, the rollback begins.
    Check,
}

/// Reviews of permissions are asked by POST, too.
fn is_write(r: &Recorded) -> bool {
    matches!(r.method.as_str(), "PATCH" | "PUT" | "DELETE" | "POST")
        && !r.target.contains("dryRun")
        && !r.path().starts_with("/apis/authorization.k8s.io/")
}

fn is_real_patch(r: &Recorded, object: &str) -> bool {
    r.method == "PATCH" && is_write(r) && r.path().ends_with(object)
}

/// An apply that is killed after each of its writes, each time on the way to another release.
fn an_apply_is_finished(updates: &'static str) {
    let mut shop = Shop::new(updates);
    shop.releases("before");
    let mut passed = 0;
    loop {
        let (mode, revision) = (format!("after-{passed}"), shop.revision());
        shop.is_to_be(&mode, "api", "check");
        let (killed, run) = shop.is_killed_after(passed, From::Start);
        shop.releases(&mode);
        assert_eq!(shop.revision(), revision + 1, "pods are replaced once\n{}", run.transcript);
        if !killed {
            run.exits(0);
            break;
        }
        passed += 1;
    }
    assert!(passed >= 13, "lock, record, inventory, four objects, two Jobs that give way, and all of that away again: {passed}");
}

#[test]
fn an_apply_killed_after_any_write_is_finished_by_the_next_run() {
    an_apply_is_finished("restart");
}

#[test]
fn an_apply_with_versions_killed_after_any_write_is_finished_by_the_next_run() {
    an_apply_is_finished("versioned");
}

/// A release whose check fails, killed after each write from there on. The next run is as bad, and takes both back, or good.
fn a_rollback_is_finished(updates: &'static str) {
    let mut shop = Shop::new(updates);
    shop.releases("before");
    let mut before = shop.picture();
    let mut passed = 0;
    loop {
        shop.is_to_be("broken", "api", "crash");
        let (killed, run) = shop.is_killed_after(passed, From::Check);
        if passed % 2 == 0 {
            shop.goes_back_to(&before);
        } else {
            shop.releases(&format!("after-{passed}"));
            before = shop.picture();
        }
        if !killed {
            run.exits(4);
            break;
        }
        passed += 1;
    }
    assert!(passed >= 6, "four objects brought back or removed, record and lock: {passed}");
}

#[test]
fn a_rollback_killed_after_any_write_is_finished_by_the_next_run() {
    a_rollback_is_finished("restart");
}

#[test]
fn a_rollback_with_versions_killed_after_any_write_is_finished_by_the_next_run() {
    a_rollback_is_finished("versioned");
}

#[test]
fn a_release_killed_at_its_very_end_can_still_be_taken_back() {
    let mut shop = Shop::new("versioned");
    shop.releases("before");
    let before = shop.picture();
    shop.is_to_be("next", "api", "check");
    let held = shop.hold(|r| r.method == "DELETE" && r.path().ends_with("/tagboat-unfinished-shop"));
    let running = shop.step().start();
    held.recv().expect("it comes to its end");
    running.signal("KILL");
    running.end();
    shop.proxy.heal();
    assert!(shop.is_recorded());
    shop.is_to_be("broken", "api", "crash");
    shop.goes_back_to(&before);
}

/// Where a run is when it is cancelled.
struct Phase {
    name: &'static str,
    image: &'static str,
    check: &'static str,
    holds: fn(&Shop) -> Option<Receiver<()>>,
    says: &'static str,
    leaves_a_record: bool,
}

const PHASES: [Phase; 5] = [
    Phase {
        name: "planning",
        image: "api",
        check: "check",
        holds: |shop| Some(shop.hold(|r| r.target.contains("dryRun"))),
        says: "",
        leaves_a_record: false,
    },
    Phase {
        name: "applying",
        image: "api",
        check: "check",
        holds: |shop| Some(shop.hold(|r| is_real_patch(r, "/configmaps/settings"))),
        says: "",
        leaves_a_record: true,
    },
    Phase { name: "waiting", image: "unready", check: "check", holds: |_| None, says: "/migrate: ready after", leaves_a_record: true },
    Phase { name: "checking", image: "api", check: "unready", holds: |_| None, says: "/smoke: 0 of 1 completed", leaves_a_record: true },
    Phase {
        name: "rolling back",
        image: "api",
        check: "crash",
        holds: |shop| {
            // The second write of it, after that of the apply.
            let seen = AtomicUsize::new(0);
            Some(shop.hold(move |r| is_real_patch(r, "/configmaps/settings") && seen.fetch_add(1, Ordering::Relaxed) == 1))
        },
        says: "",
        leaves_a_record: true,
    },
];

impl Phase {
    /// Starts a release and ends it in this phase.
    fn cut(&self, shop: &mut Shop, mode: &str, signals: &[&str]) -> Run {
        shop.is_to_be(mode, self.image, self.check);
        let held = (self.holds)(shop);
        let mut running: Running = shop.step().start();
        match held {
            Some(held) => held.recv().expect("it comes there"),
            None => running.until_it_says(self.says),
        }
        for signal in signals {
            running.signal(signal);
        }
        let run = running.end();
        shop.proxy.heal();
        run
    }
}

#[test]
fn a_run_cancelled_in_any_phase_leaves_what_the_next_run_needs() {
    let mut shop = Shop::new("restart");
    shop.releases("before");
    for phase in &PHASES {
        let (before, seen) = (shop.picture(), shop.proxy.requests().len());
        let run = phase.cut(&mut shop, &format!("cancelled-{}", seen), &["TERM"]);
        run.exits(130).says("cancelled by SIGTERM");
        assert_eq!(run.output("outcome"), "cancelled");
        let written = shop.proxy.requests_since(seen).iter().any(is_write);
        assert_eq!((shop.is_recorded(), written), (phase.leaves_a_record, phase.leaves_a_record), "{}", phase.name);
        let lease = cluster().get(&shop.space.group_path("coordination.k8s.io/v1", "leases/tagboat-shop")).expect("it stays");
        assert_eq!(lease["spec"]["holderIdentity"], "", "{}", phase.name);
        shop.is_to_be("broken", "api", "crash");
        shop.goes_back_to(&before);

        // The runner's patience ends: killed on the way out.
        let run = phase.cut(&mut shop, &format!("killed-{}", seen), &["TERM", "KILL"]);
        assert!(matches!(run.exit, None | Some(130)), "{}", phase.name);
        assert_eq!(shop.is_recorded(), phase.leaves_a_record, "{}", phase.name);
        shop.releases(&format!("after-{seen}"));
    }
}
