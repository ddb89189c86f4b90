//! Changes single values of a YAML text and leaves every other byte as it is.
//!
//! An [`Editor`] collects splices of the text and, beside them, applies each change to the tree. [`Editor::finish`] splices, parses what
//! it has touched again and compares it with that tree: an edit that would say anything else than what was planned is refused.

mod layout;
mod scalar;
#[cfg(test)]
mod tests;
mod tree;
mod verify;

use std::ops::Range;

use crate::error::Location;
use crate::yaml::{self, CollectionStyle, Document, Kind, Node, Part, ScalarStyle};

use super::Error;
use tree::{child, child_mut, new_list, new_mapping, new_scalar};

/// A step from a node to one of its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'k> {
    /// The value of a mapping's key.
    Key(&'k str),
    /// An item of a sequence, counted from 0.
    Item(usize),
}

/// A mapping's keys and texts, in the order in which they are written.
pub type Fields = Vec<(&'static str, String)>;

/// The text between two bytes and what replaces it.
struct Splice {
    at: Range<usize>,
    text: String,
}

/// Changes to one text that have not been made yet.
pub struct Editor<'t> {
    file: &'t str,
    text: &'t str,
    /// What was read of the text, in its order, and how many documents that gave.
    parts: Vec<(Part, usize)>,
    documents: Vec<Document>,
    splices: Vec<Splice>,
}

/// The text after all changes, with its tree.
#[derive(Debug)]
pub struct Finished {
    pub text: String,
    /// Those of parts that no change has touched have the places they had before.
    pub documents: Vec<Document>,
}

impl<'t> Editor<'t> {
    /// # Errors
    /// When the text is not YAML.
    pub fn new(file: &'t str, text: &'t str) -> Result<Self, Error> {
        Self::of_parts(file, text, vec![Part::whole(text)])
    }

    /// Reads, and can change, only some parts of the text, given in their order. Each part's documents count as documents of their own.
    ///
    /// # Errors
    /// When a part is not YAML.
    pub fn of_parts(file: &'t str, text: &'t str, parts: Vec<Part>) -> Result<Self, Error> {
        let (mut documents, mut counted) = (Vec::new(), Vec::with_capacity(parts.len()));
        for part in parts {
            let read = yaml::parse_part(text, &part).map_err(|error| unreadable(file, &error))?;
            counted.push((part, read.len()));
            documents.extend(read);
        }
        Ok(Self { file, text, parts: counted, documents, splices: Vec::new() })
    }

    /// The tree as it will be after the changes made so far; nodes that were added have line 0.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// Replaces a scalar's text. Quotes stay as they are; a plain scalar stays plain if the new text is a string to every YAML reader,
    /// and gets double quotes otherwise. A value that is that text already stays untouched.
    ///
    /// # Errors
    /// When the place holds an alias, a block scalar, or no scalar.
    pub fn set(&mut self, document: usize, path: &[Step<'_>], text: &str) -> Result<(), Error> {
        let flow = self.is_in_flow(document, path);
        let node = self.node(document, path)?;
        if let Kind::Alias { anchor } = &node.kind {
            return Err(self.refuse(node, format!("the value is an alias of `&{anchor}`; change it there")));
        }
        let Kind::Scalar { text: old, style } = &node.kind else {
            return Err(self.refuse(node, format!("there is {} where a text was expected", node.describe())));
        };
        if old == text && verify::is_text(node) {
            return Ok(());
        }
        if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            return Err(self.refuse(node, "the value is a block scalar".into()));
        }
        if node.tag.as_deref().is_some_and(|tag| tag != "!!str" && tag != "!") {
            return Err(self.refuse(node, "the value has a tag that is not `!!str`".into()));
        }
        let splice = if node.span.is_empty() {
            let at = layout::after_colon(self.text, node).ok_or_else(|| self.refuse(node, "the value is missing".into()))?;
            Splice { at: at..at, text: format!(" {}", scalar::write(text, ScalarStyle::Plain, flow)) }
        } else {
            Splice { at: node.span.clone(), text: scalar::write(text, *style, flow) }
        };
        self.splices.push(splice);
        let node = self.node_mut(document, path)?;
        // Quoted in the expectation: whatever style was written, it has to read as a text.
        node.kind = Kind::Scalar { text: text.to_owned(), style: ScalarStyle::DoubleQuoted };
        node.tag = node.tag.take().filter(|tag| tag == "!!str" || tag == "!");
        Ok(())
    }

    /// Adds a key at the end of a mapping, in the mapping's own style.
    ///
    /// # Errors
    /// When the place holds no mapping, or an empty block mapping.
    pub fn insert(&mut self, document: usize, mapping: &[Step<'_>], key: &str, text: &str) -> Result<(), Error> {
        let node = self.node(document, mapping)?;
        let splice = match self.mapping_style(node)? {
            CollectionStyle::Flow => {
                let quote = layout::quotes_keys(self.text, node);
                layout::flow_insertion_beside(self.text, node, &scalar::pair(key, text, quote), &self.splices)
            }
            CollectionStyle::Block => {
                let line = format!("{}{key}: {}", layout::indent_of_keys(node), scalar::write(text, ScalarStyle::Plain, false));
                self.after_last_line(node, &[line])
            }
        };
        self.splices.push(splice);
        self.push_entry(document, mapping, key, new_scalar(text))
    }

    /// Adds a key at the end of a mapping whose value is a list of mappings.
    ///
    /// # Errors
    /// As [`Editor::insert`].
    pub fn insert_list(&mut self, document: usize, mapping: &[Step<'_>], key: &str, items: &[Fields]) -> Result<(), Error> {
        let node = self.node(document, mapping)?;
        let splice = match self.mapping_style(node)? {
            CollectionStyle::Flow => {
                let quote = layout::quotes_keys(self.text, node);
                let list = items.iter().map(|item| scalar::flow_mapping(item, quote)).collect::<Vec<_>>().join(", ");
                layout::flow_insertion(self.text, node, &format!("{}: [{list}]", scalar::key(key, quote)))
            }
            CollectionStyle::Block => {
                let indent = layout::indent_of_keys(node);
                let mut lines = vec![format!("{indent}{key}:")];
                lines.extend(self.item_lines(&layout::Dash::of_siblings(self.text, node), items));
                self.after_last_line(node, &lines)
            }
        };
        self.splices.push(splice);
        self.push_entry(document, mapping, key, new_list(items))
    }

    /// Adds mappings at the end of the list that a mapping's key holds: a block list, a flow list, `[]`, or nothing.
    ///
    /// # Errors
    /// When the key holds something else, or the list's layout is not understood.
    pub fn append(&mut self, document: usize, mapping: &[Step<'_>], key: &str, items: &[Fields]) -> Result<(), Error> {
        let parent = self.node(document, mapping)?;
        let Some(list) = parent.get(key) else { return self.insert_list(document, mapping, key, items) };
        let in_flow = self.mapping_style(parent)? == CollectionStyle::Flow;
        let splices = match &list.kind {
            Kind::Sequence { style: CollectionStyle::Flow, items: present } if !present.is_empty() || in_flow => {
                let quote = layout::quotes_keys(self.text, present.first().unwrap_or(parent));
                let added = items.iter().map(|item| scalar::flow_mapping(item, quote)).collect::<Vec<_>>().join(", ");
                vec![layout::flow_insertion(self.text, list, &added)]
            }
            Kind::Sequence { style: CollectionStyle::Block, .. } => {
                return self.extend(document, &[mapping, &[Step::Key(key)]].concat(), items);
            }
            // `[]` or nothing: a block list takes its place, and a comment behind it stays.
            Kind::Sequence { .. } | Kind::Scalar { .. } if !in_flow && (list.is_sequence() || list.is_null()) => {
                let lines = self.item_lines(&layout::Dash::of_siblings(self.text, parent), items);
                self.replace_with_lines(list, &lines)?
            }
            _ => return Err(self.refuse(list, format!("`{key}` holds {} where a list was expected", list.describe()))),
        };
        self.splices.extend(splices);
        let mut path = mapping.to_vec();
        path.push(Step::Key(key));
        let list = self.node_mut(document, &path)?;
        if let Kind::Sequence { items: present, .. } = &mut list.kind {
            present.extend(items.iter().map(new_mapping));
        } else {
            list.kind = new_list(items).kind;
        }
        Ok(())
    }

    /// Whether [`Editor::extend`] knows how the items of a list are written.
    pub fn can_extend(&self, document: usize, list: &[Step<'_>]) -> bool {
        self.node(document, list).is_ok_and(|list| layout::Dash::of_items(self.text, list.items()).is_some())
    }

    /// Adds mappings at the end of a block list.
    ///
    /// # Errors
    /// When the place holds something else, or the list's layout is not understood.
    pub fn extend(&mut self, document: usize, list: &[Step<'_>], items: &[Fields]) -> Result<(), Error> {
        let node = self.node(document, list)?;
        let Kind::Sequence { style: CollectionStyle::Block, items: present } = &node.kind else {
            return Err(self.refuse(node, format!("there is {} where a block list was expected", node.describe())));
        };
        let dash =
            layout::Dash::of_items(self.text, present).ok_or_else(|| self.refuse(node, "the list's layout is not understood".into()))?;
        let splice = self.after_last_line(node, &self.item_lines(&dash, items));
        self.splices.push(splice);
        if let Kind::Sequence { items: present, .. } = &mut self.node_mut(document, list)?.kind {
            present.extend(items.iter().map(new_mapping));
        }
        Ok(())
    }

    /// Removes a key with its value, and with the comment behind it in its line.
    ///
    /// # Errors
    /// When another comment would go too, or the mapping would be empty.
    pub fn remove(&mut self, document: usize, mapping: &[Step<'_>], key: &str) -> Result<(), Error> {
        let node = self.node(document, mapping)?;
        let Some((name, _)) = node.entry(key) else {
            return Err(self.refuse(node, format!("`{key}` comes from elsewhere (a merge key) and can't be removed here")));
        };
        let at = layout::removal(self.text, node, key)
            .ok_or_else(|| self.refuse(name, format!("`{key}` can't be removed without touching what is beside it")))?;
        self.splices.push(Splice { at, text: String::new() });
        if let Kind::Mapping { entries, .. } = &mut self.node_mut(document, mapping)?.kind {
            entries.retain(|(name, _)| name.as_str() != Some(key));
        }
        Ok(())
    }

    /// Makes the changes and proves that they are all.
    ///
    /// # Errors
    /// When the result does not read as the planned tree.
    pub fn finish(mut self) -> Result<Finished, Error> {
        self.splices.sort_by_key(|splice| (splice.at.start, splice.at.end));
        let mut text = String::with_capacity(self.text.len() + 256);
        let mut done = 0;
        for splice in &self.splices {
            if splice.at.start < done {
                return Err(Error::Unfaithful { at: self.place(splice.at.start) });
            }
            text.push_str(&self.text[done..splice.at.start]);
            text.push_str(&splice.text);
            done = splice.at.end;
        }
        text.push_str(&self.text[done..]);
        let documents = self.proven(&text)?;
        Ok(Finished { text, documents })
    }

    /// The documents of the new text, of which those in touched parts were read again and are as planned. Bytes outside those parts are
    /// the same as before, and read the same.
    fn proven(mut self, text: &str) -> Result<Vec<Document>, Error> {
        let mut documents = Vec::with_capacity(self.documents.len());
        let mut planned = std::mem::take(&mut self.documents).into_iter();
        let mut splices = self.splices.as_slice();
        // What the splices so far have added.
        let (mut bytes, mut lines) = (0_isize, 0_i64);
        for (part, count) in &self.parts {
            let expected: Vec<Document> = planned.by_ref().take(*count).collect();
            let touching = splices.iter().take_while(|splice| splice.at.end <= part.span.end).count();
            let (mine, others) = splices.split_at(touching);
            splices = others;
            let Some(first) = mine.first() else {
                documents.extend(expected);
                continue;
            };
            let unfaithful = || Error::Unfaithful { at: self.place(first.at.start) };
            let start = part.span.start.checked_add_signed(bytes).ok_or_else(unfaithful)?;
            let line = u32::try_from(i64::from(part.line) + lines).map_err(|_| unfaithful())?;
            bytes += mine.iter().map(|splice| splice.text.len().cast_signed() - splice.at.len().cast_signed()).sum::<isize>();
            lines += mine.iter().map(|splice| breaks(&splice.text) - breaks(&self.text[splice.at.clone()])).sum::<i64>();
            let end = part.span.end.checked_add_signed(bytes).ok_or_else(unfaithful)?;
            let found = yaml::parse_part(text, &Part { span: start..end, line }).map_err(|_| unfaithful())?;
            if first.at.start < part.span.start || !verify::same_documents(&expected, &found) {
                return Err(unfaithful());
            }
            documents.extend(found);
        }
        match splices.first() {
            None => Ok(documents),
            Some(stray) => Err(Error::Unfaithful { at: self.place(stray.at.start) }),
        }
    }

    /// Where a node stands, for errors.
    pub fn location(&self, node: &Node) -> Location {
        Location { file: self.file.into(), line: node.line, column: node.column }
    }

    /// An error that refuses to edit at a node.
    pub fn refuse(&self, node: &Node, reason: String) -> Error {
        Error::Refused { at: self.location(node), reason }
    }

    fn place(&self, byte: usize) -> Location {
        let before = &self.text[..byte];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        Location { file: self.file.into(), line: line.try_into().unwrap_or(u32::MAX), column: column.try_into().unwrap_or(u32::MAX) }
    }

    fn node(&self, document: usize, path: &[Step<'_>]) -> Result<&Node, Error> {
        let mut node = &self.documents[document].root;
        for step in path {
            node = child(node, *step).ok_or_else(|| self.refuse(node, "the value is not there".into()))?;
        }
        Ok(node)
    }

    fn node_mut(&mut self, document: usize, path: &[Step<'_>]) -> Result<&mut Node, Error> {
        // The same steps, with an error that says more.
        self.node(document, path)?;
        let root = &mut self.documents[document].root;
        path.iter()
            .try_fold(root, |node, step| child_mut(node, *step))
            .ok_or_else(|| Error::Unfaithful { at: Location::line(self.file, 1) })
    }

    fn is_in_flow(&self, document: usize, path: &[Step<'_>]) -> bool {
        let is_flow = |node: &Node| {
            matches!(node.kind, Kind::Mapping { style: CollectionStyle::Flow, .. } | Kind::Sequence { style: CollectionStyle::Flow, .. })
        };
        (0..path.len()).any(|depth| self.node(document, &path[..depth]).is_ok_and(is_flow))
    }

    fn mapping_style(&self, node: &Node) -> Result<CollectionStyle, Error> {
        match &node.kind {
            Kind::Mapping { style, .. } => Ok(*style),
            Kind::Alias { anchor } => Err(self.refuse(node, format!("the mapping is an alias of `&{anchor}`; change it there"))),
            _ => Err(self.refuse(node, format!("there is {} where a mapping was expected", node.describe()))),
        }
    }

    fn push_entry(&mut self, document: usize, mapping: &[Step<'_>], key: &str, value: Node) -> Result<(), Error> {
        if let Kind::Mapping { entries, .. } = &mut self.node_mut(document, mapping)?.kind {
            entries.push((new_scalar(key), value));
        }
        Ok(())
    }

    /// New lines behind the last line of a block's content: before the comments and blank lines that follow it.
    fn after_last_line(&self, node: &Node, lines: &[String]) -> Splice {
        self.lines_at(layout::line_end(self.text, layout::content_end(self.text, node)), lines)
    }

    fn lines_at(&self, at: usize, lines: &[String]) -> Splice {
        let eol = layout::eol(self.text);
        Splice { at: at..at, text: lines.iter().flat_map(|line| [eol, line]).collect() }
    }

    fn replace_with_lines(&self, value: &Node, lines: &[String]) -> Result<Vec<Splice>, Error> {
        if value.anchor.is_some() || value.tag.is_some() {
            return Err(self.refuse(value, "the empty list has an anchor or a tag".into()));
        }
        let from = self.text[..value.span.start].trim_end_matches([' ', '\t']).len();
        let from = if value.span.is_empty() { value.span.start } else { from };
        let removed = Splice { at: from..value.span.end, text: String::new() };
        Ok(vec![removed, self.lines_at(layout::line_end(self.text, value.span.end), lines)])
    }

    fn item_lines(&self, dash: &layout::Dash, items: &[Fields]) -> Vec<String> {
        let field = |(number, (key, text)): (usize, &(&str, String))| {
            let lead = if number == 0 { "-" } else { " " };
            format!("{}{lead}{}{key}: {}", dash.indent, dash.gap, scalar::write(text, ScalarStyle::Plain, false))
        };
        items.iter().flat_map(|item| item.iter().enumerate().map(field)).collect()
    }
}

/// Line breaks of a text.
fn breaks(text: &str) -> i64 {
    text.matches('\n').count().try_into().unwrap_or(i64::MAX)
}

/// The error for a text that is not YAML.
pub(super) fn unreadable(file: &str, error: &yaml::SyntaxError) -> Error {
    Error::Unreadable { at: Location { file: file.into(), line: error.line, column: error.column }, message: error.to_string() }
}

/// The error for a document whose aliases or keys can't be resolved.
pub(super) fn unresolved(file: &str, error: &yaml::ResolveError) -> Error {
    Error::Unreadable { at: Location::line(file, error.line()), message: error.to_string() }
}
