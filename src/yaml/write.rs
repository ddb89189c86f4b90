use std::ops::Range;

use serde_json::Value;

use super::{Kind, Node, ScalarStyle, is_plain_string, parse};

/// Why a value can't be written as YAML.
#[derive(Debug, thiserror::Error)]
#[error("couldn't write the value as YAML")]
pub struct WriteError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// A value as a YAML document in block style, such that readers of YAML 1.1 (kubectl) and 1.2 see the same.
///
/// # Errors
/// What the library can't write, or has written such that it can't be read.
pub fn to_text(value: &Value) -> Result<String, WriteError> {
    let mut text = serde_yaml::to_string(value).map_err(|error| WriteError(error.into()))?;
    let documents = parse(&text).map_err(|error| WriteError(error.into()))?;
    let mut bare = Vec::new();
    if let Some(document) = documents.first() {
        mistakable(&document.root, value, &mut bare);
    }
    // The library quotes by YAML 1.2 only: `yes`, `n` and `1_000` stand bare. From the end, so that the spans stay true.
    for span in bare.into_iter().rev() {
        text.insert(span.end, '\'');
        text.insert(span.start, '\'');
    }
    Ok(text)
}

/// The spans, in the order of the text, of bare scalars that are texts and that some reader takes for something else.
fn mistakable(node: &Node, value: &Value, found: &mut Vec<Range<usize>>) {
    match value {
        Value::String(_) => is_bare(node, found),
        Value::Array(items) => node.items().iter().zip(items).for_each(|(node, item)| mistakable(node, item, found)),
        Value::Object(map) => {
            for ((key, node), item) in node.entries().iter().zip(map.values()) {
                is_bare(key, found);
                mistakable(node, item, found);
            }
        }
        _ => {}
    }
}

fn is_bare(node: &Node, found: &mut Vec<Range<usize>>) {
    if let Kind::Scalar { text, style: ScalarStyle::Plain } = &node.kind
        && !is_plain_string(text)
    {
        found.push(node.span.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::super::Schema;
    use super::*;
    use proptest::prelude::*;

    fn read_back(text: &str, schema: Schema) -> Value {
        parse(text).unwrap()[0].root.to_json(schema)
    }

    #[test]
    fn words_that_old_readers_take_for_booleans_are_quoted() {
        let value = serde_json::json!({"n": "yes", "port": "0644", "list": ["on", "1_000", "1:30", true, 7, null], "date": "2026-01-01"});
        let text = to_text(&value).unwrap();
        insta::assert_snapshot!(text, @"
        'n': 'yes'
        port: '0644'
        list:
        - 'on'
        - '1_000'
        - '1:30'
        - true
        - 7
        - null
        date: '2026-01-01'
        ");
        assert_eq!(read_back(&text, Schema::Yaml11), value);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~\n\té]{0,12}".prop_map(Value::from),
            prop::sample::select(vec!["y", "No", "~", "1e3", "<<", "=", ".inf", "0b1", "- a", "a: b", "# c"]).prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z~/. ]{1,6}|n|on", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_the_same_by_both_schemas(value in any_json()) {
            let text = to_text(&value).unwrap();
            prop_assert_eq!(read_back(&text, Schema::Yaml11), value.clone(), "{}", text);
            prop_assert_eq!(read_back(&text, Schema::Core), value, "{}", text);
        }
    }
}
