//! Objects: where they are, reading them, and server-side apply.

use http::Method;
use serde_json::Value;

use super::Cluster;
use super::error::Error;
use super::wire::{Call, Privacy, Served};
use crate::resource::{Id, Kind, Scope};

/// Where the objects of one kind are, in one namespace or in all of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    pub kind: String,
    pub plural: String,
    /// `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
}

/// Whether an apply is only rehearsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRun {
    Yes,
    No,
}

/// Whether an apply takes fields that others hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    Yes,
    No,
}

/// Whether the kind of an object was defined in this very run, so that servers may not know it yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newness {
    Known,
    JustDefined,
}

impl Endpoint {
    /// The endpoint of an object: in its own namespace or else the `default` one, and in none where its kind has none.
    pub fn of(id: &Id, kind: &Kind, default: &str) -> Self {
        let namespace = match kind.scope {
            Scope::Namespaced => Some(id.namespace.clone().unwrap_or_else(|| default.to_owned())),
            Scope::Cluster => None,
        };
        Self { group: id.group.clone(), version: id.version.clone(), kind: id.kind.clone(), plural: kind.plural.clone(), namespace }
    }

    /// A built-in kind in a namespace.
    pub fn built_in(group: &str, version: &str, kind: &str, plural: &str, namespace: Option<&str>) -> Self {
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            namespace: namespace.map(str::to_owned),
        }
    }

    /// As it is written in a manifest: `apps/v1`, `v1`.
    pub fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    pub(super) fn path(&self) -> String {
        let root = match self.group.as_str() {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        match &self.namespace {
            Some(namespace) => format!("{root}/namespaces/{}/{}", escaped(namespace), self.plural),
            None => format!("{root}/{}", self.plural),
        }
    }

    pub(super) fn object(&self, name: &str) -> String {
        format!("{}/{}", self.path(), escaped(name))
    }

    pub(super) fn privacy(&self) -> Privacy {
        if self.group.is_empty() && self.kind == "Secret" { Privacy::Secret } else { Privacy::Open }
    }

    /// Tells an API that isn't served (answered in plain text) from an object that isn't there.
    pub(super) fn explain(&self, error: Error) -> Error {
        match error.refusal() {
            Some(refusal) if refusal.is_not_found() && refusal.kind == super::Body::Text => {
                Error::NotServed { api_version: self.api_version(), kind: self.kind.clone() }
            }
            _ => error,
        }
    }
}

impl Cluster {
    /// Reads one object; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::NotServed`] when the server doesn't know the kind; otherwise what the wire or the server said.
    pub async fn get(&self, endpoint: &Endpoint, name: &str) -> Result<Option<Value>, Error> {
        let call = Call { privacy: endpoint.privacy(), ..Call::get(endpoint.object(name)) };
        match self.wire.value(&call, self.deadline).await.map_err(|error| endpoint.explain(error)) {
            Ok(object) => Ok(Some(object)),
            Err(Error::Refused(refusal)) if refusal.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads all objects of an endpoint that the selectors (`labelSelector`, `fieldSelector`) let through, page by page.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn list(&self, endpoint: &Endpoint, selectors: &[(&str, &str)]) -> Result<Vec<Value>, Error> {
        let mut objects = Vec::new();
        let mut after = None;
        loop {
            let page = self.page(endpoint, selectors, LARGEST_PAGE, after.as_ref()).await?;
            objects.extend(page.objects);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(objects),
            }
        }
    }

    /// Reads one page of a list: at most `limit` objects, each complete with its apiVersion and kind.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn page(
        &self,
        endpoint: &Endpoint,
        selectors: &[(&str, &str)],
        limit: usize,
        after: Option<&Continue>,
    ) -> Result<Page, Error> {
        let limit = limit.to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(selectors);
        query.extend(after.map(|after| ("continue", after.token.as_str())));
        let call = Call { privacy: endpoint.privacy(), ..Call::get(with_query(&endpoint.path(), &query)) };
        let mut list = self.wire.value(&call, self.deadline).await.map_err(|error| endpoint.explain(error))?;
        let Value::Array(mut objects) = list.get_mut("items").map(Value::take).unwrap_or_default() else {
            return Ok(Page::default());
        };
        for object in objects.iter_mut().filter_map(Value::as_object_mut) {
            // The list says it once for all its items.
            object.entry("apiVersion").or_insert_with(|| endpoint.api_version().into());
            object.entry("kind").or_insert_with(|| endpoint.kind.clone().into());
        }
        let token = list.pointer("/metadata/continue").and_then(Value::as_str).filter(|token| !token.is_empty());
        let left = list.pointer("/metadata/remainingItemCount").and_then(Value::as_u64).and_then(|left| usize::try_from(left).ok());
        Ok(Page { objects, next: token.map(|token| Continue { token: token.to_owned(), left }) })
    }

    /// Server-side apply under the given field manager with strict validation; the answer is the object as it is now (or would be).
    ///
    /// # Errors
    /// A refusal with [`super::Refusal::conflicts`] when others hold fields and `force` is no; otherwise as [`Self::get`].
    pub async fn apply(&self, endpoint: &Endpoint, name: &str, object: &Value, apply: Apply) -> Result<Value, Error> {
        let mut query = vec![("fieldManager", apply.manager), ("fieldValidation", "Strict")];
        if apply.force == Force::Yes {
            query.push(("force", "true"));
        }
        if apply.dry_run == DryRun::Yes {
            query.push(("dryRun", "All"));
        }
        let target = with_query(&endpoint.object(name), &query);
        let served = match apply.newness {
            Newness::Known => Served::Long,
            Newness::JustDefined => Served::JustDefined,
        };
        let call = Call {
            content_type: Some("application/apply-patch+yaml"),
            privacy: endpoint.privacy(),
            served,
            ..Call::json(Method::PATCH, target, object)
        };
        self.wire.value(&call, self.deadline).await.map_err(|error| endpoint.explain(error))
    }
}

/// What a server may be asked for at once.
const LARGEST_PAGE: usize = 500;

/// Some objects of a list.
#[derive(Debug, Default)]
pub struct Page {
    pub objects: Vec<Value>,
    /// Where the list goes on, if there is more.
    pub next: Option<Continue>,
}

/// The place where a page ended.
#[derive(Debug, Clone)]
pub struct Continue {
    token: String,
    /// How many objects are left, where the server tells: it doesn't when there is a selector.
    pub left: Option<usize>,
}

/// How to apply an object.
#[derive(Debug, Clone, Copy)]
pub struct Apply {
    /// Who the fields belong to afterwards: [`super::FIELD_MANAGER`] unless there is a reason.
    pub manager: &'static str,
    pub force: Force,
    pub dry_run: DryRun,
    pub newness: Newness,
}

/// A path with a query, percent-encoded.
pub(super) fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("{path}?{query}")
}

/// A name as a segment of a path: RBAC allows names with characters that URLs don't.
pub(super) fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'@' => escaped.push(char::from(byte)),
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_the_paths_of_the_api() {
        let deployments = Endpoint::built_in("apps", "v1", "Deployment", "deployments", Some("shop"));
        assert_eq!(deployments.object("api"), "/apis/apps/v1/namespaces/shop/deployments/api");
        let roles = Endpoint::built_in("", "v1", "Namespace", "namespaces", None);
        assert_eq!(roles.object("system:a/b c"), "/api/v1/namespaces/system:a%2Fb%20c");
    }
}
