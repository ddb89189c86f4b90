//! The few pieces of markdown that the summary is made of; every text from outside is escaped.

use std::fmt::Write as _;

/// A table; nothing when it has no rows.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), " --- |".repeat(head.len()));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text.push('\n');
    text
}

/// Text between backticks, safe inside a table's cell.
pub fn code(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    // A code span is as long as its longest run of backticks plus one; cells end at a bar even inside code.
    let ticks = "`".repeat(longest_run(text, '`') + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{ticks}{pad}{}{pad}{ticks}", one_line(text).replace('|', "\\|"))
}

/// Prose from outside: no markup, no mentions, one line. Words between backticks, as our messages have them, stay code.
pub fn plain(text: &str) -> String {
    let text = one_line(text);
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) || text.contains("``") {
        return escaped(&text);
    }
    parts.iter().enumerate().map(|(at, part)| if at % 2 == 1 { code(part) } else { escaped(part) }).collect()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '\\' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '@' => escaped.push_str("@\u{200b}"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// A fenced block that its content can't end.
pub fn block(language: &str, content: &str) -> String {
    let fence = "`".repeat(longest_run(content, '`').max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n\n", content.trim_end())
}

fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn longest_run(text: &str, c: char) -> usize {
    text.split(|other| other != c).map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_is_markup() {
        assert_eq!(code("a|b`c"), "``a\\|b`c``");
        assert_eq!(plain("<img> @ada | #1\n`x`"), "&lt;img&gt; @\u{200b}ada \\| \\#1 `x`");
        assert_eq!(plain("a ` b"), "a \\` b");
        assert_eq!(plain("`a``b`"), "\\`a\\`\\`b\\`");
        assert_eq!(plain("set `a|<b>` to *x*"), "set `a\\|<b>` to \\*x\\*");
        assert_eq!(block("text", "a\n```\nb"), "````text\na\n```\nb\n````\n\n");
        assert_eq!(table(&["a"], &[]), "");
    }
}
