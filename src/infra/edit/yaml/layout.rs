//! Where things stand in a YAML text: ends of contents, indents, dashes.
//!
//! The parser's spans of block collections and block scalars run on over blank lines and comments, that of a list without indent starts
//! behind its first dash, and that of a missing value lies on its key. Positions are therefore taken from scalars and the text.

use std::ops::Range;

use crate::yaml::{CollectionStyle, Kind, Node, ScalarStyle};

/// How the items of a block list begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dash {
    pub(super) indent: String,
    /// The blanks behind the dash.
    pub(super) gap: String,
}

impl Dash {
    /// As the list's last item that begins in its dash's line.
    pub(super) fn of_items(text: &str, items: &[Node]) -> Option<Self> {
        items.iter().rev().filter(|item| is_written(item)).find_map(|item| Self::of_item(text, item))
    }

    /// As the lists beside it in the same mapping; else without indent, as kustomize writes.
    pub(super) fn of_siblings(text: &str, mapping: &Node) -> Self {
        let block_lists = mapping
            .entries()
            .iter()
            .filter(|(_, value)| matches!(&value.kind, Kind::Sequence { style: CollectionStyle::Block, .. }) && is_written(value));
        let mut dashes = block_lists.filter_map(|(_, list)| Self::of_items(text, list.items()));
        dashes.next().unwrap_or_else(|| Self { indent: indent_of_keys(mapping), gap: " ".into() })
    }

    fn of_item(text: &str, item: &Node) -> Option<Self> {
        let lead = &text[line_start(text, item.span.start)..item.span.start];
        let lead = lead.trim_start_matches('\u{feff}');
        let indent = lead.len() - lead.trim_start_matches(' ').len();
        let rest = lead[indent..].strip_prefix('-')?;
        let gap = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let properties = rest[gap..].split_whitespace().all(|word| word.starts_with(['&', '!']));
        (gap > 0 && properties).then(|| Self { indent: lead[..indent].to_owned(), gap: rest[..gap].to_owned() })
    }
}

/// Whether a node stands in the text, in contrast to one that an edit adds.
fn is_written(node: &Node) -> bool {
    node.line > 0
}

/// The line end that the text uses.
pub(super) fn eol(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// The end of a line, before its line break.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    if text[at..end].ends_with('\r') { end - 1 } else { end }
}

/// The end of what a node says, without the comments and blank lines behind it.
pub(super) fn content_end(text: &str, node: &Node) -> usize {
    let children = |ends: Vec<usize>| ends.into_iter().max().unwrap_or(node.span.start);
    match &node.kind {
        Kind::Scalar { .. } if node.span.is_empty() => after_colon(text, node).unwrap_or(node.span.start),
        Kind::Scalar { style: ScalarStyle::Literal | ScalarStyle::Folded, .. } => {
            node.span.start + text[node.span.clone()].trim_end().len()
        }
        Kind::Sequence { items, style: CollectionStyle::Block } => {
            children(items.iter().filter(|item| is_written(item)).map(|item| content_end(text, item)).collect())
        }
        Kind::Mapping { entries, style: CollectionStyle::Block } => children(
            entries.iter().filter(|(key, _)| is_written(key)).map(|(key, value)| key.span.end.max(content_end(text, value))).collect(),
        ),
        _ => node.span.end,
    }
}

/// Where a missing value goes: its span lies on its key, before the colon.
pub(super) fn after_colon(text: &str, node: &Node) -> Option<usize> {
    let rest = &text[node.span.end..];
    let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    rest[blanks..].starts_with(':').then_some(node.span.end + blanks + 1)
}

/// The blanks before the keys of a block mapping.
pub(super) fn indent_of_keys(mapping: &Node) -> String {
    let column = mapping.entries().iter().map(|(key, _)| key).find(|key| is_written(key)).map_or(1, |key| key.column);
    " ".repeat(usize::try_from(column).map_or(0, |column| column.saturating_sub(1)))
}

/// Whether a mapping's keys are quoted, as in JSON.
pub(super) fn quotes_keys(text: &str, mapping: &Node) -> bool {
    let first = mapping.entries().iter().map(|(key, _)| key).find(|key| is_written(key));
    first.is_some_and(|key| text[key.span.clone()].starts_with(['"', '\'']))
}

/// The splice that adds something at the end of a flow collection.
pub(super) fn flow_insertion(text: &str, collection: &Node, added: &str) -> super::Splice {
    flow_insertion_beside(text, collection, added, &[])
}

/// The same where other changes are planned already: the last member may be about to go, its comma with it.
pub(super) fn flow_insertion_beside(text: &str, collection: &Node, added: &str, planned: &[super::Splice]) -> super::Splice {
    let ends = collection.items().iter().map(|item| (is_written(item), content_end(text, item)));
    let values = collection.entries().iter().map(|(key, value)| (is_written(key), key.span.end.max(content_end(text, value))));
    let ends: Vec<(bool, usize)> = ends.chain(values).collect();
    let removed = |end: usize| planned.iter().find(|splice| splice.text.is_empty() && splice.at.start == end).map(|splice| splice.at.end);
    let last = ends.iter().filter(|(written, _)| *written).map(|(_, end)| *end).max();
    let Some(end) = last.map(|end| removed(end).unwrap_or(end)) else {
        let separator = if ends.is_empty() { "" } else { ", " };
        let at = collection.span.start + 1;
        return super::Splice { at: at..at, text: format!("{separator}{added}") };
    };
    match trailing_comma(text, end, collection.span.end) {
        Some(at) => {
            super::Splice { at: at..at, text: format!(" {added}{}", if ends.iter().all(|(written, _)| *written) { "," } else { "" }) }
        }
        None => super::Splice { at: end..end, text: format!(", {added}") },
    }
}

/// The place behind a comma that follows a flow collection's last member.
fn trailing_comma(text: &str, from: usize, to: usize) -> Option<usize> {
    let mut in_comment = false;
    for (offset, character) in text[from..to].char_indices() {
        match character {
            '\n' => in_comment = false,
            '#' => in_comment = true,
            ',' if !in_comment => return Some(from + offset + 1),
            character if !in_comment && !character.is_whitespace() => return None,
            _ => {}
        }
    }
    None
}

/// The bytes to take out so that a key and its value are gone; `None` when something else would go with them.
pub(super) fn removal(text: &str, mapping: &Node, key: &str) -> Option<Range<usize>> {
    let entries: Vec<&(Node, Node)> = mapping.entries().iter().filter(|(key, _)| is_written(key)).collect();
    let index = entries.iter().position(|(name, _)| name.as_str() == Some(key))?;
    if entries.len() < 2 {
        return None;
    }
    let end_of = |(key, value): &(Node, Node)| key.span.end.max(content_end(text, value));
    let (start, end) = (entries[index].0.span.start, end_of(entries[index]));
    let line = line_start(text, start);
    let is_block = matches!(mapping.kind, Kind::Mapping { style: CollectionStyle::Block, .. });
    let range = match entries.get(index + 1) {
        _ if is_block && text[line..start].trim_start_matches('\u{feff}').trim().is_empty() => return Some(whole_lines(text, line, end)),
        _ if !is_block && index > 0 => end_of(entries[index - 1])..end,
        Some((next, _)) => start..next.span.start,
        None => return None,
    };
    (!text[range.clone()].contains('#')).then_some(range)
}

/// From a line's start to the end of the line in which the value ends, line break included; at the end of a text without a final line
/// break, the break before goes instead.
fn whole_lines(text: &str, line: usize, end: usize) -> Range<usize> {
    match text[end..].find('\n') {
        Some(newline) => line..end + newline + 1,
        None => {
            let before = text[..line].strip_suffix('\n').map_or(line, str::len);
            text[..before].strip_suffix('\r').map_or(before, str::len)..text.len()
        }
    }
}
