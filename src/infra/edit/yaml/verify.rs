//! The proof that an edit did what was planned and nothing else.

use crate::yaml::{Document, Kind, Node, ScalarStyle, is_plain_string};

/// Whether two streams say the same: same documents, keys in the same order, same texts, tags, anchors and aliases, and the same scalars
/// readable as something else than a text. Places and styles may differ.
pub(super) fn same_documents(expected: &[Document], found: &[Document]) -> bool {
    expected.len() == found.len() && expected.iter().zip(found).all(|(expected, found)| same(&expected.root, &found.root))
}

fn same(expected: &Node, found: &Node) -> bool {
    expected.tag == found.tag
        && expected.anchor == found.anchor
        && match (&expected.kind, &found.kind) {
            (Kind::Scalar { text: one, style }, Kind::Scalar { text: other, style: now }) => {
                one == other && (style == now || is_text(expected) == is_text(found))
            }
            (Kind::Alias { anchor: one }, Kind::Alias { anchor: other }) => one == other,
            (Kind::Sequence { items: one, .. }, Kind::Sequence { items: other, .. }) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
            }
            (Kind::Mapping { entries: one, .. }, Kind::Mapping { entries: other, .. }) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(&one.0, &other.0) && same(&one.1, &other.1))
            }
            _ => false,
        }
}

/// Whether a scalar is a text to every reader of YAML, 1.1 and 1.2.
pub(super) fn is_text(node: &Node) -> bool {
    match &node.kind {
        Kind::Scalar { text, style: ScalarStyle::Plain } => {
            matches!(node.tag.as_deref(), Some("!!str" | "!")) || (node.tag.is_none() && is_plain_string(text))
        }
        Kind::Scalar { .. } => true,
        _ => false,
    }
}
