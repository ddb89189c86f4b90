//! What a server's refusal means, and what may not be done.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};

use super::super::error::{Error, Subject};
use super::super::plan::{Action, Step, Why};
use super::ground::Definition;
use super::{PARALLEL, Preview};
use crate::cluster::{Endpoint, Permission, Verb};
use crate::resource::{Id, Resource};

impl Preview<'_> {
    /// A refusal that only says that something of this very run isn't there yet is no fault of the manifest.
    pub(super) fn excuse(
        &self,
        error: Error,
        resource: &Resource,
        endpoint: &Endpoint,
        definition: Option<Definition>,
    ) -> Result<Action, Error> {
        let Error::Object { source, .. } = &error else { return Err(error) };
        if definition.is_some() {
            return Ok(Action::Unvalidated(Why::ChangedKind(resource.id.kind.clone())));
        }
        let Some(refusal) = source.refusal() else { return Err(error) };
        if let Some(namespace) = endpoint.namespace.as_ref().filter(|name| refusal.message == format!("namespaces {name:?} not found")) {
            return Err(Error::NamespaceMissing { object: Subject::of(resource), namespace: namespace.clone() });
        }
        if refusal.message.contains("does not support dry run") {
            return Ok(Action::Unvalidated(Why::NoRehearsal));
        }
        let absent = missing(&refusal.message).filter(|name| self.names.contains(name) && *name != resource.id.name);
        if let Some(name) = absent {
            return Ok(Action::Unvalidated(Why::Missing(name.to_owned())));
        }
        if refusal.is_forbidden() && refusal.message.contains("cannot patch resource") {
            return Err(Error::Forbidden { object: Subject::of(resource), permission: Box::new(Permission::of(Verb::Patch, endpoint)) });
        }
        if refusal.is_forbidden() && refusal.message.contains("cannot create resource") {
            return Err(Error::Forbidden { object: Subject::of(resource), permission: Box::new(Permission::of(Verb::Create, endpoint)) });
        }
        Err(error)
    }

    /// Asks for the permissions that no rehearsal has proven; names the first object that needs each.
    pub(super) async fn forbidden(&self, steps: &[Step]) -> Result<Vec<Error>, Error> {
        let mut wanted: BTreeMap<Permission, &Resource> = BTreeMap::new();
        for step in steps.iter().filter(|step| matches!(step.action, Action::Unvalidated(_))) {
            for verb in [Verb::Create, Verb::Patch] {
                wanted.entry(Permission::of(verb, &step.endpoint)).or_insert(&step.resource);
            }
        }
        let asked =
            stream::iter(wanted).map(|(permission, resource)| async move { (self.cluster.may(&permission).await, permission, resource) });
        let mut asked = asked.buffered(PARALLEL);
        let mut forbidden = Vec::new();
        while let Some((answer, permission, resource)) = asked.next().await {
            if !answer.map_err(Error::Cluster)? {
                forbidden.push(Error::Forbidden { object: Subject::of(resource), permission: Box::new(permission) });
            }
        }
        Ok(forbidden)
    }
}

/// Whether the server refuses only because a Job's pods can't be changed: a new Job in its place can have them.
pub(super) fn needs_a_new_job(id: &Id, error: &Error) -> bool {
    let Error::Object { source, .. } = error else { return false };
    let refusal = source.refusal().filter(|refusal| refusal.status == 422 && id.is("batch", "Job"));
    refusal.is_some_and(|refusal| {
        !refusal.causes.is_empty() && refusal.causes.iter().all(|cause| cause.message.ends_with("field is immutable"))
    })
}

/// The name in `serviceaccounts "api" not found`, as the API server and its admission plugins put it.
fn missing(message: &str) -> Option<&str> {
    let before = &message[..message.find("\" not found")?];
    before.rsplit('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_name_of_what_is_missing() {
        let message = r#"pods "a" is forbidden: error looking up service account shop/api: serviceaccount "api" not found"#;
        assert_eq!(missing(message), Some("api"));
        assert_eq!(missing(r#"namespaces "shop" not found"#), Some("shop"));
        assert_eq!(missing("field is immutable"), None);
    }
}
