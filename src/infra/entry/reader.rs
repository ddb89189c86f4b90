//! Reads the values of one entry's keys, whatever they mean; each mistake is noted, and reading goes on.

use serde_yaml::{Mapping, Value};

use crate::suggest::nearest;

use super::EntryError;

pub(super) struct Reader<'m> {
    pub(super) entry: usize,
    pub(super) mapping: &'m Mapping,
    pub(super) problems: &'m mut Vec<EntryError>,
}

impl Reader<'_> {
    pub(super) fn wrong(&mut self, key: &'static str, reason: impl Into<String>) {
        self.problems.push(EntryError::Value { entry: self.entry, key, reason: reason.into() });
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        match self.mapping.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Some(_) => {
                self.wrong(key, "must be a text; put it in quotes");
                None
            }
        }
    }

    pub(super) fn list(&mut self, key: &'static str) -> Vec<String> {
        match self.mapping.get(key) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(text)) => {
                text.split([',', '\n']).map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
            }
            Some(Value::Sequence(items)) if items.iter().all(Value::is_string) => {
                items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(_) => {
                self.wrong(key, "must be a list of texts");
                Vec::new()
            }
        }
    }

    /// A list of people or teams, whose names may be written as mentions.
    pub(super) fn people(&mut self, key: &'static str) -> Vec<String> {
        self.list(key).iter().map(|name| name.trim_start_matches('@').to_owned()).collect()
    }

    pub(super) fn flag(&mut self, key: &'static str) -> bool {
        match self.mapping.get(key) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                self.wrong(key, "must be `true` or `false`");
                false
            }
        }
    }

    pub(super) fn choice<T: Copy, const N: usize>(&mut self, key: &'static str, default: T, choices: &[(&'static str, T); N]) -> T {
        let Some(text) = self.text(key) else { return default };
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
            return *choice;
        }
        let names = choices.each_ref().map(|(name, _)| *name);
        let suggestion = nearest(&text, names).map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
        let (last, others) = names.split_last().map_or(("", String::new()), |(last, others)| (*last, others.join(", ")));
        self.wrong(key, format!("is {text:?}; it may be {others} or {last}{suggestion}"));
        default
    }

    /// A mapping of texts.
    pub(super) fn pairs(&mut self, key: &'static str) -> Vec<(String, String)> {
        let pair = |(key, value): (&Value, &Value)| Some((key.as_str()?.to_owned(), value.as_str()?.to_owned()));
        let pairs = match self.mapping.get(key) {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Mapping(mapping)) => mapping.iter().map(pair).collect(),
            Some(_) => None,
        };
        pairs.unwrap_or_else(|| {
            self.wrong(key, "must be a mapping of texts to texts");
            Vec::new()
        })
    }
}
