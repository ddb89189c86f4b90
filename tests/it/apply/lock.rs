//! Runs that deploy the same application at the same time.

use std::io::{BufRead as _, BufReader};
use std::process::Command;
use std::sync::mpsc::channel;

use super::action::{Workspace, mode};
use super::*;

fn path(shop: &Namespace) -> String {
    shop.group_path("coordination.k8s.io/v1", "leases/tagboat-shop")
}

fn holder(shop: &Namespace) -> Value {
    cluster().get(&path(shop)).unwrap_or_default()["spec"]["holderIdentity"].clone()
}

/// The lock as a run that said something at this time has left it.
fn hold(shop: &Namespace, renewed: &str) {
    let annotations = json!({"tagboat/run": "https://github.example/acme/shop/actions/runs/5"});
    let spec = json!({"holderIdentity": "5-1-a", "leaseDurationSeconds": 60, "renewTime": renewed, "leaseTransitions": 2});
    let lease = json!({"metadata": {"name": "tagboat-shop", "annotations": annotations}, "spec": spec});
    cluster().create(&shop.group_path("coordination.k8s.io/v1", "leases"), &lease);
}

/// The requests of a run that are about the lock.
fn about_the_lock(proxy: &Proxy, since: usize) -> Vec<String> {
    let requests = proxy.requests_since(since);
    requests.iter().filter(|r| r.path().contains("/leases")).map(|r| r.method.clone()).collect()
}

#[test]
fn of_two_runs_at_once_the_second_waits_and_writes_nothing_that_the_first_has_done() {
    let shop = cluster().namespace("shop");
    let (proxy, beside) = (cluster().proxy(), cluster().proxy());
    let ((reached, begun), (open, gate)) = (channel(), channel::<()>());
    // The first run is held up in the middle of its writes until the second one waits for it.
    let is_last_write = |r: &Recorded| r.method == "PATCH" && r.path().ends_with("/deployments/api") && !r.target.contains("dryRun");
    let held_up = move |r: &Recorded| {
        let matches = is_last_write(r);
        if matches {
            let _ = reached.send(());
            let _ = gate.recv();
        }
        matches
    };
    proxy.on(held_up).fault(Fault::Delay(Duration::ZERO));
    let first = Workspace::new(&shop, "api", "one").attempt(5, 1).through(&cluster().kubeconfig_through(&proxy));
    let first = first.command("v1.0.0", &[]).spawn().expect("the binary runs");
    begun.recv().expect("the first run writes");

    let workspace = Workspace::new(&shop, "api", "one").attempt(6, 1).through(&cluster().kubeconfig_through(&beside));
    let mut second = workspace.command("v1.0.0", &[]).spawn().expect("the binary runs");
    let mut lines = BufReader::new(second.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    let waits = lines.by_ref().find(|line| line.starts_with("waiting for another run"));
    let log = waits.expect("it waits");
    assert!(log.contains(": 5-1-") && log.contains("(https://github.example/acme/shop/actions/runs/5) holds Lease"), "{log}");
    drop(open);
    let first = first.wait_with_output().expect("it ends");
    assert_eq!(first.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.stdout));
    let log: Vec<String> = lines.collect();
    let log = log.join("\n");
    assert_eq!(second.wait().expect("it ends").code(), Some(0), "{log}");
    assert!(log.contains("planned again") && log.contains("0 created, 0 changed, 2 unchanged"), "{log}");
    assert_eq!(writes(&beside.requests()), <Vec<String>>::new());
    assert_eq!(holder(&shop), json!(""));
}

#[test]
fn a_run_that_waits_in_vain_times_out_and_has_written_nothing() {
    let shop = cluster().namespace("shop");
    hold(&shop, "2999-01-01T00:00:00.000000Z");
    let before = cluster().get(&path(&shop));
    let (code, log) = Workspace::new(&shop, "api", "one").run("v1.0.0", &["--timeout=3s"]);
    assert_eq!(code, Some(4), "{log}");
    assert!(
        log.contains("another run deploys this application: 5-1-a (https://github.example/acme/shop/actions/runs/5) has held"),
        "{log}"
    );
    assert!(mode(&shop).is_null() && cluster().get(&path(&shop)) == before, "{log}");
}

#[test]
fn the_lock_of_a_run_that_was_killed_is_taken_over_when_it_has_expired() {
    let shop = cluster().namespace("shop");
    hold(&shop, "2020-01-01T00:00:00.000000Z");
    let (code, log) = Workspace::new(&shop, "api", "one").run("v1.0.0", &[]);
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("taken over: its holder 5-1-a") && !log.contains("waiting for another run"), "{log}");
    let lease = cluster().get(&path(&shop)).expect("it stays");
    assert_eq!((&lease["spec"]["holderIdentity"], &lease["spec"]["leaseTransitions"]), (&json!(""), &json!(3)));
    assert!(lease["metadata"]["annotations"].get("tagboat/run").is_none(), "{lease}");
}

#[test]
fn the_lock_is_given_back_after_success_and_failure_and_when_the_run_is_cancelled() {
    let shop = cluster().namespace("shop");
    assert!(holder(&shop).is_null());
    assert_eq!(Workspace::new(&shop, "api", "one").run("v1.0.0", &[]).0, Some(0));
    assert_eq!(holder(&shop), json!(""));
    assert_eq!(Workspace::new(&shop, "missing", "two").run("v1.1.0", &[]).0, Some(4));
    assert_eq!(holder(&shop), json!(""));

    let workspace = Workspace::new(&shop, "unready", "three");
    let mut run = workspace.command("v1.2.0", &[]).spawn().expect("the binary runs");
    let mut lines = BufReader::new(run.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("is available") || line.contains("replica")), "it ended before it waited");
    assert_ne!(holder(&shop), json!(""));
    assert!(Command::new("kill").args(["-INT", &run.id().to_string()]).status().expect("kill runs").success());
    let rest: Vec<String> = lines.collect();
    assert_eq!(run.wait().expect("it ends").code(), Some(130), "{}", rest.join("\n"));
    assert_eq!(holder(&shop), json!(""));
}

#[test]
fn the_lock_costs_three_requests() {
    let (shop, proxy) = (cluster().namespace("shop"), cluster().proxy());
    let kubeconfig = cluster().kubeconfig_through(&proxy);
    assert_eq!(Workspace::new(&shop, "api", "one").through(&kubeconfig).run("v1.0.0", &[]).0, Some(0));
    assert_eq!(about_the_lock(&proxy, 0), ["GET", "POST", "PUT"]);
    let seen = proxy.requests().len();
    assert_eq!(Workspace::new(&shop, "api", "two").through(&kubeconfig).run("v1.1.0", &[]).0, Some(0));
    assert_eq!(about_the_lock(&proxy, seen), ["GET", "PUT", "PUT"]);
}

#[test]
fn a_lock_that_somebody_has_touched_meanwhile_is_given_back_and_one_that_is_deleted_is_not_made_again() {
    for (touch, ends) in [(["label", "seen=yes"], json!("")), (["delete", "--wait=true"], Value::Null)] {
        let (shop, proxy) = (cluster().namespace("shop"), cluster().proxy());
        let namespace = shop.name().to_owned();
        let is_last_write = |r: &Recorded| r.method == "PATCH" && r.path().ends_with("/deployments/api") && !r.target.contains("dryRun");
        let touched = move |r: &Recorded| {
            let matches = is_last_write(r);
            if matches {
                let [verb, argument] = touch;
                let done = cluster().kubectl(&[verb, "--namespace", &namespace, "lease/tagboat-shop", argument]);
                assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            }
            matches
        };
        proxy.on(touched).fault(Fault::Delay(Duration::ZERO));
        let (code, log) = Workspace::new(&shop, "api", "one").through(&cluster().kubeconfig_through(&proxy)).run("v1.0.0", &[]);
        assert_eq!((code, holder(&shop)), (Some(0), ends), "{touch:?}: {log}");
        assert!(!log.contains("couldn't give"), "{touch:?}: {log}");
    }
}

#[test]
fn a_run_that_changes_nothing_asks_for_no_lock() {
    let (shop, proxy) = (cluster().namespace("shop"), cluster().proxy());
    let workspace = Workspace::new(&shop, "api", "one").through(&cluster().kubeconfig_through(&proxy));
    assert_eq!(workspace.run("v1.0.0", &[]).0, Some(0));
    let before = proxy.requests().len();
    assert_eq!(workspace.run("v1.0.0", &[]).0, Some(0));
    let requests = proxy.requests_since(before);
    assert!(!requests.is_empty() && requests.iter().all(|r| r.method == "GET" && !r.path().contains("/leases")), "{requests:?}");
}

#[test]
fn an_account_that_may_not_lock_deploys_with_a_warning() {
    let shop = cluster().namespace("shop");
    let rules = json!([
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch", "create", "patch"]},
        {"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["get", "list", "create", "patch", "delete"]},
    ]);
    let workspace = Workspace::new(&shop, "api", "one").through(&shop.service_account(&rules));
    let (code, log) = workspace.run("v1.0.0", &[]);
    assert_eq!(code, Some(0), "{log}");
    let warned = format!(
        "warning: tagboat: the account may not get, create, update leases.coordination.k8s.io in namespace {}, so nothing keeps another run \
         from deploying the same at the same time",
        shop.name()
    );
    assert!(log.contains(&warned), "{log}");
    assert_eq!(mode(&shop), json!("one"));
}
