//! Carrying copies out: all images at the same time, and nothing that points to what isn't there yet.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::try_join_all;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::sync::Semaphore;

use super::{Attached, Copy, Tree};
use crate::image::manifest::Descriptor;
use crate::image::{Digest, Manifest, Repository, Tag};
use crate::journal::{Journal, Kind};
use crate::retag::{Copied, Error, Event, Route};
use crate::store::{self, Moved, Pointer, Store, Transfers};

/// Blobs that are streamed at the same time. Each holds one piece in memory, some hundred kilobytes.
const STREAMS: usize = 4;
/// Images, and requests of one image, that are under way at the same time; the store has its own limit on requests.
const CONCURRENCY: usize = 64;
/// A blob of this size and more tells how far it is.
const LARGE: u64 = 8_000_000;

/// Copies what is missing. Tags of releases aren't written here, so an error leaves nothing that anybody would deploy.
pub(in crate::retag) async fn carry_out(
    route: Route<'_>,
    copies: &[Copy],
    journal: &Journal,
    progress: &(dyn Fn(Event) + Send + Sync),
) -> Vec<Error> {
    let streams = Semaphore::new(STREAMS);
    let told: Mutex<HashMap<Digest, u64>> = Mutex::default();
    let tell = |blob: &Descriptor, sent: u64| {
        if let Some(tenths) = (sent * 10).checked_div(blob.size).filter(|_| blob.size >= LARGE)
            && lock(&told).insert(blob.digest.clone(), tenths) != Some(tenths)
            && tenths > 0
        {
            progress(Event::Streaming { blob: blob.digest.clone(), sent, size: blob.size });
        }
    };
    let transfers = Transfers { streams: &streams, progress: &tell };
    let run = Run { route, transfers, journal, arrived: Mutex::default() };
    let copies = copies.iter().filter(|copy| copy.is_needed()).map(|copy| async {
        let counts = run.copy(copy).await.map_err(|source| Error::Copy {
            from: copy.from.to_string(),
            to: copy.to.to_string(),
            source: Box::new(source),
        })?;
        progress(Event::Copied { from: copy.from.to_string(), to: copy.to.to_string(), counts });
        Ok(())
    });
    let results: Vec<Result<(), Error>> = stream::iter(copies.collect::<Vec<_>>()).buffer_unordered(CONCURRENCY).collect().await;
    results.into_iter().filter_map(Result::err).collect()
}

pub(super) struct Run<'a> {
    pub(super) route: Route<'a>,
    transfers: Transfers<'a>,
    journal: &'a Journal,
    /// Which repository of the target has got a blob in this run; locked while it is on its way, so that images that share
    /// it have it streamed once and mount it then.
    arrived: Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<Option<Repository>>>>>,
}

/// [`Copied`], while it is counted.
#[derive(Default)]
struct Counts {
    manifests: AtomicU64,
    mounted: AtomicU64,
    streamed: AtomicU64,
    bytes: AtomicU64,
    already_there: AtomicU64,
}

impl Run<'_> {
    async fn copy(&self, copy: &Copy) -> Result<Copied, store::Error> {
        let counts = Counts::default();
        self.tree(copy, &copy.content, &counts).await?;
        let attached = &copy.attached;
        if copy.has_content() && (!attached.manifests.is_empty() || !attached.links.is_empty()) {
            // Some registries want the subject to be there before what refers to it.
            self.put(copy, &copy.root, &counts).await?;
        }
        try_join_all(attached.manifests.iter().map(|attached| self.attached(copy, attached, &counts))).await?;
        try_join_all(attached.links.iter().map(|(subject, descriptors)| self.link(copy, subject, descriptors))).await?;
        Ok(counts.total(attached.manifests.len()))
    }

    async fn tree(&self, copy: &Copy, tree: &Tree, counts: &Counts) -> Result<(), store::Error> {
        let blobs = tree.blobs.iter().map(|blob| self.blob(copy, blob, counts)).collect::<Vec<_>>();
        stream::iter(blobs).buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
        for level in &tree.levels {
            let puts = level.iter().map(|manifest| self.put(copy, manifest, counts)).collect::<Vec<_>>();
            stream::iter(puts).buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
        }
        Ok(())
    }

    async fn blob(&self, copy: &Copy, blob: &Descriptor, counts: &Counts) -> Result<(), store::Error> {
        let (from, to) = (self.route.from(copy), self.route.to(copy));
        let moved = match are_one_registry(self.route, copy) {
            true => self.transfers.bring(blob, from, to, Some(&copy.from)).await?,
            false => {
                let arrived = Arc::clone(lock(&self.arrived).entry(blob.digest.clone()).or_default());
                let mut arrived = arrived.lock().await;
                let origin = arrived.as_ref().filter(|origin| origin.registry() == copy.to.registry() && **origin != copy.to);
                let moved = self.transfers.bring(blob, from, to, origin).await?;
                arrived.get_or_insert_with(|| copy.to.clone());
                moved
            }
        };
        counts.moved(moved, blob.size);
        Ok(())
    }

    async fn put(&self, copy: &Copy, manifest: &Manifest, counts: &Counts) -> Result<(), store::Error> {
        self.route.target.put(&copy.to, &Pointer::from(manifest.digest()), manifest).await?;
        counts.manifests.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn attached(&self, copy: &Copy, attached: &Attached, counts: &Counts) -> Result<(), store::Error> {
        self.tree(copy, &attached.content, counts).await?;
        match &attached.tag {
            Some((tag, before)) => self.tag(copy, tag, before.as_ref(), &attached.manifest).await,
            None => self.put(copy, &attached.manifest, counts).await,
        }
    }

    pub(super) async fn tag(&self, copy: &Copy, tag: &Tag, before: Option<&Digest>, manifest: &Manifest) -> Result<(), store::Error> {
        let (before, after) = (before.map(Digest::to_string), manifest.digest().to_string());
        let pending = self.journal.begin(Kind::Tag, copy.to.with_tag(tag), before, after);
        match self.route.target.put(&copy.to, &Pointer::from(tag), manifest).await {
            Ok(()) => {
                pending.done();
                Ok(())
            }
            Err(error) => {
                if error.nothing_happened() {
                    pending.failed();
                }
                Err(error)
            }
        }
    }
}

impl Counts {
    fn moved(&self, moved: Moved, size: u64) {
        let count = match moved {
            Moved::AlreadyThere => &self.already_there,
            Moved::Mounted => &self.mounted,
            Moved::Streamed => {
                self.bytes.fetch_add(size, Ordering::Relaxed);
                &self.streamed
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn total(&self, attached: usize) -> Copied {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Copied {
            manifests: get(&self.manifests),
            mounted: get(&self.mounted),
            streamed: get(&self.streamed),
            bytes: get(&self.bytes),
            already_there: get(&self.already_there),
            attached: attached as u64,
        }
    }
}

/// Only inside one registry can a blob be mounted; its source there is known to have it.
fn are_one_registry(route: Route<'_>, copy: &Copy) -> bool {
    matches!((route.source, route.target), (Store::Registry(_), Store::Registry(_))) && copy.from.registry() == copy.to.registry()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
