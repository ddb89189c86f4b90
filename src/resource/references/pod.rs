use super::{CONTAINER_LISTS, Finder, Need, Template, items};

impl Finder<'_> {
    /// Everything that a pod needs before its containers start.
    pub(super) fn pod(&mut self, template: &Template) {
        let at = &template.pointer;
        for list in CONTAINER_LISTS {
            for (index, _) in items(template.spec, &format!("/{list}")) {
                self.container(&format!("{at}/{list}/{index}"));
            }
        }
        for (index, _) in items(template.spec, "/volumes") {
            self.volume(&format!("{at}/volumes/{index}"));
        }
        for (index, _) in items(template.spec, "/imagePullSecrets") {
            self.local(Need::PullSecret, "", "Secret", &format!("{at}/imagePullSecrets/{index}/name"));
        }
        for (index, _) in items(template.spec, "/resourceClaims") {
            let claim = format!("{at}/resourceClaims/{index}");
            self.local(Need::PodClass, "resource.k8s.io", "ResourceClaim", &format!("{claim}/resourceClaimName"));
            self.local(Need::PodClass, "resource.k8s.io", "ResourceClaimTemplate", &format!("{claim}/resourceClaimTemplateName"));
        }
        self.local(Need::ServiceAccount, "", "ServiceAccount", &format!("{at}/serviceAccountName"));
        self.global(Need::PodClass, "scheduling.k8s.io", "PriorityClass", &format!("{at}/priorityClassName"));
        self.global(Need::PodClass, "node.k8s.io", "RuntimeClass", &format!("{at}/runtimeClassName"));
    }

    fn container(&mut self, at: &str) {
        for (index, _) in items(self.value(), &format!("{at}/env")) {
            let from = format!("{at}/env/{index}/valueFrom");
            self.local(Need::Environment, "", "ConfigMap", &format!("{from}/configMapKeyRef/name"));
            self.local(Need::Environment, "", "Secret", &format!("{from}/secretKeyRef/name"));
        }
        for (index, _) in items(self.value(), &format!("{at}/envFrom")) {
            let from = format!("{at}/envFrom/{index}");
            self.local(Need::Environment, "", "ConfigMap", &format!("{from}/configMapRef/name"));
            self.local(Need::Environment, "", "Secret", &format!("{from}/secretRef/name"));
        }
    }

    fn volume(&mut self, at: &str) {
        self.local(Need::Volume, "", "ConfigMap", &format!("{at}/configMap/name"));
        self.local(Need::Volume, "", "Secret", &format!("{at}/secret/secretName"));
        self.local(Need::Volume, "", "Secret", &format!("{at}/csi/nodePublishSecretRef/name"));
        self.local(Need::Volume, "", "PersistentVolumeClaim", &format!("{at}/persistentVolumeClaim/claimName"));
        for (index, _) in items(self.value(), &format!("{at}/projected/sources")) {
            let source = format!("{at}/projected/sources/{index}");
            self.local(Need::Volume, "", "ConfigMap", &format!("{source}/configMap/name"));
            self.local(Need::Volume, "", "Secret", &format!("{source}/secret/name"));
        }
    }
}
