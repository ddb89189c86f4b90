//! The integration tests: one binary, a file per behaviour, real servers.

mod e2e;
mod git_http;
mod pull_request;
mod servers;
mod testbed;
