//! A namespace for one test, with its service accounts and pod logs.

use std::path::PathBuf;
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::proxy::Proxy;

/// A namespace; its deletion is asked for on drop and not waited for.
pub struct Namespace {
    cluster: &'static Cluster,
    name: String,
    accounts: AtomicUsize,
}

impl Namespace {
    pub(super) fn create(cluster: &'static Cluster, name: String) -> Namespace {
        cluster.create("/api/v1/namespaces", &json!({"metadata": {"name": name}}));
        let namespace = Namespace { cluster, name, accounts: AtomicUsize::new(1) };
        // The controller makes it too, some time later; until then no pod can be made.
        let account = json!({"metadata": {"name": "default"}});
        let reply = cluster.ask("POST", &namespace.path("serviceaccounts"), Some(&account));
        assert!(matches!(reply.status, 201 | 409), "couldn't make the default service account: {}", reply.text());
        namespace
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs kubectl as the administrator in this namespace.
    pub fn kubectl(&self, args: &[&str]) -> Output {
        self.cluster.kubectl(&[&["--namespace", &self.name], args].concat())
    }

    /// What kubectl prints.
    ///
    /// # Panics
    /// Panics with its error when it fails.
    pub fn kubectl_ok(&self, args: &[&str]) -> String {
        let output = self.kubectl(args);
        assert!(output.status.success(), "kubectl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// `/api/v1/namespaces/NAME/COLLECTION`
    pub fn path(&self, collection: &str) -> String {
        format!("/api/v1/namespaces/{}/{collection}", self.name)
    }

    /// `/apis/GROUP/VERSION/namespaces/NAME/COLLECTION`
    pub fn group_path(&self, group_version: &str, collection: &str) -> String {
        format!("/apis/{group_version}/namespaces/{}/{collection}", self.name)
    }

    /// A Deployment, if there is one.
    pub fn deployment(&self, name: &str) -> Option<Value> {
        self.cluster.get(&self.group_path("apps/v1", &format!("deployments/{name}")))
    }

    /// A Job, if there is one.
    pub fn job(&self, name: &str) -> Option<Value> {
        self.cluster.get(&self.group_path("batch/v1", &format!("jobs/{name}")))
    }

    /// A new service account with these rules (`[{apiGroups, resources, verbs}]`) in this namespace and no other rights;
    /// returns a kubeconfig with a token of it.
    pub fn service_account(&self, rules: &Value) -> String {
        self.kubeconfig_for(&self.cluster.url(), rules)
    }

    /// The same, through a [`Cluster::proxy`].
    pub fn service_account_through(&self, proxy: &Proxy, rules: &Value) -> String {
        self.kubeconfig_for(&proxy.url(), rules)
    }

    fn kubeconfig_for(&self, server: &str, rules: &Value) -> String {
        let user = json!({"token": self.token(rules)});
        self.cluster.kubeconfig_for(server, &user, Some(&self.name))
    }

    /// A token of a new service account with these rules.
    pub fn token(&self, rules: &Value) -> String {
        let name = format!("deployer-{}", self.accounts.fetch_add(1, Ordering::Relaxed));
        let rbac = "rbac.authorization.k8s.io";
        let metadata = json!({"name": name});
        self.cluster.create(&self.path("serviceaccounts"), &json!({"metadata": metadata}));
        let role = json!({"metadata": metadata, "rules": rules});
        self.cluster.create(&self.group_path(&format!("{rbac}/v1"), "roles"), &role);
        let binding = json!({
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": self.name}],
        });
        self.cluster.create(&self.group_path(&format!("{rbac}/v1"), "rolebindings"), &binding);
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let answer = self.cluster.create(&self.path(&format!("serviceaccounts/{name}/token")), &request);
        answer["status"]["token"].as_str().expect("a TokenRequest is answered by a token").to_owned()
    }

    /// The lines that every container in this namespace has logged, or before its last restart. Without this, asking
    /// for logs is an error.
    pub fn pod_logs(&self, lines: &[&str], previous: &[&str]) {
        let write = |kind: &str, lines: &[&str]| -> PathBuf {
            let file = self.cluster.folder().join(format!("{}-{kind}.log", self.name));
            // The format of the container runtime interface.
            let text: String = lines.iter().map(|line| format!("2026-01-01T00:00:00.000000000Z stdout F {line}\n")).collect();
            std::fs::write(&file, text).unwrap_or_else(|e| panic!("couldn't write {}: {e}", file.display()));
            file
        };
        let logs = json!({"logsFile": write("now", lines), "previousLogsFile": write("previous", previous)});
        let object = json!({
            "apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "ClusterLogs",
            "metadata": {"name": self.name},
            "spec": {"selector": {"matchNamespaces": [self.name]}, "logs": [logs]},
        });
        self.cluster.create("/apis/kwok.x-k8s.io/v1alpha1/clusterlogs", &object);
    }
}

/// Whether a Job has succeeded. Its pods are counted a moment after that is settled.
pub fn has_succeeded(job: &Value) -> bool {
    let is_settled = |c: &Value| (c["type"] == "SuccessCriteriaMet" || c["type"] == "Complete") && c["status"] == "True";
    job["status"]["conditions"].as_array().is_some_and(|conditions| conditions.iter().any(is_settled))
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Panicking here during a panic would abort the run; a cluster that is gone takes its namespaces along.
        let cluster = std::panic::AssertUnwindSafe(self.cluster);
        let target = format!("/api/v1/namespaces/{}", self.name);
        let _ = std::panic::catch_unwind(move || cluster.ask("DELETE", &target, None));
    }
}
