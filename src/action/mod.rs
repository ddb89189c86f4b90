//! The runner and the command line: inputs, workflow commands, outputs, summary. Nothing of the domain.

pub mod environment;
pub mod explain;
pub mod inputs;
pub mod log;
pub mod markdown;
pub mod outputs;
pub mod redact;
pub mod reference;
pub mod table;
pub mod values;

pub use environment::Environment;
pub use inputs::{Given, Inputs};
pub use log::Log;
