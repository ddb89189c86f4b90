use std::path::PathBuf;

use crate::error::{Exit, Explain, Location};
use crate::yaml::{ResolveError, SyntaxError};

use super::{Id, Key};

/// What can be wrong with manifests.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("couldn't find {path:?}, which `manifests` names")]
    NoSuchPath { path: String },
    #[error("{pattern:?} is not a glob pattern")]
    Pattern { pattern: String, source: glob::PatternError },
    #[error("no manifest matches {path:?}")]
    NothingMatches { path: String },
    #[error("the manifests have no object in them")]
    NoObjects,
    #[error("couldn't read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} is not UTF-8 text", at.file.display())]
    Encoding { at: Location },
    #[error("{} is a kustomization, not a set of plain manifests", folder.display())]
    Kustomization { folder: PathBuf, at: Location },
    #[error("{} is a Helm chart, not a set of plain manifests", folder.display())]
    Chart { folder: PathBuf, at: Location },
    #[error("the placeholder %%{name}%% has no value")]
    UnknownPlaceholder { name: String, suggestion: Option<String>, at: Location },
    #[error("the value of %%{name}%% has more than one line")]
    MultilineValue { name: String, at: Location },
    #[error("couldn't read the manifest")]
    Syntax { at: Location, source: SyntaxError },
    #[error("couldn't read the manifest")]
    Structure { at: Location, source: ResolveError },
    #[error("a Kubernetes object is a mapping, and this is {found}")]
    NotAnObject { found: &'static str, at: Location },
    #[error("the object has no `{field}`")]
    Missing { field: &'static str, at: Location },
    #[error("`{field}` must be text, and this is {found}")]
    NotText { field: String, found: &'static str, at: Location },
    #[error("{name:?} can't be the name of an object")]
    Name { name: String, at: Location },
    #[error("{kind} has `generateName`, which can't be applied")]
    GenerateName { kind: String, at: Location },
    #[error("{id} is there twice: {first} and {at}")]
    Duplicate { id: Key, first: Location, at: Location },
    #[error("`{list}` has {key} twice, in lines {first} and {}", at.line)]
    DuplicateItem { list: &'static str, key: String, first: u32, at: Location },
    #[error("couldn't use line {line} of what kustomize has built of {}", folder.display())]
    Built { folder: PathBuf, line: u32, at: Location, source: Box<Error> },
    #[error("{id} names another namespace than {wanted:?}")]
    OtherNamespace { id: Id, wanted: String, at: Location },
}

impl Explain for Error {
    fn hint(&self) -> String {
        match self {
            Self::NoSuchPath { .. } => "correct the path in `manifests`; paths are relative to the workspace".into(),
            Self::Pattern { .. } => "correct the pattern in `manifests`: `*`, `?`, `[a-z]` and `**` are known".into(),
            Self::NothingMatches { .. } => "correct `manifests`; files that end in .yaml, .yml or .json are read".into(),
            Self::NoObjects => "`manifests` must lead to at least one Kubernetes object".into(),
            Self::Read { .. } => "check the file's permissions".into(),
            Self::Encoding { .. } => "save the file as UTF-8".into(),
            Self::Kustomization { .. } => {
                "name the kustomization's folder itself in `manifests`, and it is built; next to it, name the plain manifests one by one"
                    .into()
            }
            Self::Chart { .. } => "give the output of `helm template` written to a file in `manifests`".into(),
            Self::UnknownPlaceholder { name, suggestion: Some(near), .. } => {
                format!(
                    "did you mean %%{near}%%? Otherwise add a line `{name}=…` to `variables`, or write %%%%{name}%%%% for the text itself"
                )
            }
            Self::UnknownPlaceholder { name, suggestion: None, .. } => {
                format!("add a line `{name}=…` to `variables`, or write %%%%{name}%%%% for the text itself")
            }
            Self::MultilineValue { .. } => {
                "give a value of one line in `variables`; a placeholder is replaced inside a line of YAML".into()
            }
            Self::Syntax { .. } => "correct the YAML at this place".into(),
            Self::Structure { source: ResolveError::DuplicateKey { .. }, .. } => {
                "remove one of the two; kubectl would silently take the last one".into()
            }
            Self::Structure { .. } => "correct the YAML at this place".into(),
            Self::NotAnObject { .. } => "every document of a manifest is one object with `apiVersion`, `kind` and `metadata`".into(),
            Self::Missing { field, .. } => {
                format!("add `{field}`, or leave the file out of `manifests` if it is not a Kubernetes manifest")
            }
            Self::NotText { .. } => {
                "put the value in quotes: YAML reads bare numbers, and words like yes, no, on, off, as something else than text".into()
            }
            Self::Name { .. } => "use lower-case letters, digits, `-` and `.`".into(),
            Self::GenerateName { .. } => "give the object a `metadata.name`: a second run must find the same object again".into(),
            Self::Duplicate { .. } => "remove or rename one of the two; which of them would win depends on the order of the files".into(),
            Self::DuplicateItem { .. } => "remove one of the two; server-side apply tells the items of this list apart by it".into(),
            Self::Built { source, .. } => source.hint(),
            Self::OtherNamespace { .. } => "remove `metadata.namespace` from the manifest, or leave the input `namespace` empty".into(),
        }
    }

    fn exit(&self) -> Exit {
        Exit::BadInput
    }

    fn location(&self) -> Option<&Location> {
        match self {
            Self::NoSuchPath { .. } | Self::Pattern { .. } | Self::NothingMatches { .. } | Self::NoObjects | Self::Read { .. } => None,
            Self::Encoding { at }
            | Self::Kustomization { at, .. }
            | Self::Chart { at, .. }
            | Self::UnknownPlaceholder { at, .. }
            | Self::MultilineValue { at, .. }
            | Self::Syntax { at, .. }
            | Self::Structure { at, .. }
            | Self::NotAnObject { at, .. }
            | Self::Missing { at, .. }
            | Self::NotText { at, .. }
            | Self::Name { at, .. }
            | Self::GenerateName { at, .. }
            | Self::Duplicate { at, .. }
            | Self::DuplicateItem { at, .. }
            | Self::Built { at, .. }
            | Self::OtherNamespace { at, .. } => Some(at),
        }
    }
}
