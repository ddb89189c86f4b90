//! Texts as YAML scalars.

use std::fmt::Write as _;

use crate::yaml::{ScalarStyle, is_plain_string};

/// A text in the style that was there before; plain only where every reader takes it for the same text.
pub(super) fn write(text: &str, style: ScalarStyle, in_flow: bool) -> String {
    match style {
        ScalarStyle::Plain if may_be_plain(text, in_flow) => text.to_owned(),
        ScalarStyle::SingleQuoted if text.chars().all(is_printable) => format!("'{}'", text.replace('\'', "''")),
        _ => double_quoted(text),
    }
}

/// A key as its neighbours are written.
pub(super) fn key(key: &str, quote: bool) -> String {
    if quote { double_quoted(key) } else { key.to_owned() }
}

/// `key: text` for a flow mapping.
pub(super) fn pair(name: &str, text: &str, quote: bool) -> String {
    let style = if quote { ScalarStyle::DoubleQuoted } else { ScalarStyle::Plain };
    format!("{}: {}", key(name, quote), write(text, style, true))
}

/// `{key: text, …}`.
pub(super) fn flow_mapping(fields: &super::Fields, quote: bool) -> String {
    let pairs: Vec<String> = fields.iter().map(|(name, text)| pair(name, text, quote)).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// Stricter than YAML 1.2 §7.3.3, so that no reader disagrees.
fn may_be_plain(text: &str, in_flow: bool) -> bool {
    const INDICATORS: [char; 19] = ['-', '?', ':', ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`'];
    is_plain_string(text)
        && !text.starts_with(INDICATORS)
        && !text.starts_with(char::is_whitespace)
        && !text.ends_with(char::is_whitespace)
        && !text.ends_with(':')
        && !text.contains(": ")
        && !text.contains(" #")
        && text.chars().all(is_printable)
        && !(in_flow && text.contains([',', '[', ']', '{', '}']))
}

fn is_printable(character: char) -> bool {
    !character.is_control() && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            character if is_printable(character) => out.push(character),
            character => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
        }
    }
    out.push('"');
    out
}
