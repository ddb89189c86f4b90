//! Writes other than server-side apply: creation, deletion, replacement, and the record of who manages which fields.

use http::Method;
use serde_json::{Value, json};

use super::error::Error;
use super::object::with_query;
use super::wire::{Call, Guard};
use super::{Cluster, DryRun, Endpoint, FIELD_MANAGER};

/// What became of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// The server has taken it; finalizers may hold the object for a while.
    Accepted,
    /// There was nothing to delete, or an object of that name that isn't the one that was meant.
    Gone,
}

impl Cluster {
    /// Deletes the object with this uid and, in the background, what it owns. An object that was made anew under the
    /// same name stays.
    ///
    /// # Errors
    /// What the wire or the server said.
    pub async fn delete(&self, endpoint: &Endpoint, name: &str, uid: &str) -> Result<Deletion, Error> {
        self.delete_with(endpoint, name, uid, "Background").await
    }

    /// Deletes the object with this uid; what it owns stays, without an owner.
    ///
    /// # Errors
    /// As [`Self::delete`].
    pub async fn delete_alone(&self, endpoint: &Endpoint, name: &str, uid: &str) -> Result<Deletion, Error> {
        self.delete_with(endpoint, name, uid, "Orphan").await
    }

    async fn delete_with(&self, endpoint: &Endpoint, name: &str, uid: &str, policy: &str) -> Result<Deletion, Error> {
        let options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy, "preconditions": {"uid": uid},
        });
        let call =
            Call { privacy: endpoint.privacy(), guard: Guard::Precondition, ..Call::json(Method::DELETE, endpoint.object(name), &options) };
        match self.value_of(endpoint, &call).await {
            Ok(_) => Ok(Deletion::Accepted),
            Err(Error::Refused(refusal)) if refusal.is_not_found() || refusal.status == 409 => Ok(Deletion::Gone),
            Err(error) => Err(error),
        }
    }

    /// Makes an object that isn't there yet.
    ///
    /// # Errors
    /// A refusal with status 409 when there is one of its name; otherwise what the wire or the server said.
    pub async fn create(&self, endpoint: &Endpoint, object: &Value) -> Result<Value, Error> {
        let target = with_query(&endpoint.path(), &[("fieldManager", FIELD_MANAGER)]);
        let call = Call { privacy: endpoint.privacy(), guard: Guard::Precondition, ..Call::json(Method::POST, target, object) };
        self.value_of(endpoint, &call).await
    }

    /// Replaces an object by a whole new state; `metadata.resourceVersion` must be the current one.
    ///
    /// # Errors
    /// A refusal with status 409 when the object has changed since; otherwise what the wire or the server said.
    pub async fn replace(&self, endpoint: &Endpoint, name: &str, object: &Value) -> Result<Value, Error> {
        let target = with_query(&endpoint.object(name), &[("fieldManager", FIELD_MANAGER)]);
        let call = Call { privacy: endpoint.privacy(), guard: Guard::Precondition, ..Call::json(Method::PUT, target, object) };
        self.value_of(endpoint, &call).await
    }

    /// Lets a claim want more storage.
    ///
    /// # Errors
    /// A refusal when its class doesn't let it grow, or it would shrink; otherwise what the wire or the server said.
    pub async fn grow(&self, claim: &Endpoint, name: &str, storage: &str, dry_run: DryRun) -> Result<Value, Error> {
        let patch = json!({"spec": {"resources": {"requests": {"storage": storage}}}});
        let mut query = vec![("fieldManager", FIELD_MANAGER)];
        if dry_run == DryRun::Yes {
            query.push(("dryRun", "All"));
        }
        let target = with_query(&claim.object(name), &query);
        let call = Call { content_type: Some("application/merge-patch+json"), ..Call::json(Method::PATCH, target, &patch) };
        self.value_of(claim, &call).await
    }

    /// Rewrites who manages which fields; no value changes.
    ///
    /// # Errors
    /// A refusal with status 409 when the object is no longer at `version`; otherwise what the wire or the server said.
    pub async fn set_managers(&self, endpoint: &Endpoint, name: &str, managers: &[Value], version: &str) -> Result<Value, Error> {
        let patch = json!([
            {"op": "replace", "path": "/metadata/managedFields", "value": managers},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
        ]);
        let target = with_query(&endpoint.object(name), &[("fieldManager", FIELD_MANAGER)]);
        let call = Call {
            content_type: Some("application/json-patch+json"),
            privacy: endpoint.privacy(),
            guard: Guard::Precondition,
            ..Call::json(Method::PATCH, target, &patch)
        };
        self.value_of(endpoint, &call).await
    }

    async fn value_of(&self, endpoint: &Endpoint, call: &Call) -> Result<Value, Error> {
        self.wire.value(call, self.deadline).await.map_err(|error| endpoint.explain(error))
    }
}
