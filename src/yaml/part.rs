//! Texts cut into parts that can be read one by one, so that what nobody asks for needn't be read at all.
//!
//! Cutting only looks at the beginnings of lines, which is many times faster than parsing. It is done where YAML leaves no doubt; where
//! there is some, the answer is the whole text.

mod items;

use std::collections::HashSet;
use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2_iter, memmem, memrchr};

/// A part of a text that reads by itself as it reads in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its bytes in the text.
    pub span: Range<usize>,
    /// Lines of the text before it.
    pub line: u32,
}

impl Part {
    /// All of a text.
    pub fn whole(text: &str) -> Self {
        Self { span: 0..text.len(), line: 0 }
    }

    /// The documents of a text. A line that begins with `---` starts one wherever it stands (YAML 1.2.2 §9.1.4, `c-forbidden`); a text with
    /// directives, `...` or lone carriage returns is not cut.
    pub fn documents(text: &str) -> Vec<Self> {
        let bytes = text.as_bytes();
        let is_mark = |at: usize| bytes.get(at + 3).is_none_or(|byte| byte.is_ascii_whitespace());
        let is_end = |at: usize| bytes[at..].starts_with(b"...") && is_mark(at);
        let odd = |at: usize| bytes.get(at) == Some(&b'%') || is_end(at);
        let starts = memmem::find_iter(bytes, b"\n---").map(|at| at + 1).filter(|at| is_mark(*at));
        let is_odd = odd(0)
            || odd(text.len() - text.trim_start_matches('\u{feff}').len())
            || memmem::find_iter(bytes, b"\n%").next().is_some()
            || memmem::find_iter(bytes, b"\n...").any(|at| is_end(at + 1))
            || memchr_iter(b'\r', bytes).any(|at| bytes.get(at + 1) != Some(&b'\n'));
        if is_odd {
            return vec![Self::whole(text)];
        }
        let mut parts = Vec::new();
        let (mut from, mut line) = (0, 0);
        for start in starts.chain([text.len()]) {
            parts.push(Self { span: from..start, line });
            line += lines(&bytes[from..start]);
            from = start;
        }
        parts
    }

    /// The entries of the document's outermost mapping, each with its key, when the document is plainly written: no anchors or aliases, all
    /// keys plain and different.
    pub fn sections(&self, text: &str) -> Option<Vec<Self>> {
        let bytes = &text.as_bytes()[self.span.clone()];
        if memchr2_iter(b'&', b'*', bytes).any(|at| is_name(bytes, at)) {
            return None;
        }
        let mut sections: Vec<Self> = Vec::new();
        let mut keys = HashSet::new();
        let mut at = if self.span.start == 0 && text.starts_with('\u{feff}') { 3 } else { 0 };
        let mut line = self.line;
        while at < bytes.len() {
            let end = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length + 1);
            match bytes[at] {
                b' ' if sections.is_empty() && !matches!(bytes[at..end].trim_ascii().first(), None | Some(b'#')) => return None,
                b' ' | b'#' | b'\n' | b'\r' => {}
                b'-' if sections.is_empty() && bytes[at..end].trim_ascii_end() == b"---" => {}
                b'-' if !sections.is_empty() && matches!(bytes.get(at + 1), Some(b' ' | b'\n' | b'\r')) => {}
                _ => {
                    let key = key(&bytes[at..end]).filter(|key| keys.insert(*key))?;
                    debug_assert!(!key.is_empty());
                    if let Some(last) = sections.last_mut() {
                        last.span.end = self.span.start + at;
                    }
                    sections.push(Self { span: self.span.start + at..self.span.end, line });
                }
            }
            line += 1;
            at = end;
        }
        Some(sections)
    }

    /// Whether every quote and bracket is closed in its line, so that nothing can reach beyond the part. Where there is a doubt, it is not.
    pub fn is_closed(&self, text: &str) -> bool {
        let bytes = &text.as_bytes()[self.span.clone()];
        let mut from = 0;
        while let Some(found) = bytes[from..].iter().position(|byte| matches!(byte, b'\'' | b'"' | b'[' | b']' | b'{' | b'}')) {
            let at = from + found;
            let start = memrchr(b'\n', &bytes[..at]).map_or(0, |newline| newline + 1);
            from = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length);
            if !is_closed(&bytes[start..from]) {
                return false;
            }
        }
        true
    }
}

fn is_closed(line: &[u8]) -> bool {
    let (mut quote, mut singles, mut doubles, mut depth, mut before) = (None, 0, 0, 0, b' ');
    for &byte in line {
        match byte {
            b'#' if before == b' ' => break,
            b'\\' if doubles > 0 => return false,
            b'\'' | b'"' => {
                *(if byte == b'"' { &mut doubles } else { &mut singles }) += 1;
                quote = match quote {
                    // Elsewhere it is a character of a plain text, unless it doubles the one before (`'it''s'`).
                    None if before == byte || b" [{,:".contains(&before) => Some(byte),
                    None => return false,
                    Some(open) if open == byte => None,
                    open => open,
                }
            }
            b'[' | b'{' if quote.is_none() => depth += 1,
            b']' | b'}' if quote.is_none() && depth == 0 => return false,
            b']' | b'}' if quote.is_none() => depth -= 1,
            _ => {}
        }
        before = byte;
    }
    // A plain text may hold a lone quote too, behind which the others are taken the wrong way round: then their numbers tell.
    quote.is_none() && depth == 0 && singles % 2 == 0 && doubles % 2 == 0
}

fn lines(bytes: &[u8]) -> u32 {
    memchr_iter(b'\n', bytes).count().try_into().unwrap_or(u32::MAX)
}

/// Whether `&` or `*` may begin an anchor or an alias.
fn is_name(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).map_or(b'\n', |at| bytes[at]);
    let after = bytes.get(at + 1).copied().unwrap_or(b' ');
    (before.is_ascii_whitespace() || b"[{,:-".contains(&before)) && !after.is_ascii_whitespace() && !b",[]{}".contains(&after)
}

/// The plain key that a line begins with.
fn key(line: &[u8]) -> Option<&[u8]> {
    let length = line.iter().position(|byte| !(byte.is_ascii_alphanumeric() || b"_-./".contains(byte)))?;
    let is_key = length > 0 && line[0] != b'-' && line[length] == b':' && line.get(length + 1).is_none_or(u8::is_ascii_whitespace);
    is_key.then(|| &line[..length])
}

#[cfg(test)]
mod tests {
    use super::super::{Node, Schema, parse, parse_part};
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &str) -> Vec<&str> {
        Part::documents(text).into_iter().map(|part| &text[part.span]).collect()
    }

    #[test]
    fn documents_are_cut_at_their_marks() {
        assert_eq!(cut("a: 1\n---\nb: |\n  --- x\n---x: 1\n--- c\n"), ["a: 1\n", "---\nb: |\n  --- x\n---x: 1\n", "--- c\n"]);
        for whole in ["%YAML 1.2\n---\na: 1\n---\nb: 1\n", "a: 1\n...\n---\nb: 1\n", "a: 1\r---\rb: 1\n---\n"] {
            assert_eq!(cut(whole), [whole]);
        }
    }

    #[test]
    fn sections_are_cut_at_plain_keys_only() {
        let sections = |text: &str| -> Option<Vec<String>> {
            let sections = Part::whole(text).sections(text)?;
            Some(sections.into_iter().map(|part| text[part.span].to_owned()).collect())
        };
        let text = "# head\na:\n  b: 1\nlist:\n- x\n# c\nd: {e: 1}\n";
        assert_eq!(sections(text).unwrap(), ["a:\n  b: 1\n", "list:\n- x\n# c\n", "d: {e: 1}\n"]);
        for whole in [
            "a: 1\na: 2\n",
            "a: &x 1\n",
            "b: [*x]\n",
            "\"a\": 1\n",
            "- a\n",
            "  a: 1\n",
            "? a\n: b\n",
            "{a: 1}\n",
            "a: 'x\ny'\n",
            "\ta: 1\n",
        ] {
            assert_eq!(sections(whole), None, "{whole:?}");
        }
        assert_eq!(sections("cron: 0 * * * *\nurl: a?b&c=d\n").unwrap().len(), 2);
    }

    #[test]
    fn what_may_reach_beyond_its_part_is_told() {
        let closed = [
            "",
            "a: 'x'\nb: [1] # don't\n",
            "a: 'it''s ]'\n",
            "a: \"it's x's\" # [\r\n",
            "a: {b: \"}\"}",
            "a: C:\\x\n",
            "# it's\nb: '\\'\n",
        ];
        let open = [
            "a: 'x\n",
            "a: [\n",
            "a: \"\\\"\"\n",
            "b: 1\na: {\"it's\": 'x}\n",
            "a: [\"]\", b,\n",
            "a]: [b\n",
            "it's: \"a'\n",
            "it's Bob's\n",
            "a: 'x''\n",
        ];
        for (text, closed) in closed.map(|text| (text, true)).into_iter().chain(open.map(|text| (text, false))) {
            assert_eq!(Part::whole(text).is_closed(text), closed, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn parts_read_by_themselves_as_in_the_text(
            lines in prop::collection::vec(prop::sample::select(vec![
                "---", "--- # c", "a: 1", "b:", "  c: 'x'", "  - d", "- e", "f: |", "  text", "    more", "", "# c", "g: \"x\"", "  h: [1,", "   2]", "é: ü",
            ]), 0..14),
            (bom, crlf) in any::<(bool, bool)>(),
        ) {
            let text = lines.join(if crlf { "\r\n" } else { "\n" });
            let text = if bom { format!("\u{feff}{text}") } else { text };
            let Ok(whole) = parse(&text) else { return Ok(()) };
            let parts = Part::documents(&text);
            let read: Vec<_> = parts.iter().flat_map(|part| parse_part(&text, part).unwrap()).collect();
            // Spans of what is empty or ends with the text may run on.
            let said = |node: &Node| (node.to_json(Schema::Core), node.line, node.span.start);
            prop_assert_eq!(read.iter().map(|it| said(&it.root)).collect::<Vec<_>>(), whole.iter().map(|it| said(&it.root)).collect::<Vec<_>>());
            let [document] = whole.as_slice() else { return Ok(()) };
            let Some(sections) = parts.last().and_then(|part| part.sections(&text)) else { return Ok(()) };
            let read = sections.iter().flat_map(|part| parse_part(&text, part).unwrap());
            let entries: Vec<_> = read.flat_map(|read| read.root.entries().to_vec()).collect();
            let said = |entries: &[(Node, Node)]| entries.iter().map(|(key, value)| (said(key), value.to_json(Schema::Core))).collect::<Vec<_>>();
            prop_assert_eq!(said(&entries), said(document.root.entries()));
        }
    }
}
