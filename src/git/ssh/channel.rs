use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use russh::client::{self, AuthResult, Handle, Msg};
use russh::keys::{HashAlg, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{ChannelMsg, Disconnect, Preferred};

use super::super::exchange::Service;
use super::super::session::{Session, printable};
use super::super::{Error, Key};
use super::known_hosts::{KnownHosts, Verdict};
use super::{Login, SshAddress};

/// How much is kept of what a server tells people.
const TEXT_LIMIT: usize = 8_000;

/// Checks the server's key while the connection is made.
struct Host {
    session: Arc<Session>,
    address: SshAddress,
    known: KnownHosts,
}

impl client::Handler for Host {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let host = self.address.known_as();
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        let verdict = self.known.check(&host, key);
        if verdict == Verdict::Known {
            return Ok(true);
        }
        let key = format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256));
        self.session.note(match verdict {
            Verdict::Revoked => Error::HostKeyRevoked { host, key },
            Verdict::Different => Error::HostKeyDifferent { host, key },
            Verdict::Known | Verdict::Unknown => Error::HostUnknown { host, key },
        });
        Ok(false)
    }
}

/// A command on a server with its input and output, on a connection of its own.
pub(in super::super) struct Channel {
    session: Arc<Session>,
    remote: String,
    /// Keeps the connection; when it goes, the connection ends.
    connection: Handle<Host>,
    channel: russh::Channel<Msg>,
    chunk: Bytes,
    has_answered: bool,
    /// From here on the server may have done what it was asked.
    has_sent: bool,
    said: Vec<u8>,
}

impl Channel {
    /// Connects, checks the server, logs in, and starts `service` for the session's repository.
    pub(in super::super) fn open(session: &Arc<Session>, service: Service) -> Result<Self, Error> {
        let (address, login) = session.ssh().ok_or_else(|| Error::Aborted { remote: service.name().to_owned() })?;
        let remote = address.to_string();
        let key = login.key.clone().ok_or_else(|| Error::NoSshKey { remote: remote.clone() })?;
        let opened = session.bounded("log in to", &remote, connect(session, &address, &login, key, service))?;
        let (connection, channel) = opened?;
        let chunk = Bytes::new();
        Ok(Self {
            session: Arc::clone(session),
            remote,
            connection,
            channel,
            chunk,
            has_answered: false,
            has_sent: false,
            said: Vec::new(),
        })
    }

    /// What a server sends of itself, up to the first flush packet.
    pub(in super::super) fn greeting(&mut self, limit: usize) -> io::Result<Vec<u8>> {
        let mut listing = Vec::new();
        while listing.len() < limit {
            let from = listing.len();
            listing.resize(from + 4, 0);
            self.read_exact(&mut listing[from..])?;
            let length = std::str::from_utf8(&listing[from..]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
            match length {
                Some(0) => break,
                Some(length @ 4..) => {
                    listing.resize(from + length, 0);
                    self.read_exact(&mut listing[from + 4..])?;
                }
                _ => return Err(self.session.note(Error::NotGit { url: self.remote.clone() })),
            }
        }
        Ok(listing)
    }

    /// Sends a request whose effect is not known until it is answered, and reads the answer to its end.
    pub(in super::super) fn ask(&mut self, request: &[u8], limit: u64) -> io::Result<Vec<u8>> {
        self.has_sent = true;
        self.write_all(request)?;
        let ended = self.session.bounded(self.doing(), &self.remote, self.channel.eof());
        self.told(ended)?;
        let mut answer = Vec::new();
        self.take(limit).read_to_end(&mut answer)?;
        Ok(answer)
    }

    fn doing(&self) -> &'static str {
        if self.has_sent { "push to" } else { "read" }
    }

    fn told<T>(&self, result: Result<Result<T, russh::Error>, Error>) -> io::Result<T> {
        let lost = |source| Error::SshLost { method: self.doing(), remote: self.remote.clone(), source: Box::new(source) };
        result.and_then(|result| result.map_err(lost)).map_err(|error| self.session.note(error))
    }

    /// Waits for output; `false` at its end.
    fn fill(&mut self) -> io::Result<bool> {
        let (session, remote, doing) = (Arc::clone(&self.session), self.remote.clone(), self.doing());
        while self.chunk.is_empty() {
            let message = session.bounded(doing, &remote, self.channel.wait()).map_err(|error| session.note(error))?;
            match message {
                Some(ChannelMsg::Data { data }) => self.chunk = data,
                Some(ChannelMsg::ExtendedData { data, ext: 1 }) if self.said.len() < TEXT_LIMIT => self.said.extend_from_slice(&data),
                None | Some(ChannelMsg::Close) if self.has_answered => return Ok(false),
                None | Some(ChannelMsg::Close) => {
                    let text = printable(&self.said);
                    return Err(session.note(Error::SshRefused { remote, text }));
                }
                Some(_) => {}
            }
        }
        self.has_answered = true;
        Ok(true)
    }
}

async fn connect(
    session: &Arc<Session>,
    address: &SshAddress,
    login: &Login,
    key: Key,
    service: Service,
) -> Result<(Handle<Host>, russh::Channel<Msg>), Error> {
    let remote = address.to_string();
    let fail = |source| Error::SshLost { method: "connect to", remote: remote.clone(), source: Box::new(source) };
    let host = Host { session: Arc::clone(session), address: address.clone(), known: login.known_hosts.clone() };
    let mut config = client::Config { nodelay: true, ..Default::default() };
    let known = login.known_hosts.algorithms(&address.known_as());
    if !known.is_empty() {
        config.preferred = Preferred { key: Cow::Owned(known), ..Preferred::DEFAULT };
    }
    let mut connection = client::connect(Arc::new(config), (address.host.as_str(), address.port), host).await.map_err(fail)?;
    let key = PrivateKeyWithHashAlg::new(key.private(), None);
    match connection.authenticate_publickey(&address.user, key).await.map_err(fail)? {
        AuthResult::Success => {}
        AuthResult::Failure { .. } => return Err(Error::SshKeyRefused { remote }),
    }
    let channel = connection.channel_open_session().await.map_err(fail)?;
    if let Some(version) = service.version() {
        // A server that takes no such variable speaks the older version.
        channel.set_env(false, "GIT_PROTOCOL", version).await.map_err(fail)?;
    }
    channel.exec(true, address.command(service.name())).await.map_err(fail)?;
    Ok((connection, channel))
}

impl Read for Channel {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if !self.fill()? {
            return Ok(0);
        }
        let part = self.chunk.split_to(self.chunk.len().min(out.len()));
        out[..part.len()].copy_from_slice(&part);
        Ok(part.len())
    }
}

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.session.bounded(self.doing(), &self.remote, self.channel.data(bytes));
        self.told(sent)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // The server is told when it still listens; nothing depends on it.
        let _ = self.session.bounded("leave", &self.remote, self.connection.disconnect(Disconnect::ByApplication, "", ""));
    }
}
