//! Which kinds there are, what their URLs are called, and which of them live in a namespace.

use std::collections::HashMap;

use super::{Id, Resource};

/// Whether objects of a kind live in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Namespaced,
    Cluster,
}

/// What a client needs to know of a kind to address its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// The kind's name in URLs: `deployments`.
    pub plural: String,
    pub scope: Scope,
    /// The versions that the set's own definition serves; empty for built-in and discovered kinds.
    pub served: Vec<String>,
}

/// A kind that every cluster has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltIn {
    pub group: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    pub scope: Scope,
}

/// Looks a built-in kind up.
pub fn built_in(group: &str, kind: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.binary_search_by(|known| (known.group, known.kind).cmp(&(group, kind))).ok().map(|at| &BUILT_IN[at])
}

/// The kinds known without asking a cluster: the built-in ones, those that the set itself defines, and what the caller has learnt.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    custom: HashMap<(String, String), Kind>,
}

impl Catalog {
    /// Takes plural, scope and served versions from the CustomResourceDefinitions in the set, so that their instances
    /// are addressable before the cluster knows them.
    pub fn of(resources: &[Resource]) -> Self {
        let mut catalog = Self::default();
        for resource in resources.iter().filter(|r| r.id.is("apiextensions.k8s.io", "CustomResourceDefinition")) {
            if let Some((group, kind, found)) = defined(resource) {
                catalog.learn(group, kind, found);
            }
        }
        catalog
    }

    /// Adds a kind, such as one that the cluster's discovery has told about.
    pub fn learn(&mut self, group: impl Into<String>, kind: impl Into<String>, found: Kind) {
        self.custom.insert((group.into(), kind.into()), found);
    }

    pub fn get(&self, group: &str, kind: &str) -> Option<Kind> {
        match built_in(group, kind) {
            Some(known) => Some(Kind { plural: known.plural.to_owned(), scope: known.scope, served: Vec::new() }),
            None => self.custom.get(&(group.to_owned(), kind.to_owned())).cloned(),
        }
    }

    /// One object of each kind that only the cluster can tell about, in the order of the set.
    pub fn unknown<'r>(&self, resources: &'r [Resource]) -> Vec<&'r Id> {
        let mut seen = std::collections::HashSet::new();
        let ids = resources.iter().map(|r| &r.id);
        ids.filter(|id| self.get(&id.group, &id.kind).is_none() && seen.insert((&id.group, &id.version, &id.kind))).collect()
    }
}

fn defined(definition: &Resource) -> Option<(&str, &str, Kind)> {
    let spec = definition.value.get("spec")?;
    let text = |pointer| spec.pointer(pointer).and_then(serde_json::Value::as_str);
    let scope = match text("/scope")? {
        "Cluster" => Scope::Cluster,
        _ => Scope::Namespaced,
    };
    let versions = spec.get("versions").and_then(serde_json::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let served = versions.iter().filter(|v| v["served"] == true).filter_map(|v| Some(v["name"].as_str()?.to_owned())).collect();
    Some((text("/group")?, text("/names/kind")?, Kind { plural: text("/names/plural")?.to_owned(), scope, served }))
}

const fn namespaced(group: &'static str, kind: &'static str, plural: &'static str) -> BuiltIn {
    BuiltIn { group, kind, plural, scope: Scope::Namespaced }
}

const fn cluster(group: &'static str, kind: &'static str, plural: &'static str) -> BuiltIn {
    BuiltIn { group, kind, plural, scope: Scope::Cluster }
}

/// The kinds of Kubernetes 1.36, sorted by group and kind (source: its OpenAPI document, as k8s-openapi 0.29 renders it;
/// a test compares the two).
const BUILT_IN: &[BuiltIn] = &[
    namespaced("", "Binding", "bindings"),
    cluster("", "ComponentStatus", "componentstatuses"),
    namespaced("", "ConfigMap", "configmaps"),
    namespaced("", "Endpoints", "endpoints"),
    namespaced("", "Event", "events"),
    namespaced("", "LimitRange", "limitranges"),
    cluster("", "Namespace", "namespaces"),
    cluster("", "Node", "nodes"),
    cluster("", "PersistentVolume", "persistentvolumes"),
    namespaced("", "PersistentVolumeClaim", "persistentvolumeclaims"),
    namespaced("", "Pod", "pods"),
    namespaced("", "PodTemplate", "podtemplates"),
    namespaced("", "ReplicationController", "replicationcontrollers"),
    namespaced("", "ResourceQuota", "resourcequotas"),
    namespaced("", "Secret", "secrets"),
    namespaced("", "Service", "services"),
    namespaced("", "ServiceAccount", "serviceaccounts"),
    cluster("admissionregistration.k8s.io", "MutatingAdmissionPolicy", "mutatingadmissionpolicies"),
    cluster("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings"),
    cluster("admissionregistration.k8s.io", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
    cluster("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
    cluster("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
    cluster("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
    cluster("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions"),
    cluster("apiregistration.k8s.io", "APIService", "apiservices"),
    namespaced("apps", "ControllerRevision", "controllerrevisions"),
    namespaced("apps", "DaemonSet", "daemonsets"),
    namespaced("apps", "Deployment", "deployments"),
    namespaced("apps", "ReplicaSet", "replicasets"),
    namespaced("apps", "StatefulSet", "statefulsets"),
    cluster("authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews"),
    cluster("authentication.k8s.io", "TokenReview", "tokenreviews"),
    namespaced("authorization.k8s.io", "LocalSubjectAccessReview", "localsubjectaccessreviews"),
    cluster("authorization.k8s.io", "SelfSubjectAccessReview", "selfsubjectaccessreviews"),
    cluster("authorization.k8s.io", "SelfSubjectRulesReview", "selfsubjectrulesreviews"),
    cluster("authorization.k8s.io", "SubjectAccessReview", "subjectaccessreviews"),
    namespaced("autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    namespaced("batch", "CronJob", "cronjobs"),
    namespaced("batch", "Job", "jobs"),
    cluster("certificates.k8s.io", "CertificateSigningRequest", "certificatesigningrequests"),
    cluster("certificates.k8s.io", "ClusterTrustBundle", "clustertrustbundles"),
    namespaced("certificates.k8s.io", "PodCertificateRequest", "podcertificaterequests"),
    namespaced("coordination.k8s.io", "Lease", "leases"),
    namespaced("coordination.k8s.io", "LeaseCandidate", "leasecandidates"),
    namespaced("discovery.k8s.io", "EndpointSlice", "endpointslices"),
    namespaced("events.k8s.io", "Event", "events"),
    cluster("flowcontrol.apiserver.k8s.io", "FlowSchema", "flowschemas"),
    cluster("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration", "prioritylevelconfigurations"),
    cluster("internal.apiserver.k8s.io", "StorageVersion", "storageversions"),
    cluster("networking.k8s.io", "IPAddress", "ipaddresses"),
    namespaced("networking.k8s.io", "Ingress", "ingresses"),
    cluster("networking.k8s.io", "IngressClass", "ingressclasses"),
    namespaced("networking.k8s.io", "NetworkPolicy", "networkpolicies"),
    cluster("networking.k8s.io", "ServiceCIDR", "servicecidrs"),
    cluster("node.k8s.io", "RuntimeClass", "runtimeclasses"),
    namespaced("policy", "PodDisruptionBudget", "poddisruptionbudgets"),
    cluster("rbac.authorization.k8s.io", "ClusterRole", "clusterroles"),
    cluster("rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings"),
    namespaced("rbac.authorization.k8s.io", "Role", "roles"),
    namespaced("rbac.authorization.k8s.io", "RoleBinding", "rolebindings"),
    cluster("resource.k8s.io", "DeviceClass", "deviceclasses"),
    cluster("resource.k8s.io", "DeviceTaintRule", "devicetaintrules"),
    namespaced("resource.k8s.io", "ResourceClaim", "resourceclaims"),
    namespaced("resource.k8s.io", "ResourceClaimTemplate", "resourceclaimtemplates"),
    cluster("resource.k8s.io", "ResourcePoolStatusRequest", "resourcepoolstatusrequests"),
    cluster("resource.k8s.io", "ResourceSlice", "resourceslices"),
    namespaced("scheduling.k8s.io", "PodGroup", "podgroups"),
    cluster("scheduling.k8s.io", "PriorityClass", "priorityclasses"),
    namespaced("scheduling.k8s.io", "Workload", "workloads"),
    cluster("storage.k8s.io", "CSIDriver", "csidrivers"),
    cluster("storage.k8s.io", "CSINode", "csinodes"),
    namespaced("storage.k8s.io", "CSIStorageCapacity", "csistoragecapacities"),
    cluster("storage.k8s.io", "StorageClass", "storageclasses"),
    cluster("storage.k8s.io", "VolumeAttachment", "volumeattachments"),
    cluster("storage.k8s.io", "VolumeAttributesClass", "volumeattributesclasses"),
    cluster("storagemigration.k8s.io", "StorageVersionMigration", "storageversionmigrations"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::testing::resources;

    #[test]
    fn the_table_is_sorted_and_finds_every_kind() {
        assert!(BUILT_IN.is_sorted_by_key(|k| (k.group, k.kind)));
        for known in BUILT_IN {
            assert_eq!(built_in(known.group, known.kind), Some(known));
        }
        assert_eq!(built_in("serving.knative.dev", "Service"), None, "the group counts");
    }

    #[test]
    fn the_table_says_what_the_api_says() {
        fn check<K>()
        where
            K: k8s_openapi::Resource,
            K::Scope: Named,
        {
            let known = built_in(K::GROUP, K::KIND).unwrap();
            assert_eq!((known.plural, known.scope), (K::URL_PATH_SEGMENT, K::Scope::SCOPE), "{}", K::KIND);
        }
        trait Named {
            const SCOPE: Scope;
        }
        impl Named for k8s_openapi::NamespaceResourceScope {
            const SCOPE: Scope = Scope::Namespaced;
        }
        impl Named for k8s_openapi::ClusterResourceScope {
            const SCOPE: Scope = Scope::Cluster;
        }
        use k8s_openapi::api::*;
        check::<core::v1::ConfigMap>();
        check::<core::v1::Endpoints>();
        check::<core::v1::Namespace>();
        check::<core::v1::PersistentVolume>();
        check::<core::v1::PersistentVolumeClaim>();
        check::<apps::v1::StatefulSet>();
        check::<batch::v1::CronJob>();
        check::<networking::v1::Ingress>();
        check::<networking::v1::IngressClass>();
        check::<networking::v1::NetworkPolicy>();
        check::<policy::v1::PodDisruptionBudget>();
        check::<rbac::v1::ClusterRoleBinding>();
        check::<scheduling::v1::PriorityClass>();
        check::<storage::v1::StorageClass>();
        check::<admissionregistration::v1::ValidatingWebhookConfiguration>();
        check::<k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition>();
        check::<k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService>();
    }

    #[test]
    fn a_definition_in_the_set_tells_about_its_instances() {
        let set = resources(
            "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: fleets.acme.io}
spec:
  group: acme.io
  scope: Cluster
  names: {kind: Fleet, plural: fleets}
  versions: [{name: v1, served: true}, {name: v1beta1, served: false}]
---
apiVersion: acme.io/v1
kind: Fleet
metadata: {name: one}
---
apiVersion: acme.io/v1
kind: Ship
metadata: {name: one}
---
apiVersion: acme.io/v1
kind: Ship
metadata: {name: two}
",
        );
        let catalog = Catalog::of(&set);
        let fleet = Kind { plural: "fleets".to_owned(), scope: Scope::Cluster, served: vec!["v1".to_owned()] };
        assert_eq!(catalog.get("acme.io", "Fleet"), Some(fleet));
        let unknown: Vec<String> = catalog.unknown(&set).iter().map(|id| id.kind.clone()).collect();
        assert_eq!(unknown, ["Ship"]);
    }
}
