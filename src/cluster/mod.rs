//! Adapter for the Kubernetes API.
