//! Steps through a tree, and nodes that an edit adds to it.

use crate::yaml::{CollectionStyle, Kind, Node, ScalarStyle};

use super::{Fields, Step};

pub(super) fn child<'n>(node: &'n Node, step: Step<'_>) -> Option<&'n Node> {
    match step {
        Step::Key(key) => node.get(key),
        Step::Item(index) => node.items().get(index),
    }
}

pub(super) fn child_mut<'n>(node: &'n mut Node, step: Step<'_>) -> Option<&'n mut Node> {
    match (&mut node.kind, step) {
        (Kind::Mapping { entries, .. }, Step::Key(key)) => {
            entries.iter_mut().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
        }
        (Kind::Sequence { items, .. }, Step::Item(index)) => items.get_mut(index),
        _ => None,
    }
}

/// A node that is not in the text yet: line 0.
fn new_node(kind: Kind) -> Node {
    Node { kind, tag: None, anchor: None, span: 0..0, line: 0, column: 0 }
}

pub(super) fn new_scalar(text: &str) -> Node {
    new_node(Kind::Scalar { text: text.to_owned(), style: ScalarStyle::DoubleQuoted })
}

pub(super) fn new_mapping(fields: &Fields) -> Node {
    let entries = fields.iter().map(|(key, text)| (new_scalar(key), new_scalar(text))).collect();
    new_node(Kind::Mapping { entries, style: CollectionStyle::Block })
}

pub(super) fn new_list(items: &[Fields]) -> Node {
    new_node(Kind::Sequence { items: items.iter().map(new_mapping).collect(), style: CollectionStyle::Block })
}
