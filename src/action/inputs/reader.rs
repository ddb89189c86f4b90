//! From texts to values.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use secrecy::SecretString;

use super::super::table;
use super::super::values::{self, Mistake};
use super::Error;

/// Reads values by name from what was given, else from the table's defaults, and gathers mistakes.
pub(super) struct Reader<'g> {
    given: &'g BTreeMap<String, String>,
    pub(super) errors: RefCell<Vec<Error>>,
    pub(super) asked: RefCell<BTreeSet<&'static str>>,
}

impl<'g> Reader<'g> {
    pub(super) fn new(given: &'g BTreeMap<String, String>) -> Self {
        Self { given, errors: RefCell::default(), asked: RefCell::default() }
    }

    pub(super) fn text(&self, name: &'static str) -> Option<&'g str> {
        self.asked.borrow_mut().insert(name);
        let default = table::find(name).map_or("", |spec| spec.default);
        self.given.get(name).map(String::as_str).or((!default.is_empty()).then_some(default))
    }

    pub(super) fn owned(&self, name: &'static str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    pub(super) fn path(&self, name: &'static str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    pub(super) fn secret(&self, name: &'static str) -> Option<SecretString> {
        self.text(name).map(SecretString::from)
    }

    pub(super) fn list(&self, name: &'static str) -> Vec<String> {
        self.text(name).map(values::list).unwrap_or_default()
    }

    pub(super) fn parsed<T>(&self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, Mistake>, fallback: T) -> T {
        let Some(text) = self.text(name) else { return fallback };
        parse(text).unwrap_or_else(|mistake| {
            let Mistake { reason, suggestion } = mistake;
            self.errors.borrow_mut().push(match name {
                // Passwords are among its values.
                "variables" => Error::Hidden { name, reason },
                _ => Error::Value { name, value: shown(text), reason, suggestion },
            });
            fallback
        })
    }
}

/// A value in an error message: one line, not too long.
fn shown(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None if line.len() < text.len() => format!("{line}…"),
        None => line.to_owned(),
    }
}
