//! Bringing an image to another repository, registry or folder, before it gets its tags there.
//!
//! ```text
//! blobs → manifests of the platforms → what refers to them (signatures, attestations, SBOMs) → tags, by the run's waves
//! ```
//!
//! An image that has its release tag at the target is there as a whole, because the tag is written last; only what refers to it
//! is looked for then.

mod attached;
mod find;
mod link;
mod run;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

pub(super) use find::find;
pub(super) use run::carry_out;

use crate::image::manifest::{Descriptor, Kind};
use crate::image::{Digest, Manifest, Repository, Tag};

/// Whether signatures, attestations and SBOMs that refer to an image go along (`copy-referrers`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Referrers {
    #[default]
    Copy,
    Leave,
}

/// What has to be brought to the target for one image.
#[derive(Debug)]
pub struct Copy {
    pub from: Repository,
    pub to: Repository,
    /// The image itself; its own bytes are put under its tags, when everything else is there.
    pub(super) root: Manifest,
    /// What the image consists of; empty when the target has it.
    pub(super) content: Tree,
    pub(super) attached: Attachments,
}

/// What a manifest consists of, itself left out.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Manifests of an index, those first that others point to.
    pub(super) levels: Vec<Vec<Manifest>>,
    /// Configs and layers, each once; what isn't the registry's to hold ("foreign" layers) is left out.
    pub(super) blobs: Vec<Descriptor>,
}

/// What refers to an image or to a part of it and isn't at the target.
#[derive(Debug, Default)]
pub(super) struct Attachments {
    pub(super) manifests: Vec<Attached>,
    /// By subject: descriptors that a target without the referrers API must have under the tag that stands for it.
    pub(super) links: BTreeMap<Digest, Vec<Value>>,
    /// Tags that stay as they are at the target, because their content would be lost.
    pub(super) kept: Vec<Tag>,
}

/// One signature, attestation or SBOM.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) manifest: Manifest,
    pub(super) content: Tree,
    /// The tag it is found by; none for what has a subject and is stored by its digest.
    pub(super) tag: Option<(Tag, Option<Digest>)>,
}

impl Tree {
    pub(super) fn manifests(&self) -> usize {
        self.levels.iter().map(Vec::len).sum()
    }

    /// Bytes of all blobs together.
    pub(super) fn size(&self) -> u64 {
        self.blobs.iter().map(|blob| blob.size).sum()
    }

    /// Adds blobs that aren't there yet.
    pub(super) fn add(&mut self, blobs: impl IntoIterator<Item = Descriptor>) {
        for blob in blobs {
            if !is_foreign(&blob) && !self.blobs.iter().any(|known| known.digest == blob.digest) {
                self.blobs.push(blob);
            }
        }
    }
}

impl Copy {
    /// Whether anything is missing at the target.
    pub(super) fn is_needed(&self) -> bool {
        self.has_content() || !self.attached.manifests.is_empty() || !self.attached.links.is_empty()
    }

    /// Whether the image itself is missing.
    pub(super) fn has_content(&self) -> bool {
        !self.content.blobs.is_empty() || !self.content.levels.is_empty()
    }
}

impl fmt::Display for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} comes from {}", self.to, self.from)?;
        let mut parts = Vec::new();
        if self.has_content() {
            let manifests = 1 + self.content.manifests();
            parts.push(format!("{manifests} manifests, {} blobs of {}", self.content.blobs.len(), bytes(self.content.size())));
        }
        match self.attached.manifests.len() {
            0 => {}
            n => parts.push(format!("{n} that refer to it (signatures, attestations, SBOMs)")),
        }
        if self.attached.manifests.is_empty() && !self.attached.links.is_empty() {
            parts.push("the list of what refers to it".to_owned());
        }
        write!(f, ": {}", if parts.is_empty() { "everything is there".to_owned() } else { parts.join(", ") })?;
        for tag in &self.attached.kept {
            write!(f, "\n{} stays as it is: it has content of its own", self.to.with_tag(tag))?;
        }
        Ok(())
    }
}

/// Layers that may not be distributed (OCI image-spec, layer.md §Non-Distributable Layers) or that lie elsewhere.
fn is_foreign(blob: &Descriptor) -> bool {
    !blob.urls.is_empty() || blob.media_type.contains(".nondistributable.") || blob.media_type.contains(".foreign.")
}

/// Configs and layers of an image, or the manifests of an index.
fn blobs(manifest: &Manifest) -> impl Iterator<Item = &Descriptor> {
    let (config, layers) = match &manifest.content().kind {
        Kind::Index { .. } => (None, [].as_slice()),
        Kind::Image { config, layers } => (Some(config), layers.as_slice()),
    };
    config.into_iter().chain(layers)
}

fn children(manifest: &Manifest) -> &[Descriptor] {
    match &manifest.content().kind {
        Kind::Index { manifests } => manifests,
        Kind::Image { .. } => &[],
    }
}

/// A number of bytes for people, in decimal units.
pub(super) fn bytes(count: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.iter().find(|(unit, _)| count >= *unit) {
        Some((unit, name)) => format!("{}.{} {name}", count / unit, count % unit * 10 / unit),
        None => format!("{count} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trap: layers with `urls` are not the registry's to hold.
    #[test]
    fn foreign_layers_are_left_out_and_each_blob_is_there_once() {
        let blob = |kind: &str, digest: &[u8], urls: &[&str]| -> Descriptor {
            serde_json::from_value(serde_json::json!({"mediaType": kind, "digest": Digest::sha256(digest), "size": 1, "urls": urls}))
                .unwrap()
        };
        let mut tree = Tree::default();
        tree.add([
            blob("application/vnd.oci.image.layer.v1.tar+gzip", b"a", &[]),
            blob("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", b"b", &[]),
            blob("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", b"c", &[]),
            blob("application/vnd.oci.image.layer.v1.tar", b"d", &["https://elsewhere.example/d"]),
            blob("application/vnd.oci.image.layer.v1.tar", b"a", &[]),
            blob("application/vnd.oci.empty.v1+json", b"{}", &[]),
        ]);
        let kept: Vec<&str> = tree.blobs.iter().map(|blob| blob.media_type.as_str()).collect();
        assert_eq!(kept, ["application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.oci.empty.v1+json"]);
    }

    #[test]
    fn sizes_are_told_in_decimal_units() {
        let told: Vec<String> = [0, 999, 1_000, 41_943_040, 2_147_483_648].map(bytes).into();
        assert_eq!(told, ["0 B", "999 B", "1.0 kB", "41.9 MB", "2.1 GB"]);
    }
}
