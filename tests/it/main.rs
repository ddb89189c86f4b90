//! The integration tests: one binary, a file per behaviour, real servers.

mod apply;
mod servers;
mod testbed;
