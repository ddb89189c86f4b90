//! The integration tests: one binary, a file per behaviour, real servers.

mod retag;
mod servers;
mod testbed;
