//! The integration tests: one binary, a file per behaviour, real servers.

mod e2e;
mod retag;
mod servers;
mod testbed;
