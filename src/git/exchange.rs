//! The requests of git's smart HTTP protocol (gitprotocol-http(5)); their answers are streams.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use reqwest::Response;

use super::Error;
use super::session::Session;

/// A program on the server's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Serves fetches.
    UploadPack,
    /// Serves pushes.
    ReceivePack,
}

impl Service {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }

    /// Servers speak this version with those that name it, and an older one when they don't know it. There is no second version of pushes.
    pub(super) fn version(self) -> Option<&'static str> {
        (self == Self::UploadPack).then_some("version=2")
    }
}

/// One request and its answer: the first read sends it. The answer is streamed.
pub(super) struct Exchange {
    session: Arc<Session>,
    repository: String,
    service: Service,
    /// Nothing asks for the server's greeting.
    request: Option<Bytes>,
    response: Option<Response>,
    chunk: Bytes,
}

impl Exchange {
    pub(super) fn new(session: &Arc<Session>, repository: &str, service: Service, request: Option<Vec<u8>>) -> Self {
        let (session, repository, request) = (Arc::clone(session), repository.to_owned(), request.map(Bytes::from));
        Self { session, repository, service, request, response: None, chunk: Bytes::new() }
    }

    /// Sends the request and looks at the answer's status only.
    pub(super) fn status(&self) -> Result<(), Error> {
        self.session.send(&self.repository, self).map(drop)
    }

    pub(super) fn request(&self) -> Option<Bytes> {
        self.request.clone()
    }

    pub(super) fn service(&self) -> Service {
        self.service
    }

    pub(super) fn method(&self) -> &'static str {
        if self.request.is_some() { "POST" } else { "GET" }
    }

    pub(super) fn suffix(&self) -> String {
        match self.request {
            None => format!("/info/refs?service={}", self.service.name()),
            Some(_) => format!("/{}", self.service.name()),
        }
    }

    pub(super) fn content_type(&self) -> String {
        let kind = if self.request.is_some() { "result" } else { "advertisement" };
        format!("application/x-{}-{kind}", self.service.name())
    }

    fn fill(&mut self) -> Result<(), Error> {
        if self.response.is_none() {
            self.response = Some(self.session.send(&self.repository, self)?);
        }
        let (session, method) = (Arc::clone(&self.session), self.method());
        while self.chunk.is_empty() {
            let Some(response) = &mut self.response else { break };
            let url = response.url().clone();
            match session.wait(method, &url, response.chunk())? {
                Some(chunk) => self.chunk = chunk,
                None => break,
            }
        }
        Ok(())
    }
}

impl Read for Exchange {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.fill().map_err(|error| self.session.note(error))?;
        let part = self.chunk.split_to(self.chunk.len().min(out.len()));
        out[..part.len()].copy_from_slice(&part);
        Ok(part.len())
    }
}
