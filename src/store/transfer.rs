//! One blob's way from one store to another: mounted where that is possible, else streamed, checked on the way.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::stream::{self, BoxStream, Stream, StreamExt as _};
use reqwest::Body;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep};
use url::Url;

use super::registry::Mount;
use super::{End, Error, Store};
use crate::http::Patience;
use crate::image::manifest::Descriptor;
use crate::image::{Digest, Hasher, Repository};

/// A blob's bytes, piece by piece, as a store gives them.
pub(super) type Content = BoxStream<'static, Result<Bytes, Error>>;

/// A repository of a store.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub store: &'a Store,
    pub repository: &'a Repository,
}

/// How a blob got to where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    AlreadyThere,
    /// By the registry itself, from another of its repositories.
    Mounted,
    Streamed,
}

/// What bounds the transfers of a run, and what they tell.
pub struct Transfers<'a> {
    /// How many blobs may be on their way at the same time.
    pub streams: &'a Semaphore,
    /// Hears how many bytes of a blob are sent, each time some more are.
    pub progress: &'a (dyn Fn(&Descriptor, u64) + Send + Sync),
}

impl Store {
    /// Whether a repository holds a manifest, by its digest.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn has_manifest(&self, repository: &Repository, digest: &Digest) -> Result<bool, Error> {
        match self.end() {
            End::Registry(client) => client.has_manifest(repository, digest).await,
            End::Layout(layout) => Ok(layout.has_blob(digest)),
        }
    }

    /// What refers to a manifest of a repository that exists: descriptors as the store gives them. `None` when the store has no way to
    /// tell, so that the tag `sha256-…` has to (distribution-spec §Referrers tag schema).
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn referrers(&self, repository: &Repository, digest: &Digest) -> Result<Option<Vec<Value>>, Error> {
        match self.end() {
            End::Registry(client) => client.referrers(repository, digest).await,
            End::Layout(_) => Ok(None),
        }
    }

    async fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, Error> {
        match self.end() {
            End::Registry(client) => client.has_blob(repository, digest).await,
            End::Layout(layout) => Ok(layout.has_blob(digest)),
        }
    }

    async fn open_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<Content, Error> {
        match self.end() {
            End::Registry(client) => client.open_blob(repository, blob).await,
            End::Layout(layout) => layout.open_blob(repository, blob).await,
        }
    }

    /// How often and how soon a transfer between this store and another is tried again.
    fn patience(&self) -> Patience {
        match self.end() {
            End::Registry(client) => client.patience(),
            End::Layout(_) => Patience::default(),
        }
    }
}

impl Transfers<'_> {
    /// Brings a blob from one place to another. `origin` is a repository in the target's registry that has the blob already: it is
    /// mounted from there without asking first. Otherwise, and when that is refused, it is streamed unless it is there; its bytes are
    /// never all in memory, and never all at the target unless they are what the digest promises.
    ///
    /// # Errors
    /// When source or target fail for longer than patience lasts, or the source's bytes are not the blob.
    pub async fn bring(&self, blob: &Descriptor, from: Place<'_>, to: Place<'_>, origin: Option<&Repository>) -> Result<Moved, Error> {
        let mut session = None;
        if let (End::Registry(client), Some(origin)) = (to.store.end(), origin) {
            match client.mount(to.repository, &blob.digest, origin).await? {
                Mount::Done => return Ok(Moved::Mounted),
                Mount::Session(url) => session = Some(url),
                Mount::Refused => {}
            }
        }
        if to.store.has_blob(to.repository, &blob.digest).await? {
            return Ok(Moved::AlreadyThere);
        }
        // The semaphore is never closed.
        let _turn = self.streams.acquire().await;
        let patience = to.store.patience();
        let mut failures = 0;
        loop {
            let Err(error) = self.stream(blob, from, to, session.take()).await else { return Ok(Moved::Streamed) };
            failures += 1;
            if failures >= patience.tries || !error.is_passing() {
                return Err(error);
            }
            let wait = patience.wait(failures, error.wait(), rand::random());
            if patience.until.is_some_and(|until| Instant::now() + wait >= until) {
                return Err(error);
            }
            sleep(wait).await;
            // The answer may have been lost behind a success.
            if to.store.has_blob(to.repository, &blob.digest).await? {
                return Ok(Moved::Streamed);
            }
        }
    }

    async fn stream(&self, blob: &Descriptor, from: Place<'_>, to: Place<'_>, session: Option<Url>) -> Result<(), Error> {
        let session = match (to.store.end(), session) {
            (End::Registry(_), Some(session)) => Some(session),
            (End::Registry(client), None) => Some(client.begin_upload(to.repository).await?),
            (End::Layout(_), _) => None,
        };
        let content = from.store.open_blob(from.repository, blob).await?;
        let (sender, sent) = watch::channel(0);
        let failure = Failure::default();
        let checked = Checked::new(blob, from.repository, content, sender, failure.clone()).pieces();
        let arrived = async {
            match (to.store.end(), session) {
                (End::Registry(client), Some(session)) => {
                    client.put_blob(to.repository, blob, session, Body::wrap_stream(checked), sent.clone()).await
                }
                (End::Layout(layout), _) => layout.put_blob(blob, checked).await,
                (End::Registry(_), None) => unreachable!("a registry has begun an upload"),
            }
        };
        let result = self.watch(blob, sent.clone(), arrived).await;
        // What stopped the source explains what the target says about it.
        match failure.take() {
            Some(error) => Err(error),
            None => result,
        }
    }

    async fn watch(
        &self,
        blob: &Descriptor,
        mut sent: watch::Receiver<u64>,
        arrived: impl Future<Output = Result<(), Error>>,
    ) -> Result<(), Error> {
        tokio::pin!(arrived);
        loop {
            tokio::select! {
                result = &mut arrived => return result,
                moved = sent.changed() => match moved {
                    Ok(()) => (self.progress)(blob, *sent.borrow_and_update()),
                    Err(_) => return arrived.await,
                },
            }
        }
    }
}

/// Why the source stopped, left for whoever reads the target's answer.
#[derive(Debug, Clone, Default)]
struct Failure(Arc<Mutex<Option<Error>>>);

impl Failure {
    fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What the target's side of a stream sees when the source fails; the error itself is in [`Failure`].
#[derive(Debug, thiserror::Error)]
#[error("couldn't go on reading the blob")]
pub(super) struct Stopped;

/// A blob's bytes with length and digest checked. The last piece is handed out only when the whole is right: a target that is told the
/// length never has a complete blob of wrong bytes.
struct Checked {
    content: Content,
    what: String,
    promised: Digest,
    size: u64,
    seen: u64,
    hasher: Option<Hasher>,
    sent: watch::Sender<u64>,
    failure: Failure,
}

impl Checked {
    fn new(blob: &Descriptor, repository: &Repository, content: Content, sent: watch::Sender<u64>, failure: Failure) -> Self {
        let what = format!("the blob {repository}@{}", blob.digest);
        let hasher = Some(Hasher::like(&blob.digest));
        Self { content, what, promised: blob.digest.clone(), size: blob.size, seen: 0, hasher, sent, failure }
    }

    fn pieces(self) -> impl Stream<Item = Result<Bytes, Stopped>> + Send + 'static {
        stream::try_unfold(self, |mut checked| async move {
            match checked.next().await {
                Ok(piece) => Ok(piece.map(|piece| (piece, checked))),
                Err(error) => {
                    *checked.failure.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    Err(Stopped)
                }
            }
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if self.hasher.is_none() {
            return Ok(None);
        }
        let piece = match self.size {
            0 => Bytes::new(),
            _ => match self.content.next().await.transpose()? {
                Some(piece) => piece,
                None => return Err(Error::Length { what: self.what.clone(), promised: self.size, got: self.seen }),
            },
        };
        self.seen += piece.len() as u64;
        if self.seen > self.size {
            return Err(Error::Length { what: self.what.clone(), promised: self.size, got: self.seen });
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&piece);
        }
        if self.seen == self.size
            && let Some(actual) = self.hasher.take().map(Hasher::finish)
            && actual != self.promised
        {
            return Err(Error::Content { what: self.what.clone(), promised: self.promised.clone(), actual });
        }
        self.sent.send_replace(self.seen);
        Ok(Some(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(promised: &[u8], size: u64) -> Descriptor {
        serde_json::from_value(serde_json::json!({"digest": Digest::sha256(promised), "size": size})).unwrap()
    }

    async fn pieces(blob: &Descriptor, pieces: &[&'static str]) -> (String, Option<String>) {
        let content = stream::iter(pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect::<Vec<_>>()).boxed();
        let repository = "r.example/a/b".parse::<crate::image::Reference>().unwrap().repository();
        let failure = Failure::default();
        let checked = Checked::new(blob, &repository, content, watch::channel(0).0, failure.clone());
        let passed: Vec<_> = checked.pieces().collect().await;
        let passed = passed.into_iter().filter_map(Result::ok).flat_map(|piece| piece.to_vec()).collect();
        let failure = failure.take().map(|error| error.to_string().replace(blob.digest.as_str(), "DIGEST"));
        (String::from_utf8(passed).unwrap(), failure)
    }

    #[tokio::test]
    async fn the_last_piece_is_held_back_until_the_whole_is_right() {
        assert_eq!(pieces(&blob(b"abcdef", 6), &["abc", "def"]).await, ("abcdef".into(), None));
        assert_eq!(pieces(&blob(b"", 0), &[]).await, (String::new(), None));
        let lie = pieces(&blob(b"abcdef", 6), &["abc", "xyz"]).await;
        insta::assert_snapshot!(format!("{lie:?}"), @r#"("abc", Some("couldn't trust the blob r.example/a/b@DIGEST: its content is sha256:f312795e322c87461a6f3c49e09897c59ca0d5a36245d2a00f08cbc66eee976d, but DIGEST was promised"))"#);
        let short = pieces(&blob(b"abcdef", 6), &["abc", "d"]).await;
        insta::assert_snapshot!(format!("{short:?}"), @r#"("abcd", Some("couldn't read the blob r.example/a/b@DIGEST: it has 4 bytes, but 6 were promised"))"#);
        let long = pieces(&blob(b"abcdef", 6), &["abc", "defg"]).await;
        insta::assert_snapshot!(format!("{long:?}"), @r#"("abc", Some("couldn't read the blob r.example/a/b@DIGEST: it has 7 bytes, but 6 were promised"))"#);
    }
}
