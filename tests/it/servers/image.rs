//! Small images made here: layers are real tar files, manifests are of OCI's or Docker's media types.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// For how many platforms an image is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platforms {
    /// One manifest, linux/amd64.
    One,
    /// An index of linux/amd64 and linux/arm64, with an attestation manifest for the first, as buildx pushes it.
    Several,
}

/// Whose media types the manifests have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    Oci,
    Docker,
}

/// What an image to push is like.
#[derive(Clone, Debug)]
pub struct Image {
    pub platforms: Platforms,
    pub layout: Layout,
    pub labels: Vec<(String, String)>,
    /// Of the manifest or index that the tag names.
    pub annotations: Vec<(String, String)>,
    /// Put into the layer, so that two images differ.
    pub content: String,
    /// Layers of each platform.
    pub layers: usize,
    /// Bytes in each layer, beside the content.
    pub weight: usize,
}

impl Image {
    pub fn new(platforms: Platforms) -> Image {
        Image {
            platforms,
            layout: Layout::Oci,
            labels: Vec::new(),
            annotations: Vec::new(),
            content: "acme".to_owned(),
            layers: 1,
            weight: 0,
        }
    }

    /// Docker's schema 2 instead of OCI.
    #[must_use]
    pub fn docker(mut self) -> Image {
        self.layout = Layout::Docker;
        self
    }

    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Image {
        self.labels.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn annotation(mut self, name: &str, value: &str) -> Image {
        self.annotations.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The commit the image was built from, as `org.opencontainers.image.revision`.
    #[must_use]
    pub fn revision(self, commit: &str) -> Image {
        self.label("org.opencontainers.image.revision", commit)
    }

    #[must_use]
    pub fn content(mut self, content: &str) -> Image {
        self.content = content.to_owned();
        self
    }

    #[must_use]
    pub fn layers(mut self, layers: usize) -> Image {
        self.layers = layers;
        self
    }

    /// Makes each layer so many bytes larger.
    #[must_use]
    pub fn weight(mut self, bytes: usize) -> Image {
        self.weight = bytes;
        self
    }

    /// Everything that has to be pushed.
    pub fn build(&self) -> Built {
        let mut built = Built { blobs: Vec::new(), manifests: Vec::new() };
        let amd64 = self.platform_manifest(&mut built, "amd64");
        if self.platforms == Platforms::Several {
            let arm64 = self.platform_manifest(&mut built, "arm64");
            let attestation = attestation(&mut built, &amd64);
            let kind = match self.layout {
                Layout::Oci => "application/vnd.oci.image.index.v1+json",
                Layout::Docker => "application/vnd.docker.distribution.manifest.list.v2+json",
            };
            let mut index = json!({"schemaVersion": 2, "mediaType": kind, "manifests": [
                described(&amd64, json!({"platform": {"architecture": "amd64", "os": "linux"}})),
                described(&arm64, json!({"platform": {"architecture": "arm64", "os": "linux", "variant": "v8"}})),
                described(&attestation, json!({
                    "platform": {"architecture": "unknown", "os": "unknown"},
                    "annotations": {
                        "vnd.docker.reference.type": "attestation-manifest",
                        "vnd.docker.reference.digest": amd64.digest,
                    },
                })),
            ]});
            self.annotate(&mut index);
            built.manifests.push(Content::json(kind, &index));
        }
        built
    }

    fn annotate(&self, manifest: &mut Value) {
        if !self.annotations.is_empty() {
            manifest["annotations"] = self.annotations.iter().map(|(n, v)| (n.clone(), json!(v))).collect::<serde_json::Map<_, _>>().into();
        }
    }

    fn platform_manifest(&self, built: &mut Built, architecture: &str) -> Content {
        let (manifest, config, layer) = match self.layout {
            Layout::Oci => (
                "application/vnd.oci.image.manifest.v1+json",
                "application/vnd.oci.image.config.v1+json",
                "application/vnd.oci.image.layer.v1.tar",
            ),
            Layout::Docker => (
                "application/vnd.docker.distribution.manifest.v2+json",
                "application/vnd.docker.container.image.v1+json",
                "application/vnd.docker.image.rootfs.diff.tar",
            ),
        };
        let layers: Vec<Content> = (0..self.layers).map(|number| Content::new(layer, self.layer(number, architecture))).collect();
        let labels: serde_json::Map<String, Value> = self.labels.iter().map(|(n, v)| (n.clone(), json!(v))).collect();
        let config = Content::json(
            config,
            &json!({
                "architecture": architecture,
                "os": "linux",
                "config": {"Labels": labels},
                "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|layer| &layer.digest).collect::<Vec<_>>()},
            }),
        );
        let mut document = json!({
            "schemaVersion": 2,
            "mediaType": manifest,
            "config": described(&config, json!({})),
            "layers": layers.iter().map(|layer| described(layer, json!({}))).collect::<Vec<_>>(),
        });
        if self.platforms == Platforms::One {
            self.annotate(&mut document);
        }
        let manifest = Content::json(manifest, &document);
        built.blobs.extend(layers);
        built.blobs.push(config);
        built.manifests.push(manifest.clone());
        manifest
    }

    fn layer(&self, number: usize, architecture: &str) -> Vec<u8> {
        let text = match number {
            0 => format!("{} {architecture}\n", self.content),
            number => format!("{} {architecture} {number}\n", self.content),
        };
        let mut bytes = text.into_bytes();
        bytes.extend((0..self.weight).map(|at| (at % 251) as u8));
        tar("content", &bytes)
    }
}

/// The provenance that buildx adds to an index.
fn attestation(built: &mut Built, subject: &Content) -> Content {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{"name": "image", "digest": {"sha256": subject.digest.trim_start_matches("sha256:")}}],
        "predicate": {},
    });
    let layer = Content::json("application/vnd.in-toto+json", &statement);
    let config = Content::json(
        "application/vnd.oci.image.config.v1+json",
        &json!({
            "architecture": "unknown", "os": "unknown", "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
        }),
    );
    let manifest = Content::json(
        "application/vnd.oci.image.manifest.v1+json",
        &json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": described(&config, json!({})),
            "layers": [described(&layer, json!({
                "annotations": {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"},
            }))],
        }),
    );
    built.blobs.extend([layer, config]);
    built.manifests.push(manifest.clone());
    manifest
}

/// An image as bytes: blobs, then manifests, of which the last one is the image.
pub struct Built {
    pub blobs: Vec<Content>,
    pub manifests: Vec<Content>,
}

impl Built {
    /// The manifest or index that a tag names.
    pub fn root(&self) -> &Content {
        self.manifests.last().expect("an image has a manifest")
    }
}

/// Bytes with a media type and a digest.
#[derive(Clone, Debug)]
pub struct Content {
    pub media_type: String,
    pub digest: String,
    pub bytes: Vec<u8>,
}

impl Content {
    pub fn new(media_type: &str, bytes: Vec<u8>) -> Content {
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Content { media_type: media_type.to_owned(), digest: format!("sha256:{digest}"), bytes }
    }

    /// Indented in a way of our own: whoever parses and writes a manifest anew gets another digest.
    fn json(media_type: &str, value: &Value) -> Content {
        let text = serde_json::to_string_pretty(value).expect("a value is JSON");
        Content::new(media_type, text.replace("\n  ", "\n   ").into_bytes())
    }
}

fn described(content: &Content, more: Value) -> Value {
    let mut descriptor = json!({
        "mediaType": content.media_type, "digest": content.digest, "size": content.bytes.len(),
    });
    if let (Some(descriptor), Value::Object(more)) = (descriptor.as_object_mut(), more) {
        descriptor.extend(more);
    }
    descriptor
}

/// A tar file with one file in it (POSIX ustar).
fn tar(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = [0u8; 512];
    let mut field = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    field(0, name);
    field(100, "0000644\0");
    field(108, "0000000\0");
    field(116, "0000000\0");
    field(124, &format!("{:011o}\0", bytes.len()));
    field(136, "00000000000\0");
    field(148, "        ");
    field(156, "0");
    field(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut file = header.to_vec();
    file.extend_from_slice(bytes);
    // Padding to a whole block, then two empty blocks.
    file.resize(512 + bytes.len().div_ceil(512) * 512 + 1024, 0);
    file
}
