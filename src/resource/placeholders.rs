//! `%%NAME%%` in the text of a manifest, replaced before the YAML is read.
//!
//! A name is a letter or underscore followed by letters, digits and underscores; case counts. `%%%%NAME%%%%` stands for the
//! text `%%NAME%%` itself, and any other `%%` stays as it is (`${image%%:*}` in a script is safe). In a line that is a comment,
//! an unknown name is left alone.
//!
//! The value is put in as it is, so YAML's rules hold for it: `replicas: %%COUNT%%` gives a number and `tag: %%VERSION%%` with the
//! value `1.10` the number 1.1. Where text is meant, quote the placeholder: `tag: "%%VERSION%%"`. Values have one line, so that
//! every line keeps its number.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::error::Location;
use crate::suggest::nearest;

use super::Error;

static PLACEHOLDER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"%%%%(?<literal>[A-Za-z_][A-Za-z0-9_]*)%%%%|%%(?<name>[A-Za-z_][A-Za-z0-9_]*)%%").expect("a constant"));

/// Replaces every placeholder of a file's text; all unknown names are reported together.
///
/// # Errors
/// Names without a value, and values of several lines.
pub fn replace<'t>(file: &Path, text: &'t str, variables: &BTreeMap<String, String>) -> Result<Cow<'t, str>, Vec<Error>> {
    if !text.contains("%%") {
        return Ok(Cow::Borrowed(text));
    }
    let mut problems = Vec::new();
    let replaced = PLACEHOLDER.replace_all(text, |found: &Captures| {
        if let Some(literal) = found.name("literal") {
            return format!("%%{}%%", literal.as_str());
        }
        let name = &found["name"];
        let start = found.get_match().start();
        match variables.get(name) {
            Some(value) if value.contains(['\n', '\r']) => {
                problems.push(Error::MultilineValue { name: name.to_owned(), at: place(file, text, start) });
            }
            Some(value) => return value.clone(),
            None if in_comment(text, start) => {}
            None => problems.push(Error::UnknownPlaceholder {
                name: name.to_owned(),
                suggestion: nearest(name, variables.keys().map(String::as_str)).map(str::to_owned),
                at: place(file, text, start),
            }),
        }
        found.get_match().as_str().to_owned()
    });
    match problems.is_empty() {
        true => Ok(replaced),
        false => Err(problems),
    }
}

/// The names of the placeholders in a text, in their order.
pub fn names(text: &str) -> Vec<&str> {
    PLACEHOLDER.captures_iter(text).filter_map(|found| found.name("name").map(|name| name.as_str())).collect()
}

fn line_before(text: &str, offset: usize) -> &str {
    let before = &text[..offset];
    before.rsplit_once('\n').map_or(before, |(_, line)| line)
}

fn in_comment(text: &str, offset: usize) -> bool {
    line_before(text, offset).trim_start().starts_with('#')
}

fn place(file: &Path, text: &str, offset: usize) -> Location {
    let line = text[..offset].matches('\n').count() + 1;
    let column = line_before(text, offset).chars().count() + 1;
    let number = |n| u32::try_from(n).unwrap_or(u32::MAX);
    Location { file: file.to_owned(), line: number(line), column: number(column) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> String {
        let variables =
            [("VERSION", "1.2.3"), ("SHORT_HASH", "ab12cd3"), ("TEXT", "a\nb")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        match replace(Path::new("k8s/a.yaml"), text, &variables) {
            Ok(text) => text.into_owned(),
            Err(problems) => crate::resource::testing::explain(&problems),
        }
    }

    #[test]
    fn known_names_are_replaced_and_other_percent_signs_stay() {
        insta::assert_snapshot!(run("image: acme/api:%%VERSION%%-%%SHORT_HASH%%\nscript: ${x%%:*} 100%% %%%%VERSION%%%%\n# %%OTHER%% %%VERSION%%"), @r"
        image: acme/api:1.2.3-ab12cd3
        script: ${x%%:*} 100%% %%VERSION%%
        # %%OTHER%% 1.2.3
        ");
    }

    #[test]
    fn unknown_names_are_all_reported_with_their_place() {
        insta::assert_snapshot!(run("a: %%VERSOIN%%\nb: %%version%%\n  c: %%NOTHING_LIKE_IT%%\nd: %%TEXT%%"), @"
        k8s/a.yaml:1:4: the placeholder %%VERSOIN%% has no value
          → did you mean %%VERSION%%? Otherwise add a line `VERSOIN=…` to `variables`, or write %%%%VERSOIN%%%% for the text itself
        k8s/a.yaml:2:4: the placeholder %%version%% has no value
          → did you mean %%VERSION%%? Otherwise add a line `version=…` to `variables`, or write %%%%version%%%% for the text itself
        k8s/a.yaml:3:6: the placeholder %%NOTHING_LIKE_IT%% has no value
          → add a line `NOTHING_LIKE_IT=…` to `variables`, or write %%%%NOTHING_LIKE_IT%%%% for the text itself
        k8s/a.yaml:4:4: the value of %%TEXT%% has more than one line
          → give a value of one line in `variables`; a placeholder is replaced inside a line of YAML
        ");
    }
}
