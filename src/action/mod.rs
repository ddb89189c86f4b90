//! The runner and the command line: inputs, workflow commands, outputs, summary. Nothing of the domain.
