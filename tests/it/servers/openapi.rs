//! GitHub's own description of its API as a contract: which requests there are, and what requests and answers hold.
//!
//! `tests/testbed/github/openapi.json` is a part of the description that GitHub publishes (package `@octokit/openapi`, MIT), with the
//! schemas that it refers to. GitHub ignores what it doesn't know in a body or query; here that is a mistake.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::{Map, Value, json};

static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| {
    let text = std::fs::read_to_string(super::testbed("github/openapi.json")).expect("couldn't read GitHub's API description");
    modernised(serde_json::from_str(&text).expect("GitHub's API description is not JSON"))
});

/// An operation of the API that a request is for.
pub struct Operation {
    name: String,
    definition: &'static Value,
}

/// Finds the operation of a method and path, and the path's parameters in order.
pub fn operation(method: &str, path: &str) -> Option<(Operation, Vec<String>)> {
    let paths = DESCRIPTION["paths"].as_object().expect("the description has paths");
    for (template, operations) in paths {
        let Some(definition) = operations.get(method.to_lowercase()) else { continue };
        if let Some(parameters) = matched(template, path) {
            return Some((Operation { name: format!("{method} {template}"), definition }, parameters));
        }
    }
    None
}

fn matched(template: &str, path: &str) -> Option<Vec<String>> {
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    if template.len() != path.len() {
        return None;
    }
    let mut parameters = Vec::new();
    for (pattern, part) in template.iter().zip(path) {
        match pattern.starts_with('{') {
            true => parameters.push(part.to_owned()),
            false if *pattern == part => {}
            false => return None,
        }
    }
    Some(parameters)
}

/// An example of the description, to make an answer of.
pub fn example(name: &str) -> Value {
    DESCRIPTION["components"]["examples"][name]["value"].clone()
}

impl Operation {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is wrong with a request's query and body.
    pub fn check_request(&self, query: &[(String, String)], body: &[u8]) -> Vec<String> {
        let mut problems = Vec::new();
        let parameters: Vec<&Value> = self.definition["parameters"].as_array().into_iter().flatten().map(resolved).collect();
        for (name, text) in query {
            match parameters.iter().find(|parameter| parameter["in"] == "query" && parameter["name"] == name.as_str()) {
                None => problems.push(format!("no query parameter {name:?}")),
                Some(parameter) => {
                    let value = match parameter["schema"]["type"].as_str() {
                        Some("integer") => text.parse::<i64>().map_or_else(|_| json!(text), Value::from),
                        Some("boolean") => text.parse::<bool>().map_or_else(|_| json!(text), Value::from),
                        _ => json!(text),
                    };
                    problems.extend(violations(&format!("{} ?{name}", self.name), &parameter["schema"], &value));
                }
            }
        }
        let schema = &self.definition["requestBody"]["content"]["application/json"]["schema"];
        match (schema.is_null(), body.is_empty()) {
            (true, true) => {}
            (true, false) => problems.push("a body where none belongs".into()),
            (false, _) => match serde_json::from_slice::<Value>(body) {
                Err(error) => problems.push(format!("the body is not JSON: {error}")),
                Ok(body) => {
                    problems.extend(violations(&format!("{} body", self.name), schema, &body));
                    problems.extend(unknown_keys(schema, &body));
                }
            },
        }
        problems
    }

    /// What is wrong with an answer.
    pub fn check_answer(&self, status: u16, body: &Value) -> Vec<String> {
        let answer = resolved(&self.definition["responses"][status.to_string()]);
        if answer.is_null() {
            return vec![format!("no answer {status}")];
        }
        let schema = &answer["content"]["application/json"]["schema"];
        if schema.is_null() { Vec::new() } else { violations(&format!("{} {status}", self.name), schema, body) }
    }
}

fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => DESCRIPTION.pointer(reference.trim_start_matches('#')).expect("the description refers to what it has"),
        None => value,
    }
}

/// Keys of a body that no alternative of its schema has.
fn unknown_keys(schema: &'static Value, body: &Value) -> Vec<String> {
    fn known(schema: &'static Value, keys: &mut Vec<&'static str>) {
        let schema = resolved(schema);
        keys.extend(schema["properties"].as_object().into_iter().flat_map(Map::keys).map(String::as_str));
        for word in ["oneOf", "anyOf", "allOf"] {
            schema[word].as_array().into_iter().flatten().for_each(|alternative| known(alternative, keys));
        }
    }
    let mut keys = Vec::new();
    known(schema, &mut keys);
    let present = body.as_object().into_iter().flat_map(Map::keys);
    present.filter(|key| !keys.contains(&key.as_str())).map(|key| format!("no key {key:?} in the body")).collect()
}

fn violations(name: &str, schema: &Value, instance: &Value) -> Vec<String> {
    static VALIDATORS: LazyLock<Mutex<HashMap<String, &'static jsonschema::Validator>>> = LazyLock::new(Mutex::default);
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    let validator = validators.entry(name.to_owned()).or_insert_with(|| {
        let whole = json!({ "components": DESCRIPTION["components"], "allOf": [schema] });
        let options = jsonschema::options().with_draft(jsonschema::Draft::Draft202012);
        Box::leak(Box::new(options.build(&whole).expect("the description's schemas are valid")))
    });
    validator.iter_errors(instance).map(|error| format!("{} at {}", error, error.instance_path())).collect()
}

/// OpenAPI 3.0 says `nullable` where JSON Schema has the type `null`.
fn modernised(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(modernised).collect(),
        Value::Object(map) => {
            let mut map: Map<String, Value> = map.into_iter().map(|(key, value)| (key, modernised(value))).collect();
            match map.remove("nullable") {
                Some(Value::Bool(true)) => json!({ "anyOf": [map, { "type": "null" }] }),
                Some(other) if !other.is_boolean() => {
                    map.insert("nullable".into(), other);
                    Value::Object(map)
                }
                _ => Value::Object(map),
            }
        }
        other => other,
    }
}
