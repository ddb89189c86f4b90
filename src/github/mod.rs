//! Adapter for the GitHub API.
