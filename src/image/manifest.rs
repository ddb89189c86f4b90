//! OCI manifests and indexes: media types and descriptors, always read from the verbatim bytes.
