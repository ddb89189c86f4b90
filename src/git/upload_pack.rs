//! Fetching the heads of two branches without their history (gitprotocol-v2(5); gitprotocol-pack(5), "Fetching Data From a Server").
//!
//! In version 2 a server is asked for the references that matter; before, it lists all that it has, and some have a hundred thousand. It is
//! asked to be quiet: its progress on a repository of 50,000 files takes nine kilobytes.

use std::io::{self, ErrorKind, Read, Write as _};
use std::sync::Arc;

use git2::{Oid, Repository};

use super::exchange::Service;
use super::greeting::{Greeting, HEADS, Listing, command, reference};
use super::packets::{self, FLUSH, Packet, packet, split};
use super::server::Server;
use super::session::{Session, printable};
use super::snapshot::choose_base;
use super::{Base, Error, Remote};

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heads {
    pub(super) base_branch: String,
    pub(super) base: Oid,
    pub(super) branch: Option<Oid>,
    /// For coming again.
    pub(super) welcome: Option<Welcome>,
}

/// Where a server was found, and what it is able to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Welcome {
    url: String,
    greeting: Greeting,
}

/// What is known of earlier.
#[derive(Debug, Clone, Default)]
pub(super) struct Earlier {
    pub(super) welcome: Option<Welcome>,
    /// Commits that are here, without their histories.
    pub(super) commits: Vec<Oid>,
}

/// Brings the heads of the base branch and, where it exists, of `branch` into a repository.
pub(super) fn fetch(
    session: &Arc<Session>,
    to: &Repository,
    remote: &Remote,
    (base, branch): (&Base, &str),
    earlier: Earlier,
) -> Result<Heads, Error> {
    let (mut server, greeting) = match earlier.welcome {
        Some(welcome) => (Server::again(session, welcome.url, Service::UploadPack), welcome.greeting),
        None => {
            let (server, greeting) = Server::call(session, remote, Service::UploadPack)?;
            (server, Greeting::read(&greeting).ok_or_else(|| Error::NotGit { url: remote.to_string() })?)
        }
    };
    let call = Call { remote, greeting, known: earlier.commits };
    if let Some(format) = call.greeting.object_format().filter(|format| *format != "sha1") {
        return Err(Error::ObjectFormat { remote: remote.to_string(), format: format.to_owned() });
    }
    let listing = match &call.greeting {
        Greeting::Old { listing, .. } => listing.clone(),
        Greeting::Two { .. } => call.list(&mut server, base, branch)?,
    };
    let names: Vec<&str> = listing.heads.iter().map(|(name, _)| name.as_str()).collect();
    let base_branch = choose_base(remote, base, &names, listing.default.as_deref())?;
    let head = |name: &str| listing.heads.iter().find(|(other, _)| other.strip_prefix(HEADS) == Some(name)).map(|(_, id)| *id);
    let no_base = || Error::NoBranch { remote: remote.to_string(), branch: base_branch.clone() };
    let (base, branch) = (head(&base_branch).ok_or_else(no_base)?, head(branch));
    let mut wants: Vec<Oid> = [Some(base), branch.filter(|id| *id != base)].into_iter().flatten().collect();
    wants.retain(|id| !call.known.contains(id));
    if !wants.is_empty() {
        call.fetch(&mut server, to, &wants)?;
    }
    let welcome = match (&call.greeting, server.address()) {
        (Greeting::Two { .. }, Some(url)) => Some(Welcome { url: url.to_owned(), greeting: call.greeting.clone() }),
        _ => None,
    };
    Ok(Heads { base_branch, base, branch, welcome })
}

struct Call<'c> {
    remote: &'c Remote,
    greeting: Greeting,
    known: Vec<Oid>,
}

impl Call<'_> {
    /// Asks for the references that matter.
    fn list(&self, server: &mut Server, base: &Base, branch: &str) -> Result<Listing, Error> {
        let base = match base {
            Base::Default => "HEAD".to_owned(),
            Base::Named(name) => format!("{HEADS}{name}"),
        };
        let mut request = [command("ls-refs"), packet(b"symrefs\n")].concat();
        for prefix in [base, format!("{HEADS}{branch}")] {
            request.extend(packet(format!("ref-prefix {prefix}\n").as_bytes()));
        }
        request.extend_from_slice(FLUSH);
        let mut answer = server.ask(request)?;
        let mut listing = Listing::default();
        while let Packet::Line(line) = self.next(&mut answer)? {
            let line = line.trim_ascii_end();
            let (id, rest) = split(line, b' ');
            let (name, attributes) = split(rest, b' ');
            let Some((name, id)) = reference(&[id, b" ", name].concat()) else { return Err(self.not_git()) };
            let attributes = String::from_utf8_lossy(attributes);
            match attributes.split(' ').find_map(|it| it.strip_prefix("symref-target:")) {
                Some(target) if name == "HEAD" => {
                    listing.default = Some(target.to_owned());
                    listing.heads.push((target.to_owned(), id));
                }
                _ => listing.heads.push((name, id)),
            }
        }
        Ok(listing)
    }

    fn fetch(&self, server: &mut Server, to: &Repository, wants: &[Oid]) -> Result<(), Error> {
        let fail = |source| Error::Fetch { remote: self.remote.to_string(), source };
        let mut answer = server.ask(self.greeting.request(wants, &self.known))?;
        self.find_pack(&mut answer)?;
        let odb = to.odb().map_err(fail)?;
        let mut pack = odb.packwriter().map_err(fail)?;
        while let Packet::Line(line) = self.next(&mut answer)? {
            match line.split_first() {
                Some((1, part)) => pack.write_all(part).map_err(|error| fail(git2::Error::from_str(&error.to_string())))?,
                Some((3, text)) => return Err(self.refused(text)),
                _ => {}
            }
        }
        pack.commit().map_err(fail)?;
        Ok(())
    }

    /// Reads up to where the pack begins.
    fn find_pack(&self, answer: &mut dyn Read) -> Result<(), Error> {
        loop {
            match (self.next(answer)?, &self.greeting) {
                (Packet::Line(line), Greeting::Two { .. }) if line == b"packfile\n" => return Ok(()),
                (Packet::Line(line), Greeting::Old { .. }) if line.trim_ascii_end() == b"NAK" => return Ok(()),
                (Packet::End, _) | (Packet::Flush, Greeting::Two { .. }) => return Err(self.not_git()),
                _ => {}
            }
        }
    }

    /// The next packet, unless it is an error message.
    fn next(&self, answer: &mut dyn Read) -> Result<Packet, Error> {
        let packet = packets::read(answer).map_err(|error| self.lost(&error))?;
        match &packet {
            Packet::Line(line) if line.starts_with(b"ERR ") => Err(self.refused(&line[4..])),
            _ => Ok(packet),
        }
    }

    fn lost(&self, error: &io::Error) -> Error {
        let remote = self.remote.to_string();
        match error.kind() {
            ErrorKind::UnexpectedEof => Error::HungUp { remote },
            ErrorKind::InvalidData => self.not_git(),
            // The session keeps the reason, and tells it in place of this error.
            _ => Error::Aborted { remote },
        }
    }

    fn refused(&self, text: &[u8]) -> Error {
        Error::FetchRefused { remote: self.remote.to_string(), text: printable(text) }
    }

    fn not_git(&self) -> Error {
        Error::NotGit { url: self.remote.to_string() }
    }
}
