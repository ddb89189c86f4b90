//! The integration tests: one binary, a file per behaviour, real servers.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a test says what is wrong by panicking")]

mod apply;
mod bench;
mod e2e;
mod git_http;
mod kustomization;
mod pull_request;
mod retag;
mod servers;
mod testbed;
