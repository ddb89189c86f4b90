//! Watching one kind in one namespace: everything that is there, then every change, over as many connections as it takes.

use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use futures::Stream;
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;
use tokio::time::Instant;

use super::error::Error;
use super::object::with_query;
use super::wire::Call;
use super::{Cluster, Endpoint};

/// The server is asked to end each connection after this; a fresh one resumes where it ended.
const CONNECTION: Duration = Duration::from_secs(240);
/// Bookmarks come about once a minute: a connection that is silent for longer leads nowhere.
const SILENCE: Duration = Duration::from_secs(100);

/// What a watch tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// The object is there, or has changed.
    Present(Value),
    Deleted(Value),
    /// The history was lost: all objects come again, and those that don't are gone.
    Restarted,
}

struct Watch {
    cluster: Cluster,
    endpoint: Endpoint,
    field_selector: Option<String>,
    /// Where to resume; `None` begins with everything that is there.
    version: Option<String>,
    lines: Option<Lines>,
    ended: bool,
    pace: Pace,
}

/// Keeps connections that end at once from being made anew without a pause.
struct Pace {
    connected: Instant,
    pause: Duration,
}

impl Pace {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);

    /// Called before each connection; the first one, and one after a long one, come at once.
    async fn keep(&mut self) {
        if self.connected.elapsed() > Self::LONGEST {
            self.pause = Duration::ZERO;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).clamp(Self::FIRST, Self::LONGEST);
        self.connected = Instant::now();
    }
}

impl Cluster {
    /// Watches without end, resuming after lost connections; ends after an error that repeating wouldn't change.
    ///
    /// One request begins it: without a resource version the server first sends what is there
    /// (<https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-watch>).
    pub fn watch(&self, endpoint: &Endpoint, field_selector: Option<String>) -> impl Stream<Item = Result<Seen, Error>> + Send + use<> {
        let watch = Watch {
            cluster: self.clone(),
            endpoint: endpoint.clone(),
            field_selector,
            version: None,
            lines: None,
            ended: false,
            pace: Pace { connected: Instant::now(), pause: Duration::ZERO },
        };
        futures::stream::unfold(watch, |mut watch| async move {
            if watch.ended {
                return None;
            }
            let seen = watch.next().await;
            watch.ended = seen.is_err();
            Some((seen, watch))
        })
    }
}

impl Watch {
    async fn next(&mut self) -> Result<Seen, Error> {
        loop {
            let Some(lines) = &mut self.lines else {
                if let Some(restarted) = self.connect().await? {
                    return Ok(restarted);
                }
                continue;
            };
            match tokio::time::timeout(SILENCE, lines.next()).await {
                Ok(Some(line)) => {
                    if let Some(seen) = self.read(&line)? {
                        return Ok(seen);
                    }
                }
                // Ended, broken or silent: all the same to a watch that resumes.
                Ok(None) | Err(_) => self.lines = None,
            }
        }
    }

    async fn connect(&mut self) -> Result<Option<Seen>, Error> {
        self.pace.keep().await;
        let seconds = CONNECTION.as_secs().to_string();
        let mut query = vec![("watch", "true"), ("allowWatchBookmarks", "true"), ("timeoutSeconds", seconds.as_str())];
        query.extend(self.version.as_deref().map(|version| ("resourceVersion", version)));
        query.extend(self.field_selector.as_deref().map(|selector| ("fieldSelector", selector)));
        let call = Call::get(with_query(&self.endpoint.path(), &query));
        match self.cluster.wire.stream(&call, self.cluster.deadline).await {
            Ok(body) => {
                self.lines = Some(Lines { body, buffer: BytesMut::new() });
                Ok(None)
            }
            Err(Error::Refused(refusal)) if refusal.status == 410 && self.version.is_some() => Ok(Some(self.restart())),
            Err(error) => Err(error),
        }
    }

    fn restart(&mut self) -> Seen {
        self.version = None;
        self.lines = None;
        Seen::Restarted
    }

    fn read(&mut self, line: &[u8]) -> Result<Option<Seen>, Error> {
        let malformed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Malformed {
            method: http::Method::GET,
            path: self.endpoint.path(),
            source,
        };
        let mut event: Value = serde_json::from_slice(line).map_err(|cause| malformed(cause.into()))?;
        let object = event["object"].take();
        if let Some(version) = object.pointer("/metadata/resourceVersion").and_then(Value::as_str) {
            self.version = Some(version.to_owned());
        }
        match event["type"].as_str() {
            Some("ADDED" | "MODIFIED") => Ok(Some(Seen::Present(object))),
            Some("DELETED") => Ok(Some(Seen::Deleted(object))),
            Some("BOOKMARK") => Ok(None),
            // The history is gone (410), or the server is in trouble: begin anew, where its answer will tell.
            Some("ERROR") => Ok(Some(self.restart())),
            other => Err(malformed(format!("a watch event of type {other:?}").into())),
        }
    }
}

/// A body as lines.
struct Lines {
    body: Body,
    buffer: BytesMut,
}

impl Lines {
    /// The next whole line; `None` at the end, and when the connection broke.
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end).to_vec();
                self.buffer.advance(1);
                return Some(line);
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}
