//! The integration tests: one binary, a file per behaviour, real servers.

mod apply;
mod e2e;
mod servers;
mod testbed;
