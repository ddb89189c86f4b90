//! What can go wrong between us and a Kubernetes API server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::kubeconfig::Place;
use crate::error::{Exit, Explain};
use crate::login;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a cluster couldn't be reached, or what it answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("couldn't read the kubeconfig file {}", path.display())]
    KubeconfigFile { path: PathBuf, source: std::io::Error },
    #[error("the kubeconfig is empty")]
    KubeconfigEmpty,
    /// The parser's own text is left out: it quotes the file, and the file holds credentials.
    #[error("couldn't read the kubeconfig{}: {}", named(.file.as_deref()), place(*.line, *.column))]
    KubeconfigSyntax { file: Option<PathBuf>, line: u64, column: u64 },
    #[error("the kubeconfig names no current context")]
    NoCurrentContext { known: Vec<String> },
    #[error("the kubeconfig has no context {context:?}")]
    UnknownContext { context: String, known: Vec<String> },
    #[error("the kubeconfig's context {context:?} names the {missing} {name:?}, which isn't in it")]
    IncompleteContext { context: String, missing: &'static str, name: String },
    #[error("the kubeconfig's user {user:?} gets its credentials from the program {command:?}, which isn't here")]
    NoProgram { user: String, command: String },
    #[error("couldn't get the credentials of the kubeconfig's user {user:?} from the program {command:?}: {reason}")]
    Program { user: String, command: String, reason: String },
    #[error("couldn't do for the kubeconfig's user {user:?} what the program {command:?} does: {lack}")]
    Lacking { user: String, command: String, lack: String },
    #[error("couldn't log in as the kubeconfig's user {user:?} with {identity}")]
    Login { user: String, identity: &'static str, source: Arc<login::Error> },
    #[error("the kubeconfig's user {user:?} has a token that must not be sent to {server}, which isn't encrypted")]
    PlainText { user: String, server: String },
    #[error("the kubeconfig's user {user:?} uses the removed auth provider {provider:?}")]
    AuthProvider { user: String, provider: String },
    #[error("couldn't read the file {path:?} that {place} names as {field}")]
    KubeconfigReference { field: &'static str, path: String, place: Place, source: std::io::Error },
    #[error("the kubeconfig's cluster {cluster:?} has no server")]
    NoServer { cluster: String },
    #[error("couldn't read the certificates in the kubeconfig's {field}: {reason}")]
    Authority { field: &'static str, reason: String },
    /// The address may hold a password.
    #[error("couldn't use {from} as the address of a proxy")]
    Proxy { from: &'static str },
    #[error("no kubeconfig is given, and this isn't a pod of a cluster")]
    NotInCluster(#[source] Cause),
    #[error("couldn't set up the connection to {server}")]
    Setup { server: String, source: Cause },
    #[error("couldn't reach the API server {server}")]
    Unreachable { server: String, loopback: bool, source: Cause },
    #[error("couldn't trust the certificate of the API server {server}")]
    Untrusted { server: String, source: Cause },
    #[error("couldn't get an answer to {method} {path} within {}", Seconds(*.after))]
    NoAnswer { method: http::Method, path: String, after: Duration },
    #[error("{0}")]
    Refused(Box<Refusal>),
    #[error("the server doesn't serve {kind} of {api_version}")]
    NotServed { api_version: String, kind: String },
    #[error("couldn't read the answer to {method} {path}")]
    Malformed { method: http::Method, path: String, source: Cause },
}

/// An answer of the API server that isn't a success; the text of its `Status`, bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub method: http::Method,
    /// Path without the query.
    pub path: String,
    pub status: u16,
    /// The machine-readable reason of the `Status` (`Forbidden`, `Invalid`, `Conflict`, …); empty when the answer was none.
    pub reason: String,
    pub message: String,
    pub causes: Vec<Detail>,
    /// The server's `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Whether the body was a Kubernetes `Status`: an API that isn't there (yet) answers in plain text.
    pub kind: Body,
}

/// What the body of a refusal was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    Status,
    Text,
}

/// One entry of `details.causes` of a `Status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    pub reason: String,
    pub field: String,
    pub message: String,
}

/// A field that another manager holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    pub field: String,
    pub manager: String,
}

impl Refusal {
    /// The fields that other managers hold; empty unless this is a conflict of server-side apply.
    pub fn conflicts(&self) -> Vec<Conflict> {
        let held = self.causes.iter().filter(|cause| cause.reason == "FieldManagerConflict");
        held.map(|cause| Conflict { field: cause.field.clone(), manager: manager_of(&cause.message) }).collect()
    }

    /// Whether the thing that was asked for isn't there (and not: may not be seen).
    pub fn is_not_found(&self) -> bool {
        self.status == 404
    }

    /// Whether the object has changed since it was read.
    pub fn is_conflict(&self) -> bool {
        self.status == 409
    }

    pub fn is_forbidden(&self) -> bool {
        self.status == 403
    }
}

/// The manager in `conflict with "kubectl-edit" using apps/v1`; the message's text is fixed in
/// `k8s.io/apimachinery/pkg/util/managedfields/internal/conflict.go`.
fn manager_of(message: &str) -> String {
    message.split('"').nth(1).unwrap_or(message).to_owned()
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} was answered with {}", self.method, self.path, self.status)?;
        if !self.reason.is_empty() {
            write!(f, " {}", self.reason)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} s", self.0.as_secs_f64())
    }
}

fn named(file: Option<&Path>) -> String {
    file.map(|file| format!(" {}", file.display())).unwrap_or_default()
}

fn place(line: u64, column: u64) -> String {
    if line == 0 { "it isn't a kubeconfig".to_owned() } else { format!("line {line}, column {column}") }
}

impl Error {
    /// The refusal, where the server gave one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether the server took the request and said no, so that a write certainly didn't happen.
    pub fn certainly_not_done(&self) -> bool {
        match self {
            // A server error may come after the write, unless it says that it never got so far.
            Self::Refused(refusal) => {
                let before_it = ["failed to create typed patch object", "failed calling webhook", "conversion webhook for"];
                refusal.status < 500 || refusal.status == 500 && before_it.iter().any(|text| refusal.message.contains(text))
            }
            // Nothing was sent without a login.
            Self::NotServed { .. } | Self::Login { .. } | Self::Program { .. } | Self::NoProgram { .. } => true,
            _ => false,
        }
    }
}

impl Explain for Error {
    fn hint(&self) -> String {
        match self {
            Self::KubeconfigFile { path, .. } => {
                format!(
                    "set `kubeconfig` to the file's content, its base64, or a path that exists{}",
                    seen_from_a_container(&path.to_string_lossy())
                )
            }
            Self::KubeconfigEmpty => "set `kubeconfig`; a secret that isn't there, or isn't in this environment, is an empty text".into(),
            Self::KubeconfigSyntax { .. } => "set `kubeconfig` to a kubeconfig's content, its base64, or a path".into(),
            Self::NoCurrentContext { known } | Self::UnknownContext { known, .. } => {
                format!("set `context` to one of: {}", known.join(", "))
            }
            Self::NoServer { .. } | Self::IncompleteContext { .. } => {
                "export the whole kubeconfig (`kubectl config view --minify --flatten --raw`)".into()
            }
            Self::NoProgram { .. } => {
                "the action's container has no programs of the runner; EKS, AKS and GKE need none (`aws eks get-token`, \
                `kubelogin`, `gke-gcloud-auth-plugin`); else use a kubeconfig with a token of a service account (`kubectl create token`)"
                    .into()
            }
            Self::Program { .. } => {
                "see what the program says when it is run alone, or use a kubeconfig with a token (`kubectl create token`)".into()
            }
            Self::Lacking { .. } => "see \"Clusters of clouds\" in docs/guide.md; a kubeconfig with a token works anywhere".into(),
            Self::Login { source, .. } => source.hint(),
            Self::PlainText { .. } => "use the https address of the API server in `kubeconfig`".into(),
            Self::AuthProvider { provider, .. } => match provider.as_str() {
                "gcp" => "get the kubeconfig anew with `gcloud container clusters get-credentials`, and set GOOGLE_APPLICATION_CREDENTIALS"
                    .into(),
                "azure" => "convert it with `kubelogin convert-kubeconfig -l workloadidentity`".into(),
                _ => "use a kubeconfig with a token or a client certificate".into(),
            },
            Self::KubeconfigReference { path, .. } => {
                format!("put the content into the kubeconfig (`kubectl config view --flatten --raw`){}", seen_from_a_container(path))
            }
            Self::Authority { .. } => {
                "it must be PEM, in certificate-authority-data in base64 besides (`kubectl config view --flatten --raw`)".into()
            }
            Self::Proxy { .. } => "write it as http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT".into(),
            Self::NotInCluster(_) => "set `kubeconfig`, or the environment's KUBECONFIG".into(),
            Self::Setup { .. } => "check the server's address, certificates and proxy in `kubeconfig`".into(),
            Self::Untrusted { .. } => {
                "give the authority that signed it in the kubeconfig's certificate-authority-data, or in `ca-bundle` (a proxy that looks \
                 into TLS has one of its own)"
                    .into()
            }
            Self::Unreachable { loopback: true, .. } => {
                "the kubeconfig's server is this very host; inside the action's container that is the container \
                itself: use an address that the container can reach, or run the container in the host's network"
                    .into()
            }
            Self::Unreachable { .. } => "check the server's address in `kubeconfig`, its firewall, and HTTPS_PROXY and NO_PROXY".into(),
            Self::NoAnswer { .. } => "the API server, or an admission webhook in it, is slow or gone; run again, or raise `timeout`".into(),
            Self::Refused(refusal) => match refusal.status {
                401 => "the credentials in `kubeconfig` are wrong or expired".into(),
                403 if refusal.message.contains(" cannot ") => {
                    "give the account of `kubeconfig` the permission named in the message".into()
                }
                403 => "a quota or a policy of the cluster refuses the object: see the server's message".into(),
                _ => "see the server's message".into(),
            },
            Self::NotServed { api_version, .. } => {
                format!(
                    "add the CustomResourceDefinition to `manifests`, or use a version of {api_version} that this cluster serves (`kubectl api-resources`)"
                )
            }
            Self::Malformed { .. } => "is `kubeconfig`'s server really a Kubernetes API server, or a proxy in front of it?".into(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Untrusted { .. } | Self::Unreachable { .. } | Self::Refused(_) | Self::NotServed { .. } | Self::Malformed { .. } => {
                Exit::Failed
            }
            Self::NoAnswer { .. } => Exit::TimedOut,
            Self::Login { source, .. } => source.exit(),
            Self::Program { .. } => Exit::Failed,
            _ => Exit::BadInput,
        }
    }
}

/// Paths of a runner's host that a containerised action doesn't have: home folders, and the workspace of a container job.
fn seen_from_a_container(path: &str) -> &'static str {
    let of_the_host = ["/home/", "/__w/", "/Users/", "~"];
    match of_the_host.iter().any(|prefix| path.starts_with(prefix)) {
        true => "; the path is of the runner's host, the action's container sees only the workspace and the runner's temporary folder",
        false => "",
    }
}
