use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Location, Problems};

use super::{Entry, Error, Resource, check_duplicates, parse};

/// Which manifests to read, and with which values.
#[derive(Clone, Default)]
pub struct Request {
    /// The folder that paths are relative to.
    pub root: PathBuf,
    /// What [`super::find`] has found.
    pub entries: Vec<Entry>,
    /// What the kustomizations among the entries build, by their files.
    pub built: BTreeMap<PathBuf, String>,
    /// Values of `%%NAME%%` placeholders by name; each one line.
    pub variables: BTreeMap<String, String>,
}

/// Reads all objects, in the order of the entries.
///
/// # Errors
/// Every problem of every file: text that is not YAML, unknown placeholders, objects without identity, two objects of one identity.
pub fn load(request: &Request) -> Result<Vec<Resource>, Problems> {
    let mut problems = Vec::new();
    let mut resources = Vec::new();
    for entry in &request.entries {
        let found = match entry {
            Entry::File(file) => read(&request.root, file).and_then(|text| parse(file, &text, &request.variables)),
            Entry::Kustomization(file) => {
                let text = request.built.get(file).map(String::as_str).unwrap_or_default();
                parse_built(file, text, &request.variables)
            }
        };
        match found {
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

/// The objects that a kustomization builds. Lines of the built text are nobody's: the place of all objects is the kustomization.
fn parse_built(kustomization: &Path, text: &str, variables: &BTreeMap<String, String>) -> Result<Vec<Resource>, Vec<Error>> {
    let at = Location::file(kustomization);
    let folder = kustomization.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new(".")).to_owned();
    let outside = |problem: Error| {
        let line = crate::error::Explain::location(&problem).map_or(0, |place| place.line);
        Error::Built { folder: folder.clone(), line, at: at.clone(), source: Box::new(problem) }
    };
    let resources = parse(kustomization, text, variables);
    let resources = resources.map_err(|problems| problems.into_iter().map(outside).collect::<Vec<_>>())?;
    Ok(resources.into_iter().map(|resource| Resource { at: at.clone(), ..resource }).collect())
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
