//! What can be wrong with compose files, and what to do about it.

use std::path::PathBuf;

use super::dotenv::DotenvError;
use super::interpolation::{Blank, InterpolationError};
use crate::error::{Exit, Explain, Location};
use crate::yaml;

/// A mistake in the compose files or in what they name; nothing has been touched when it is found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("couldn't find a compose file in {}: there is none of {}", directory.display(), names.join(", "))]
    NoFile { directory: PathBuf, names: &'static [&'static str] },
    #[error("couldn't find the {role} {}", file.display())]
    Missing { role: Role, file: PathBuf, at: Option<Location> },
    #[error("couldn't read the {role} {}: it is a folder", file.display())]
    Folder { role: Role, file: PathBuf, at: Option<Location> },
    #[error("couldn't read the {role} {}", file.display())]
    Unreadable { role: Role, file: PathBuf, at: Option<Location>, source: std::io::Error },
    #[error("couldn't read the {role} {}: it has more than {limit} bytes", file.display())]
    TooLarge { role: Role, file: PathBuf, limit: u64, at: Option<Location> },
    #[error("couldn't read the {role} {}: it is not UTF-8 text", file.display())]
    NotText { role: Role, file: PathBuf, at: Location },
    #[error("couldn't read the {role} {name}: {kind} can't be used here")]
    Remote { role: Role, name: String, kind: &'static str, at: Option<Location> },
    #[error("couldn't read the compose files: they lead to more than {limit} {what}")]
    TooMuch { what: &'static str, limit: usize, at: Location },

    #[error("couldn't read YAML")]
    Syntax { at: Location, source: yaml::SyntaxError },
    #[error("couldn't read YAML")]
    Structure { at: Location, source: yaml::ResolveError },
    #[error("couldn't read a line of the variables file")]
    Variables { at: Location, source: DotenvError },
    #[error("couldn't interpolate a value")]
    Interpolation { at: Location, source: InterpolationError },

    #[error("couldn't understand {what}: expected {expected}, found {found}")]
    Shape { what: String, expected: &'static str, found: &'static str, at: Location },
    #[error("couldn't understand {what}: {text:?} is not {expected}")]
    Value { what: String, text: String, expected: &'static str, at: Location },
    #[error("couldn't understand x-tagboat of service {service}: unknown key {key:?}")]
    UnknownKey { service: String, key: String, known: &'static [&'static str], suggestion: Option<&'static str>, at: Location },
    #[error("couldn't understand {variable}: {text:?} is not true or false")]
    Switch { variable: &'static str, text: String },
    #[error("couldn't use the project name {name:?}: it is empty or has characters other than a-z, 0-9, _ and -")]
    ProjectName { name: String },

    #[error("couldn't extend service {service}: there is no service {base} in {}", file.display())]
    NoBase { service: String, base: String, file: PathBuf, at: Location },
    #[error("couldn't extend service {}: it extends itself: {}", chain.first().map_or("", String::as_str), chain.join(" → "))]
    ExtendsCycle { chain: Vec<String>, at: Location },
    #[error("couldn't include {}: it includes itself: {}", chain.last().map_or("", String::as_str), chain.join(" → "))]
    IncludeCycle { chain: Vec<String>, at: Location },
    #[error("couldn't include service {service}: it is defined differently in {first}")]
    Conflict { service: String, first: Location, at: Location },

    #[error("couldn't find an image of service {service}: it has neither `image` nor `build`")]
    NoImage { service: String, at: Location },
    #[error("couldn't use the {what} {text:?} of service {service}: {}", gap(.blanks))]
    Gap { service: String, what: &'static str, text: String, blanks: Vec<Blank>, at: Location },
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Compose,
    Variables,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Compose => "compose file",
            Self::Variables => "variables file",
        })
    }
}

impl Role {
    /// The input or variable that names such a file.
    fn input(self) -> &'static str {
        match self {
            Self::Compose => "`compose-files` (or COMPOSE_FILE)",
            Self::Variables => "`compose-env-file` (or COMPOSE_ENV_FILES)",
        }
    }
}

fn gap(blanks: &[Blank]) -> String {
    match blanks {
        [] => "a part of it is missing".to_owned(),
        blanks => blanks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

impl Explain for Error {
    fn hint(&self) -> String {
        match self {
            Self::NoFile { .. } => "name your compose file in the input `compose-files`, relative to the workspace".to_owned(),
            Self::Missing { role, at: None, .. } | Self::Folder { role, at: None, .. } => {
                format!("correct the input {}; paths are relative to the workspace, and the repository must be checked out", role.input())
            }
            Self::Missing { at: Some(at), .. } | Self::Folder { at: Some(at), .. } => {
                format!(
                    "correct the path in {at}; `include` and `extends` paths are relative to the project directory or to the file that has them"
                )
            }
            Self::Unreadable { .. } => "make the file readable for the user that the step runs as".to_owned(),
            Self::TooLarge { role, .. } => format!("check that {} names the right file", role.input()),
            Self::NotText { .. } => "save the file as UTF-8".to_owned(),
            Self::Remote { .. } => {
                "get it in an earlier step, by checking out its repository for example, and name the local path".to_owned()
            }
            Self::TooMuch { .. } => "look for aliases, includes or extends that multiply each other".to_owned(),
            Self::Syntax { .. } | Self::Structure { .. } => "correct the YAML at this line".to_owned(),
            Self::Variables { .. } => "write NAME=value, one a line; put values with special characters into single quotes".to_owned(),
            Self::Interpolation { source, .. } => match source {
                InterpolationError::Required { variable, .. } => set(variable),
                _ => "write a dollar sign that doesn't begin a variable as $$".to_owned(),
            },
            Self::Shape { expected, .. } => format!("write {expected} here, as the Compose Specification says"),
            Self::Value { expected, .. } => format!("write {expected} here"),
            Self::UnknownKey { known, suggestion, .. } => match suggestion {
                Some(suggestion) => format!("did you mean `{suggestion}`?"),
                None => format!("x-tagboat knows {}", known.join(", ")),
            },
            Self::Switch { variable, .. } => format!("set {variable} to true or false, or leave it out"),
            Self::ProjectName { .. } => {
                "set COMPOSE_PROJECT_NAME, or `name:` in the compose file, to lower-case letters, digits, _ and -".to_owned()
            }
            Self::NoBase { .. } => {
                "correct `extends`; a service of another file needs `file:` beside `service:`, even if both files are in `compose-files`"
                    .to_owned()
            }
            Self::ExtendsCycle { .. } => "remove one `extends` of the cycle".to_owned(),
            Self::IncludeCycle { .. } => "remove one `include` of the cycle".to_owned(),
            Self::Conflict { .. } => {
                "rename one of them, or put the changes into an override file of the include: `path: [included.yaml, override.yaml]`"
                    .to_owned()
            }
            Self::NoImage { .. } => "add `image`, or `build`".to_owned(),
            Self::Gap { blanks, .. } => match blanks.first() {
                Some(blank) => set(&blank.variable),
                None => "write the whole name".to_owned(),
            },
        }
    }

    fn exit(&self) -> Exit {
        Exit::BadInput
    }

    fn location(&self) -> Option<&Location> {
        match self {
            Self::NoFile { .. } | Self::Switch { .. } | Self::ProjectName { .. } => None,
            Self::Missing { at, .. }
            | Self::Folder { at, .. }
            | Self::Unreadable { at, .. }
            | Self::TooLarge { at, .. }
            | Self::Remote { at, .. } => at.as_ref(),
            Self::NotText { at, .. }
            | Self::TooMuch { at, .. }
            | Self::Syntax { at, .. }
            | Self::Structure { at, .. }
            | Self::Variables { at, .. }
            | Self::Interpolation { at, .. }
            | Self::Shape { at, .. }
            | Self::Value { at, .. }
            | Self::UnknownKey { at, .. }
            | Self::NoBase { at, .. }
            | Self::ExtendsCycle { at, .. }
            | Self::IncludeCycle { at, .. }
            | Self::Conflict { at, .. }
            | Self::NoImage { at, .. }
            | Self::Gap { at, .. } => Some(at),
        }
    }
}

fn set(variable: &str) -> String {
    format!("set {variable} in the step's `env:` or in the variables file, or give it a default: ${{{variable}:-…}}")
}
