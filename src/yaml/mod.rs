//! YAML as a tree that knows its place: byte spans, lines, styles, anchors and tags are kept. Pure.
//!
//! [`parse`] gives the tree as written; [`Document::resolved`] replaces aliases and applies merge keys;
//! [`Node::to_json`] types the scalars by a [`Schema`].

mod parse;
mod part;
mod resolve;
mod schema;
mod write;

pub use parse::{SyntaxError, parse, parse_part};
pub use part::Part;
pub use resolve::ResolveError;
pub use schema::{Schema, is_plain_string};
pub use write::{WriteError, to_text};

use std::ops::Range;

/// One document of a stream; an empty one has a null root.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub root: Node,
}

/// A node with the place it was written at.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub kind: Kind,
    /// The tag as written: `!!str`, `!reset`.
    pub tag: Option<String>,
    /// The anchor's name without `&`.
    pub anchor: Option<String>,
    /// The bytes of the node's content in the text given to [`parse`], without tag and anchor. The span of a value that is
    /// not there (`key:`) is empty; that of a block collection or block scalar may end behind trailing blank lines.
    pub span: Range<usize>,
    /// Line of the node's start, counted from 1.
    pub line: u32,
    /// Column of the node's start in characters, counted from 1.
    pub column: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Scalar { text: String, style: ScalarStyle },
    Sequence { items: Vec<Node>, style: CollectionStyle },
    Mapping { entries: Vec<(Node, Node)>, style: CollectionStyle },
    Alias { anchor: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarStyle {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
    Folded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CollectionStyle {
    Block,
    Flow,
}

impl Node {
    /// The value of a mapping's key; `None` too for nodes that are not mappings.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, value)| value)
    }

    /// A mapping's entry with its key node.
    pub fn entry(&self, key: &str) -> Option<&(Node, Node)> {
        self.entries().iter().find(|(name, _)| name.as_str() == Some(key))
    }

    /// A mapping's entries; empty for other nodes.
    pub fn entries(&self) -> &[(Node, Node)] {
        match &self.kind {
            Kind::Mapping { entries, .. } => entries,
            _ => &[],
        }
    }

    /// A sequence's items; empty for other nodes.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::Sequence { items, .. } => items,
            _ => &[],
        }
    }

    /// A scalar's text, whatever its type would be.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// A value that is not there, or a plain `null` or `~`.
    pub fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar { text, style: ScalarStyle::Plain } => self.tag.is_none() && schema::is_null(text),
            _ => false,
        }
    }

    pub fn is_mapping(&self) -> bool {
        matches!(self.kind, Kind::Mapping { .. })
    }

    pub fn is_sequence(&self) -> bool {
        matches!(self.kind, Kind::Sequence { .. })
    }

    /// What the node is, for error messages: "a mapping", "a list", "text".
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            _ if self.is_null() => "nothing",
            Kind::Scalar { .. } => "text",
            Kind::Sequence { .. } => "a list",
            Kind::Mapping { .. } => "a mapping",
            Kind::Alias { .. } => "an alias",
        }
    }
}
