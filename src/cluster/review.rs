//! Asking whether we may, before we do.

use std::fmt;

use http::Method;
use serde_json::{Value, json};

use super::error::Error;
use super::wire::Call;
use super::{Cluster, Endpoint};

/// What one may be allowed to do with objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    Create,
    Patch,
    Delete,
}

impl Verb {
    /// The verb as RBAC writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// One question to the server's authorizer: may we do this to the objects of an endpoint?
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission {
    pub verb: Verb,
    pub group: String,
    pub plural: String,
    /// `None` asks for the whole cluster.
    pub namespace: Option<String>,
}

impl Permission {
    pub fn of(verb: Verb, endpoint: &Endpoint) -> Self {
        Self { verb, group: endpoint.group.clone(), plural: endpoint.plural.clone(), namespace: endpoint.namespace.clone() }
    }
}

/// `patch deployments.apps in namespace shop`.
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb.name(), self.plural)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => f.write_str(" in the cluster"),
        }
    }
}

impl Cluster {
    /// Whether our account may, by a `SelfSubjectAccessReview`, which every account may ask for.
    ///
    /// # Errors
    /// What the wire or the server said.
    pub async fn may(&self, permission: &Permission) -> Result<bool, Error> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "verb": permission.verb.name(),
                "group": permission.group,
                "resource": permission.plural,
                "namespace": permission.namespace.as_deref().unwrap_or_default(),
            }},
        });
        let call = Call::json(Method::POST, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".into(), &review);
        let answer = self.wire.value(&call, self.deadline).await?;
        Ok(answer.pointer("/status/allowed") == Some(&Value::Bool(true)))
    }
}
