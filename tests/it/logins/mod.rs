//! Logging in to registries of clouds without the clouds' tools, through the action's own binary: what is sent to which service, and
//! that nothing but what these services give opens the registry. A credential helper of the cloud in Docker's configuration makes a
//! local registry one of that cloud.

mod aws;
mod azure;
mod daemon;
mod files;
mod google;
mod programs;

use std::collections::{BTreeMap, VecDeque};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use url::form_urlencoded;

use crate::servers::cluster::ADMIN_TOKEN;
use crate::servers::http1::{Head, Listener, Reply, Request, Upstream, serve};
use crate::servers::{Namespace, Platforms, Registry, cluster};

const SERVICES: [&str; 3] = ["web", "api", "worker"];

/// A request that a service of a cloud got.
#[derive(Clone)]
struct Seen {
    head: Head,
    method: String,
    target: String,
    body: Vec<u8>,
}

impl Seen {
    fn of(request: &Request) -> Seen {
        let (head, method) = (request.head.clone(), request.method.clone());
        Seen { head, method, target: request.target.clone(), body: request.body.clone() }
    }

    fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    fn header(&self, name: &str) -> &str {
        self.head.get(name).unwrap_or_default()
    }

    /// The fields of a form, all of them, as `name=value`, sorted.
    fn form(&self) -> Vec<String> {
        assert_eq!((self.method.as_str(), self.header("content-type")), ("POST", "application/x-www-form-urlencoded"));
        let mut fields: Vec<String> = form_urlencoded::parse(&self.body).map(|(name, value)| format!("{name}={value}")).collect();
        fields.sort();
        fields
    }
}

/// The services of a cloud: they answer by path and remember what they were asked. Several answers for a path are given one after
/// the other; the last one stays.
struct Services {
    listener: Listener,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Services {
    fn start(answers: &[(&'static str, Reply)]) -> Services {
        let mut left: BTreeMap<&str, VecDeque<Reply>> = BTreeMap::new();
        for (path, reply) in answers {
            left.entry(path).or_default().push_back(reply.clone());
        }
        let left = Mutex::new(left);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let listener = serve(move |request| {
            log.lock().unwrap().push(Seen::of(request));
            match left.lock().unwrap().get_mut(request.path()) {
                None => Reply::new(404, "there is no such service"),
                Some(replies) if replies.len() > 1 => replies.pop_front().unwrap(),
                Some(replies) => replies[0].clone(),
            }
        });
        Services { listener, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.listener.host())
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The only request that was sent to a path.
    fn only(&self, path: &str) -> Seen {
        let mut seen = self.seen().into_iter().filter(|seen| seen.target.split('?').next() == Some(path));
        let first = seen.next().unwrap_or_else(|| panic!("nothing was sent to {path}"));
        assert!(seen.next().is_none(), "{path} was asked more than once");
        first
    }

    /// The variables of a job with `id-token: write`.
    fn runner(&self) -> [(&'static str, String); 2] {
        [
            ("ACTIONS_ID_TOKEN_REQUEST_URL", self.url("/runner/token?api-version=2.0")),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "the-right-to-ask".to_owned()),
        ]
    }

    /// Checks that the runner was asked for a token for this audience.
    fn assert_runner_asked(&self, audience: &str) {
        let asked = self.only("/runner/token");
        let audience: String = form_urlencoded::byte_serialize(audience.as_bytes()).collect();
        assert_eq!(asked.line(), format!("GET /runner/token?api-version=2.0&audience={audience}"));
        assert_eq!(asked.header("authorization"), "Bearer the-right-to-ask");
    }
}

fn runner_token() -> (&'static str, Reply) {
    ("/runner/token", Reply::json(200, &json!({"count": 1, "value": "the-runners-jwt"})))
}

/// A registry behind a front door: what the door has no answer for goes on to the registry.
fn door(registry: &Registry, answer: impl Fn(&Request, &Upstream) -> Option<Reply> + Send + Sync + 'static) -> Listener {
    let upstream = Upstream::plain(port(&registry.host()));
    serve(move |request| answer(request, &upstream).unwrap_or_else(|| pass(request, &upstream)))
}

fn pass(request: &Request, upstream: &Upstream) -> Reply {
    // The host is kept: places of uploads are then behind the door too.
    let hop = ["connection", "content-length", "transfer-encoding", "expect"];
    let headers = request.head.headers.iter().filter(|(name, _)| !hop.contains(&name.to_ascii_lowercase().as_str()));
    let headers: Vec<(&str, &str)> = headers.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut reply = upstream.send(&request.method, &request.target, &headers, &request.body).unwrap();
    reply.headers.retain(|(name, _)| !["transfer-encoding", "connection"].contains(&name.to_ascii_lowercase().as_str()));
    reply
}

fn port(address: &str) -> u16 {
    let rest = address.split("://").last().unwrap();
    rest.split('/').next().unwrap().rsplit(':').next().unwrap().parse().unwrap()
}

fn push_all(registry: &Registry) {
    for service in SERVICES {
        registry.push_image(&format!("shop/{service}"), "latest", Platforms::One);
    }
}

/// How a run ended and what it printed.
struct Outcome {
    code: i32,
    log: String,
}

impl Outcome {
    #[track_caller]
    fn assert_released(&self, registry: &Registry) {
        assert_eq!(self.code, 0, "{}", self.log);
        for service in SERVICES {
            let repository = format!("shop/{service}");
            assert_eq!(registry.digest(&repository, "v1.2.3"), registry.digest(&repository, "latest"), "{}", self.log);
        }
    }

    /// Checks that a secret was masked, and shown nowhere else.
    #[track_caller]
    fn assert_masked(&self, secrets: &[&str]) {
        for secret in secrets {
            let mask = format!("::add-mask::{secret}");
            assert!(self.log.lines().any(|line| line == mask), "{secret} isn't masked:\n{}", self.log);
        }
        self.assert_hidden(secrets);
    }

    #[track_caller]
    fn assert_hidden(&self, secrets: &[&str]) {
        for line in self.log.lines().filter(|line| !line.starts_with("::add-mask::")) {
            assert!(!secrets.iter().any(|secret| line.contains(secret)), "{line}");
        }
    }

    /// What was wrong, without the addresses of this run.
    fn told(&self, addresses: &[(&str, &str)]) -> String {
        let error = self.log.lines().filter(|line| line.starts_with("::error ")).map(|line| line.split_once("::error ").unwrap().1);
        let text = error.map(|line| line.split_once("::").unwrap().1.replace("%0A", "\n")).collect::<Vec<_>>().join("\n");
        addresses.iter().fold(text, |text, (address, name)| text.replace(address, name))
    }
}

/// Releases the services of a compose file whose images are in this registry, with nothing in the environment but these variables.
fn release(host: &str, variables: &[(&str, String)]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let services = SERVICES.map(|name| format!("  {name}:\n    image: {host}/shop/{name}\n    build: .\n")).concat();
    std::fs::write(folder.path().join("compose.yaml"), format!("services:\n{services}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagboat"));
    command.args(["--mode", "retag", "--version", "v1.2.3"]).current_dir(folder.path()).env_clear().env("GITHUB_ACTIONS", "true");
    if variables.iter().any(|(name, _)| *name == "DOCKER_HOST") {
        command.args(["--source", "docker"]);
    }
    command.env("GITHUB_WORKSPACE", folder.path()).envs(variables.iter().map(|(name, value)| (name, value)));
    let output = command.output().unwrap();
    let log = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Outcome { code: output.status.code().unwrap_or(-1), log }
}

/// Docker's configuration of somebody who uses a cloud's credential helper for a registry.
fn left_to(helper: &str, host: &str) -> (&'static str, String) {
    ("DOCKER_AUTH_CONFIG", json!({"credHelpers": {host: helper}}).to_string())
}

fn variables(groups: &[&[(&'static str, String)]]) -> Vec<(&'static str, String)> {
    groups.concat()
}

fn set(name: &'static str, value: &str) -> (&'static str, String) {
    (name, value.to_owned())
}

fn oauth(token: &str) -> Reply {
    let body: Value = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": token});
    Reply::json(200, &body)
}

/// Applies a ConfigMap to a namespace of the cluster behind `server`, as the user of a kubeconfig with this exec plugin, with nothing
/// in the environment but these variables.
fn deploy(server: &str, namespace: &str, command: &str, args: &[&str], variables: &[(&str, String)]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let exec = json!({"apiVersion": "client.authentication.k8s.io/v1beta1", "command": command, "args": args});
    let kubeconfig = cluster().kubeconfig_for(server, &json!({"exec": exec}), Some(namespace));
    let manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {mode: cloud}}";
    std::fs::write(folder.path().join("kubeconfig"), kubeconfig).unwrap();
    std::fs::write(folder.path().join("app.yaml"), manifest).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagboat"));
    command.args(["--mode=apply", "--source=none", "--manifests=app.yaml", "--kubeconfig=kubeconfig", "--app=shop", "--version=v1.2.3"]);
    command.current_dir(folder.path()).env_clear().env("GITHUB_ACTIONS", "true").env("GITHUB_WORKSPACE", folder.path());
    let output = command.envs(variables.iter().map(|(name, value)| (name, value))).output().unwrap();
    let log = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Outcome { code: output.status.code().unwrap_or(-1), log }
}

impl Outcome {
    #[track_caller]
    fn assert_deployed(&self, shop: &Namespace) {
        assert_eq!(self.code, 0, "{}", self.log);
        assert_eq!(cluster().get(&shop.path("configmaps/settings")).unwrap()["data"]["mode"], "cloud", "{}", self.log);
    }
}

#[test]
fn a_program_that_is_not_here_is_named_and_nothing_is_sent() {
    let proxy = cluster().proxy();
    let outcome = deploy(&proxy.url(), "shop", "acme-login", &["token"], &[]);
    assert_eq!(outcome.code, 2, "{}", outcome.log);
    assert!(outcome.log.contains("from the program \"acme-login\", which isn't here"), "{}", outcome.log);
    assert!(proxy.requests().is_empty());
}

#[test]
fn a_program_that_is_here_is_run_without_the_inputs_and_its_token_is_masked() {
    let shop = cluster().namespace("shop");
    let credential =
        json!({"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": {"token": ADMIN_TOKEN}});
    let script = format!("test -z \"$INPUT_APP\" && test -n \"$KUBERNETES_EXEC_INFO\" && echo '{credential}'");
    let inputs = [set("INPUT_APP", "shop")];
    let outcome = deploy(&cluster().url(), shop.name(), "/bin/sh", &["-c", &script], &inputs);
    outcome.assert_deployed(&shop);
    outcome.assert_masked(&[ADMIN_TOKEN]);
}
