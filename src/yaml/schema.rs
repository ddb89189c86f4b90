use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Number, Value};

use super::{Kind, Node, ScalarStyle};

/// How the type of a plain scalar is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// As kubectl and the API server read YAML (sigs.k8s.io/yaml, goyaml.v2/resolve.go: YAML 1.1 without sexagesimal numbers;
    /// time stamps stay text): `0644` is 420, `yes` is true, `1_000` is 1000, floats without a fraction are integers.
    Yaml11,
    /// YAML 1.2 core schema (§10.3.2).
    Core,
}

impl Node {
    /// The node as JSON. Aliases must have been resolved; a left-over one is null. Keys become text, as JSON wants them.
    pub fn to_json(&self, schema: Schema) -> Value {
        match &self.kind {
            Kind::Scalar { text, style } => scalar(text, *style, self.tag.as_deref(), schema),
            Kind::Sequence { items, .. } => Value::Array(items.iter().map(|item| item.to_json(schema)).collect()),
            Kind::Mapping { entries, .. } => {
                let mut map = Map::with_capacity(entries.len());
                for (key, value) in entries {
                    map.insert(key_text(&key.to_json(schema)), value.to_json(schema));
                }
                Value::Object(map)
            }
            Kind::Alias { .. } => Value::Null,
        }
    }
}

fn key_text(key: &Value) -> String {
    match key {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&str>, schema: Schema) -> Value {
    match (tag, style) {
        (Some("!!str" | "!"), _) => Value::String(text.to_owned()),
        // Binary data stays in base64: that is what `data` and `binaryData` of Kubernetes objects hold.
        (Some("!!binary"), _) => Value::String(text.split_whitespace().collect()),
        (Some("!!int" | "!!float" | "!!bool" | "!!null"), _) | (_, ScalarStyle::Plain) => plain(text, schema),
        _ => Value::String(text.to_owned()),
    }
}

fn plain(text: &str, schema: Schema) -> Value {
    if is_null(text) {
        return Value::Null;
    }
    match schema {
        Schema::Yaml11 => boolean11(text).map(Value::Bool).or_else(|| number11(text)),
        Schema::Core => boolean_core(text).map(Value::Bool).or_else(|| number_core(text)),
    }
    .unwrap_or_else(|| Value::String(text.to_owned()))
}

pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// Whether a plain scalar of this text is text to every reader, YAML 1.1 (sexagesimal numbers and dates included) and 1.2.
pub fn is_plain_string(text: &str) -> bool {
    static DATE_OR_SEXAGESIMAL: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^(\d{4}-\d{1,2}-\d{1,2}.*|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)$").expect("a constant"));
    static LOOSE_NUMBER: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[-+]?(0[xXoObB][0-9a-fA-F_]+|\.?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?)$").expect("a constant"));
    let typed = |schema| !matches!(plain(text, schema), Value::String(_));
    let special = matches!(text.to_ascii_lowercase().as_str(), ".nan" | ".inf" | "+.inf" | "-.inf" | "<<" | "=");
    !(typed(Schema::Yaml11) || typed(Schema::Core) || special || DATE_OR_SEXAGESIMAL.is_match(text) || LOOSE_NUMBER.is_match(text))
}

fn boolean11(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

fn boolean_core(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// goyaml.v2/resolve.go: underscores are dropped, then Go's `strconv.ParseInt` with base 0, then a float of this shape.
fn number11(text: &str) -> Option<Value> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    let digits = text.replace('_', "");
    let (sign, magnitude) = split_sign(&digits);
    let lower = magnitude.to_ascii_lowercase();
    let (radix, body) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        _ if lower.len() > 1 && lower.starts_with('0') && lower.bytes().all(|b| b.is_ascii_digit()) => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    integer(sign, body, radix).or_else(|| float(&digits))
}

fn number_core(text: &str) -> Option<Value> {
    if let Some(octal) = text.strip_prefix("0o") {
        return integer(1, octal, 8);
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return integer(1, hex, 16);
    }
    let (sign, magnitude) = split_sign(text);
    integer(sign, magnitude, 10).or_else(|| float(text))
}

fn split_sign(text: &str) -> (i128, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn integer(sign: i128, body: &str, radix: u32) -> Option<Value> {
    // from_str_radix takes a sign of its own, which a number has only once.
    if !body.starts_with(|c: char| c.is_digit(radix)) {
        return None;
    }
    let value = sign * i128::from_str_radix(body, radix).ok()?;
    i64::try_from(value).map(Number::from).or_else(|_| u64::try_from(value).map(Number::from)).ok().map(Value::Number)
}

fn float(text: &str) -> Option<Value> {
    static FLOAT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$").expect("a constant"));
    if !FLOAT.is_match(text) {
        return None;
    }
    let value: f64 = text.trim_start_matches('+').parse().ok()?;
    // JSON knows one kind of number; the API server refuses `8080.0` for an integer field.
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return Some(Value::Number(Number::from(value as i64)));
    }
    Number::from_f64(value).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn read(text: &str, schema: Schema) -> String {
        parse(&format!("v: {text}\n")).unwrap()[0].resolved().unwrap().to_json(schema)["v"].to_string()
    }

    #[test]
    fn scalars_are_read_as_kubectl_reads_them() {
        let table = [
            ("0644", "420"),
            ("0o644", "420"),
            ("0x1F", "31"),
            ("0b101", "5"),
            ("-0b101", "-5"),
            ("08080", "8080"),
            ("1_000", "1000"),
            ("8080.0", "8080"),
            ("1e3", "1000"),
            ("1.5", "1.5"),
            (".5", "0.5"),
            ("+5", "5"),
            ("-0", "0"),
            ("yes", "true"),
            ("y", "true"),
            ("off", "false"),
            ("NO", "false"),
            ("~", "null"),
            ("", "null"),
            ("2026-01-01", "\"2026-01-01\""),
            ("12:30:00", "\"12:30:00\""),
            ("1.2.3", "\"1.2.3\""),
            ("18446744073709551615", "18446744073709551615"),
            ("'yes'", "\"yes\""),
            ("!!str 0644", "\"0644\""),
            ("!!binary aGk=", "\"aGk=\""),
        ];
        for (text, json) in table {
            assert_eq!(read(text, Schema::Yaml11), json, "{text}");
        }
        assert_eq!(parse("n: 1\n").unwrap()[0].root.to_json(Schema::Yaml11).to_string(), r#"{"false":1}"#);
    }

    #[test]
    fn the_core_schema_knows_fewer_types() {
        for (text, json) in [("0644", "644"), ("yes", "\"yes\""), ("1_000", "\"1_000\""), ("true", "true"), ("0x10", "16")] {
            assert_eq!(read(text, Schema::Core), json, "{text}");
        }
    }

    #[test]
    fn a_tag_stays_plain_only_when_nobody_could_take_it_for_something_else() {
        for text in ["v1.2.3", "1.10.0", "latest", "sha-12ab", "1.2.3-rc.1"] {
            assert!(is_plain_string(text), "{text}");
        }
        for text in
            ["1.20", "12345e6", "0123456", "20240101", "2026-01-01", "1:30", "yes", "n", "null", "", "1_0", ".5", "0x1f", ".inf", "<<"]
        {
            assert!(!is_plain_string(text), "{text}");
        }
    }
}
