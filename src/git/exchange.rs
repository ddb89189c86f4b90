//! The requests of git's smart HTTP protocol as streams: written, then read.

use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use reqwest::Response;

use super::Error;
use super::transport::Session;

/// What libgit2 calls for each remote with an `http` or `https` URL.
pub(super) fn factory(remote: &git2::Remote<'_>) -> Result<Transport, git2::Error> {
    Transport::smart(remote, true, Subtransport)
}

struct Subtransport;

impl SmartSubtransport for Subtransport {
    fn action(&self, url: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        Ok(Box::new(Exchange::current(url, service)?))
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

/// One request and its answer: libgit2 writes the request, and the first read sends it. The answer is streamed.
pub(super) struct Exchange {
    session: Arc<Session>,
    repository: String,
    service: Service,
    request: Vec<u8>,
    response: Option<Response>,
    chunk: Bytes,
}

impl Exchange {
    /// A request within the session of this thread.
    pub(super) fn current(repository: &str, service: Service) -> Result<Self, git2::Error> {
        let session = Session::current()?;
        Ok(Self { session, repository: repository.to_owned(), service, request: Vec::new(), response: None, chunk: Bytes::new() })
    }

    /// Sends the request and looks at the answer's status only.
    pub(super) fn status(&self) -> Result<(), Error> {
        self.session.send(&self.repository, self).map(drop)
    }

    pub(super) fn request(&self) -> &[u8] {
        &self.request
    }

    pub(super) fn method(&self) -> &'static str {
        match self.service {
            Service::UploadPackLs | Service::ReceivePackLs => "GET",
            Service::UploadPack | Service::ReceivePack => "POST",
        }
    }

    pub(super) fn service_name(&self) -> &'static str {
        match self.service {
            Service::UploadPackLs | Service::UploadPack => "git-upload-pack",
            Service::ReceivePackLs | Service::ReceivePack => "git-receive-pack",
        }
    }

    pub(super) fn suffix(&self) -> String {
        match self.method() {
            "GET" => format!("/info/refs?service={}", self.service_name()),
            _ => format!("/{}", self.service_name()),
        }
    }

    pub(super) fn content_type(&self) -> String {
        let kind = if self.method() == "GET" { "advertisement" } else { "result" };
        format!("application/x-{}-{kind}", self.service_name())
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

impl Write for Exchange {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.request.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
