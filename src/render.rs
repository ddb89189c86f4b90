//! Manifests as files: one for each wave, so that `kubectl apply -f` takes them in their order. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::resource::Resource;
use crate::yaml::{self, WriteError};

/// The first line of every file that we write; others are never overwritten or removed.
pub const MARK: &str = "# Rendered by Tagboat; changes here are lost.\n";

/// An object that can't be written as YAML.
#[derive(Debug, thiserror::Error)]
#[error("couldn't write {object} as YAML")]
pub struct Error {
    pub object: String,
    #[source]
    pub source: WriteError,
}

/// File names with their content. A wave is its name and its objects, in the order in which they are written.
///
/// # Errors
/// When an object can't be written as YAML.
pub fn files<'r, W>(waves: impl IntoIterator<Item = (&'r str, W)>) -> Result<BTreeMap<String, String>, Error>
where
    W: IntoIterator<Item = &'r Resource>,
{
    let waves = waves.into_iter().enumerate();
    waves.map(|(number, (name, resources))| Ok((file_name(number + 1, name), content(resources)?))).collect()
}

/// Whether a file is one that we have written.
pub fn is_ours(bytes: &[u8]) -> bool {
    bytes.starts_with(MARK.as_bytes())
}

fn file_name(number: usize, wave: &str) -> String {
    let words: String = wave.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let words: Vec<&str> = words.split('-').filter(|word| !word.is_empty()).collect();
    format!("{number:02}-{}.yaml", words.join("-"))
}

fn content<'r>(resources: impl IntoIterator<Item = &'r Resource>) -> Result<String, Error> {
    let mut text = MARK.to_owned();
    for resource in resources {
        let yaml = yaml::to_text(&resource.value).map_err(|source| Error { object: resource.id.to_string(), source })?;
        let _ = write!(text, "---\n{yaml}");
    }
    Ok(text)
}
