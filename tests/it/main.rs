//! The integration tests: one binary, a file per behaviour, real servers.

mod servers;
mod testbed;
