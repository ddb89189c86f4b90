//! The second verb: applying resources to a cluster in order, and waiting until they are ready.
