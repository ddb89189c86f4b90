//! Compose files: which services there are and which images they name.
