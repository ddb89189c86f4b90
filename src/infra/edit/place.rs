//! Places in a tree that outlive the tree they were found in.

use crate::error::Location;
use crate::yaml::{Document, Kind, Node};

use super::yaml::Step;

/// A step to a child, as [`Step`] but with its own key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hop {
    Key(String),
    Item(usize),
}

/// A node of a stream: the document, counted from 0, and the way to it from the document's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) document: usize,
    pub(super) path: Vec<Hop>,
}

impl Place {
    pub(super) fn new(document: usize, path: &[Hop]) -> Self {
        Self { document, path: path.to_vec() }
    }

    pub(super) fn steps(&self) -> Vec<Step<'_>> {
        steps(&self.path)
    }

    pub(super) fn child(&self, key: &str) -> Self {
        let mut path = self.path.clone();
        path.push(Hop::Key(key.to_owned()));
        Self { document: self.document, path }
    }

    /// The node there; `None` too when the way leads through an alias.
    pub(super) fn node<'d>(&self, documents: &'d [Document]) -> Option<&'d Node> {
        walk(&documents.get(self.document)?.root, &self.path)
    }

    /// The last node on the way that is written there, for errors: the alias, or the mapping that lacks the key.
    pub(super) fn nearest<'d>(&self, documents: &'d [Document]) -> Option<&'d Node> {
        let mut node = &documents.get(self.document)?.root;
        for hop in &self.path {
            match child(node, hop) {
                Some(next) => node = next,
                None => break,
            }
        }
        Some(node)
    }

    pub(super) fn line(&self, documents: &[Document]) -> u32 {
        self.nearest(documents).map_or(0, |node| node.line)
    }
}

pub(super) fn steps(path: &[Hop]) -> Vec<Step<'_>> {
    let step = |hop| match hop {
        &Hop::Item(index) => Step::Item(index),
        Hop::Key(key) => Step::Key(key),
    };
    path.iter().map(step).collect()
}

pub(super) fn walk<'n>(node: &'n Node, path: &[Hop]) -> Option<&'n Node> {
    path.iter().try_fold(node, child)
}

fn child<'n>(node: &'n Node, hop: &Hop) -> Option<&'n Node> {
    match hop {
        Hop::Key(key) => node.get(key),
        Hop::Item(index) => node.items().get(*index),
    }
}

/// Where a JSON pointer (RFC 6901) leads in a tree: whether a part counts items depends on the node.
pub(super) fn of_pointer(root: &Node, pointer: &str) -> Vec<Hop> {
    let mut path = Vec::new();
    let mut node = Some(root);
    for part in pointer.split('/').skip(1) {
        let hop = match (node.map(|node| &node.kind), part.parse()) {
            (Some(Kind::Sequence { .. }), Ok(index)) => Hop::Item(index),
            _ => Hop::Key(part.replace("~1", "/").replace("~0", "~")),
        };
        node = node.and_then(|node| child(node, &hop));
        path.push(hop);
    }
    path
}

/// Aliases of an anchor below a node.
pub(super) fn aliases(node: &Node, anchor: &str) -> usize {
    let own = usize::from(matches!(&node.kind, Kind::Alias { anchor: name } if name == anchor));
    let items: usize = node.items().iter().map(|item| aliases(item, anchor)).sum();
    let values: usize = node.entries().iter().map(|(_, value)| aliases(value, anchor)).sum();
    own + items + values
}

/// What a person should know when an anchored value changes: aliases elsewhere follow it.
pub(super) fn alias_note(file: &str, document: &Document, node: &Node) -> Option<String> {
    let anchor = node.anchor.as_deref()?;
    let count = aliases(&document.root, anchor);
    (count > 0).then(|| format!("{file}:{}: the value has the anchor `&{anchor}`; aliases that follow it: {count}", node.line))
}

pub(super) fn location(file: &str, node: Option<&Node>) -> Location {
    node.map_or_else(|| Location::line(file, 1), |node| Location { file: file.into(), line: node.line, column: node.column })
}
