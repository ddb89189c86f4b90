//! Objects that several tests release.

/// A Deployment of one container.
pub(super) fn deployment(name: &str, image: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: {name}, image: registry.example/acme/{image}:v1}}]}}
"
    )
}
