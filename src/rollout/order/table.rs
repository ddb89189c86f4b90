//! The table of waves: kinds in the order in which they are applied when nothing else says more.

use crate::resource::Id;

const CORE: &str = "";
const ADMISSION: &str = "admissionregistration.k8s.io";
const AUTOSCALING: &str = "autoscaling";
const GATEWAY: &str = "gateway.networking.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const STORAGE: &str = "storage.k8s.io";

/// One row: its name, and its kinds in order.
pub(super) struct Row {
    pub(super) name: &'static str,
    kinds: &'static [(&'static str, &'static str)],
}

/// Kinds that are not listed belong to [`WORKLOADS`], behind the listed ones; kinds called `…Class` to [`DEFINITIONS`].
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "definitions",
        kinds: &[
            (CORE, "Namespace"),
            ("apiextensions.k8s.io", "CustomResourceDefinition"),
            ("scheduling.k8s.io", "PriorityClass"),
            ("node.k8s.io", "RuntimeClass"),
            ("resource.k8s.io", "DeviceClass"),
            (STORAGE, "CSIDriver"),
            (STORAGE, "StorageClass"),
            (STORAGE, "VolumeAttributesClass"),
            ("snapshot.storage.k8s.io", "VolumeSnapshotClass"),
            ("networking.k8s.io", "IngressClass"),
            (GATEWAY, "GatewayClass"),
        ],
    },
    Row {
        name: "policy and identity",
        kinds: &[
            (CORE, "ResourceQuota"),
            (CORE, "LimitRange"),
            ("networking.k8s.io", "NetworkPolicy"),
            (CORE, "ServiceAccount"),
            (RBAC, "ClusterRole"),
            (RBAC, "Role"),
            (RBAC, "ClusterRoleBinding"),
            (RBAC, "RoleBinding"),
        ],
    },
    Row {
        name: "configuration and storage",
        kinds: &[
            (CORE, "Secret"),
            (CORE, "ConfigMap"),
            ("external-secrets.io", "ClusterSecretStore"),
            ("external-secrets.io", "SecretStore"),
            ("external-secrets.io", "ExternalSecret"),
            ("bitnami.com", "SealedSecret"),
            ("cert-manager.io", "ClusterIssuer"),
            ("cert-manager.io", "Issuer"),
            ("cert-manager.io", "Certificate"),
            ("keda.sh", "ClusterTriggerAuthentication"),
            ("keda.sh", "TriggerAuthentication"),
            (CORE, "PersistentVolume"),
            (CORE, "PersistentVolumeClaim"),
            ("resource.k8s.io", "ResourceClaim"),
            ("resource.k8s.io", "ResourceClaimTemplate"),
        ],
    },
    Row {
        name: "endpoints",
        kinds: &[
            (CORE, "Service"),
            (CORE, "Endpoints"),
            ("discovery.k8s.io", "EndpointSlice"),
            ("policy", "PodDisruptionBudget"),
            (GATEWAY, "Gateway"),
            (GATEWAY, "ReferenceGrant"),
        ],
    },
    // Hooks are put here by their annotations, not by their kind.
    Row { name: "before the workloads", kinds: &[] },
    Row {
        name: "workloads",
        kinds: &[
            ("apps", "DaemonSet"),
            ("apps", "StatefulSet"),
            ("apps", "Deployment"),
            ("apps", "ReplicaSet"),
            (CORE, "ReplicationController"),
            (CORE, "Pod"),
            ("batch", "CronJob"),
            ("batch", "Job"),
            ("argoproj.io", "Rollout"),
        ],
    },
    Row {
        name: "scaling and routing",
        kinds: &[
            (AUTOSCALING, "HorizontalPodAutoscaler"),
            ("autoscaling.k8s.io", "VerticalPodAutoscaler"),
            ("keda.sh", "ScaledObject"),
            ("keda.sh", "ScaledJob"),
            ("networking.k8s.io", "Ingress"),
            (GATEWAY, "HTTPRoute"),
            (GATEWAY, "GRPCRoute"),
            (GATEWAY, "TLSRoute"),
            (GATEWAY, "TCPRoute"),
            (GATEWAY, "UDPRoute"),
            ("route.openshift.io", "Route"),
            ("networking.istio.io", "VirtualService"),
            ("traefik.io", "IngressRoute"),
            ("apiregistration.k8s.io", "APIService"),
        ],
    },
    Row {
        name: "admission",
        kinds: &[
            (ADMISSION, "ValidatingAdmissionPolicy"),
            (ADMISSION, "MutatingAdmissionPolicy"),
            (ADMISSION, "ValidatingAdmissionPolicyBinding"),
            (ADMISSION, "MutatingAdmissionPolicyBinding"),
            (ADMISSION, "MutatingWebhookConfiguration"),
            (ADMISSION, "ValidatingWebhookConfiguration"),
        ],
    },
    Row { name: "after the rollout", kinds: &[] },
    Row { name: "checks", kinds: &[] },
];

const DEFINITIONS: usize = 0;
/// Hooks that are waited for before the workloads.
pub(super) const BEFORE: usize = 4;
const WORKLOADS: usize = 5;
/// Hooks that wait for everything.
pub(super) const AFTER: usize = 8;
/// What proves that the release works; waits for those hooks too.
pub(super) const CHECKS: usize = 9;

/// An object's row, and its kind's place inside the row.
pub(super) fn place(id: &Id) -> (usize, usize) {
    for (row, Row { kinds, .. }) in ROWS.iter().enumerate() {
        if let Some(column) = kinds.iter().position(|(group, kind)| id.is(group, kind)) {
            return (row, column);
        }
    }
    let row = if id.kind.ends_with("Class") { DEFINITIONS } else { WORKLOADS };
    (row, ROWS[row].kinds.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::kinds;

    #[test]
    fn unlisted_kinds_are_workloads_and_classes_are_definitions() {
        let id = |group: &str, kind: &str| Id {
            group: group.into(),
            version: "v1".into(),
            kind: kind.into(),
            namespace: None,
            name: "x".into(),
        };
        let row = |group, kind| ROWS[place(&id(group, kind)).0].name;
        assert_eq!(row("acme.io", "Fleet"), "workloads");
        assert_eq!(row("serving.knative.dev", "Service"), "workloads");
        assert_eq!(row("", "Service"), "endpoints");
        assert_eq!(row("karpenter.k8s.aws", "EC2NodeClass"), "definitions");
    }

    #[test]
    fn the_rows_of_hooks_are_where_the_constants_say() {
        assert_eq!((ROWS[BEFORE].name, ROWS[WORKLOADS].name, ROWS[AFTER].name), ("before the workloads", "workloads", "after the rollout"));
        assert_eq!((ROWS[CHECKS].name, CHECKS), ("checks", ROWS.len() - 1));
    }

    #[test]
    fn every_listed_kind_of_a_built_in_group_exists() {
        for (group, kind) in ROWS.iter().flat_map(|row| row.kinds) {
            let ours = kinds::built_in(group, "Pod").is_some()
                || ["apps", "batch", "policy", AUTOSCALING, RBAC, ADMISSION, STORAGE].contains(group);
            assert!(!ours || kinds::built_in(group, kind).is_some(), "{group} {kind}");
        }
    }
}
