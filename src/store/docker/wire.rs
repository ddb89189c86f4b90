//! HTTP/1.1 to the daemon, over its socket; one connection a request.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;

use super::{Address, Error};

/// The largest answer that is read whole.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(60);
/// How long a push may go without a word: a registry can take minutes over the last bytes of a large layer.
const SILENCE: Duration = Duration::from_secs(600);

/// The way to one daemon.
#[derive(Debug)]
pub(super) struct Wire {
    address: Address,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl Answer {
    /// What the daemon gives as the reason (moby, `ErrorResponse`).
    pub(super) fn refused(&self, what: String) -> Error {
        #[derive(serde::Deserialize)]
        struct Body {
            message: String,
        }
        let said = serde_json::from_slice::<Body>(&self.body).map(|body| body.message);
        let said = said.unwrap_or_else(|_| String::from_utf8_lossy(&self.body).into_owned());
        let message = said.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(500).collect();
        Error::Refused { what, status: self.status, message }
    }
}

/// The body of an answer that comes bit by bit. The connection is closed when it is dropped.
pub(super) struct Stream {
    body: Incoming,
    daemon: String,
    _connection: Connection,
}

struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Stream {
    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let frame = tokio::time::timeout(SILENCE, self.body.frame()).await.map_err(|_| silent(&self.daemon, SILENCE))?;
            let broken = |source| Error::Broken { daemon: self.daemon.clone(), source };
            match frame.transpose().map_err(broken)?.map(hyper::body::Frame::into_data) {
                None => return Ok(None),
                Some(Ok(bytes)) => return Ok(Some(bytes)),
                // Trailers.
                Some(Err(_)) => {}
            }
        }
    }
}

impl Wire {
    pub(super) fn new(address: Address) -> Self {
        Self { address }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// One request without a body, and its whole answer.
    pub(super) async fn ask(&self, method: Method, path: &str) -> Result<Answer, Error> {
        let daemon = self.address.to_string();
        let answer = async {
            let (response, _connection) = self.send(method, path, None).await?;
            whole(response, &daemon, path).await
        };
        tokio::time::timeout(ANSWER, answer).await.map_err(|_| silent(&daemon, ANSWER))?
    }

    /// A push. An answer other than 200 is an error already.
    pub(super) async fn stream(&self, path: &str, login: HeaderValue, target: &str) -> Result<Stream, Error> {
        let daemon = self.address.to_string();
        let send = self.send(Method::POST, path, Some(login));
        let (response, connection) = tokio::time::timeout(SILENCE, send).await.map_err(|_| silent(&daemon, SILENCE))??;
        if response.status() == StatusCode::OK {
            return Ok(Stream { body: response.into_body(), daemon, _connection: connection });
        }
        let answer = tokio::time::timeout(ANSWER, whole(response, &daemon, path)).await.map_err(|_| silent(&daemon, ANSWER))??;
        Err(answer.refused(format!("push {target}")))
    }

    async fn send(&self, method: Method, path: &str, login: Option<HeaderValue>) -> Result<(http::Response<Incoming>, Connection), Error> {
        let daemon = self.address.to_string();
        let unreachable = |source| Error::Unreachable { daemon: daemon.clone(), source };
        let request = Request::builder().method(method).uri(path).header(header::HOST, "docker");
        let request = login.into_iter().fold(request, |request, login| request.header("X-Registry-Auth", login));
        let request = request.body(Empty::new()).map_err(|error| Error::Malformed { what: path.to_owned(), reason: error.to_string() })?;
        match &self.address {
            Address::Socket(path) => exchange(UnixStream::connect(path).await.map_err(unreachable)?, request, daemon).await,
            Address::Loopback(host, port) => {
                let host = host.trim_matches(['[', ']']);
                exchange(TcpStream::connect((host, *port)).await.map_err(unreachable)?, request, daemon).await
            }
        }
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    request: Request<Empty<Bytes>>,
    daemon: String,
) -> Result<(http::Response<Incoming>, Connection), Error> {
    let broken = |source| Error::Broken { daemon: daemon.clone(), source };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // What goes wrong with the connection is told to whoever waits for the answer.
    let connection = Connection(tokio::spawn(async { drop(connection.await) }));
    let response = sender.send_request(request).await.map_err(broken)?;
    Ok((response, connection))
}

async fn whole(response: http::Response<Incoming>, daemon: &str, path: &str) -> Result<Answer, Error> {
    let (parts, body) = response.into_parts();
    let collected = Limited::new(body, MAX_BYTES).collect().await.map_err(|error| match error.downcast::<hyper::Error>() {
        Ok(source) => Error::Broken { daemon: daemon.to_owned(), source: *source },
        Err(_) => Error::Malformed { what: path.to_owned(), reason: format!("it has more than {MAX_BYTES} bytes") },
    })?;
    Ok(Answer { status: parts.status, body: collected.to_bytes() })
}

fn silent(daemon: &str, within: Duration) -> Error {
    Error::Silent { daemon: daemon.to_owned(), seconds: within.as_secs() }
}

/// A name inside a path or query: only an IPv6 registry's brackets need anything done.
pub(super) fn escaped(name: &str) -> String {
    name.replace('[', "%5B").replace(']', "%5D")
}
