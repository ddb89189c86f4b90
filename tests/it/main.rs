//! The integration tests: one binary, a file per behaviour, real servers.

mod apply;
mod e2e;
mod pull_request;
mod retag;
mod servers;
mod testbed;
