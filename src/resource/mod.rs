//! Kubernetes resources as values: parsing with file and line kept, identity, image fields, references.
