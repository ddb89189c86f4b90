//! A compose file's content between reading and understanding: mappings, lists and texts that know their place and their merge rule. Pure.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::interpolation::{Blank, InterpolationError, interpolate};
use crate::error::Location;
use crate::yaml;

/// A value with the place it was written at.
///
/// Values are equal when they say the same, wherever they were written.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) kind: Kind,
    pub(super) place: Place,
    pub(super) rule: Rule,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Null,
    Text(Text),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
}

/// A scalar, and which of its variables came out as nothing.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) blanks: Vec<Blank>,
}

/// What happens to the value of an earlier file at the same path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Merge,
    /// `!override`: it is replaced.
    Override,
    /// `!reset`: it is removed, and nothing takes its place.
    Reset,
}

/// A place in a file; cheap to copy for every value.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) file: Arc<Path>,
    pub(super) line: u32,
    pub(super) column: u32,
}

impl Place {
    pub(super) fn location(&self) -> Location {
        Location { file: self.file.to_path_buf(), line: self.line, column: self.column }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.rule == other.rule
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Value {
    /// A mapping with nothing in it, as a file without content stands for.
    pub(super) fn empty_map(place: Place) -> Self {
        Self { kind: Kind::Map(BTreeMap::new()), place, rule: Rule::Merge }
    }

    /// The value of a document whose aliases and merge keys are resolved.
    pub(super) fn from_yaml(node: yaml::Node, file: &Arc<Path>) -> Self {
        let place = Place { file: Arc::clone(file), line: node.line, column: node.column };
        let rule = match node.tag.as_deref() {
            Some("!reset") => Rule::Reset,
            Some("!override") => Rule::Override,
            _ => Rule::Merge,
        };
        let null = node.is_null();
        let kind = match node.kind {
            _ if null => Kind::Null,
            yaml::Kind::Scalar { text, .. } => Kind::Text(Text { text, blanks: Vec::new() }),
            yaml::Kind::Sequence { items, .. } => Kind::List(items.into_iter().map(|item| Self::from_yaml(item, file)).collect()),
            yaml::Kind::Mapping { entries, .. } => {
                Kind::Map(entries.into_iter().filter_map(|(key, value)| Self::entry(key, value, file)).collect())
            }
            yaml::Kind::Alias { .. } => Kind::Null,
        };
        let mut value = Self { kind, place, rule };
        if rule == Rule::Override {
            value.each_child(&mut Self::lift_rules);
        }
        value
    }

    /// Inside of what replaces everything there is nothing left to reset; docker compose takes such values as they are.
    fn lift_rules(&mut self) {
        self.rule = Rule::Merge;
        self.each_child(&mut Self::lift_rules);
    }

    fn each_child(&mut self, visit: &mut dyn FnMut(&mut Self)) {
        match &mut self.kind {
            Kind::Null | Kind::Text(_) => {}
            Kind::List(items) => items.iter_mut().for_each(visit),
            Kind::Map(map) => map.values_mut().for_each(visit),
        }
    }

    /// An entry of a mapping. What isn't one text is best found by its key: a block begins a line later.
    fn entry(key: yaml::Node, value: yaml::Node, file: &Arc<Path>) -> Option<(String, Self)> {
        let mut value = Self::from_yaml(value, file);
        if !matches!(value.kind, Kind::Text(_)) {
            value.place = Place { file: Arc::clone(file), line: key.line, column: key.column };
        }
        match key.kind {
            yaml::Kind::Scalar { text, .. } => Some((text, value)),
            _ => None,
        }
    }

    /// The value of a mapping's key, unless it is null or reset.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.map().and_then(|map| map.get(key)).filter(|value| value.kind != Kind::Null && value.rule != Rule::Reset)
    }

    pub(super) fn map(&self) -> Option<&BTreeMap<String, Value>> {
        match &self.kind {
            Kind::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(super) fn map_mut(&mut self) -> Option<&mut BTreeMap<String, Value>> {
        match &mut self.kind {
            Kind::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(&text.text),
            _ => None,
        }
    }

    /// What the value is, for error messages.
    pub(super) fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }

    /// How many values this one consists of.
    pub(super) fn size(&self) -> usize {
        1 + match &self.kind {
            Kind::Null | Kind::Text(_) => 0,
            Kind::List(items) => items.iter().map(Self::size).sum(),
            Kind::Map(map) => map.values().map(Self::size).sum(),
        }
    }

    /// Replaces the variables of every text in the tree; keys stay as they are.
    ///
    /// Texts that can't be interpolated are left alone and told to `complain`.
    pub(super) fn interpolate(&mut self, lookup: &dyn Fn(&str) -> Option<String>, complain: &mut dyn FnMut(&Place, InterpolationError)) {
        if let Kind::Text(text) = &mut self.kind {
            match interpolate(&text.text, lookup) {
                Ok(done) => *text = Text { text: done.text, blanks: done.blanks },
                Err(error) => complain(&self.place, error),
            }
        }
        self.each_child(&mut |child| child.interpolate(lookup, complain));
    }

    /// Calls `see` with every text of the tree.
    pub(super) fn each_text(&self, see: &mut dyn FnMut(&Text, &Place)) {
        match &self.kind {
            Kind::Null => {}
            Kind::Text(text) => see(text, &self.place),
            Kind::List(items) => items.iter().for_each(|item| item.each_text(see)),
            Kind::Map(map) => map.values().for_each(|value| value.each_text(see)),
        }
    }
}
