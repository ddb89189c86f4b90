//! What an object names: the other objects that it needs, by kind of need.

use serde_json::Value;

use super::pods::{CONTAINER_LISTS, Template, templates};
use super::{Key, Resource};

mod pod;
mod route;

/// Why one object names another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// Environment variables of a container.
    Environment,
    /// A volume of a pod.
    Volume,
    /// Credentials with which a pod's images are pulled.
    PullSecret,
    /// The account that pods run as.
    ServiceAccount,
    /// The priority or runtime class of pods, or the claim on a device.
    PodClass,
    /// The role that a binding grants.
    Role,
    /// The account that a binding grants a role to.
    Subject,
    /// The policy that a binding puts into force.
    Policy,
    /// The workload that an autoscaler scales.
    ScaleTarget,
    /// The service that a route or an ingress leads to.
    Backend,
    /// The gateway that a route belongs to.
    Gateway,
    /// The certificate of a route.
    Certificate,
    /// The service that names a stateful set's pods.
    GoverningService,
    /// The service behind an admission webhook or an aggregated API: what calls it fails until it answers.
    Server,
    /// The account that a token belongs to.
    TokenOwner,
    /// The store or issuer that a secret is made from.
    SecretSource,
}

/// A name in one object that means another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub need: Need,
    pub to: Key,
    /// JSON pointer of the name inside the object.
    pub pointer: String,
}

/// All objects that this one names, in the order of its fields. A name without a namespace means the object's own.
pub fn of(resource: &Resource) -> Vec<Link> {
    let mut finder = Finder { resource, links: Vec::new() };
    for template in templates(resource) {
        finder.pod(&template);
    }
    match (resource.id.group.as_str(), resource.id.kind.as_str()) {
        ("apps", "StatefulSet") => finder.local(Need::GoverningService, "", "Service", "/spec/serviceName"),
        ("", "Secret") => finder.token_owner(),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => finder.binding(),
        ("admissionregistration.k8s.io", kind) => finder.admission(kind),
        ("apiregistration.k8s.io", "APIService") => finder.server("/spec/service"),
        ("autoscaling", "HorizontalPodAutoscaler") | ("keda.sh", "ScaledObject") => finder.scale_target("/spec/scaleTargetRef"),
        ("autoscaling.k8s.io", "VerticalPodAutoscaler") => finder.scale_target("/spec/targetRef"),
        ("networking.k8s.io" | "extensions", "Ingress") => finder.ingress(),
        ("gateway.networking.k8s.io", kind) => finder.gateway_api(kind),
        ("cert-manager.io", "Certificate") => finder.source("/spec/issuerRef", "cert-manager.io", "Issuer"),
        ("external-secrets.io", "ExternalSecret") => finder.source("/spec/secretStoreRef", "external-secrets.io", "SecretStore"),
        _ => {}
    }
    finder.links
}

/// The Secret that a controller makes from this object.
pub fn produced_secret(resource: &Resource) -> Option<Key> {
    let text = |pointer| resource.value.pointer(pointer).and_then(Value::as_str);
    let name = match (resource.id.group.as_str(), resource.id.kind.as_str()) {
        ("cert-manager.io", "Certificate") => text("/spec/secretName")?,
        ("external-secrets.io", "ExternalSecret") => text("/spec/target/name").unwrap_or(&resource.id.name),
        ("bitnami.com", "SealedSecret") => text("/spec/template/metadata/name").unwrap_or(&resource.id.name),
        _ => return None,
    };
    Some(Key { group: String::new(), kind: "Secret".into(), namespace: resource.id.namespace.clone(), name: name.to_owned() })
}

/// The service behind the conversion webhook of a definition.
pub fn conversion_server(definition: &Resource) -> Option<Key> {
    let service = definition.value.pointer("/spec/conversion/webhook/clientConfig/service")?;
    Some(Key {
        group: String::new(),
        kind: "Service".into(),
        namespace: service.get("namespace").and_then(Value::as_str).map(str::to_owned),
        name: service.get("name")?.as_str()?.to_owned(),
    })
}

struct Finder<'r> {
    resource: &'r Resource,
    links: Vec<Link>,
}

/// The items of a list with their positions; nothing when it is not there.
fn items<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = (usize, &'v Value)> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten().enumerate()
}

/// The group of an `apiVersion`.
fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

impl<'r> Finder<'r> {
    fn value(&self) -> &'r Value {
        &self.resource.value
    }

    fn text(&self, pointer: &str) -> Option<&'r str> {
        self.value().pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    fn push(&mut self, need: Need, (group, kind): (&str, &str), namespace: Option<&str>, name: &str, pointer: String) {
        let to = Key { group: group.to_owned(), kind: kind.to_owned(), namespace: namespace.map(str::to_owned), name: name.to_owned() };
        self.links.push(Link { need, to, pointer });
    }

    /// A name that means an object of the same namespace.
    fn local(&mut self, need: Need, group: &str, kind: &str, pointer: &str) {
        if let Some(name) = self.text(pointer) {
            self.push(need, (group, kind), self.resource.id.namespace.as_deref(), name, pointer.to_owned());
        }
    }

    /// A name that means a cluster-scoped object.
    fn global(&mut self, need: Need, group: &str, kind: &str, pointer: &str) {
        if let Some(name) = self.text(pointer) {
            self.push(need, (group, kind), None, name, pointer.to_owned());
        }
    }

    /// The controller deletes a token whose account isn't there.
    fn token_owner(&mut self) {
        if self.text("/type") == Some("kubernetes.io/service-account-token") {
            self.local(Need::TokenOwner, "", "ServiceAccount", "/metadata/annotations/kubernetes.io~1service-account.name");
        }
    }

    fn binding(&mut self) {
        const GROUP: &str = "rbac.authorization.k8s.io";
        match self.text("/roleRef/kind") {
            Some("Role") => self.local(Need::Role, GROUP, "Role", "/roleRef/name"),
            _ => self.global(Need::Role, GROUP, "ClusterRole", "/roleRef/name"),
        }
        for (index, subject) in items(self.value(), "/subjects") {
            if let (Some("ServiceAccount"), Some(name)) = (subject["kind"].as_str(), subject["name"].as_str()) {
                let namespace = subject["namespace"].as_str().or(self.resource.id.namespace.as_deref());
                self.push(Need::Subject, ("", "ServiceAccount"), namespace, name, format!("/subjects/{index}/name"));
            }
        }
    }

    fn admission(&mut self, kind: &str) {
        const GROUP: &str = "admissionregistration.k8s.io";
        match kind.strip_suffix("Binding") {
            Some(policy) => self.global(Need::Policy, GROUP, policy, "/spec/policyName"),
            None => {
                for (index, _) in items(self.value(), "/webhooks") {
                    self.server(&format!("/webhooks/{index}/clientConfig/service"));
                }
            }
        }
    }

    fn server(&mut self, pointer: &str) {
        let Some(name) = self.text(&format!("{pointer}/name")) else { return };
        let namespace = self.text(&format!("{pointer}/namespace"));
        self.push(Need::Server, ("", "Service"), namespace, name, format!("{pointer}/name"));
    }

    /// KEDA's target is a Deployment unless it says something else.
    fn scale_target(&mut self, pointer: &str) {
        let kind = self.text(&format!("{pointer}/kind")).unwrap_or("Deployment");
        let group = group_of(self.text(&format!("{pointer}/apiVersion")).unwrap_or("apps/v1"));
        self.local(Need::ScaleTarget, group, kind, &format!("{pointer}/name"));
    }

    /// An issuer or store: of the same namespace, or a cluster-wide one.
    fn source(&mut self, pointer: &str, group: &str, kind: &str) {
        let kind = self.text(&format!("{pointer}/kind")).unwrap_or(kind);
        let group = self.text(&format!("{pointer}/group")).unwrap_or(group);
        let name = format!("{pointer}/name");
        match kind.starts_with("Cluster") {
            true => self.global(Need::SecretSource, group, kind, &name),
            false => self.local(Need::SecretSource, group, kind, &name),
        }
    }
}

#[cfg(test)]
mod tests;
