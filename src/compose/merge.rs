//! One file laid over another. Pure.
//!
//! Rules: Compose Specification, "Merge" (13-merge.md), as far as they can change an image's name: mappings deep, lists append,
//! scalars last wins, `build: ./x` is `build: {context: ./x}`, `!reset` and `!override`.

use std::collections::BTreeMap;

use super::tree::{Kind, Place, Rule, Value};

/// Lays `over` on `base`, and carries out the `!reset` and `!override` of `over`.
pub(super) fn merge(base: Value, over: Value) -> Value {
    let kept = keeping_rules(base, over);
    settle(kept).unwrap_or_else(|place| Value { kind: Kind::Null, place, rule: Rule::Merge })
}

/// Lays `over` on `base`; the rules in `over` take effect on `base` and stay, so that they can take effect on an earlier file too.
pub(super) fn keeping_rules(base: Value, over: Value) -> Value {
    if over.rule != Rule::Merge || base.rule == Rule::Reset {
        return over;
    }
    let (rule, place) = (base.rule, over.place.clone());
    let kind = match (base.kind, over.kind) {
        (kind, Kind::Null) => return Value { kind, place: base.place, rule },
        (Kind::Map(base), Kind::Map(over)) => Kind::Map(merge_maps(base, over)),
        (Kind::List(mut base), Kind::List(over)) => {
            base.extend(over);
            Kind::List(base)
        }
        // What may be written in two shapes (`environment`, `command` …) and can't name an image: the later one will do.
        (_, over) => over,
    };
    Value { kind, place, rule }
}

fn merge_maps(mut base: BTreeMap<String, Value>, over: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    for (key, value) in over {
        let merged = match base.remove(&key) {
            None => value,
            Some(earlier) if key == "build" => keeping_rules(long_build(earlier), long_build(value)),
            Some(earlier) => keeping_rules(earlier, value),
        };
        base.insert(key, merged);
    }
    base
}

/// `build: ./x` as `build: {context: ./x}`.
fn long_build(build: Value) -> Value {
    if build.rule == Rule::Reset || !matches!(build.kind, Kind::Text(_)) {
        return build;
    }
    let (place, rule) = (build.place.clone(), build.rule);
    let context = Value { rule: Rule::Merge, ..build };
    Value { kind: Kind::Map(BTreeMap::from([("context".to_owned(), context)])), place, rule }
}

/// Takes the rules out of a tree that nothing lies under any more: what is reset goes.
///
/// # Errors
/// The place of the value when it is itself reset.
pub(super) fn settle(value: Value) -> Result<Value, Place> {
    if value.rule == Rule::Reset {
        return Err(value.place);
    }
    let kind = match value.kind {
        Kind::List(items) => Kind::List(items.into_iter().filter_map(|item| settle(item).ok()).collect()),
        Kind::Map(map) => Kind::Map(map.into_iter().filter_map(|(key, value)| Some((key, settle(value).ok()?))).collect()),
        kind => kind,
    };
    Ok(Value { kind, place: value.place, rule: Rule::Merge })
}
