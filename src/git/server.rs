//! The far end of a fetch or a push: over HTTP each message is a request, over SSH they follow each other.

use std::io::{Read, Write as _};
use std::sync::Arc;

use super::exchange::{Exchange, Service};
use super::session::Session;
use super::ssh::Channel;
use super::{Error, Remote};

/// What is read of a greeting or of a report at most; lists of references are the longest.
const LIMIT: u64 = 64 << 20;

pub(super) enum Server {
    Http { session: Arc<Session>, url: String, service: Service },
    Ssh(Box<Channel>),
}

impl Server {
    /// Reaches a service and reads what it says of itself: what it is able to do, and in old versions all its references.
    pub(super) fn call(session: &Arc<Session>, remote: &Remote, service: Service) -> Result<(Self, Vec<u8>), Error> {
        if let Remote::Ssh(_) = remote {
            let mut channel = Box::new(Channel::open(session, service)?);
            let greeting = channel.greeting(usize::try_from(LIMIT).unwrap_or(usize::MAX)).map_err(|_| lost(remote.to_string()))?;
            return Ok((Self::Ssh(channel), greeting));
        }
        let url = remote.to_string();
        let greeting = whole(Exchange::new(session, &url, service, None), &url)?;
        Ok((Self::again(session, session.address(&url), service), greeting))
    }

    /// A service that was called before, at the address where it was found then: over HTTP a server knows nothing of earlier requests.
    pub(super) fn again(session: &Arc<Session>, url: String, service: Service) -> Self {
        Self::Http { session: Arc::clone(session), url, service }
    }

    /// Where to call it again; over SSH nothing is left of a call.
    pub(super) fn address(&self) -> Option<&str> {
        match self {
            Self::Http { url, .. } => Some(url),
            Self::Ssh(_) => None,
        }
    }

    /// Asks for something; the answer is a stream.
    pub(super) fn ask(&mut self, request: Vec<u8>) -> Result<Box<dyn Read + '_>, Error> {
        match self {
            Self::Http { session, url, service } => Ok(Box::new(Exchange::new(session, url, *service, Some(request)))),
            Self::Ssh(channel) => {
                channel.write_all(&request).map_err(|_| lost(String::new()))?;
                Ok(Box::new(channel.as_mut()))
            }
        }
    }

    /// Sends the last request, whose effect is not known until it is answered.
    pub(super) fn push(&mut self, request: Vec<u8>) -> Result<Vec<u8>, Error> {
        match self {
            Self::Http { session, url, service } => whole(Exchange::new(session, url, *service, Some(request)), url),
            Self::Ssh(channel) => channel.ask(&request, LIMIT).map_err(|_| lost(String::new())),
        }
    }
}

fn whole(exchange: Exchange, url: &str) -> Result<Vec<u8>, Error> {
    let mut answer = Vec::new();
    exchange.take(LIMIT).read_to_end(&mut answer).map_err(|_| lost(url.to_owned()))?;
    Ok(answer)
}

/// The session keeps the reason of a failure, and tells it in place of this error.
fn lost(remote: String) -> Error {
    Error::Aborted { remote }
}
