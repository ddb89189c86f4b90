use serde_json::Value;

use super::{Finder, Need, items};

const GATEWAY_API: &str = "gateway.networking.k8s.io";

impl Finder<'_> {
    pub(super) fn ingress(&mut self) {
        self.local(Need::Backend, "", "Service", "/spec/defaultBackend/service/name");
        for (rule, value) in items(self.value(), "/spec/rules") {
            for (path, _) in items(value, "/http/paths") {
                self.local(Need::Backend, "", "Service", &format!("/spec/rules/{rule}/http/paths/{path}/backend/service/name"));
            }
        }
        for (index, _) in items(self.value(), "/spec/tls") {
            self.local(Need::Certificate, "", "Secret", &format!("/spec/tls/{index}/secretName"));
        }
    }

    /// Gateway API: what a reference leaves out means a Service (backends), a Gateway (parents), a Secret (certificates).
    pub(super) fn gateway_api(&mut self, kind: &str) {
        if kind == "Gateway" {
            self.global(Need::Gateway, GATEWAY_API, "GatewayClass", "/spec/gatewayClassName");
            for (index, listener) in items(self.value(), "/spec/listeners") {
                for (position, found) in items(listener, "/tls/certificateRefs") {
                    let pointer = format!("/spec/listeners/{index}/tls/certificateRefs/{position}/name");
                    self.reference(Need::Certificate, ("", "Secret"), found, pointer);
                }
            }
        }
        if !kind.ends_with("Route") {
            return;
        }
        for (index, parent) in items(self.value(), "/spec/parentRefs") {
            self.reference(Need::Gateway, (GATEWAY_API, "Gateway"), parent, format!("/spec/parentRefs/{index}/name"));
        }
        for (rule, value) in items(self.value(), "/spec/rules") {
            for (index, backend) in items(value, "/backendRefs") {
                self.reference(Need::Backend, ("", "Service"), backend, format!("/spec/rules/{rule}/backendRefs/{index}/name"));
            }
        }
    }

    fn reference(&mut self, need: Need, (group, kind): (&str, &str), found: &Value, pointer: String) {
        let text = |field: &str| found.get(field).and_then(Value::as_str);
        let Some(name) = text("name") else { return };
        let (group, kind) = (text("group").unwrap_or(group), text("kind").unwrap_or(kind));
        let namespace = text("namespace").or(self.resource.id.namespace.as_deref());
        self.push(need, (group, kind), namespace, name, pointer);
    }
}
