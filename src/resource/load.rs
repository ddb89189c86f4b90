use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Location, Problems};

use super::{Error, Resource, check_duplicates, parse, sources};

/// Which manifests to read, and with which values.
#[derive(Clone, Default)]
pub struct Request {
    /// The folder that sources are relative to.
    pub root: PathBuf,
    /// Files, folders (with all below them, sorted) and glob patterns.
    pub sources: Vec<String>,
    /// Values of `%%NAME%%` placeholders by name; each one line.
    pub variables: BTreeMap<String, String>,
}

/// Reads all objects, in the order of the sources.
///
/// # Errors
/// Every problem of every file: paths that lead nowhere, text that is not YAML, unknown placeholders, objects without identity,
/// two objects of one identity.
pub fn load(request: &Request) -> Result<Vec<Resource>, Problems> {
    let (files, mut problems) = sources::files(&request.root, &request.sources);
    let mut resources = Vec::new();
    for file in files {
        match read(&request.root, &file).and_then(|text| parse(&file, &text, &request.variables)) {
            Ok(found) => resources.extend(found),
            Err(found) => problems.extend(found),
        }
    }
    problems.extend(check_duplicates(&resources));
    if problems.is_empty() && resources.is_empty() {
        problems.push(Error::NoObjects);
    }
    Problems::check(problems)?;
    Ok(resources)
}

fn read(root: &Path, file: &Path) -> Result<String, Vec<Error>> {
    let bytes = std::fs::read(root.join(file)).map_err(|source| vec![Error::Read { path: file.to_owned(), source }])?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        vec![Error::Encoding { at: Location::line(file, u32::try_from(line).unwrap_or(u32::MAX)) }]
    })
}

#[cfg(test)]
mod tests;
