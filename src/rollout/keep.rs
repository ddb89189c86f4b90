//! What is never removed by itself, whoever has made it. Pure.

use serde_json::Value;

use crate::resource::Id;

/// Annotations that ask to leave an object when a release no longer has it, and the value that does.
const MARKERS: [(&str, &str); 6] = [
    // Helm docs, "Tell Helm Not To Uninstall a Resource".
    ("helm.sh/resource-policy", "keep"),
    // cli-utils, pkg/common/common.go: the old name and the new one.
    ("cli-utils.sigs.k8s.io/on-remove", "keep"),
    ("client.lifecycle.config.k8s.io/deletion", "detach"),
    // Argo CD docs, "Sync Options"; a list.
    ("argocd.argoproj.io/sync-options", "Prune=false"),
    // Flux docs, "Kustomization", section "Prune".
    ("kustomize.toolkit.fluxcd.io/prune", "disabled"),
    // kapp docs, "Apply ordering and strategies".
    ("kapp.k14s.io/delete-strategy", "orphan"),
];

/// The annotation that keeps an object from being removed.
pub(super) fn marker(object: &Value) -> Option<String> {
    let annotations = object.pointer("/metadata/annotations")?.as_object()?;
    let asks = |(name, value): &&(&str, &str)| {
        let list = annotations.get(*name).and_then(Value::as_str).unwrap_or_default();
        list.split(',').any(|entry| entry.trim().eq_ignore_ascii_case(value))
    };
    MARKERS.iter().find(asks).map(|(name, value)| format!("{name}: {value}"))
}

/// Whether removing the object would remove what somebody has put into it: data, or objects.
pub(super) fn holds_something(id: &Id) -> bool {
    id.is("", "PersistentVolumeClaim")
        || id.is("", "PersistentVolume")
        || id.is("", "Namespace")
        || id.is("apiextensions.k8s.io", "CustomResourceDefinition")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_tools_way_of_keeping_an_object_is_known() {
        let found = |name: &str, value: &str| marker(&json!({"metadata": {"annotations": {name: value}}}));
        assert_eq!(found("helm.sh/resource-policy", "keep").as_deref(), Some("helm.sh/resource-policy: keep"));
        assert_eq!(
            found("argocd.argoproj.io/sync-options", "Validate=false, Prune=false").as_deref(),
            Some("argocd.argoproj.io/sync-options: Prune=false")
        );
        assert!(found("kustomize.toolkit.fluxcd.io/prune", "Disabled").is_some());
        assert!(found("client.lifecycle.config.k8s.io/deletion", "detach").is_some());
        assert_eq!(found("argocd.argoproj.io/sync-options", "Prune=confirm"), None);
        assert_eq!(marker(&json!({"metadata": {}})), None);
    }
}
