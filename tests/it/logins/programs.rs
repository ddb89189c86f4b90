//! Programs that a kubeconfig leaves the login to, run as kubectl runs them.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::servers::Fault;

/// A program that says how often it was run, a script of the shell.
struct Program {
    folder: tempfile::TempDir,
}

impl Program {
    fn new(script: &str) -> Program {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bin/login");
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        std::fs::write(&file, format!("#!/bin/sh\necho x >> '{}/runs'\n{script}", folder.path().display())).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        Program { folder }
    }

    fn runs(&self) -> usize {
        std::fs::read_to_string(self.folder.path().join("runs")).unwrap_or_default().lines().count()
    }

    /// A kubeconfig beside the program, which names it as `./bin/login`.
    fn kubeconfig(&self, server: &str, namespace: &str, exec: &Value) -> String {
        let mut user =
            json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./bin/login", "interactiveMode": "Never"}});
        user["exec"].as_object_mut().unwrap().extend(exec.as_object().unwrap().clone());
        let file = self.folder.path().join("kubeconfig");
        std::fs::write(&file, cluster().kubeconfig_for(server, &user, Some(namespace))).unwrap();
        file.display().to_string()
    }
}

/// Applies a manifest from a workspace of its own.
fn apply(kubeconfig: &str, manifest: &str) -> Outcome {
    let workspace = tempfile::tempdir().unwrap();
    std::fs::write(workspace.path().join("app.yaml"), manifest).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagboat"));
    command.args(["--mode=apply", "--source=none", "--manifests=app.yaml", "--app=shop", "--version=v1.2.3", "--kubeconfig", kubeconfig]);
    command.current_dir(workspace.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    let output = command.env("GITHUB_ACTIONS", "true").env("GITHUB_WORKSPACE", workspace.path()).output().unwrap();
    let log = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Outcome { code: output.status.code().unwrap_or(-1), log }
}

const SETTINGS: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {mode: cloud}}";

fn credential(token: &str) -> String {
    json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}}).to_string()
}

#[test]
fn a_program_is_found_from_the_kubeconfigs_folder() {
    let shop = cluster().namespace("shop");
    let program = Program::new(&format!("echo '{}'", credential(ADMIN_TOKEN)));
    let outcome = apply(&program.kubeconfig(&cluster().url(), shop.name(), &json!({})), SETTINGS);
    outcome.assert_deployed(&shop);
    outcome.assert_masked(&[ADMIN_TOKEN]);
    assert_eq!(program.runs(), 1, "a token without an end is asked for once");
}

#[test]
fn a_program_learns_of_the_cluster_when_it_asks_for_that() {
    let shop = cluster().namespace("shop");
    let program =
        Program::new(&format!("printf %s \"$KUBERNETES_EXEC_INFO\" > \"$(dirname \"$0\")/../info\"\necho '{}'", credential(ADMIN_TOKEN)));
    let file = program.kubeconfig(&cluster().url(), shop.name(), &json!({"provideClusterInfo": true}));
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let extension = json!([{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "shop"}}]);
    config["clusters"][0]["cluster"]["extensions"] = extension;
    std::fs::write(&file, config.to_string()).unwrap();
    apply(&file, SETTINGS).assert_deployed(&shop);
    let info = || -> Value { serde_json::from_str(&std::fs::read_to_string(program.folder.path().join("info")).unwrap()).unwrap() };
    let authority = STANDARD.encode(cluster().ca());
    let expected = json!({"server": cluster().url(), "certificate-authority-data": authority, "config": {"audience": "shop"}});
    assert_eq!(info()["spec"], json!({"interactive": false, "cluster": expected}));

    apply(&program.kubeconfig(&cluster().url(), shop.name(), &json!({})), SETTINGS).assert_deployed(&shop);
    assert_eq!(info()["spec"], json!({"interactive": false}), "and only then");
}

/// A Deployment whose pod is ready after three seconds.
const SLOW: &str = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: api}, spec: {selector: {matchLabels: {app: api}}, \
    template: {metadata: {labels: {app: api}}, spec: {containers: [{name: api, image: registry.example/acme/slow:v1}]}}}}";

/// Gives a new token each time it is run, `token-1`, `token-2`, …, for so many seconds.
fn short_lived(seconds: u32) -> Program {
    let script = format!(
        "n=$(wc -l < \"$(dirname \"$0\")/../runs\")
         end=$(date -u -d '+{seconds} seconds' +%Y-%m-%dT%H:%M:%SZ)
         echo '{{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\",' \
              '\"status\": {{\"token\": \"token-'$((n))'\", \"expirationTimestamp\": \"'$end'\"}}}}'"
    );
    Program::new(&script)
}

/// How many the token is.
fn number(authorization: &str) -> Option<usize> {
    authorization.strip_prefix("Bearer token-")?.parse().ok()
}

#[test]
fn a_token_is_renewed_before_its_end_while_pods_are_waited_for() {
    let shop = cluster().namespace("shop");
    let program = short_lived(4);
    let newest = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&newest);
    // No token is ever refused: what is renewed is so by its time.
    let (proxy, _door) = cluster().door(move |authorization| {
        let number = number(authorization);
        seen.fetch_max(number.unwrap_or_default(), Ordering::Relaxed);
        number.is_some()
    });
    // The door passes on no watches: the Deployment is read again and again.
    proxy.on(|r| r.target.contains("watch=true")).fault(Fault::reply(403, "no watches here"));
    let outcome = apply(&program.kubeconfig(&proxy.url(), shop.name(), &json!({})), SLOW);
    assert_eq!(outcome.code, 0, "{}", outcome.log);
    assert!(newest.load(Ordering::Relaxed) >= 2, "{}", outcome.log);
    assert_eq!(program.runs(), newest.load(Ordering::Relaxed), "each token is used, and none is asked for twice");
    assert_eq!(shop.deployment("api").unwrap()["status"]["readyReplicas"], 1);
    assert!(proxy.requests().iter().all(|request| request.status != Some(401)));
    outcome.assert_masked(&["token-1", "token-2"]);
}

#[test]
fn a_token_that_the_server_takes_no_longer_is_replaced_at_once() {
    let shop = cluster().namespace("shop");
    let program = short_lived(3600);
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    // The first token is revoked after two requests.
    let (proxy, _door) = cluster().door(move |authorization| match number(authorization) {
        Some(1) => count.fetch_add(1, Ordering::Relaxed) < 2,
        other => other.is_some(),
    });
    apply(&program.kubeconfig(&proxy.url(), shop.name(), &json!({})), SETTINGS).assert_deployed(&shop);
    assert_eq!(program.runs(), 2);
}
