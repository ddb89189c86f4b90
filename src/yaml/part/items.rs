//! Block lists cut into their items, and what those say that are written plainly.

use memchr::memchr_iter;

use super::{Part, key};

impl Part {
    /// The items of the block list that an entry of a document (see [`Part::sections`]) holds, each from its dash's line to that of the
    /// next. `None` where the entry holds something else, or where quotes or brackets may reach from one item into another.
    pub fn items(&self, text: &str) -> Option<Vec<Self>> {
        let section = &text[self.span.clone()];
        let mut lines = section.split_inclusive('\n');
        let head = lines.next()?;
        let is_list = is_end(&head[key(head.as_bytes())?.len() + 1..]);
        let has_other_breaks = || memchr_iter(b'\r', section.as_bytes()).any(|at| section.as_bytes().get(at + 1) != Some(&b'\n'));
        if !is_list || !self.is_closed(text) || has_other_breaks() {
            return None;
        }
        let mut items: Vec<Self> = Vec::new();
        let mut dash = None;
        let (mut at, mut number) = (self.span.start + head.len(), self.line + 1);
        for line in lines {
            let indent = indent(line);
            match line.as_bytes()[indent..] {
                [] | [b'\n' | b'\r' | b'#', ..] => {}
                [b'-'] | [b'-', b' ' | b'\r' | b'\n', ..] if dash.is_none_or(|dash| dash == indent) => {
                    dash = Some(indent);
                    if let Some(last) = items.last_mut() {
                        last.span.end = at;
                    }
                    items.push(Self { span: at..self.span.end, line: number });
                }
                [b'\t', ..] => return None,
                _ if dash.is_some_and(|dash| indent > dash) => {}
                _ => return None,
            }
            at += line.len();
            number += 1;
        }
        (!items.is_empty()).then_some(items)
    }

    /// What an item says, when it is a block mapping of which each key has one line and a short text without escapes. The texts are those
    /// between the quotes, where there are quotes. `None` for any other item.
    pub fn fields<'t>(&self, text: &'t str) -> Option<Vec<(&'t str, &'t str)>> {
        let mut lines = text[self.span.clone()].split_inclusive('\n');
        let first = lines.next()?;
        let column = indent(first) + 1 + indent(first.trim_start_matches(' ').strip_prefix("- ")?) + 1;
        let mut fields = Vec::with_capacity(4);
        fields.push(field(&first[column..])?);
        for line in lines.filter(|line| !line.starts_with('#') && !is_end(line)) {
            let (key, value) = if indent(line) == column { field(&line[column..])? } else { return None };
            if fields.iter().any(|(known, _)| *known == key) {
                return None;
            }
            fields.push((key, value));
        }
        Some(fields)
    }
}

/// Blanks at the beginning of a line.
fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Whether nothing but blanks and a comment is in the rest of a line.
fn is_end(rest: &str) -> bool {
    let rest = rest.trim_end_matches(['\r', '\n']);
    let behind = rest.trim_start_matches(' ');
    behind.is_empty() || (behind.starts_with('#') && behind.len() < rest.len())
}

/// `key: text`, the text of letters, digits and a few signs, plain or in quotes, with nothing behind it but a comment.
fn field(line: &str) -> Option<(&str, &str)> {
    let key = &line[..key(line.as_bytes())?.len()];
    let value = line[key.len() + 1..].strip_prefix(' ')?.trim_start_matches(' ');
    let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
    let value = quote.map_or(value, |_| &value[1..]);
    let length = value.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || b"._/:@-+".contains(&byte))).unwrap_or(value.len());
    let (value, behind) = value.split_at(length);
    let behind = quote.map_or(Some(behind), |quote| behind.strip_prefix(quote))?;
    let is_text = value.starts_with(|first: char| first.is_ascii_alphanumeric()) && !value.ends_with(':');
    (is_text && is_end(behind)).then_some((key, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::{Node, Schema, parse, parse_part};
    use super::*;

    fn section(text: &str) -> Option<Part> {
        Part::whole(text).sections(text)?.into_iter().find(|part| text[part.span.clone()].starts_with("list:"))
    }

    fn cut(text: &str) -> Option<Vec<&str>> {
        Some(section(text)?.items(text)?.into_iter().map(|item| &text[item.span]).collect())
    }

    #[test]
    fn a_block_list_is_cut_at_its_dashes() {
        let text = "a: 1\nlist: # c\n# head\n- b: 1\n  c:\n  - d\n# foot\n-   'e'\n-\n  f: |\n    - g\n\n- {h: [i]}\nj: 2\n";
        assert_eq!(
            cut(text).unwrap(),
            ["- b: 1\n  c:\n  - d\n# foot\n", "-   'e'\n", "-\n  f: |\n    - g\n\n", "- {h: [i]}\n"],
            "the comment before the first is nobody's"
        );
        assert_eq!(cut("list:\r\n  - a\r\n  - b").unwrap(), ["  - a\r\n", "  - b"]);
    }

    #[test]
    fn other_lists_and_lists_of_which_an_item_may_be_open_are_not_cut() {
        let table = [
            "list:\n",
            "list: []\n",
            "list: x\n",
            "list: !!seq\n- a\n",
            "list: |\n  - a\n",
            "list:\n  a: 1\n",
            "list:\n  - a\n - b\n",
            "list:\n- a\n\t- b\n",
            "list:\n- 'a\n- b'\n",
            "list:\n- {\"it's\": 'a}\n- b'}\n",
            "list:\n- it's: \"a'\n- b\"\n",
            "list:\n- [\"]\", a,\n- b]\n",
            "list:\n- \"a\\\"\"\n",
            "list:\n- a\r- b\n",
        ];
        for text in table {
            assert_eq!(cut(text), None, "{text:?}");
        }
    }

    #[test]
    fn only_what_is_plainly_written_is_told_without_a_parser() {
        let fields = |text: &str| -> Option<String> {
            let fields = Part::whole(text).fields(text)?;
            Some(fields.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" "))
        };
        for text in ["- a: b/c:1\n  d: 'e' # f\n", "  - a: \"b/c:1\"\r\n\r\n  # g\r\n    d:  e\r\n", "-   a: b/c:1\n    d: e"] {
            assert_eq!(fields(text).as_deref(), Some("a=b/c:1 d=e"), "{text:?}");
        }
        let table = [
            "- a",
            "-\n  a: b\n",
            "- {a: b}\n",
            "- a: b c\n",
            "- a: b\n    c\n",
            "- a: |\n    b\n",
            "- a: b\n  a: c\n",
            "- a: b\n   c: d\n",
            "- a:\n",
            "- a: \"b\\x41\"\n",
            "- a: 'b'#c\n",
            "- a: b#c\n",
            "- a: 'it''s'\n",
            "- a: b:\n",
            "- a: *b\n",
            "- a: !!str b\n",
            "- <<: b\n",
            "- 'a': b\n",
            "- ? a\n",
            "- - a: b\n",
            "- a: é\n",
            "- a: b\n- c: d\n",
            "- # a\n  b: c\n",
            "- a:\tb\n",
            "",
        ];
        for text in table {
            assert_eq!(fields(text), None, "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]
        #[test]
        fn items_read_by_themselves_as_in_the_text_and_fields_as_the_parser_tells_them(
            lines in prop::collection::vec(prop::sample::select(vec![
                "- name: a", "  newTag: v1", "  newName: 'x/y' # c", "  name: \"b\"", "- newTag: 1.0", "  - d", "-", "- 'e", "  f'", "- g: |", "    - h",
                "", "# c", "  # it's", "- {i: \"it's\", j: 'k'}", "- [l,", "  m]", "- n'}", "-   o: p", "    q: r:s", "  t:", "- é: ü", "- a b", "  c d: e",
                "u: v", "- it's: \"x'", "- \"", "    w",
            ]), 0..9),
            (indent, crlf) in any::<(bool, bool)>(),
        ) {
            let lines: Vec<String> = lines.iter().map(|line| format!("{}{line}", if indent && *line != "u: v" { "  " } else { "" })).collect();
            let text = format!("list:\n{}", lines.join("\n"));
            let text = if crlf { text.replace('\n', "\r\n") } else { text };
            let Ok(whole) = parse(&text) else { return Ok(()) };
            let Some(items) = section(&text).and_then(|section| section.items(&text)) else { return Ok(()) };
            let read: Vec<Node> = items.iter().flat_map(|item| parse_part(&text, item).unwrap()[0].root.items().to_vec()).collect();
            let said = |node: &Node| (node.to_json(Schema::Core), node.line, node.column);
            let wanted = whole[0].root.get("list").unwrap().items();
            prop_assert_eq!(read.iter().map(said).collect::<Vec<_>>(), wanted.iter().map(said).collect::<Vec<_>>());
            for (item, node) in items.iter().zip(wanted) {
                let Some(fields) = item.fields(&text) else { continue };
                let entries: Option<Vec<_>> = node.entries().iter().map(|(key, value)| Some((key.as_str()?, value.as_str()?))).collect();
                prop_assert_eq!(Some(fields), entries);
            }
        }
    }
}
