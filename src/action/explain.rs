//! The one place where errors become text for a person.

use super::log::{Level, Log};
use crate::error::{Explain, Problems};

/// Prints each problem with its place, causes and hint, as an annotation and in the log.
pub fn print(problems: &Problems, log: &Log) {
    for problem in problems.iter() {
        log.annotate(Level::Error, problem.location(), "tagboat", &text(problem));
    }
}

/// A problem as text of one line or more: what, why, what to do.
pub fn text(problem: &dyn Explain) -> String {
    let mut lines = vec![problem.to_string()];
    let mut said = lines[0].clone();
    let mut source = problem.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some libraries repeat the cause in the error that wraps it.
        if !said.contains(&cause_text) {
            lines.push(format!("because: {cause_text}"));
            said.push_str(&cause_text);
        }
        source = cause.source();
    }
    let hint = problem.hint();
    if !hint.is_empty() {
        lines.push(format!("hint: {hint}"));
    }
    lines.join("\n")
}
