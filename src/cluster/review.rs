//! Asking whether we may, before we do.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Cluster;
use super::error::Error;
use super::permission::{Permission, resource};
use super::wire::Call;

/// Questions under way at the same time.
const PARALLEL: usize = 32;

/// What an account may do in a namespace, as far as the server could list it (`SelfSubjectRulesReview`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rules {
    #[serde(default)]
    resource_rules: Vec<Rule>,
    /// An authorizer, such as a cloud's, can't list its rules: what isn't listed may be allowed all the same.
    #[serde(default)]
    incomplete: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Rule {
    verbs: Vec<String>,
    api_groups: Vec<String>,
    resources: Vec<String>,
    resource_names: Vec<String>,
}

impl Rules {
    /// `None` when only the authorizer itself can tell.
    fn allow(&self, wanted: &Permission) -> Option<bool> {
        let allowed = self.resource_rules.iter().any(|rule| rule.allows(wanted));
        if allowed || !self.incomplete { Some(allowed) } else { None }
    }
}

impl Rule {
    /// As RBAC reads a rule (`k8s.io/kubernetes/pkg/apis/rbac/v1/evaluation_helpers.go`).
    fn allows(&self, wanted: &Permission) -> bool {
        let has = |list: &[String], one: &str| list.iter().any(|entry| entry == "*" || entry == one);
        let any_part = wanted.subresource.map(|part| format!("*/{part}"));
        let of_kind = has(&self.resources, &resource(&wanted.plural, wanted.subresource))
            || any_part.is_some_and(|part| self.resources.contains(&part));
        let named = self.resource_names.is_empty() || wanted.name.as_ref().is_some_and(|name| self.resource_names.contains(name));
        has(&self.verbs, wanted.verb.name()) && has(&self.api_groups, &wanted.group) && of_kind && named
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
                "subresource": permission.subresource.unwrap_or_default(),
                "namespace": permission.namespace.as_deref().unwrap_or_default(),
                "name": permission.name.as_deref().unwrap_or_default(),
            }},
        });
        let call = Call::json(Method::POST, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".into(), &review);
        let answer = self.wire.value(&call, self.deadline).await?;
        Ok(answer.pointer("/status/allowed") == Some(&Value::Bool(true)))
    }

    /// Which of these our account hasn't got. One request for each namespace, and more where the server can't list all rules.
    ///
    /// # Errors
    /// What the wire or the server said.
    pub async fn lacks(&self, wanted: &BTreeSet<Permission>) -> Result<BTreeSet<Permission>, Error> {
        let namespaces: BTreeSet<&str> = wanted.iter().filter_map(|permission| permission.namespace.as_deref()).collect();
        let listed = namespaces.into_iter().map(|namespace| async move { Ok::<_, Error>((namespace, self.rules(namespace).await?)) });
        let rules: BTreeMap<&str, Rules> = futures::future::try_join_all(listed).await?.into_iter().collect();
        let (mut lacking, mut open) = (BTreeSet::new(), BTreeSet::new());
        for permission in wanted {
            let rules = permission.namespace.as_deref().and_then(|namespace| rules.get(namespace));
            match rules.and_then(|rules| rules.allow(permission)) {
                Some(true) => {}
                Some(false) => drop(lacking.insert(permission.clone())),
                None => drop(open.insert(permission.for_all())),
            }
        }
        let asked = stream::iter(open).map(|general| async move {
            let may = self.may(&general).await?;
            Ok::<_, Error>((general, may))
        });
        let asked: Vec<_> = asked.buffer_unordered(PARALLEL).collect().await;
        let mut named = Vec::new();
        for answer in asked {
            let (general, may) = answer?;
            if !may {
                named.extend(wanted.iter().filter(|permission| permission.for_all() == general).cloned());
            }
        }
        for permission in named {
            // Who may not for all may do so for this one.
            if permission.name.is_none() || !self.may(&permission).await? {
                lacking.insert(permission);
            }
        }
        Ok(lacking)
    }

    async fn rules(&self, namespace: &str) -> Result<Rules, Error> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        });
        let call = Call::json(Method::POST, "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews".into(), &review);
        let answer = match self.wire.value(&call, self.deadline).await {
            Ok(answer) => answer,
            // Somebody has taken away even this: each question is asked by itself.
            Err(error) if error.refusal().is_some_and(|refusal| refusal.is_forbidden() || refusal.is_not_found()) => {
                return Ok(Rules { incomplete: true, ..Rules::default() });
            }
            Err(error) => return Err(error),
        };
        // What can't be read is as good as not listed.
        Ok(serde_json::from_value(answer["status"].clone()).unwrap_or(Rules { incomplete: true, ..Rules::default() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Endpoint, Verb};

    fn permission(verb: Verb, plural: &str, name: Option<&str>) -> Permission {
        let endpoint = Endpoint::built_in("apps", "v1", "Deployment", plural, Some("shop"));
        Permission { name: name.map(str::to_owned), ..Permission::of(verb, &endpoint) }
    }

    fn rules(incomplete: bool, rules: &Value) -> Rules {
        serde_json::from_value(json!({"resourceRules": rules, "incomplete": incomplete, "nonResourceRules": []})).unwrap()
    }

    #[test]
    fn rules_are_read_as_the_server_reads_them() {
        let api = json!([{"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["api"], "verbs": ["get"]}]);
        let logs = Permission { subresource: Some("log"), ..permission(Verb::Get, "pods", None) };
        for (given, wanted, expected) in [
            (json!([]), permission(Verb::Get, "deployments", None), false),
            (
                json!([{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}]),
                permission(Verb::Get, "deployments", None),
                true,
            ),
            (
                json!([{"apiGroups": [""], "resources": ["deployments"], "verbs": ["get"]}]),
                permission(Verb::Get, "deployments", None),
                false,
            ),
            (json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]), permission(Verb::Delete, "deployments", Some("x")), true),
            (api.clone(), permission(Verb::Get, "deployments", None), false),
            (api.clone(), permission(Verb::Get, "deployments", Some("api")), true),
            (api, permission(Verb::Get, "deployments", Some("web")), false),
            (json!([{"apiGroups": ["apps"], "resources": ["pods"], "verbs": ["get"]}]), logs.clone(), false),
            (json!([{"apiGroups": ["apps"], "resources": ["pods/log"], "verbs": ["get"]}]), logs.clone(), true),
            (json!([{"apiGroups": ["apps"], "resources": ["*/log"], "verbs": ["get"]}]), logs.clone(), true),
            (json!([{"apiGroups": ["apps"], "resources": ["*"], "verbs": ["get"]}]), logs, true),
        ] {
            assert_eq!(rules(false, &given).allow(&wanted), Some(expected), "{given} {wanted}");
            assert_eq!(rules(true, &given).allow(&wanted), expected.then_some(true), "incomplete: {given} {wanted}");
        }
    }
}
