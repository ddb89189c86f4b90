//! What the joined compose files say about each service's images. Pure.

use std::collections::BTreeSet;

use super::error::Error;
use super::tree::{Kind, Text, Value};
use super::variables::truth;
use super::{Build, Extension, Mention, Service};
use crate::error::Explain;
use crate::suggest::nearest;

const EXTENSION_KEY: &str = "x-tagboat";
const EXTENSION_KEYS: [&str; 3] = ["image", "skip", "source"];

/// How docker compose names the image of a service that has `build` and no `image`.
pub(super) struct Naming<'a> {
    pub(super) project: &'a str,
    /// `-`, or `_` with `COMPOSE_COMPATIBILITY`.
    pub(super) separator: char,
}

/// The services of a model, sorted by name, and everything that is wrong with them.
pub(super) fn services(model: &Value, naming: &Naming<'_>) -> (Vec<Service>, Vec<Error>) {
    let mut problems = Vec::new();
    let map = model.get("services").and_then(Value::map);
    let services = map.into_iter().flatten().map(|(name, value)| Reader { name, problems: &mut problems }.service(value, naming)).collect();
    problems.sort_by_key(|problem| problem.location().cloned());
    (services, problems)
}

/// Reads one service; what is wrong is noted, and reading goes on.
struct Reader<'a> {
    name: &'a str,
    problems: &'a mut Vec<Error>,
}

impl Reader<'_> {
    fn service(&mut self, value: &Value, naming: &Naming<'_>) -> Service {
        let place = value.get("image").map_or(&value.place, |image| &image.place);
        let image = self.name_at(value, "image", "image");
        let build = value.get("build").and_then(|build| self.build(build, image.as_deref(), naming));
        let named = ["image", "build", "provider"].iter().any(|key| value.get(key).is_some());
        if !named {
            self.problems.push(Error::NoImage { service: self.name.to_owned(), at: value.place.location() });
        }
        Service {
            name: self.name.to_owned(),
            image,
            build,
            mentions: self.mentions(value),
            profiles: each_once(self.list(value, "profiles").into_iter().map(|(text, _)| text.text.clone()).collect()),
            extension: value.get(EXTENSION_KEY).map(|extension| self.extension(extension)).unwrap_or_default(),
            at: place.location(),
        }
    }

    fn build(&mut self, build: &Value, image: Option<&str>, naming: &Naming<'_>) -> Option<Build> {
        let default = || format!("{}{}{}", naming.project, naming.separator, self.name);
        let image = image.map_or_else(default, str::to_owned);
        match &build.kind {
            Kind::Text(context) => Some(Build { context: Some(context.text.clone()), tags: vec![], image, at: build.place.location() }),
            Kind::Map(_) => {
                let context = build.get("context").and_then(Value::text).map(str::to_owned);
                let tags = self.list(build, "tags").into_iter().map(|(text, value)| self.whole("build tag", text, value)).collect();
                Some(Build { context, tags: each_once(tags), image, at: build.place.location() })
            }
            _ => {
                self.shape("build", "a path or a mapping", build);
                None
            }
        }
    }

    /// Images that a service uses beside its own.
    fn mentions(&mut self, value: &Value) -> Vec<Mention> {
        let items = |key: &str| match value.get(key).map(|list| &list.kind) {
            Some(Kind::List(items)) => items.as_slice(),
            _ => &[],
        };
        let hooks = items("pre_start").iter().map(|hook| (hook, "image"));
        let volumes = items("volumes").iter().filter(|volume| volume.get("type").and_then(Value::text) == Some("image"));
        let places = hooks.chain(volumes.map(|volume| (volume, "source")));
        places
            .filter_map(|(item, key)| {
                let image = self.name_at(item, key, if key == "image" { "image of a pre_start hook" } else { "image of a volume" })?;
                let at = item.get(key)?.place.location();
                Some(Mention { image, at })
            })
            .collect()
    }

    fn extension(&mut self, value: &Value) -> Extension {
        let Some(map) = value.map() else {
            self.shape(EXTENSION_KEY, "a mapping with skip, image or source", value);
            return Extension::default();
        };
        for (key, value) in map.iter().filter(|(key, _)| !EXTENSION_KEYS.contains(&key.as_str())) {
            self.problems.push(Error::UnknownKey {
                service: self.name.to_owned(),
                key: key.clone(),
                known: &EXTENSION_KEYS,
                suggestion: nearest(key, EXTENSION_KEYS),
                at: value.place.location(),
            });
        }
        Extension {
            skip: self.skip(value),
            image: self.name_at(value, "image", "x-tagboat image"),
            source: self.name_at(value, "source", "x-tagboat source"),
        }
    }

    fn skip(&mut self, extension: &Value) -> bool {
        let Some(skip) = extension.get("skip") else { return false };
        match (skip.text(), skip.text().and_then(truth)) {
            (_, Some(skip)) => skip,
            (Some(text), None) => {
                let what = format!("x-tagboat skip of service {}", self.name);
                self.problems.push(Error::Value { what, text: text.to_owned(), expected: "true or false", at: skip.place.location() });
                false
            }
            (None, None) => {
                self.shape("x-tagboat skip", "true or false", skip);
                false
            }
        }
    }

    /// An image's name under `key`, checked for gaps.
    fn name_at(&mut self, value: &Value, key: &str, what: &'static str) -> Option<String> {
        let value = value.get(key)?;
        match &value.kind {
            Kind::Text(text) => Some(self.whole(what, text, value)),
            _ => {
                self.shape(what, "text", value);
                None
            }
        }
    }

    /// The text; noted as a problem when it is the name of no image because a part came out as nothing.
    fn whole(&mut self, what: &'static str, text: &Text, value: &Value) -> String {
        if has_gap(&text.text) {
            let (service, at) = (self.name.to_owned(), value.place.location());
            self.problems.push(Error::Gap { service, what, text: text.text.clone(), blanks: text.blanks.clone(), at });
        }
        text.text.clone()
    }

    /// The texts of a list under `key`.
    fn list<'v>(&mut self, value: &'v Value, key: &'static str) -> Vec<(&'v Text, &'v Value)> {
        let Some(list) = value.get(key) else { return vec![] };
        let Kind::List(items) = &list.kind else {
            self.shape(key, "a list of texts", list);
            return vec![];
        };
        let mut texts = Vec::new();
        for item in items {
            match &item.kind {
                Kind::Text(text) => texts.push((text, item)),
                _ => self.shape(key, "a list of texts", item),
            }
        }
        texts
    }

    fn shape(&mut self, what: &str, expected: &'static str, value: &Value) {
        let what = format!("{what} of service {}", self.name);
        self.problems.push(Error::Shape { what, expected, found: value.describe(), at: value.place.location() });
    }
}

/// The texts without those that stand further up already.
fn each_once(texts: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    texts.into_iter().filter(|text| seen.insert(text.clone())).collect()
}

/// Whether a part of an image's name is missing: between two of the separators `/`, `:` and `@`, before the first or after the last.
fn has_gap(image: &str) -> bool {
    // The colons of an IPv6 address separate nothing; what follows it begins with a separator.
    let after_address = image.find(']').filter(|_| image.starts_with('[')).map(|end| &image[end + 1..]);
    let parts = after_address.unwrap_or(image).split(['/', ':', '@']).skip(usize::from(after_address.is_some()));
    image.trim() != image || parts.into_iter().any(str::is_empty)
}

#[cfg(test)]
mod tests {
    use super::has_gap;

    #[test]
    fn sees_the_gap_in_a_name() {
        for whole in ["redis", "acme/api:1", "localhost:5000/acme/web:1.0@sha256:abc", "ghcr.io/a/b/c", "[::1]:5000/a", "[::1]/a:1"] {
            assert!(!has_gap(whole), "{whole}");
        }
        for gap in [
            "",
            " ",
            "acme/api:",
            "acme/api@",
            "acme/api:@sha256:abc",
            "/api:1",
            "[::1]:5000/",
            "[::1]:/a",
            "acme//api",
            ":1",
            "localhost:/api",
            "a:1@sha256:",
        ] {
            assert!(has_gap(gap), "{gap}");
        }
    }
}
