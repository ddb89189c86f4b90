use std::collections::HashMap;

use granit_parser::{Event, Parser, ScanError, Span, StrInput, StructureStyle};

use super::{CollectionStyle, Document, Kind, Node, Part, ScalarStyle};

/// Why a text is not YAML, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not YAML: {message}")]
pub struct SyntaxError {
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    pub message: String,
}

const BOM: &str = "\u{feff}";

/// Reads all documents of a text. A byte order mark and CRLF line ends are fine; spans are those of the text as given.
///
/// # Errors
/// The first place that is not YAML.
pub fn parse(text: &str) -> Result<Vec<Document>, SyntaxError> {
    parse_part(text, &Part::whole(text))
}

/// Reads a part of a text by itself. Spans, lines and columns are those of the text.
///
/// # Errors
/// The first place that is not YAML.
pub fn parse_part(text: &str, part: &Part) -> Result<Vec<Document>, SyntaxError> {
    let slice = &text[part.span.clone()];
    let body = slice.strip_prefix(BOM).unwrap_or(slice);
    let options = granit_parser::options! { emit_comments: false, emit_anchor_events: true };
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(body, options),
        anchors: HashMap::new(),
        offset: part.span.end - body.len(),
        end: part.span.end,
        line: part.line,
    };
    reader.documents().map_err(|error| SyntaxError { line: error.line + part.line, ..error })
}

struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
    /// Names of the current document's anchors by the parser's number for them.
    anchors: HashMap<usize, String>,
    /// Where the body begins in the text.
    offset: usize,
    /// Where the body ends in the text.
    end: usize,
    /// Lines of the text before the body.
    line: u32,
}

impl<'t> Reader<'t> {
    fn documents(&mut self) -> Result<Vec<Document>, SyntaxError> {
        let mut documents = Vec::new();
        while let Some((event, span)) = self.next()? {
            match event {
                Event::DocumentStart(..) => {
                    self.anchors.clear();
                    let root = match self.next()? {
                        Some((Event::DocumentEnd, _)) | None => self.null_at(span),
                        Some(event) => self.node(event)?,
                    };
                    documents.push(Document { root });
                }
                Event::StreamEnd => break,
                _ => {}
            }
        }
        Ok(documents)
    }

    /// The node that begins with an event.
    fn node(&mut self, (event, span): (Event<'t>, Span)) -> Result<Node, SyntaxError> {
        let anchor = self.anchor(event.anchor_id())?;
        let tag = event.tag().map(granit_parser::Tag::original);
        let mut end = span;
        let kind = match event {
            Event::Scalar(text, style, ..) => Kind::Scalar { text: text.into_owned(), style: scalar_style(style) },
            Event::Alias(id) => Kind::Alias { anchor: self.anchors.get(&id).cloned().unwrap_or_default() },
            Event::SequenceStart(style, ..) => {
                let mut items = Vec::new();
                while let Some(event) = self.next_in(&mut end)? {
                    items.push(self.node(event)?);
                }
                Kind::Sequence { items, style: collection_style(style) }
            }
            Event::MappingStart(style, ..) => {
                let mut entries = Vec::new();
                while let Some(event) = self.next_in(&mut end)? {
                    let key = self.node(event)?;
                    let Some(event) = self.next_in(&mut end)? else { break };
                    entries.push((key, self.node(event)?));
                }
                Kind::Mapping { entries, style: collection_style(style) }
            }
            _ => Kind::Scalar { text: String::new(), style: ScalarStyle::Plain },
        };
        let start = self.byte(span.start.byte_offset());
        let end = self.byte(end.end.byte_offset()).max(start);
        Ok(Node { kind, tag, anchor, span: start..end, line: self.line + number(span.start.line()), column: number(span.start.col() + 1) })
    }

    /// The next event in a collection. At its end there is none, and `end` is where that is.
    fn next_in(&mut self, end: &mut Span) -> Result<Option<(Event<'t>, Span)>, SyntaxError> {
        match self.next()? {
            Some((Event::SequenceEnd | Event::MappingEnd, span)) => {
                *end = span;
                Ok(None)
            }
            other => Ok(other),
        }
    }

    /// The name of a node's anchor, whose event follows that of the node.
    fn anchor(&mut self, id: Option<usize>) -> Result<Option<String>, SyntaxError> {
        let Some(id) = id else { return Ok(None) };
        let Some((Event::Anchor(_, name), _)) = self.next()? else { return Ok(None) };
        self.anchors.insert(id, name.to_string());
        Ok(Some(name.into_owned()))
    }

    fn null_at(&self, span: Span) -> Node {
        let at = self.byte(span.end.byte_offset());
        Node {
            kind: Kind::Scalar { text: String::new(), style: ScalarStyle::Plain },
            tag: None,
            anchor: None,
            span: at..at,
            line: self.line + number(span.end.line().max(1)),
            column: number(span.end.col() + 1),
        }
    }

    fn byte(&self, offset: Option<usize>) -> usize {
        (offset.unwrap_or(0) + self.offset).min(self.end)
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, SyntaxError> {
        self.events.next_event().transpose().map_err(|error| syntax_error(&error))
    }
}

fn syntax_error(error: &ScanError) -> SyntaxError {
    let marker = error.marker();
    SyntaxError { line: number(marker.line().max(1)), column: number(marker.col() + 1), message: error.info().to_string() }
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn scalar_style(style: granit_parser::ScalarStyle) -> ScalarStyle {
    match style {
        granit_parser::ScalarStyle::Plain => ScalarStyle::Plain,
        granit_parser::ScalarStyle::SingleQuoted => ScalarStyle::SingleQuoted,
        granit_parser::ScalarStyle::DoubleQuoted => ScalarStyle::DoubleQuoted,
        granit_parser::ScalarStyle::Literal => ScalarStyle::Literal,
        granit_parser::ScalarStyle::Folded => ScalarStyle::Folded,
    }
}

fn collection_style(style: StructureStyle) -> CollectionStyle {
    match style {
        StructureStyle::Block => CollectionStyle::Block,
        StructureStyle::Flow => CollectionStyle::Flow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str) -> Node {
        parse(text).unwrap().remove(0).root
    }

    #[test]
    fn nodes_know_their_bytes_lines_and_columns() {
        let text = "\u{feff}# é\r\nimages:\r\n  - name: \"acme/api\"\r\n    newTag: v1 # c\r\n";
        let root = first(text);
        let item = &root.get("images").unwrap().items()[0];
        let tag = item.get("newTag").unwrap();
        assert_eq!(&text[tag.span.clone()], "v1");
        assert_eq!((tag.line, tag.column), (4, 13));
        let name = item.get("name").unwrap();
        assert_eq!(&text[name.span.clone()], "\"acme/api\"");
        assert_eq!(name.as_str(), Some("acme/api"));
    }

    #[test]
    fn documents_may_be_empty_or_many() {
        assert_eq!(parse("").unwrap(), []);
        assert_eq!(parse("# only a comment\n").unwrap(), []);
        let documents = parse("---\na: 1\n---\n---\n# c\n...\n---\nb: 2\n").unwrap();
        let null: Vec<bool> = documents.iter().map(|d| d.root.is_null()).collect();
        assert_eq!(null, [false, true, true, false]);
    }

    #[test]
    fn anchors_aliases_and_tags_are_kept_as_written() {
        let root = first("a: &x !reset 1\nb: *x\nc: !!str 2\nd: &m {k: v}\n");
        assert_eq!(root.get("a").unwrap().anchor.as_deref(), Some("x"));
        assert_eq!(root.get("a").unwrap().tag.as_deref(), Some("!reset"));
        assert_eq!(root.get("b").unwrap().kind, Kind::Alias { anchor: "x".into() });
        assert_eq!(root.get("c").unwrap().tag.as_deref(), Some("!!str"));
        assert_eq!(root.get("d").unwrap().anchor.as_deref(), Some("m"));
        assert_eq!(root.get("d").unwrap().get("k").unwrap().as_str(), Some("v"));
    }

    #[test]
    fn a_missing_value_is_null_at_an_empty_span() {
        let text = "a:\nb: x\n";
        let root = first(text);
        let a = root.get("a").unwrap();
        assert!(a.is_null());
        assert!(a.span.is_empty(), "{:?}", a.span);
    }

    #[test]
    fn errors_name_line_and_column() {
        let error = parse("a: 1\nimage: %%X%%\n").unwrap_err();
        assert_eq!((error.line, error.column), (2, 8));
        insta::assert_snapshot!(error, @"not YAML: unexpected character: `%'");
        assert!(parse("a: *nowhere\n").is_err());
    }
}
