//! `index.json` of a layout: names and what they point to. Pure; entries of others are kept as they are.

use serde_json::{Map, Value, json};

use crate::image::{Digest, Manifest, MediaType, Reference, Repository, Tag};

/// OCI image-spec, annotations.md.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// containerd's name for the full reference beside a short [`REF_NAME`].
const IMAGE_NAME: &str = "io.containerd.image.name";

/// How the entries of a folder are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// By full references: any number of repositories.
    Full,
    /// By tags alone: one repository.
    Short,
}

/// The whole index as it stands in the file.
#[derive(Debug)]
pub(super) struct Index(Map<String, Value>);

impl Default for Index {
    fn default() -> Self {
        let empty = json!({"schemaVersion": 2, "mediaType": MediaType::OciIndex.as_str(), "manifests": []});
        Self(empty.as_object().cloned().unwrap_or_default())
    }
}

impl Index {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| format!("index.json is not JSON ({error})"))?;
        match value {
            Value::Object(map) if map.get("manifests").is_some_and(Value::is_array) => Ok(Self(map)),
            _ => Err("index.json has no list `manifests`".to_owned()),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        format!("{:#}\n", Value::Object(self.0.clone())).into_bytes()
    }

    /// Short only when there are names and none of them is a full reference.
    pub(super) fn naming(&self) -> Naming {
        let mut names = self.entries().filter(|entry| annotation(entry, REF_NAME).is_some()).peekable();
        match names.peek().is_some() && names.all(|entry| full_name(entry).is_none()) {
            true => Naming::Short,
            false => Naming::Full,
        }
    }

    /// The digest under a name, and the media type that the index gives for it. The last of several entries wins, as it does for skopeo.
    pub(super) fn find(&self, naming: Naming, repository: &Repository, tag: &Tag) -> Option<(Digest, Option<String>)> {
        let entry = self.entries().filter(|entry| names(entry, naming, repository, tag)).last()?;
        let media_type = entry.get("mediaType").and_then(Value::as_str).map(str::to_owned);
        Some((digest(entry)?, media_type))
    }

    /// The only image of a folder that has no name for it, as crane writes it. What has been named since is the same image.
    pub(super) fn nameless(&self) -> Option<Digest> {
        let is_nameless = |entry: &&Value| [REF_NAME, IMAGE_NAME].iter().all(|name| annotation(entry, name).is_none());
        let mut nameless = self.entries().filter(is_nameless);
        let (only, None) = (nameless.next()?, nameless.next()) else { return None };
        let is_same = |entry: &Value| entry.get("digest") == only.get("digest");
        self.entries().all(is_same).then(|| digest(only)).flatten()
    }

    pub(super) fn tags(&self, naming: Naming, repository: &Repository) -> Vec<Tag> {
        let tag = |entry: &Value| match naming {
            Naming::Full => full_name(entry).filter(|(r, _)| r == repository).map(|(_, tag)| tag),
            Naming::Short => annotation(entry, REF_NAME)?.parse().ok(),
        };
        let mut tags: Vec<Tag> = self.entries().filter_map(tag).collect();
        tags.sort();
        tags.dedup();
        tags
    }

    /// Gives a manifest a name, which no other entry keeps.
    pub(super) fn set(&mut self, naming: Naming, repository: &Repository, tag: &Tag, manifest: &Manifest) {
        let full = repository.with_tag(tag);
        let annotations = match naming {
            Naming::Full => json!({REF_NAME: full, IMAGE_NAME: full}),
            Naming::Short => json!({REF_NAME: tag}),
        };
        let entry = json!({
            "mediaType": manifest.media_type().as_str(),
            "digest": manifest.digest(),
            "size": manifest.bytes().len(),
            "annotations": annotations,
        });
        if let Some(Value::Array(entries)) = self.0.get_mut("manifests") {
            entries.retain(|entry| !names(entry, naming, repository, tag));
            entries.push(entry);
        }
    }

    fn entries(&self) -> impl Iterator<Item = &Value> {
        self.0.get("manifests").and_then(Value::as_array).into_iter().flatten()
    }
}

fn digest(entry: &Value) -> Option<Digest> {
    entry.get("digest")?.as_str()?.parse().ok()
}

fn annotation<'a>(entry: &'a Value, name: &str) -> Option<&'a str> {
    entry.get("annotations")?.get(name)?.as_str()
}

/// Repository and tag of an entry that names both, in either annotation.
fn full_name(entry: &Value) -> Option<(Repository, Tag)> {
    [IMAGE_NAME, REF_NAME].iter().find_map(|name| {
        let reference: Reference = annotation(entry, name)?.parse().ok()?;
        // A bare word is a tag, not the name of an image on Docker Hub.
        Some((reference.repository(), reference.tag()?.clone()))
    })
}

fn names(entry: &Value, naming: Naming, repository: &Repository, tag: &Tag) -> bool {
    match naming {
        Naming::Full => full_name(entry).is_some_and(|(r, t)| r == *repository && t == *tag),
        Naming::Short => annotation(entry, REF_NAME) == Some(tag.as_str()),
    }
}
