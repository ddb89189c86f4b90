//! What can be wrong with inputs.

use super::super::table;
use super::super::values::Mode;
use crate::error::{Exit, Explain};

/// A mistake in the inputs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no input `{name}`")]
    Unknown { name: String, suggestion: Option<String> },
    #[error("the input `{name}` is {value:?}, but {reason}")]
    Value { name: &'static str, value: String, reason: String, suggestion: Option<String> },
    #[error("couldn't read the input `{name}`: {reason}")]
    Hidden { name: &'static str, reason: String },
    #[error("`mode: {mode}` needs the input `{name}`")]
    Missing { mode: Mode, name: &'static str, why: &'static str },
    #[error("the input `{name}` is given without `{other}`")]
    Alone { name: &'static str, other: &'static str },
    #[error("couldn't read the argument {argument:?}")]
    Argument { argument: String },
}

impl Explain for Error {
    fn hint(&self) -> String {
        match self {
            Self::Unknown { suggestion: Some(name), .. } => format!("did you mean `{name}`?"),
            Self::Unknown { suggestion: None, .. } => "docs/inputs.md lists all inputs".to_owned(),
            Self::Value { suggestion: Some(value), name, .. } => format!("did you mean `{name}: {value}`?"),
            Self::Value { suggestion: None, name, .. } | Self::Hidden { name, .. } => {
                format!("change `{name}` under `with:`: {}", table::find(name).map_or("", |spec| spec.help))
            }
            Self::Missing { name, why, .. } => format!("add `{name}` under `with:`: {why}"),
            Self::Alone { name, other } => format!("give `{other}` too, or remove `{name}`; a secret that is not set arrives empty"),
            Self::Argument { .. } => "arguments are inputs: `--name value` or `--name=value`; `--help` lists them".to_owned(),
        }
    }

    fn exit(&self) -> Exit {
        Exit::BadInput
    }
}
