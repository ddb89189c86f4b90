//! A reverse proxy that records every request, delays it, and breaks it by rule.
//!
//! It speaks HTTP/1.1, plain or over TLS, on either side. Each client connection has its own
//! connection to the server, so keep-alive, parallel requests and long watches work as without it. Upgraded
//! connections (`kubectl exec`, `port-forward`) don't.

use std::collections::HashMap;
use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::SockRef;

use super::http1::{Connection, Framing, Head, Listener, Reply, Upstream, read_body, read_pieces};

/// What a request said about who sends it; never the secret itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorization {
    None,
    Basic,
    Bearer,
    Other,
}

/// A request that came through the proxy, and what became of it.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    pub authorization: Authorization,
    /// All header fields but `Authorization`.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Status that the client got; nothing while it waits, or when the connection was broken first.
    pub status: Option<u16>,
    /// Bytes of the answer's body that the client got.
    pub received: u64,
    pub started: Instant,
    /// When the last byte of the answer was sent.
    pub finished: Option<Instant>,
}

impl Recorded {
    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// `METHOD target`, for snapshots.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// What goes wrong with a request.
#[derive(Clone)]
pub enum Fault {
    /// The server isn't asked; the client gets this.
    Reply(Reply),
    /// The server isn't asked; the connection is reset.
    Reset,
    /// The server does what was asked; the connection is reset before the client hears of it.
    LoseAnswer,
    /// The body of the answer ends after so many bytes, and so does the connection.
    Truncate(u64),
    /// The body of the answer comes in pieces of so many bytes, with a pause before each.
    Drip(usize, Duration),
    /// The server is asked so much later.
    Delay(Duration),
    /// The server is asked something else: path and query are replaced.
    Retarget(Arc<dyn Fn(&str) -> String + Send + Sync>),
    /// The answer is changed on its way: a server that lies.
    Tamper(Arc<dyn Fn(&mut Reply) + Send + Sync>),
}

impl Fault {
    /// An answer of the proxy's own.
    pub fn reply(status: u16, body: &str) -> Fault {
        Fault::Reply(Reply::new(status, body))
    }

    /// Changes path and query of the request on its way.
    pub fn retarget(change: impl Fn(&str) -> String + Send + Sync + 'static) -> Fault {
        Fault::Retarget(Arc::new(change))
    }

    /// Changes the whole answer on its way.
    pub fn tamper(change: impl Fn(&mut Reply) + Send + Sync + 'static) -> Fault {
        Fault::Tamper(Arc::new(change))
    }
}

/// The first byte of a connection with TLS (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 22;

type Matcher = Box<dyn Fn(&Recorded) -> bool + Send>;

struct Rule {
    matches: Matcher,
    /// The matching requests that are hit, counted from 1.
    hits: std::ops::RangeInclusive<usize>,
    seen: usize,
    fault: Fault,
}

/// A rule being written: which requests, how many of them, what happens.
pub struct RuleBuilder<'a> {
    state: &'a State,
    matches: Matcher,
    hits: std::ops::RangeInclusive<usize>,
}

impl RuleBuilder<'_> {
    /// Only the nth matching request, counted from 1.
    #[must_use]
    pub fn nth(mut self, n: usize) -> Self {
        self.hits = n..=n;
        self
    }

    /// Only the first n matching requests.
    #[must_use]
    pub fn first(mut self, n: usize) -> Self {
        self.hits = 1..=n;
        self
    }

    /// What happens to them. A request is hit by the first rule that applies to it.
    pub fn fault(self, fault: Fault) {
        let rule = Rule { matches: self.matches, hits: self.hits, seen: 0, fault };
        lock(&self.state.rules).push(rule);
    }
}

#[derive(Default)]
struct State {
    requests: Mutex<Vec<Recorded>>,
    rules: Mutex<Vec<Rule>>,
    delay: Mutex<Duration>,
    clients: Mutex<HashMap<SocketAddr, TcpStream>>,
}

/// A running proxy, stopped on drop.
pub struct Proxy {
    listener: Listener,
    state: Arc<State>,
    scheme: &'static str,
}

impl Proxy {
    /// In front of a server; plain HTTP towards the client.
    pub fn in_front_of(upstream: Upstream) -> Proxy {
        Proxy::start(upstream, None)
    }

    /// In front of a server; TLS towards the client.
    pub fn with_tls(upstream: Upstream, tls: Arc<ServerConfig>) -> Proxy {
        Proxy::start(upstream, Some(tls))
    }

    fn start(upstream: Upstream, tls: Option<Arc<ServerConfig>>) -> Proxy {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let state = Arc::new(State::default());
        let shared = state.clone();
        let listener = Listener::start(move |client| {
            let peer = client.peer_addr().ok();
            if let (Some(peer), Ok(clone)) = (peer, client.try_clone()) {
                lock(&shared.clients).insert(peer, clone);
            }
            // A connection that breaks off is recorded with its request.
            let end = accept(&client, tls.as_ref()).and_then(|connection| {
                Session { client: connection, raw: &client, state: &shared, upstream: &upstream, server: None }.run()
            });
            if !matches!(end, Ok(Next::Reset)) {
                let _ = client.shutdown(Shutdown::Both);
            }
            // A reset is sent when the last handle of the socket is closed.
            if let Some(peer) = peer {
                lock(&shared.clients).remove(&peer);
            }
        });
        Proxy { listener, state, scheme }
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> String {
        self.listener.host()
    }

    /// `http://127.0.0.1:PORT`, or `https:`
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.host())
    }

    /// Every request so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.state.requests).clone()
    }

    /// Every request after the first `n`: `let n = proxy.requests().len()` marks a moment.
    pub fn requests_since(&self, n: usize) -> Vec<Recorded> {
        lock(&self.state.requests)[n..].to_vec()
    }

    /// The most requests that were under way at one moment.
    pub fn most_at_once(&self) -> usize {
        let requests = self.requests();
        let under_way =
            |at: Instant| requests.iter().filter(|r| r.started <= at && r.finished.is_none_or(|finished| finished > at)).count();
        requests.iter().map(|r| under_way(r.started)).max().unwrap_or(0)
    }

    /// Delays every request from now on.
    pub fn delay(&self, delay: Duration) {
        *lock(&self.state.delay) = delay;
    }

    /// Begins a rule for the requests that `matches` says yes to: all of them unless narrowed.
    #[must_use]
    pub fn on(&self, matches: impl Fn(&Recorded) -> bool + Send + 'static) -> RuleBuilder<'_> {
        RuleBuilder { state: &self.state, matches: Box::new(matches), hits: 1..=usize::MAX }
    }

    /// Drops all rules and delays.
    pub fn heal(&self) {
        lock(&self.state.rules).clear();
        self.delay(Duration::ZERO);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        for (_, client) in lock(&self.state.clients).drain() {
            // Already closed by the client: nothing to do.
            let _ = client.shutdown(Shutdown::Both);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

type Peer = BufReader<Box<dyn Connection>>;

fn accept(client: &TcpStream, tls: Option<&Arc<ServerConfig>>) -> io::Result<Peer> {
    client.set_nodelay(true)?;
    let stream = client.try_clone()?;
    Ok(BufReader::new(match tls {
        None => Box::new(stream),
        Some(config) => {
            let session = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
            Box::new(StreamOwned::new(session, stream))
        }
    }))
}

/// One client connection and its connection to the server.
struct Session<'a> {
    client: Peer,
    /// The socket under `client`.
    raw: &'a TcpStream,
    state: &'a State,
    upstream: &'a Upstream,
    /// The open connection to the server, between two requests.
    server: Option<Peer>,
}

/// Whether the client connection goes on.
enum Next {
    Request,
    Close,
    Reset,
}

impl Session<'_> {
    fn run(mut self) -> io::Result<Next> {
        if io::BufRead::fill_buf(&mut self.client)?.first() == Some(&TLS_HANDSHAKE) {
            // As Go's servers do: a client that tries TLS first then knows at once that there is none.
            self.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")?;
            return Ok(Next::Close);
        }
        while let Some(head) = Head::read(&mut self.client)? {
            if head.expects_continue() {
                self.send(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            }
            let body = read_body(&mut self.client, head.request_framing())?;
            let id = self.record(&head, &body)?;
            let outcome = self.answer(&head, &body, id);
            self.note(id, |request| {
                request.finished.get_or_insert_with(Instant::now);
            });
            match outcome? {
                Next::Request if !head.closes() => {}
                Next::Request => return Ok(Next::Close),
                end => return Ok(end),
            }
        }
        Ok(Next::Close)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.client.get_mut().write_all(bytes)?;
        self.client.get_mut().flush()
    }

    /// Writes down what becomes of a request – before the client can know, so that a test that has its answer finds
    /// it written down.
    fn note(&self, id: usize, note: impl FnOnce(&mut Recorded)) {
        note(&mut lock(&self.state.requests)[id]);
    }

    fn record(&self, head: &Head, body: &[u8]) -> io::Result<usize> {
        let (method, target) = head.method_and_target()?;
        let mut shown = head.clone();
        shown.remove("authorization");
        let recorded = Recorded {
            method: method.to_owned(),
            target: target.to_owned(),
            authorization: authorization(head),
            headers: shown.headers,
            body: body.to_vec(),
            status: None,
            received: 0,
            started: Instant::now(),
            finished: None,
        };
        let mut requests = lock(&self.state.requests);
        requests.push(recorded);
        Ok(requests.len() - 1)
    }

    fn fault_for(&self, id: usize) -> Option<Fault> {
        let request = lock(&self.state.requests)[id].clone();
        let mut rules = lock(&self.state.rules);
        for rule in rules.iter_mut().filter(|rule| (rule.matches)(&request)) {
            rule.seen += 1;
            if rule.hits.contains(&rule.seen) {
                return Some(rule.fault.clone());
            }
        }
        None
    }

    fn answer(&mut self, head: &Head, body: &[u8], id: usize) -> io::Result<Next> {
        let fault = self.fault_for(id);
        let mut delay = *lock(&self.state.delay);
        if let Some(Fault::Delay(more)) = fault {
            delay += more;
        }
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        match &fault {
            Some(Fault::Reply(reply)) => return self.send_reply(head, reply, id),
            Some(Fault::Reset) => return self.reset(),
            _ => {}
        }
        let (method, target) = head.method_and_target()?;
        let mut server = match &fault {
            Some(Fault::Retarget(change)) => {
                let start = format!("{method} {} HTTP/1.1", change(target));
                self.forward(&Head { start, headers: head.headers.clone() }, body)?
            }
            _ => self.forward(head, body)?,
        };
        let reply = match Head::read(&mut server)? {
            Some(reply) => reply,
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        let framing = reply.response_framing(method)?;
        let reusable = framing != Framing::UntilClose && !reply.closes();
        let next = match fault {
            Some(Fault::LoseAnswer) => {
                read_body(&mut server, framing)?;
                return self.reset();
            }
            Some(Fault::Tamper(change)) => {
                let body = read_body(&mut server, framing)?;
                let mut reply = Reply { status: reply.status()?, headers: reply.headers, body };
                reply.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("transfer-encoding"));
                change(&mut reply);
                self.send_reply(head, &reply, id)?
            }
            Some(Fault::Truncate(bytes)) => self.pass_on(&mut server, &reply, framing, &mut Pace::Truncate(bytes), id)?,
            Some(Fault::Drip(bytes, pause)) => self.pass_on(&mut server, &reply, framing, &mut Pace::Drip(bytes.max(1), pause), id)?,
            _ => self.pass_on(&mut server, &reply, framing, &mut Pace::Straight, id)?,
        };
        if reusable {
            self.server = Some(server);
        }
        Ok(next)
    }

    /// Sends the request to the server: on the open connection, or on a new one when that has gone stale.
    fn forward(&mut self, head: &Head, body: &[u8]) -> io::Result<Peer> {
        let mut forwarded = head.clone();
        for name in ["connection", "keep-alive", "transfer-encoding", "expect"] {
            forwarded.remove(name);
        }
        let (method, _) = head.method_and_target()?;
        if !body.is_empty() || !matches!(method, "GET" | "HEAD") {
            forwarded.set("Content-Length", body.len().to_string());
        }
        let mut bytes = forwarded.to_bytes();
        bytes.extend_from_slice(body);
        let send = |server: &mut Peer| -> io::Result<()> {
            server.get_mut().write_all(&bytes)?;
            server.get_mut().flush()?;
            // The first byte of the answer tells a living connection from one that the server has closed.
            match io::BufRead::fill_buf(server)?.is_empty() {
                true => Err(io::ErrorKind::UnexpectedEof.into()),
                false => Ok(()),
            }
        };
        if let Some(mut server) = self.server.take()
            && send(&mut server).is_ok()
        {
            return Ok(server);
        }
        let mut server = self.upstream.connect()?;
        send(&mut server)?;
        Ok(server)
    }

    fn send_reply(&mut self, head: &Head, reply: &Reply, id: usize) -> io::Result<Next> {
        let (method, _) = head.method_and_target()?;
        let mut reply_head = reply.head();
        if method == "HEAD"
            && let Some(length) = reply.get("content-length")
        {
            reply_head.set("Content-Length", length);
        }
        let mut bytes = reply_head.to_bytes();
        if method != "HEAD" {
            bytes.extend_from_slice(&reply.body);
        }
        self.note(id, |request| {
            request.status = Some(reply.status);
            request.received = reply.body.len() as u64;
            request.finished = Some(Instant::now());
        });
        self.send(&bytes)?;
        Ok(Next::Request)
    }

    fn pass_on(&mut self, server: &mut Peer, reply: &Head, framing: Framing, pace: &mut Pace, id: usize) -> io::Result<Next> {
        let mut head = reply.clone();
        head.remove("connection");
        if framing == Framing::UntilClose {
            head.set("Connection", "close");
        }
        let status = reply.status()?;
        self.note(id, |request| {
            request.status = Some(status);
            request.finished = (framing == Framing::Length(0)).then(Instant::now);
        });
        self.send(&head.to_bytes())?;
        let chunked = framing == Framing::Chunked;
        let mut send = |bytes: &[u8]| -> io::Result<()> {
            self.note(id, |request| {
                request.received += bytes.len() as u64;
                request.finished = (framing == Framing::Length(request.received)).then(Instant::now);
            });
            match chunked {
                true => self.send(&[format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat())?,
                false => self.send(bytes)?,
            }
            Ok(())
        };
        read_pieces(server, framing, |piece| match pace {
            Pace::Straight => send(piece),
            Pace::Drip(bytes, pause) => piece.chunks(*bytes).try_for_each(|bytes| {
                thread::sleep(*pause);
                send(bytes)
            }),
            Pace::Truncate(left) => {
                let n = piece.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                if n > 0 {
                    send(&piece[..n])?;
                }
                *left -= n as u64;
                match *left {
                    0 => Err(io::Error::other("truncated by rule")),
                    _ => Ok(()),
                }
            }
        })?;
        if chunked {
            self.note(id, |request| request.finished = Some(Instant::now()));
            self.send(b"0\r\n\r\n")?;
        }
        match framing {
            Framing::UntilClose => Ok(Next::Close),
            _ => Ok(Next::Request),
        }
    }

    /// Makes the closing of the connection a reset, not an orderly end: a socket with linger zero sends RST.
    fn reset(&self) -> io::Result<Next> {
        SockRef::from(self.raw).set_linger(Some(Duration::ZERO))?;
        Ok(Next::Reset)
    }
}

enum Pace {
    Straight,
    Truncate(u64),
    Drip(usize, Duration),
}

fn authorization(head: &Head) -> Authorization {
    match head.get("authorization") {
        None => Authorization::None,
        Some(value) if value.starts_with("Basic ") => Authorization::Basic,
        Some(value) if value.starts_with("Bearer ") => Authorization::Bearer,
        Some(_) => Authorization::Other,
    }
}
