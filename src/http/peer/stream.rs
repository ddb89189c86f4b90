//! Bodies too large for memory: answers that are read piece by piece, requests whose body is a stream.

use bytes::Bytes;
use futures::stream::{self, Stream};
use http::{HeaderMap, Method};
use reqwest::{Client, Request, Response};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use super::{Answer, MAX_REDIRECTS, Patience, Peer, SendError, read, read_start, redacted, redirect, transport};

/// An answer to [`Peer::open`].
#[derive(Debug)]
pub enum Opened {
    /// A success, of which the body is still to come.
    Body(Box<Incoming>),
    /// Anything else.
    Other(Box<Answer>),
}

/// The body of an answer, which still occupies its place among the server's concurrent requests.
#[derive(Debug)]
pub struct Incoming {
    response: Response,
    method: Method,
    url: Url,
    patience: Patience,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Incoming {
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The body's length in bytes, where the server tells it.
    pub fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The body, piece by piece; it ends after the first error. Standing still is one, and so is the end of the time for all requests.
    pub fn pieces(self) -> impl Stream<Item = Result<Bytes, SendError>> + Send + 'static {
        stream::try_unfold(self, |mut body| async move {
            let piece = body.next().await?;
            Ok(piece.map(|piece| (piece, body)))
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, SendError> {
        let Patience { idle, until, .. } = self.patience;
        let still = Instant::now() + idle;
        match timeout_at(until.map_or(still, |until| until.min(still)), self.response.chunk()).await {
            Ok(piece) => piece.map_err(|source| transport(&self.method, &self.url, source)),
            Err(_) => {
                let (method, url) = (self.method.clone(), redacted(&self.url));
                match until.is_some_and(|until| until <= still) {
                    true => Err(SendError::OutOfTime { method, url }),
                    false => Err(SendError::Stalled { method, url, idle }),
                }
            }
        }
    }
}

impl Peer {
    /// Sends a request for something large, once, and follows redirects as [`Peer::send`] does. Whoever reads the body begins anew
    /// when it breaks off, so nothing is repeated here.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn open(&self, mut request: Request) -> Result<Opened, SendError> {
        let deadline = self.deadline();
        for _ in 0..=MAX_REDIRECTS {
            let opened = timeout_at(deadline, self.begin(&request)).await.map_err(|_| self.timed_out(&request, deadline))??;
            let Opened::Other(answer) = opened else { return Ok(opened) };
            match redirect(&request, &answer)? {
                None => return Ok(Opened::Other(answer)),
                Some(next) => request = next,
            }
        }
        Err(SendError::Redirect { method: request.method().clone(), url: redacted(request.url()), reason: "it goes in circles" })
    }

    async fn begin(&self, request: &Request) -> Result<Opened, SendError> {
        let (method, url) = (request.method().clone(), request.url().clone());
        let Some(copy) = request.try_clone() else {
            return Err(SendError::Redirect { method, url: redacted(&url), reason: "its body is a stream that can't be sent twice" });
        };
        // The semaphore is never closed.
        let permit = self.permits.clone().acquire_owned().await.ok();
        self.count(&method);
        let response = self.client.execute(copy).await.map_err(|source| transport(&method, &url, source))?;
        if response.status().is_success() {
            return Ok(Opened::Body(Box::new(Incoming { response, method, url, patience: self.patience.clone(), _permit: permit })));
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_start(response, &method, &url).await?;
        Ok(Opened::Other(Box::new(Answer { method, url, status, headers, body })))
    }

    /// Sends a request whose body is a stream, once, by a client that doesn't time it. `sent` tells how far the body is; when it
    /// stands still for too long, so does the connection. The answer may have `limit` bytes.
    ///
    /// # Errors
    /// When no answer comes, also before the time for all requests is over, or one that is too large.
    pub async fn upload(&self, client: &Client, request: Request, sent: watch::Receiver<u64>, limit: usize) -> Result<Answer, SendError> {
        let (method, url) = (request.method().clone(), redacted(request.url()));
        let answer = self.send_stream(client, request, sent, limit);
        match self.patience.until {
            Some(until) => timeout_at(until, answer).await.unwrap_or(Err(SendError::OutOfTime { method, url })),
            None => answer.await,
        }
    }

    async fn send_stream(
        &self,
        client: &Client,
        request: Request,
        mut sent: watch::Receiver<u64>,
        limit: usize,
    ) -> Result<Answer, SendError> {
        let idle = self.patience.idle;
        let (method, url) = (request.method().clone(), request.url().clone());
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        self.count(&method);
        let answer = async {
            let response = client.execute(request).await.map_err(|source| transport(&method, &url, source))?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = match status.is_success() {
                true => read(response, limit, &method, &url).await?,
                false => read_start(response, &method, &url).await?,
            };
            Ok(Answer { method: method.clone(), url: url.clone(), status, headers, body })
        };
        tokio::pin!(answer);
        loop {
            tokio::select! {
                answer = &mut answer => return answer,
                moved = sent.changed() => if moved.is_err() {
                    // All of it is sent: the server may still take its time to store it.
                    let waited = tokio::time::timeout(idle, &mut answer).await;
                    return waited.unwrap_or_else(|_| Err(SendError::Stalled { method: method.clone(), url: redacted(&url), idle }));
                },
                () = sleep(idle) => return Err(SendError::Stalled { method: method.clone(), url: redacted(&url), idle }),
            }
        }
    }
}
