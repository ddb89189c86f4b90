//! Adapter for the Kubernetes API: objects as JSON, addressed by group, version and kind.
//!
//! ```text
//! access ─ kubeconfig, proxy, roots        wire ─ one request: time limit, retries, warnings, count
//! bearer ─ tokens of clouds and programs ────┤
//!                                            ├─ object     get, list, server-side apply
//!                                            ├─ change     create, delete, replace, managers of fields
//!                                            ├─ watch      one kind in one namespace, resumed
//!                                            ├─ discovery  kinds that only the cluster knows
//!                                            ├─ pods       last log lines, events
//!                                            └─ review     may we? (of permissions)
//! ```

mod access;
mod bearer;
mod change;
mod discovery;
mod error;
mod kubeconfig;
mod object;
mod permission;
mod pods;
mod program;
mod proxy;
mod refusal;
mod retry;
mod review;
mod roots;
mod watch;
mod wire;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::time::Instant;

pub use access::{Access, Source};
pub use bearer::Logins;
pub use change::Deletion;
pub use error::{Body, Conflict, Detail, Error, Refusal};
pub use kubeconfig::Place;
pub use object::{Apply, Continue, DryRun, Endpoint, Force, Newness, Page};
pub use permission::{Permission, Permissions, Verb};
pub use pods::{Instance, LogLines};
pub use proxy::Proxies;
pub use watch::Seen;

/// Our name as a manager of fields; it is what later runs recognise their own fields by.
pub const FIELD_MANAGER: &str = "tagboat";

/// The manager that keeps the value of a field while we give the field up to somebody who hasn't written it yet.
pub const HANDOVER_MANAGER: &str = "tagboat-handover";

/// A connection to one cluster. Cloning is cheap and shares connections, counts and warnings.
#[derive(Clone)]
pub struct Cluster {
    wire: Arc<wire::Wire>,
    discovery: Arc<discovery::Cache>,
    deadline: Option<Instant>,
    namespace: Arc<str>,
    caveats: Arc<[Caveat]>,
}

/// What a person should know of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caveat {
    /// The kubeconfig wants the server's certificate unchecked.
    Unverified { server: String },
    /// A file of a list in `KUBECONFIG` that is left out.
    NoFile(PathBuf),
}

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unverified { server } => write!(
                f,
                "the certificate of {server} isn't checked (insecure-skip-tls-verify in the kubeconfig): whoever is on the way can read \
                 and change everything; give the server's authority in certificate-authority-data, or in `ca-bundle`"
            ),
            Self::NoFile(path) => write!(f, "the kubeconfig file {} isn't here, and is left out of the list", path.display()),
        }
    }
}

impl Cluster {
    /// Prepares a connection; nothing is sent before the first call.
    ///
    /// # Errors
    /// What is wrong with the kubeconfig.
    pub async fn connect(access: &Access) -> Result<Self, Error> {
        let access::Way { config, bearer, caveats } = access::way(access).await?;
        let namespace = config.default_namespace.as_str().into();
        let wire = Arc::new(wire::Wire::new(config, bearer)?);
        Ok(Self { wire, discovery: Arc::default(), deadline: None, namespace, caveats: caveats.into() })
    }

    /// The same connection for calls that must end by `deadline`, repeated attempts included.
    pub fn until(&self, deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..self.clone() }
    }

    /// The namespace of the kubeconfig's context, `default` where it names none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What a person should know of this connection.
    pub fn caveats(&self) -> &[Caveat] {
        &self.caveats
    }

    /// Requests sent so far.
    pub fn requests(&self) -> usize {
        self.wire.sent()
    }

    /// What the server has warned about so far (deprecated versions, policies), each text once.
    pub fn warnings(&self) -> Vec<String> {
        self.wire.warnings()
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
