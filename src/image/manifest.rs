//! OCI manifests and indexes: media types and descriptors, always read from the verbatim bytes.
//!
//! A manifest is moved as the bytes it came in; the parsed [`Content`] is only a view of them, never written back.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::Deserialize;

use super::Digest;

/// The largest manifest that is read (OCI distribution-spec §Pushing manifests: registries should take at least 4 MiB).
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The four kinds of manifest that registries hold today (OCI image-spec, media-types.md; Docker image-spec v2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
pub enum MediaType {
    #[serde(rename = "application/vnd.oci.image.index.v1+json")]
    OciIndex,
    #[serde(rename = "application/vnd.oci.image.manifest.v1+json")]
    OciManifest,
    #[serde(rename = "application/vnd.docker.distribution.manifest.list.v2+json")]
    DockerList,
    #[serde(rename = "application/vnd.docker.distribution.manifest.v2+json")]
    DockerManifest,
}

/// Docker's first manifest format; registries offer it unless told that something newer is understood.
const SCHEMA1: [&str; 2] =
    ["application/vnd.docker.distribution.manifest.v1+json", "application/vnd.docker.distribution.manifest.v1+prettyjws"];

impl MediaType {
    const ALL: [Self; 4] = [Self::OciIndex, Self::DockerList, Self::OciManifest, Self::DockerManifest];

    /// The registered name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OciIndex => "application/vnd.oci.image.index.v1+json",
            Self::OciManifest => "application/vnd.oci.image.manifest.v1+json",
            Self::DockerList => "application/vnd.docker.distribution.manifest.list.v2+json",
            Self::DockerManifest => "application/vnd.docker.distribution.manifest.v2+json",
        }
    }

    /// Whether it lists other manifests, one for each platform.
    pub fn is_index(self) -> bool {
        matches!(self, Self::OciIndex | Self::DockerList)
    }

    /// The type of that name; parameters such as `; charset=utf-8` don't matter.
    fn named(text: &str) -> Option<Self> {
        let name = essence(text);
        Self::ALL.into_iter().find(|media_type| media_type.as_str() == name)
    }

    /// What to ask a registry for: everything that can be moved, and schema 1 so that it is recognised rather than "not found".
    pub fn accept() -> String {
        Self::ALL.map(Self::as_str).into_iter().chain(SCHEMA1).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// Why some bytes can't be moved as a manifest.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the content is {actual}, but {claimed} was promised")]
    Digest { claimed: Digest, actual: Digest },
    #[error("it is a schema 1 manifest, a format that registries gave up")]
    Schema1,
    #[error("it is not a manifest: it isn't JSON of the expected form")]
    Json(#[source] serde_json::Error),
    #[error("it is not a manifest of an image: its media type is {0:?}")]
    MediaType(String),
    #[error("it is not a manifest: it has neither `manifests` nor `config` and `layers`, or it has both")]
    Structure,
}

/// A manifest or an index: its bytes as they were stored, and what they say.
#[derive(Debug, Clone)]
pub struct Manifest {
    media_type: MediaType,
    bytes: Bytes,
    digest: Digest,
    content: Content,
}

/// What the bytes of a manifest say.
#[derive(Debug, Clone)]
pub struct Content {
    pub kind: Kind,
    pub annotations: BTreeMap<String, String>,
    /// The manifest that this one is about (a signature, an SBOM).
    pub subject: Option<Descriptor>,
    pub artifact_type: Option<String>,
}

/// The two forms of a manifest.
#[derive(Debug, Clone)]
pub enum Kind {
    Index { manifests: Vec<Descriptor> },
    Image { config: Descriptor, layers: Vec<Descriptor> },
}

/// A pointer to content (OCI image-spec, descriptor.md).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    #[serde(default)]
    pub media_type: String,
    #[serde(deserialize_with = "digest")]
    pub digest: Digest,
    /// Size in bytes.
    pub size: u64,
    pub platform: Option<Platform>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Places outside the registry that hold the content; such ("foreign") layers are not the registry's to move.
    #[serde(default)]
    pub urls: Vec<String>,
}

impl Descriptor {
    /// Whether an index's child is BuildKit's provenance or SBOM of another child rather than something that runs
    /// (moby/buildkit, docs/attestations/attestation-storage.md).
    pub fn is_attestation(&self) -> bool {
        self.annotations.get("vnd.docker.reference.type").is_some_and(|kind| kind == "attestation-manifest")
            || self.platform.as_ref().is_some_and(|platform| platform.os == "unknown" && platform.architecture == "unknown")
    }
}

/// What a child of an index runs on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Platform {
    #[serde(default)]
    pub os: String,
    #[serde(default)]
    pub architecture: String,
    pub variant: Option<String>,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

fn digest<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// The JSON form of all four kinds together.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    schema_version: u32,
    media_type: Option<String>,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    annotations: Option<BTreeMap<String, String>>,
    subject: Option<Descriptor>,
    artifact_type: Option<String>,
    #[serde(rename = "fsLayers")]
    fs_layers: Option<serde::de::IgnoredAny>,
}

impl Manifest {
    /// Reads bytes that a store gave. `content_type` is what the store called them; the type inside the bytes goes before it,
    /// and where neither says anything the structure decides (OCI image-spec: `mediaType` is optional in OCI manifests).
    ///
    /// # Errors
    /// When the bytes are not what `claimed` names, not a manifest, or one of schema 1. A document that is an index and an
    /// image at once is refused (CVE-2021-41190).
    pub fn read(bytes: Bytes, content_type: Option<&str>, claimed: Option<&Digest>) -> Result<Self, Error> {
        let digest = match claimed {
            Some(claimed) if claimed.matches(&bytes) => claimed.clone(),
            Some(claimed) => return Err(Error::Digest { claimed: claimed.clone(), actual: Digest::sha256(&bytes) }),
            None => Digest::sha256(&bytes),
        };
        if content_type.is_some_and(|name| SCHEMA1.contains(&essence(name))) {
            return Err(Error::Schema1);
        }
        let document: Document = serde_json::from_slice(&bytes).map_err(Error::Json)?;
        if document.schema_version == 1 || document.fs_layers.is_some() {
            return Err(Error::Schema1);
        }
        let kind = match (document.manifests, document.config, document.layers) {
            (Some(manifests), None, None) => Kind::Index { manifests },
            (None, Some(config), Some(layers)) => Kind::Image { config, layers },
            _ => return Err(Error::Structure),
        };
        let structure = match kind {
            Kind::Index { .. } => MediaType::OciIndex,
            Kind::Image { .. } => MediaType::OciManifest,
        };
        let media_type = match document.media_type.as_deref() {
            Some(name) => MediaType::named(name).ok_or_else(|| Error::MediaType(name.to_owned()))?,
            None => content_type.and_then(MediaType::named).unwrap_or(structure),
        };
        if media_type.is_index() != structure.is_index() {
            return Err(Error::Structure);
        }
        let content = Content {
            kind,
            annotations: document.annotations.unwrap_or_default(),
            subject: document.subject,
            artifact_type: document.artifact_type,
        };
        Ok(Self { media_type, bytes, digest, content })
    }

    pub fn media_type(&self) -> MediaType {
        self.media_type
    }

    /// The bytes exactly as they were stored; their digest is [`Manifest::digest`].
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    pub fn content(&self) -> &Content {
        &self.content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn read(json: &str, content_type: Option<&str>) -> Result<Manifest, Error> {
        Manifest::read(Bytes::copy_from_slice(json.replace("$A", A).as_bytes()), content_type, None)
    }

    const IMAGE: &str = r#"{"schemaVersion":2,"config":{"digest":"$A","size":2},"layers":[{"digest":"$A","size":3}]}"#;
    const INDEX: &str = r#"{"schemaVersion":2,"manifests":[
        {"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"$A","size":1,"platform":{"os":"linux","architecture":"arm","variant":"v7"}},
        {"digest":"$A","size":1,"platform":{"os":"unknown","architecture":"unknown"}}]}"#;

    #[test]
    fn the_type_inside_wins_then_the_header_then_the_structure() {
        let docker = "application/vnd.docker.distribution.manifest.v2+json";
        let table = [
            (IMAGE.to_owned(), None, MediaType::OciManifest),
            (IMAGE.to_owned(), Some("application/vnd.docker.distribution.manifest.v2+json; charset=utf-8"), MediaType::DockerManifest),
            (IMAGE.to_owned(), Some("application/json"), MediaType::OciManifest),
            (
                IMAGE.replacen('{', &format!("{{\"mediaType\":\"{docker}\","), 1),
                Some(MediaType::OciManifest.as_str()),
                MediaType::DockerManifest,
            ),
            (INDEX.to_owned(), None, MediaType::OciIndex),
            (INDEX.to_owned(), Some(MediaType::DockerList.as_str()), MediaType::DockerList),
        ];
        for (json, header, expected) in table {
            assert_eq!(read(&json, header).unwrap().media_type(), expected, "{json} as {header:?}");
        }
    }

    #[test]
    fn an_index_tells_platforms_from_attestations() {
        let index = read(INDEX, None).unwrap();
        let Kind::Index { manifests } = &index.content().kind else { panic!("not an index") };
        assert_eq!(manifests[0].platform.as_ref().unwrap().to_string(), "linux/arm/v7");
        assert_eq!(manifests.iter().map(Descriptor::is_attestation).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn what_is_no_manifest_is_refused_with_the_reason() {
        let both = IMAGE.replacen('{', "{\"manifests\":[],", 1);
        let mislabelled = INDEX.replacen('{', "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",", 1);
        let table = [
            ("<html>hello</html>", None),
            ("{}", None),
            (r#"{"schemaVersion":1,"name":"x","fsLayers":[]}"#, None),
            ("{}", Some("application/vnd.docker.distribution.manifest.v1+prettyjws")),
            (&both, None),
            (&mislabelled, None),
            (r#"{"mediaType":"application/x","config":{"digest":"$A","size":2},"layers":[]}"#, None),
            (r#"{"config":{"digest":"sha256:1","size":2},"layers":[]}"#, None),
        ];
        let reasons: Vec<String> = table.iter().map(|(json, header)| read(json, *header).unwrap_err().to_string()).collect();
        insta::assert_snapshot!(reasons.join("\n"), @r#"
        it is not a manifest: it isn't JSON of the expected form
        it is not a manifest: it has neither `manifests` nor `config` and `layers`, or it has both
        it is a schema 1 manifest, a format that registries gave up
        it is a schema 1 manifest, a format that registries gave up
        it is not a manifest: it has neither `manifests` nor `config` and `layers`, or it has both
        it is not a manifest: it has neither `manifests` nor `config` and `layers`, or it has both
        it is not a manifest of an image: its media type is "application/x"
        it is not a manifest: it isn't JSON of the expected form
        "#);
    }

    #[test]
    fn bytes_that_are_not_what_was_promised_are_refused() {
        let bytes = Bytes::from_static(b"{}");
        let error = Manifest::read(bytes, None, Some(&A.parse().unwrap())).unwrap_err();
        assert!(matches!(error, Error::Digest { .. }));
    }
}
