//! What the tests of this room and of `rollout` read their tables with.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Error, Resource, parse};
use crate::error::Explain;

/// The objects of a YAML text.
pub(crate) fn resources(text: &str) -> Vec<Resource> {
    parse(Path::new("all.yaml"), text, &BTreeMap::new()).unwrap_or_else(|problems| panic!("{}", explain(&problems)))
}

/// Errors as a person reads them: place, message with causes, hint.
pub(crate) fn explain(problems: &[Error]) -> String {
    problems.iter().map(|problem| explain_one(problem)).collect::<Vec<_>>().join("\n")
}

pub(crate) fn explain_one(problem: &dyn Explain) -> String {
    let place = problem.location().map(|at| format!("{at}: ")).unwrap_or_default();
    let mut text = format!("{place}{problem}");
    let mut cause = problem.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    format!("{text}\n  → {}", problem.hint())
}

/// The documents of a YAML text as they are: live objects, with status.
pub(crate) fn values(text: &str) -> Vec<serde_json::Value> {
    let documents = crate::yaml::parse(text).expect("a test's YAML");
    documents.iter().map(|d| d.resolved().expect("a test's YAML").to_json(crate::yaml::Schema::Yaml11)).collect()
}
