//! A proxy that clients ask for connections: by `CONNECT` (RFC 9110 §9.3.6) or as SOCKS version 5 (RFC 1928). Every name is known to it, and
//! leads to this machine.

use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::http1::{Head, Listener};

/// The first byte of a client that speaks SOCKS.
const SOCKS: u8 = 5;

/// A running proxy, stopped on drop.
pub struct Forward {
    listener: Listener,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Forward {
    pub fn start() -> Forward {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let note = move |line: String| log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        let listener = Listener::start(move |client| {
            // A connection that breaks off is the client's business.
            let _ = connect(&client, &note);
            let _ = client.shutdown(Shutdown::Both);
        });
        Forward { listener, asked }
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> String {
        self.listener.host()
    }

    /// What it was asked for, each once: `CONNECT host:port`, or with the user's name and password in front of the host.
    pub fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        asked.sort();
        asked.dedup();
        asked
    }
}

fn connect(client: &TcpStream, note: &impl Fn(String)) -> io::Result<()> {
    let mut first = [0];
    client.peek(&mut first)?;
    let mut reader = BufReader::new(client);
    let port = match first[0] {
        SOCKS => socks(&mut reader, client, note)?,
        _ => http(&mut reader, client, note)?,
    };
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
    let back = thread::spawn(move || {
        // The end of one direction ends the other.
        let _ = io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let _ = io::copy(&mut reader, &mut &server);
    let _ = server.shutdown(Shutdown::Both);
    let _ = back.join();
    Ok(())
}

fn http(reader: &mut BufReader<&TcpStream>, mut client: &TcpStream, note: &impl Fn(String)) -> io::Result<u16> {
    let head = Head::read(reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let (method, target) = head.method_and_target()?;
    let user = head.get("proxy-authorization").and_then(|value| STANDARD.decode(value.strip_prefix("Basic ")?).ok());
    let user = user.map(|user| String::from_utf8_lossy(&user).into_owned() + "@").unwrap_or_default();
    note(format!("{method} {user}{target}"));
    let port = target.rsplit(':').next().and_then(|port| port.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    Ok(port)
}

fn socks(reader: &mut BufReader<&TcpStream>, mut client: &TcpStream, note: &impl Fn(String)) -> io::Result<u16> {
    let mut bytes = |count: usize| -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        reader.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    let methods = bytes(2)?[1];
    bytes(methods.into())?;
    // No password is wanted.
    client.write_all(&[SOCKS, 0])?;
    let kind = bytes(4)?[3];
    let host = match kind {
        1 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes(4)?).expect("four bytes")).to_string(),
        3 => {
            let length = bytes(1)?[0];
            String::from_utf8_lossy(&bytes(length.into())?).into_owned()
        }
        _ => return Err(io::ErrorKind::Unsupported.into()),
    };
    let port = u16::from_be_bytes(bytes(2)?.try_into().expect("two bytes"));
    note(format!("SOCKS {host}:{port}"));
    client.write_all(&[SOCKS, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    Ok(port)
}
