//! As much HTTP/1.1 as the testbed needs: message heads, bodies, one-shot requests, and a small server.
//! By hand, because a proxy that breaks messages on purpose needs to hold every byte. RFC 9112.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// Start line and header fields of a message.
#[derive(Clone, Debug, Default)]
pub struct Head {
    pub start: String,
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The next head, or nothing when the peer has closed the connection between two messages.
    pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Head>> {
        let mut line = String::new();
        while line.trim_end().is_empty() {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(None);
            }
        }
        let mut head = Head { start: line.trim_end().to_owned(), headers: Vec::new() };
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let field = line.trim_end();
            if field.is_empty() {
                return Ok(Some(head));
            }
            let (name, value) = field.split_once(':').ok_or_else(|| invalid(format!("no colon in {field:?}")))?;
            head.headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// The value of the first field of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Removes all fields of this name.
    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    /// Replaces all fields of this name by one.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.remove(name);
        self.headers.push((name.to_owned(), value.into()));
    }

    /// The bytes that go over the wire, with the empty line.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }

    /// The words of a request line: method and target.
    pub fn method_and_target(&self) -> io::Result<(&str, &str)> {
        let mut words = self.start.split(' ');
        match (words.next(), words.next()) {
            (Some(method), Some(target)) => Ok((method, target)),
            _ => Err(invalid(format!("no request line: {:?}", self.start))),
        }
    }

    /// The status code of a status line.
    pub fn status(&self) -> io::Result<u16> {
        let code = self.start.split(' ').nth(1).and_then(|code| code.parse().ok());
        code.ok_or_else(|| invalid(format!("no status line: {:?}", self.start)))
    }

    fn is(&self, name: &str, word: &str) -> bool {
        self.get(name).is_some_and(|value| value.to_ascii_lowercase().contains(word))
    }

    /// Whether the sender wants the connection to end after this message.
    pub fn closes(&self) -> bool {
        self.is("connection", "close") || (self.start.contains("HTTP/1.0") && !self.is("connection", "keep-alive"))
    }

    /// Whether the client waits for `100 Continue` before it sends the body.
    pub fn expects_continue(&self) -> bool {
        self.is("expect", "100-continue")
    }

    fn length(&self) -> Option<Framing> {
        if self.is("transfer-encoding", "chunked") {
            return Some(Framing::Chunked);
        }
        self.get("content-length").and_then(|n| n.parse().ok()).map(Framing::Length)
    }

    /// How the body of this request is framed.
    pub fn request_framing(&self) -> Framing {
        self.length().unwrap_or(Framing::Length(0))
    }

    /// How the body of this answer to a request with `method` is framed.
    pub fn response_framing(&self, method: &str) -> io::Result<Framing> {
        let status = self.status()?;
        if method == "HEAD" || status == 204 || status == 304 || status < 200 {
            return Ok(Framing::Length(0));
        }
        Ok(self.length().unwrap_or(Framing::UntilClose))
    }
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// Hands over a body piece by piece, without its chunk framing.
pub fn read_pieces(reader: &mut impl BufRead, framing: Framing, mut piece: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    match framing {
        Framing::Length(length) => copy_exactly(reader, length, &mut piece),
        Framing::UntilClose => loop {
            let bytes = match reader.fill_buf() {
                // A TLS peer that closes without close_notify.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                other => other?,
            };
            if bytes.is_empty() {
                return Ok(());
            }
            let n = bytes.len();
            piece(bytes)?;
            reader.consume(n);
        },
        Framing::Chunked => loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| invalid(format!("no chunk size: {line:?}")))?;
            copy_exactly(reader, size, &mut piece)?;
            if size > 0 {
                line.clear();
                reader.read_line(&mut line)?;
                continue;
            }
            // Trailers, which nobody here needs, up to the empty line.
            loop {
                line.clear();
                if reader.read_line(&mut line)? == 0 || line.trim_end().is_empty() {
                    return Ok(());
                }
            }
        },
    }
}

fn copy_exactly(reader: &mut impl BufRead, mut left: u64, piece: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    while left > 0 {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let n = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        piece(&bytes[..n])?;
        reader.consume(n);
        left -= n as u64;
    }
    Ok(())
}

/// A whole body.
pub fn read_body(reader: &mut impl BufRead, framing: Framing) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    read_pieces(reader, framing, |piece| {
        body.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(body)
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// A connection, plain or encrypted.
pub trait Connection: Read + Write + Send {}
impl<T: Read + Write + Send> Connection for T {}

/// How a server is reached.
#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    pub tls: Option<Arc<ClientConfig>>,
}

impl Upstream {
    /// Plain HTTP on a loopback port.
    pub fn plain(port: u16) -> Upstream {
        Upstream { address: (Ipv4Addr::LOCALHOST, port).into(), tls: None }
    }

    /// Opens a connection.
    pub fn connect(&self) -> io::Result<BufReader<Box<dyn Connection>>> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Connection> = match &self.tls {
            None => Box::new(stream),
            Some(config) => {
                let name = ServerName::from(self.address.ip());
                let session = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(session, stream))
            }
        };
        Ok(BufReader::new(stream))
    }

    /// One request on a connection of its own.
    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Reply> {
        let mut head = Head { start: format!("{method} {target} HTTP/1.1"), headers: Vec::new() };
        head.set("Host", self.address.to_string());
        head.set("Connection", "close");
        head.set("Content-Length", body.len().to_string());
        for (name, value) in headers {
            head.set(name, *value);
        }
        let mut connection = self.connect()?;
        connection.get_mut().write_all(&head.to_bytes())?;
        connection.get_mut().write_all(body)?;
        connection.get_mut().flush()?;
        let head = Head::read(&mut connection)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let body = read_body(&mut connection, head.response_framing(method)?)?;
        Ok(Reply { status: head.status()?, headers: head.headers, body })
    }
}

/// A whole request as a small server sees it.
pub struct Request {
    pub head: Head,
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    pub body: Vec<u8>,
}

impl Request {
    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// What follows the question mark.
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        Reply { status, headers: Vec::new(), body: body.into() }
    }

    pub fn json(status: u16, body: &serde_json::Value) -> Reply {
        Reply::new(status, body.to_string()).with("Content-Type", "application/json")
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Reply {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("the answer isn't JSON: {e}: {}", self.text()))
    }

    /// The head of this answer with the length of its body.
    pub fn head(&self) -> Head {
        let mut head = Head { start: format!("HTTP/1.1 {} Testbed", self.status), headers: self.headers.clone() };
        head.set("Content-Length", self.body.len().to_string());
        head
    }
}

/// A listener whose connections are each served by a thread, until it is dropped.
pub struct Listener {
    pub port: u16,
    stop: Arc<AtomicBool>,
}

impl Listener {
    /// Calls `serve` with every connection that comes in.
    pub fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Listener {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("couldn't listen on a loopback port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(stream) = stream {
                    let serve = serve.clone();
                    thread::spawn(move || serve(stream));
                }
            }
        });
        Listener { port, stop }
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// A small server: whole requests in, whole answers out.
pub fn serve(handle: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Listener {
    Listener::start(move |stream| {
        // A connection that breaks off is the client's business.
        let _ = serve_connection(&stream, &handle);
        let _ = stream.shutdown(Shutdown::Both);
    })
}

fn serve_connection(stream: &TcpStream, handle: &impl Fn(&Request) -> Reply) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some(head) = Head::read(&mut reader)? {
        if head.expects_continue() {
            writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body = read_body(&mut reader, head.request_framing())?;
        let (method, target) = head.method_and_target()?;
        let (method, target, closes) = (method.to_owned(), target.to_owned(), head.closes());
        let request = Request { head, method, target, body };
        let reply = handle(&request);
        let mut head = reply.head();
        if request.method == "HEAD"
            && let Some(length) = reply.get("content-length")
        {
            // That of the body which a GET would give.
            head.set("Content-Length", length);
        }
        let mut bytes = head.to_bytes();
        if request.method != "HEAD" {
            bytes.extend_from_slice(&reply.body);
        }
        writer.write_all(&bytes)?;
        if closes {
            return Ok(());
        }
    }
    Ok(())
}
