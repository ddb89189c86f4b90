//! One Kubernetes cluster for the whole test run: etcd, API server, controller manager, scheduler, and kwok, which
//! plays the nodes. Tests share it, each in a namespace of its own.
//!
//! Pods run as their image's name says, by the stages in `tests/testbed/kwok`:
//!
//! | image name contains | the pod |
//! |---|---|
//! | nothing of the below | is ready at once; a job's pod succeeds |
//! | `missing` | `ImagePullBackOff`, the message ends in `not found` |
//! | `crash` | `CrashLoopBackOff`, restarts go up; fails when it belongs to a job that doesn't restart it |
//! | `badconfig` | `CreateContainerConfigError` |
//! | `slow` | runs at once, is ready after three seconds |
//! | `unready` | runs, is never ready |

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::http1::{Listener, Reply, Upstream, serve};
use super::namespace::Namespace;
use super::process::{Folder, Privilege, Server, Start};
use super::proxy::Proxy;
use super::tls::{Authority, Identity};
use super::{command, free_port, testbed, tls};

pub const ADMIN_TOKEN: &str = "testbed-admin";

/// The cluster of this test run, started on first use.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start)
}

/// A running cluster.
pub struct Cluster {
    folder: PathBuf,
    authority: Authority,
    admin: Identity,
    port: u16,
    as_admin: Upstream,
    by_token: Upstream,
    _servers: Vec<Server>,
}

impl Cluster {
    fn start() -> Cluster {
        let folder = tempfile::Builder::new().prefix("tagboat-cluster-").tempdir().expect("no temporary folder").keep();
        let authority = Authority::new("testbed");
        let admin = authority.client("admin", "system:masters");
        let port = free_port();
        let address = ([127, 0, 0, 1], port).into();
        let mut cluster = Cluster {
            as_admin: Upstream { address, tls: Some(authority.client_config(Some(&admin))) },
            by_token: Upstream { address, tls: Some(authority.client_config(None)) },
            _servers: Vec::new(),
            folder,
            authority,
            admin,
            port,
        };
        cluster.write_identities();
        let etcd = cluster.start_etcd();
        cluster.start_api_server(&etcd);
        cluster.start_controllers();
        cluster.start_nodes();
        cluster
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, content: &str) {
        let file = self.file(name);
        std::fs::write(&file, content).unwrap_or_else(|e| panic!("couldn't write {}: {e}", file.display()));
    }

    fn write_identities(&self) {
        let names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
        let server = self.authority.server(&names, &[[10, 0, 0, 1].into()]);
        let accounts = tls::new_key();
        self.write("ca.crt", &self.authority.certificate);
        self.write("server.crt", &server.certificate);
        self.write("server.key", &server.key);
        self.write("accounts.key", &accounts.serialize_pem());
        self.write("accounts.pub", &accounts.public_key_pem());
        self.write("tokens.csv", &format!("{ADMIN_TOKEN},admin,admin,system:masters\n"));
        self.write("admin.kubeconfig", &self.kubeconfig());
    }

    fn spawn(&mut self, name: &str, afterwards: Folder, command: &Command) -> &Server {
        let start = Start { name, folder: &self.folder, afterwards, privilege: Privilege::User, grace: Duration::ZERO };
        self._servers.push(Server::start(&start, command));
        &self._servers[self._servers.len() - 1]
    }

    /// Starts the store; its supervisor removes the cluster's folder in the end.
    fn start_etcd(&mut self) -> String {
        let (port, peer) = (free_port(), free_port());
        let url = format!("http://127.0.0.1:{port}");
        let mut etcd = Command::new(command("etcd", "etcd"));
        etcd.arg("--data-dir").arg(self.file("etcd")).args([
            format!("--listen-client-urls={url}"),
            format!("--advertise-client-urls={url}"),
            format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
            // The data lives as long as the test run: nothing is gained by writing it to the disk.
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
        ]);
        self.spawn("etcd", Folder::Remove, &etcd).wait_for_port(port);
        url
    }

    fn start_api_server(&mut self, etcd: &str) {
        let file = |name: &str| self.file(name).display().to_string();
        let mut server = Command::new(command("kubernetes", "kube-apiserver"));
        server.args([
            format!("--etcd-servers={etcd}"),
            format!("--secure-port={}", self.port),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/16".to_owned(),
            format!("--tls-cert-file={}", file("server.crt")),
            format!("--tls-private-key-file={}", file("server.key")),
            format!("--client-ca-file={}", file("ca.crt")),
            format!("--token-auth-file={}", file("tokens.csv")),
            format!("--service-account-key-file={}", file("accounts.pub")),
            format!("--service-account-signing-key-file={}", file("accounts.key")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            "--allow-privileged".to_owned(),
            format!("--kubelet-certificate-authority={}", file("ca.crt")),
            format!("--kubelet-client-certificate={}", file("server.crt")),
            format!("--kubelet-client-key={}", file("server.key")),
            // The node's name isn't known to any name server.
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
        ]);
        let admin = self.as_admin.clone();
        self.spawn("kube-apiserver", Folder::Keep, &server)
            .wait_until("ready", || admin.send("GET", "/readyz", &[], b"").is_ok_and(|reply| reply.status == 200));
    }

    fn start_controllers(&mut self) {
        let kubeconfig = format!("--kubeconfig={}", self.file("admin.kubeconfig").display());
        let common = |port: u16| {
            [
                kubeconfig.clone(),
                "--leader-elect=false".to_owned(),
                "--kube-api-qps=1000".to_owned(),
                "--kube-api-burst=2000".to_owned(),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--secure-port={port}"),
            ]
        };
        let mut manager = Command::new(command("kubernetes", "kube-controller-manager"));
        manager.args(common(free_port())).args([
            format!("--service-account-private-key-file={}", self.file("accounts.key").display()),
            format!("--root-ca-file={}", self.file("ca.crt").display()),
        ]);
        manager.arg("--cert-dir").arg(self.file("controller-manager"));
        let mut scheduler = Command::new(command("kubernetes", "kube-scheduler"));
        scheduler.args(common(free_port()));
        scheduler.arg("--cert-dir").arg(self.file("scheduler"));
        self.spawn("kube-controller-manager", Folder::Keep, &manager);
        self.spawn("kube-scheduler", Folder::Keep, &scheduler);
    }

    /// Starts kwok with our stages and creates the node.
    fn start_nodes(&mut self) {
        self.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &cluster_logs_definition());
        let path = "/apis/kwok.x-k8s.io/v1alpha1/clusterlogs";
        let admin = self.as_admin.clone();
        self._servers[1].wait_until("serving pod logs", || admin.send("GET", path, &[], b"").is_ok_and(|reply| reply.status == 200));
        let port = free_port();
        let mut kwok = Command::new(command("kwok", "kwok"));
        kwok.args([
            format!("--kubeconfig={}", self.file("admin.kubeconfig").display()),
            "--manage-all-nodes=true".to_owned(),
            "--cidr=10.1.0.1/16".to_owned(),
            "--node-ip=127.0.0.1".to_owned(),
            format!("--node-port={port}"),
            format!("--server-address=127.0.0.1:{port}"),
            format!("--tls-cert-file={}", self.file("server.crt").display()),
            format!("--tls-private-key-file={}", self.file("server.key").display()),
            "--node-lease-duration-seconds=40".to_owned(),
            "--enable-crds=ClusterLogs".to_owned(),
        ]);
        for stage in stages() {
            kwok.arg("--config").arg(stage);
        }
        self.create("/api/v1/nodes", &node());
        let ready = r#""type":"Ready","status":"True""#;
        let admin = self.as_admin.clone();
        self.spawn("kwok", Folder::Keep, &kwok).wait_until("running its node", || {
            admin.send("GET", "/api/v1/nodes/node-1", &[], b"").is_ok_and(|reply| reply.text().contains(ready))
        });
    }

    /// `https://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The certificate of the authority that signed the API server's, PEM.
    pub fn ca(&self) -> &str {
        &self.authority.certificate
    }

    /// A kubeconfig of the administrator, with its certificates inside.
    pub fn kubeconfig(&self) -> String {
        let user = json!({
            "client-certificate-data": STANDARD.encode(&self.admin.certificate),
            "client-key-data": STANDARD.encode(&self.admin.key),
        });
        self.kubeconfig_for(&self.url(), &user, None)
    }

    /// A kubeconfig of somebody, JSON and so YAML.
    pub fn kubeconfig_for(&self, server: &str, user: &Value, namespace: Option<&str>) -> String {
        let authority = STANDARD.encode(&self.authority.certificate);
        let cluster = json!({"server": server, "certificate-authority-data": authority});
        let mut context = json!({"cluster": "testbed", "user": "testbed"});
        if let Some(namespace) = namespace {
            context["namespace"] = json!(namespace);
        }
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "testbed",
            "clusters": [{"name": "testbed", "cluster": cluster}],
            "contexts": [{"name": "testbed", "context": context}],
            "users": [{"name": "testbed", "user": user}],
        });
        serde_json::to_string_pretty(&config).expect("a value is JSON")
    }

    /// A proxy in front of the API server. It ends TLS, because clients of Kubernetes send no token over plain HTTP,
    /// and so passes on no client certificate: use a kubeconfig with a token.
    pub fn proxy(&self) -> Proxy {
        self.proxy_as(&self.authority.server(&[], &[]))
    }

    /// The same, with a certificate that others may have signed.
    pub fn proxy_as(&self, identity: &Identity) -> Proxy {
        Proxy::with_tls(self.by_token.clone(), tls::server_config(identity))
    }

    /// The authority that signed the API server's certificate.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The port of the API server.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A door to the API server that lets in as the administrator who says the right thing in `Authorization`, and nobody else: what
    /// the authenticators of clouds do with tokens that the server itself doesn't know. It passes on whole answers, no watches.
    pub fn door(&self, admits: impl Fn(&str) -> bool + Send + Sync + 'static) -> (Proxy, Listener) {
        let upstream = self.by_token.clone();
        let listener = serve(move |request| {
            if !admits(request.head.get("authorization").unwrap_or_default()) {
                return Reply::new(401, "Unauthorized");
            }
            let admin = format!("Bearer {ADMIN_TOKEN}");
            let mut headers = vec![("Authorization", admin.as_str())];
            headers.extend(["content-type", "accept"].iter().filter_map(|name| Some((*name, request.head.get(name)?))));
            let mut reply = upstream.send(&request.method, &request.target, &headers, &request.body).expect("the API server answers");
            reply.headers.retain(|(name, _)| !["transfer-encoding", "connection"].contains(&name.to_ascii_lowercase().as_str()));
            reply
        });
        let identity = self.authority.server(&[], &[]);
        (Proxy::with_tls(Upstream::plain(listener.port), tls::server_config(&identity)), listener)
    }

    /// The administrator's kubeconfig through a [`Cluster::proxy`], with a token.
    pub fn kubeconfig_through(&self, proxy: &Proxy) -> String {
        self.kubeconfig_for(&proxy.url(), &json!({"token": ADMIN_TOKEN}), None)
    }

    /// Creates a namespace for a test: the name, and a number that makes it unique.
    pub fn namespace(&'static self, prefix: &str) -> Namespace {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let name = format!("{prefix}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        Namespace::create(self, name)
    }

    /// Runs kubectl as the administrator.
    pub fn kubectl(&self, args: &[&str]) -> Output {
        self.kubectl_with(&self.file("admin.kubeconfig"), args)
    }

    /// Runs kubectl as somebody.
    pub fn kubectl_with(&self, kubeconfig: &Path, args: &[&str]) -> Output {
        let mut kubectl = Command::new(command("kubernetes", "kubectl"));
        kubectl.arg("--cache-dir").arg(self.file("kubectl-cache")).args(args).env("KUBECONFIG", kubeconfig);
        kubectl.output().unwrap_or_else(|e| panic!("couldn't run kubectl: {e}"))
    }

    /// One request to the API server as the administrator.
    pub fn ask(&self, method: &str, target: &str, body: Option<&Value>) -> Reply {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.as_admin
            .send(method, target, &[("Content-Type", "application/json")], body.as_bytes())
            .unwrap_or_else(|e| panic!("the API server didn't answer {method} {target}: {e}"))
    }

    /// The object at a path, if there is one.
    pub fn get(&self, target: &str) -> Option<Value> {
        let reply = self.ask("GET", target, None);
        match reply.status {
            200 => Some(reply.value()),
            404 => None,
            status => panic!("the API server answered {status} to GET {target}: {}", reply.text()),
        }
    }

    /// Everything of an object that somebody could have meant: no status, and nothing that only a server writes.
    pub fn meant(&self, target: &str) -> Option<Value> {
        let mut object = self.get(target)?;
        object.as_object_mut()?.remove("status");
        let metadata = object["metadata"].as_object_mut()?;
        for server in ["managedFields", "resourceVersion", "generation"] {
            metadata.remove(server);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            // The controller counts the rollouts.
            annotations.remove("deployment.kubernetes.io/revision");
            annotations.remove("deprecated.daemonset.template.generation");
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
        Some(object)
    }

    /// Creates an object in a collection and returns it as the server answers it.
    pub fn create(&self, collection: &str, object: &Value) -> Value {
        let reply = self.ask("POST", collection, Some(object));
        assert_eq!(reply.status, 201, "POST {collection}: {}", reply.text());
        reply.value()
    }

    /// Where files for the cluster's servers can be put; removed with the cluster.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

fn stages() -> Vec<PathBuf> {
    let folder = testbed("kwok");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("couldn't read {}: {e}", folder.display()));
    let mut stages: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|file| file.extension().is_some_and(|e| e == "yaml")).collect();
    stages.sort();
    stages
}

fn node() -> Value {
    let capacity = json!({"cpu": "1000", "memory": "1Ti", "pods": "10000"});
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "node-1", "labels": {"kubernetes.io/hostname": "node-1", "kubernetes.io/os": "linux"}},
        "status": {"allocatable": capacity, "capacity": capacity},
    })
}

/// kwok reads which lines a pod has logged from objects of this kind.
fn cluster_logs_definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "clusterlogs.kwok.x-k8s.io"},
        "spec": {
            "group": "kwok.x-k8s.io", "scope": "Cluster",
            "names": {"kind": "ClusterLogs", "listKind": "ClusterLogsList", "plural": "clusterlogs", "singular": "clusterlogs"},
            "versions": [{
                "name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
}
