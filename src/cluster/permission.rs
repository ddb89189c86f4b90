//! What an account may or may not do, and how its owner mends that. Pure.

use std::fmt;

use super::Endpoint;

/// What one may be allowed to do with objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Patch,
    Update,
    Delete,
}

impl Verb {
    /// The verb as RBAC writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Patch => "patch",
            Self::Update => "update",
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
    /// A part of the objects that has rights of its own: `log`.
    pub subresource: Option<&'static str>,
    /// `None` asks for the whole cluster.
    pub namespace: Option<String>,
    /// Only for the object of this name: roles may name objects.
    pub name: Option<String>,
}

impl Permission {
    /// For all objects of an endpoint.
    pub fn of(verb: Verb, endpoint: &Endpoint) -> Self {
        let Endpoint { group, plural, namespace, .. } = endpoint.clone();
        Self { verb, group, plural, subresource: None, namespace, name: None }
    }

    /// For one object of an endpoint.
    pub fn for_object(verb: Verb, endpoint: &Endpoint, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..Self::of(verb, endpoint) }
    }

    /// For every object of the kind there.
    #[must_use]
    pub fn for_all(&self) -> Self {
        Self { name: None, ..self.clone() }
    }
}

/// `patch deployments.apps in namespace shop`.
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Kind::of(self).with(&[self.verb], f)
    }
}

/// Permissions as a person reads them: `get, watch deployments.apps in namespace shop and list events in namespace shop`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions(Vec<(Kind, Vec<Verb>)>);

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        let mut kinds: Vec<(Kind, Vec<Verb>)> = Vec::new();
        for permission in permissions {
            let kind = Kind::of(&permission);
            match kinds.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, verbs)) if verbs.contains(&permission.verb) => {}
                Some((_, verbs)) => verbs.push(permission.verb),
                None => kinds.push((kind, vec![permission.verb])),
            }
        }
        Self(kinds)
    }
}

impl Permissions {
    /// What the owner of an account has to do, that it may do all this.
    pub fn advice(&self) -> String {
        let role = if self.0.iter().all(|(kind, _)| kind.namespace.is_some()) { "Role" } else { "ClusterRole" };
        let rules: Vec<String> = self.0.iter().map(|(kind, verbs)| kind.rule(verbs)).collect();
        let first = self.0.first().and_then(|(kind, verbs)| Some(format!("; `{}` tells when it may", kind.question(*verbs.first()?))));
        format!("add to the {role} of `kubeconfig`'s account: {}{}", rules.join(", "), first.unwrap_or_default())
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (kind, verbs)) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" and ")?;
            }
            kind.with(verbs, f)?;
        }
        Ok(())
    }
}

/// What a permission is about.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kind {
    group: String,
    plural: String,
    subresource: Option<&'static str>,
    namespace: Option<String>,
}

impl Kind {
    fn of(permission: &Permission) -> Self {
        let Permission { group, plural, subresource, namespace, .. } = permission.clone();
        Self { group, plural, subresource, namespace }
    }

    fn with(&self, verbs: &[Verb], f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verbs: Vec<&str> = verbs.iter().map(|verb| verb.name()).collect();
        let dot = if self.group.is_empty() { "" } else { "." };
        write!(f, "{} {}{dot}{}", verbs.join(", "), resource(&self.plural, self.subresource), self.group)?;
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => f.write_str(" in the cluster"),
        }
    }

    /// A command that tells whether the account may.
    fn question(&self, verb: Verb) -> String {
        let dot = if self.group.is_empty() { "" } else { "." };
        let part = self.subresource.map(|part| format!(" --subresource={part}")).unwrap_or_default();
        let place = self.namespace.as_ref().map(|namespace| format!(" --namespace {namespace}")).unwrap_or_default();
        format!("kubectl auth can-i {} {}{dot}{}{part}{place}", verb.name(), self.plural, self.group)
    }

    /// What has to be in the account's Role, or in a ClusterRole where it is for the whole cluster.
    fn rule(&self, verbs: &[Verb]) -> String {
        let verbs: Vec<&str> = verbs.iter().map(|verb| verb.name()).collect();
        format!("{{apiGroups: [{:?}], resources: [{:?}], verbs: {verbs:?}}}", self.group, resource(&self.plural, self.subresource))
    }
}

/// The resource as roles name it: `deployments`, `pods/log`.
pub(super) fn resource(plural: &str, subresource: Option<&str>) -> String {
    match subresource {
        Some(part) => format!("{plural}/{part}"),
        None => plural.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_as_its_owner_needs_it() {
        let log = Permission {
            subresource: Some("log"),
            ..Permission::of(Verb::Get, &Endpoint::built_in("", "v1", "Pod", "pods", Some("shop")))
        };
        let classes = Permission::of(Verb::Create, &Endpoint::built_in("storage.k8s.io", "v1", "StorageClass", "storageclasses", None));
        let deployments = Endpoint::built_in("apps", "v1", "Deployment", "deployments", Some("shop"));
        let deployments = [Verb::Get, Verb::Patch].map(|verb| Permission::of(verb, &deployments));
        let told = [deployments.into_iter().chain([log]).collect::<Permissions>(), [classes].into_iter().collect()];
        let told = told.map(|permissions| format!("{permissions}\n{}\n", permissions.advice()));
        insta::assert_snapshot!(told.concat(), @r#"
        get, patch deployments.apps in namespace shop and get pods/log in namespace shop
        add to the Role of `kubeconfig`'s account: {apiGroups: ["apps"], resources: ["deployments"], verbs: ["get", "patch"]}, {apiGroups: [""], resources: ["pods/log"], verbs: ["get"]}; `kubectl auth can-i get deployments.apps --namespace shop` tells when it may
        create storageclasses.storage.k8s.io in the cluster
        add to the ClusterRole of `kubeconfig`'s account: {apiGroups: ["storage.k8s.io"], resources: ["storageclasses"], verbs: ["create"]}; `kubectl auth can-i create storageclasses.storage.k8s.io` tells when it may
        "#);
    }
}
