//! What a release needs to know of a compose project, as values that print. Pure.

use std::fmt;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::error::Location;

/// The services of a compose project and their images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// As docker compose would name it: for images that have no other name.
    pub name: String,
    /// The files it was read from, without what they include or extend; relative to the workspace where they lie inside.
    pub files: Vec<PathBuf>,
    /// Sorted by name.
    pub services: Vec<Service>,
    pub warnings: Vec<Warning>,
}

/// A service, of whatever profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub name: String,
    /// The reference as written, with its variables replaced. No part of it is missing, but it may still be no valid reference.
    pub image: Option<String>,
    pub build: Option<Build>,
    /// Images it uses beside its own: of `pre_start` hooks and of `type: image` volumes.
    pub mentions: Vec<Mention>,
    pub profiles: Vec<String>,
    pub extension: Extension,
    /// The line of `image`, else that of the service.
    pub at: Location,
}

/// A service's `build`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    pub context: Option<String>,
    /// `build.tags`: more names for what is built; each once.
    pub tags: Vec<String>,
    /// The name that `docker compose build` gives to the image: the service's `image`, else `<project>-<service>`.
    pub image: String,
    pub at: Location,
}

/// An image that a service uses but doesn't run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    pub image: String,
    pub at: Location,
}

/// A service's `x-tagboat`: what to do instead of what its other keys suggest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extension {
    /// The service is none of ours.
    pub skip: bool,
    /// The image to tag.
    pub image: Option<String>,
    /// The image to take the content from.
    pub source: Option<String>,
}

/// Something odd that doesn't keep the project from being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// A variable without value or default stands for nothing; told once, at its first place.
    Unset { variable: String, at: Location },
    /// Another file of the same rank was taken, as docker compose does.
    PassedOver { file: PathBuf },
    /// Top-level `jobs` may name images, which are not read.
    Jobs { at: Location },
}

impl Warning {
    /// Where to look.
    pub fn location(&self) -> Option<&Location> {
        match self {
            Self::Unset { at, .. } | Self::Jobs { at } => Some(at),
            Self::PassedOver { .. } => None,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset { variable, .. } => write!(f, "the variable {variable} is not set and stands for nothing"),
            Self::PassedOver { file } => write!(f, "{} is not read: another compose file comes before it", file.display()),
            Self::Jobs { .. } => write!(f, "images of `jobs` are not looked at"),
        }
    }
}

impl Project {
    /// The project in the shape of `docker compose config --format json`, as far as it is read here.
    pub fn to_json(&self) -> Value {
        let services: Map<String, Value> = self.services.iter().map(|service| (service.name.clone(), service.to_json())).collect();
        json!({ "name": self.name, "services": services })
    }
}

impl Service {
    fn to_json(&self) -> Value {
        let mut out = Map::new();
        if let Some(build) = &self.build {
            let mut inner = Map::new();
            inner.extend(build.context.clone().map(|context| ("context".to_owned(), json!(context))));
            inner.extend(Some(&build.tags).filter(|tags| !tags.is_empty()).map(|tags| ("tags".to_owned(), json!(tags))));
            out.insert("build".to_owned(), Value::Object(inner));
        }
        out.extend(self.image.clone().map(|image| ("image".to_owned(), json!(image))));
        out.extend(Some(&self.profiles).filter(|profiles| !profiles.is_empty()).map(|profiles| ("profiles".to_owned(), json!(profiles))));
        if self.extension != Extension::default() {
            let mut inner = Map::new();
            inner.extend(self.extension.skip.then(|| ("skip".to_owned(), json!(true))));
            inner.extend(self.extension.image.clone().map(|image| ("image".to_owned(), json!(image))));
            inner.extend(self.extension.source.clone().map(|source| ("source".to_owned(), json!(source))));
            out.insert("x-tagboat".to_owned(), Value::Object(inner));
        }
        Value::Object(out)
    }
}

impl fmt::Display for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
        writeln!(f, "{} ({files})", self.name)?;
        self.services.iter().try_for_each(|service| writeln!(f, "  {service}"))?;
        self.warnings.iter().try_for_each(|warning| match warning.location() {
            Some(at) => writeln!(f, "  warning: {warning} ({at})"),
            None => writeln!(f, "  warning: {warning}"),
        })
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.image.as_deref().unwrap_or("no image"))?;
        if let Some(build) = &self.build {
            match &self.image {
                Some(_) => f.write_str(", built")?,
                None => write!(f, ", built as {}", build.image)?,
            }
            list(f, "tags", &build.tags)?;
        }
        list(f, "uses", &self.mentions.iter().map(|mention| mention.image.clone()).collect::<Vec<_>>())?;
        list(f, "profiles", &self.profiles)?;
        if self.extension.skip {
            f.write_str(", skip")?;
        }
        self.extension.image.iter().try_for_each(|image| write!(f, ", tag {image}"))?;
        self.extension.source.iter().try_for_each(|source| write!(f, ", from {source}"))
    }
}

fn list(f: &mut fmt::Formatter<'_>, what: &str, items: &[String]) -> fmt::Result {
    if items.is_empty() { Ok(()) } else { write!(f, ", {what} {}", items.join(" ")) }
}
