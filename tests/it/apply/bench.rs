//! What an apply costs beside kubectl; `bench/apply/run` runs it with the release binary.

use std::process::Command;
use std::time::Instant;

use super::figures::large_set;
use super::*;
use crate::servers::command;

/// Requests and seconds of a command, in front of which a proxy adds 20 ms to each request.
fn measured(name: &str, proxy: &Proxy, command: &mut Command) {
    let before = proxy.requests().len();
    let started = Instant::now();
    let output = command.output().unwrap_or_else(|e| panic!("couldn't run {command:?}: {e}"));
    let took = started.elapsed();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let requests = proxy.requests_since(before);
    let watches = requests.iter().filter(|r| r.target.contains("watch=")).count();
    println!("| {name} | {} | {watches} | {} | {:.2} s |", requests.len(), writes(&requests).len(), took.as_secs_f64());
}

#[test]
#[ignore = "a measurement: bench/apply/run"]
fn two_hundred_objects() {
    let binary = std::env::var_os("TAGBOAT_BENCH").expect("TAGBOAT_BENCH names the binary to measure");
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap_or_else(|e| panic!("couldn't write {}: {e}", file.display()));
        file
    };
    let manifests = file("all.yaml", &large_set());
    let proxy = cluster().proxy();
    proxy.delay(Duration::from_millis(20));
    let kubeconfig = file("kubeconfig", &cluster().kubeconfig_through(&proxy));
    let tagboat = |space: &Namespace, wait: &str| {
        let mut tagboat = Command::new(&binary);
        tagboat.env_clear().env("HOME", folder.path()).env("KUBECONFIG", &kubeconfig).current_dir(folder.path());
        tagboat.args(["--mode=apply", "--manifests=all.yaml", "--namespace", space.name(), wait]);
        tagboat
    };
    let kubectl = |space: &Namespace| {
        let mut kubectl = Command::new(command("kubernetes", "kubectl"));
        kubectl.env("KUBECONFIG", &kubeconfig).arg("--cache-dir").arg(folder.path().join("cache"));
        kubectl.args(["--namespace", space.name(), "apply", "--server-side", "-f"]).arg(&manifests);
        kubectl
    };
    println!("| 200 objects in 12 kinds, 18 Deployments | requests | of them watches | writes | wall |");
    println!("| --- | --- | --- | --- | --- |");
    let (one, two, three) = (cluster().namespace("bench"), cluster().namespace("bench"), cluster().namespace("bench"));
    measured("tagboat, first time, without waiting", &proxy, &mut tagboat(&one, "--wait=false"));
    measured("tagboat, first time, waiting", &proxy, &mut tagboat(&two, "--wait=true"));
    measured("tagboat, again", &proxy, &mut tagboat(&two, "--wait=true"));
    measured("kubectl apply --server-side, first time", &proxy, &mut kubectl(&three));
    measured("kubectl apply --server-side, again", &proxy, &mut kubectl(&three));
}
