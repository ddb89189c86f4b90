//! What refers to an image: OCI referrers (distribution-spec §Listing referrers, §Referrers tag schema) and the tags of cosign
//! (`sha256-….sig`, sigstore/cosign, specs/SIGNATURE_SPEC.md).

use std::collections::BTreeSet;

use futures::future::try_join_all;
use serde_json::Value;

use super::find::tree;
use super::{Attached, Attachments};
use crate::image::manifest::Kind;
use crate::image::{Digest, Manifest, Tag};
use crate::store::{Error, Place, Pointer};

/// What cosign appends to the tag that stands for a digest.
const COSIGN: [&str; 3] = ["sig", "att", "sbom"];
/// How long a chain of things that refer to each other may be: a signature of an SBOM of an image.
const MAX_DEPTH: usize = 4;

/// Everything that refers to the subjects, or to what refers to them, and isn't at the target.
pub(super) async fn attachments(from: Place<'_>, to: Place<'_>, subjects: Vec<Digest>, is_held: bool) -> Result<Attachments, Error> {
    let listed: BTreeSet<Tag> = from.store.tags(from.repository).await?.into_iter().collect();
    let mut found = Attachments::default();
    if is_held && listed.is_empty() {
        // The source is gone; the target's tag said what the image is.
        return Ok(found);
    }
    let mut known: BTreeSet<Digest> = BTreeSet::new();
    let mut wanted = subjects;
    for _ in 0..MAX_DEPTH {
        wanted.retain(|subject| known.insert(subject.clone()));
        let found_now = try_join_all(wanted.iter().map(|subject| of(from, to, subject, &listed))).await?;
        wanted = Vec::new();
        for (digests, attachments) in found_now {
            wanted.extend(digests);
            found.manifests.extend(attachments.manifests);
            found.links.extend(attachments.links);
            found.kept.extend(attachments.kept);
        }
        if wanted.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// What refers to one subject: the digests of all of it, and what the target lacks.
async fn of(from: Place<'_>, to: Place<'_>, subject: &Digest, listed: &BTreeSet<Tag>) -> Result<(Vec<Digest>, Attachments), Error> {
    let mut found = Attachments::default();
    let descriptors = match from.store.referrers(from.repository, subject).await? {
        Some(descriptors) => descriptors,
        None => match tag_of(subject).filter(|tag| listed.contains(tag)) {
            Some(tag) => listing(from, &tag).await?.map(|(_, descriptors)| descriptors).unwrap_or_default(),
            None => Vec::new(),
        },
    };
    let mut digests = Vec::new();
    let (mut lacking, mut held) = (Vec::new(), Vec::new());
    for descriptor in descriptors {
        let Some(digest) = digest_of(&descriptor) else { continue };
        match to.store.has_manifest(to.repository, &digest).await? {
            true => held.push((digest.clone(), descriptor)),
            false => {
                let manifest = from.store.manifest(from.repository, &Pointer::from(&digest)).await?;
                let content = tree(from, &manifest).await?;
                found.manifests.push(Attached { manifest, content, tag: None });
                lacking.push(descriptor);
            }
        }
        digests.push(digest);
    }
    lacking.extend(unlisted(to, subject, held).await?);
    if !lacking.is_empty() {
        found.links.insert(subject.clone(), lacking);
    }
    for tag in COSIGN.iter().filter_map(|kind| format!("{}.{kind}", tag_of(subject)?).parse::<Tag>().ok()) {
        if listed.contains(&tag) {
            signed(from, to, tag, &mut found).await?;
        }
    }
    Ok((digests, found))
}

/// Those that the target holds, but doesn't tell of when it is asked about the subject.
async fn unlisted(to: Place<'_>, subject: &Digest, held: Vec<(Digest, Value)>) -> Result<Vec<Value>, Error> {
    let Some(tag) = tag_of(subject).filter(|_| !held.is_empty()) else { return Ok(Vec::new()) };
    if to.store.referrers(to.repository, subject).await?.is_some() {
        return Ok(Vec::new());
    }
    let known = listing(to, &tag).await?.map(|(_, descriptors)| descriptors).unwrap_or_default();
    let is_known = |digest: &Digest| known.iter().any(|known| digest_of(known).as_ref() == Some(digest));
    Ok(held.into_iter().filter(|(digest, _)| !is_known(digest)).map(|(_, descriptor)| descriptor).collect())
}

/// One tag of cosign's: copied when the target has none, or one with nothing that the source's hasn't.
async fn signed(from: Place<'_>, to: Place<'_>, tag: Tag, found: &mut Attachments) -> Result<(), Error> {
    let manifest = from.store.manifest(from.repository, &Pointer::from(&tag)).await?;
    let before = to.store.digest(to.repository, &tag).await?;
    if let Some(before) = &before {
        if before == manifest.digest() {
            return Ok(());
        }
        let theirs = layers(&to.store.manifest(to.repository, &Pointer::from(before)).await?);
        let ours = layers(&manifest);
        if !theirs.is_subset(&ours) {
            if !ours.is_subset(&theirs) {
                found.kept.push(tag);
            }
            return Ok(());
        }
    }
    let content = tree(from, &manifest).await?;
    found.manifests.push(Attached { manifest, content, tag: Some((tag, before)) });
    Ok(())
}

/// The layers of an image: each is one signature, attestation or SBOM.
fn layers(manifest: &Manifest) -> BTreeSet<Digest> {
    match &manifest.content().kind {
        Kind::Image { layers, .. } => layers.iter().map(|layer| layer.digest.clone()).collect(),
        Kind::Index { manifests } => manifests.iter().map(|child| child.digest.clone()).collect(),
    }
}

/// The tag that stands for a digest where there is no referrers API: `sha256-…`, at most 32 and 64 characters.
pub(super) fn tag_of(digest: &Digest) -> Option<Tag> {
    let hex = digest.hex();
    format!("{}-{}", digest.algorithm(), hex.get(..64).unwrap_or(hex)).parse().ok()
}

/// The index under such a tag, and its descriptors; `None` when there is no such tag.
pub(super) async fn listing(place: Place<'_>, tag: &Tag) -> Result<Option<(Manifest, Vec<Value>)>, Error> {
    match place.store.manifest(place.repository, &Pointer::from(tag)).await {
        Ok(manifest) => {
            let mut value: Value = serde_json::from_slice(manifest.bytes()).unwrap_or_default();
            let descriptors = match value["manifests"].take() {
                Value::Array(descriptors) => descriptors,
                _ => Vec::new(),
            };
            Ok(Some((manifest, descriptors)))
        }
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn digest_of(descriptor: &Value) -> Option<Digest> {
    descriptor.get("digest")?.as_str()?.parse().ok()
}

/// An index with descriptors added to those it has, which stay as they are; `None` when it has them all.
pub(super) fn merged(existing: Option<&Manifest>, descriptors: &[Value]) -> Option<Vec<u8>> {
    let empty = || serde_json::json!({"schemaVersion": 2, "mediaType": crate::image::MediaType::OciIndex.as_str(), "manifests": []});
    let mut index = existing.and_then(|index| serde_json::from_slice(index.bytes()).ok()).unwrap_or_else(empty);
    let Some(Value::Array(entries)) = index.get_mut("manifests") else { return None };
    let before = entries.len();
    for descriptor in descriptors {
        if !entries.iter().any(|entry| digest_of(entry) == digest_of(descriptor)) {
            entries.push(descriptor.clone());
        }
    }
    let changed = entries.len() > before;
    changed.then(|| index.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use serde_json::json;

    fn descriptor(content: &[u8]) -> Value {
        json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": Digest::sha256(content), "size": 3,
            "artifactType": "application/x", "annotations": {"b": "1", "a": "2"}})
    }

    #[test]
    fn the_list_at_the_target_is_merged_and_descriptors_stay_verbatim() {
        let (one, two) = (descriptor(b"one"), descriptor(b"two"));
        let first = merged(None, std::slice::from_ref(&one)).unwrap();
        let manifest = Manifest::read(Bytes::from(first), None, None).unwrap();
        assert_eq!(merged(Some(&manifest), std::slice::from_ref(&one)), None, "nothing to write");
        let both = merged(Some(&manifest), &[one.clone(), two.clone()]).unwrap();
        assert_eq!(
            String::from_utf8(both).unwrap(),
            format!(r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{one},{two}]}}"#)
        );
    }

    #[test]
    fn a_digest_has_its_tag() {
        assert_eq!(
            tag_of(&Digest::sha256(b"")).unwrap().as_str(),
            "sha256-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        let long: Digest = format!("sha512:{}", "a".repeat(128)).parse().unwrap();
        assert_eq!(tag_of(&long).unwrap().as_str(), format!("sha512-{}", "a".repeat(64)));
    }
}
