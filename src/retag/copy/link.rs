//! The list of what refers to an image, where the registry keeps none itself: the tag `sha256-…` (distribution-spec §Referrers tag schema).

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::Copy;
use super::attached::{listing, merged, tag_of};
use super::run::Run;
use crate::image::{Digest, Manifest, MediaType};
use crate::store;

/// The pauses before the list is read, in milliseconds. The second time it is read to see whether it is as it was written.
const PAUSES: [u64; 7] = [0, 0, 100, 200, 400, 800, 1600];

impl Run<'_> {
    /// Makes a target without the referrers API tell what refers to a subject.
    ///
    /// Several may write the list at once (another promotion, somebody who signs), and no registry has conditional writes. So it is read right
    /// before it is written and once more afterwards; what another writer's list lacks of ours is merged into that one.
    pub(super) async fn link(&self, copy: &Copy, subject: &Digest, descriptors: &[Value]) -> Result<(), store::Error> {
        let to = self.route.to(copy);
        if to.store.referrers(to.repository, subject).await?.is_some() {
            return Ok(());
        }
        let Some(tag) = tag_of(subject) else { return Ok(()) };
        let what = to.repository.with_tag(&tag);
        // What our last write replaced.
        let mut replaced: Option<Option<Digest>> = None;
        let mut is_late = false;
        for pause in PAUSES {
            sleep(Duration::from_millis(pause + rand::random_range(0..=pause / 2))).await;
            let existing = listing(to, &tag).await?.map(|(manifest, _)| manifest);
            let Some(bytes) = merged(existing.as_ref(), descriptors) else { return Ok(()) };
            let before = existing.as_ref().map(|manifest| manifest.digest().clone());
            // What our write replaced is there again: such a registry has the write, and shows it later.
            is_late = replaced.as_ref() == Some(&before) && to.store.is_late(to.repository);
            if !is_late {
                let index = Manifest::read(bytes.into(), Some(MediaType::OciIndex.as_str()), None)
                    .map_err(|source| store::Error::Manifest { what: what.clone(), source })?;
                self.tag(copy, &tag, before.as_ref(), &index).await?;
                replaced = Some(before);
            }
        }
        // A late registry has confirmed the write.
        match is_late {
            true => Ok(()),
            false => Err(store::Error::Contended { what, registry: to.repository.registry().to_owned() }),
        }
    }
}
