use crate::error::{Exit, Explain};

use super::read::KEYS;

/// Why the input `infra` can't be used. `entry` counts from 1.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    #[error("couldn't read the input `infra`: it is not YAML")]
    Yaml(#[source] serde_yaml::Error),
    #[error("couldn't read the input `infra`: it must be a list of mappings, and {found}")]
    Shape { found: String },
    #[error("couldn't read entry {entry} of `infra`: there is no key {key:?}{}", suggested(suggestion))]
    UnknownKey { entry: usize, key: String, suggestion: Option<&'static str> },
    #[error("couldn't read entry {entry} of `infra`: `{key}` {reason}")]
    Value { entry: usize, key: &'static str, reason: String },
    #[error("couldn't tell the entries {one} and {other} of `infra` apart: both would use the same branch of {repository}")]
    Twice { one: usize, other: usize, repository: String },
}

fn suggested(suggestion: &Option<&'static str>) -> String {
    suggestion.map_or_else(String::new, |key| format!("; did you mean `{key}`?"))
}

impl Explain for EntryError {
    fn hint(&self) -> String {
        match self {
            Self::Yaml(_) | Self::Shape { .. } => "write `infra` as a YAML list: `- repository: owner/name`".into(),
            Self::UnknownKey { .. } => format!("the keys of an entry of `infra` are {}", KEYS.join(", ")),
            Self::Value { key, .. } => format!("change `{key}` in the input `infra`"),
            Self::Twice { .. } => "give each entry of `infra` its own `environment`".into(),
        }
    }

    fn exit(&self) -> Exit {
        Exit::BadInput
    }
}
