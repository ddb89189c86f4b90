//! Fetching the heads of two branches without their history (gitprotocol-v2(5); gitprotocol-pack(5), "Fetching Data From a Server").
//!
//! In version 2 a server is asked for the references that matter; before, it lists all that it has, and some have a hundred thousand. It is
//! asked to be quiet: its progress on a large repository takes more than what a second fetch of the same would.

use std::io::{self, ErrorKind, Read, Write as _};
use std::sync::Arc;

use git2::{Oid, Repository};

use super::exchange::Service;
use super::packets::{self, DELIMITER, FLUSH, Packet, packet, packets, split};
use super::server::Server;
use super::snapshot::choose_base;
use super::transport::{Session, printable};
use super::{AGENT, Base, Error, Remote};

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

pub(super) const HEADS: &str = "refs/heads/";

/// References of a server: all, or those that it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Listing {
    heads: Vec<(String, Oid)>,
    /// What its HEAD is.
    default: Option<String>,
}

/// What a server says first.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Greeting {
    /// Version 2.
    Two { capabilities: Vec<String> },
    /// A version before that.
    Old { capabilities: Vec<String>, listing: Listing },
}

impl Greeting {
    fn read(greeting: &[u8]) -> Option<Self> {
        let lines = packets(greeting).flatten().map(<[u8]>::trim_ascii_end);
        // The last are of a repository whose own history is cut.
        let is_reference = |line: &&[u8]| !line.starts_with(b"# service=") && *line != b"version 1" && !line.starts_with(b"shallow ");
        let lines: Vec<&[u8]> = lines.filter(is_reference).collect();
        // An empty repository of an old server has nothing to say.
        let Some(first) = lines.first() else { return greeting.ends_with(FLUSH).then(Self::nothing) };
        if *first == b"version 2" {
            return Some(Self::Two { capabilities: lines[1..].iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect() });
        }
        let capabilities: Vec<String> = String::from_utf8_lossy(split(first, 0).1).split_whitespace().map(str::to_owned).collect();
        let references = lines.iter().map(|line| reference(split(line, 0).0)).collect::<Option<Vec<_>>>()?;
        let head = references.iter().find(|(name, _)| name == "HEAD").map(|(_, id)| *id);
        let heads: Vec<(String, Oid)> = references.into_iter().filter(|(name, _)| name.starts_with(HEADS)).collect();
        let named = capabilities.iter().find_map(|it| it.strip_prefix("symref=HEAD:")).map(str::to_owned);
        // Before git 1.8.4.3 a server did not say what its HEAD is.
        let default = named.or_else(|| heads.iter().find(|(_, id)| Some(*id) == head).map(|(name, _)| name.clone()));
        Some(Self::Old { capabilities, listing: Listing { heads, default } })
    }

    fn nothing() -> Self {
        Self::Old { capabilities: Vec::new(), listing: Listing::default() }
    }

    /// What the names of objects are made with.
    fn object_format(&self) -> Option<&str> {
        let (Self::Two { capabilities } | Self::Old { capabilities, .. }) = self;
        capabilities.iter().find_map(|it| it.strip_prefix("object-format="))
    }

    /// Whether histories can be cut.
    fn has_depth(&self) -> bool {
        match self {
            Self::Two { capabilities } => {
                capabilities.iter().filter_map(|it| it.strip_prefix("fetch=")).any(|it| it.split(' ').any(|it| it == "shallow"))
            }
            Self::Old { capabilities, .. } => capabilities.iter().any(|it| it == "shallow"),
        }
    }

    /// Asks for commits, and in version 2 for no more of them than what the known ones lack.
    fn request(&self, wants: &[Oid], known: &[Oid]) -> Vec<u8> {
        let depth = self.has_depth().then(|| packet(b"deepen 1\n")).unwrap_or_default();
        let mut request = Vec::new();
        match self {
            Self::Two { .. } => {
                request.extend(command("fetch"));
                request.extend(packet(b"no-progress\n"));
                request.extend(packet(b"ofs-delta\n"));
                if !known.is_empty() {
                    // Only then is a commit whose history is cut compared with those that are here (git's `builtin/pack-objects.c`).
                    request.extend(packet(b"thin-pack\n"));
                }
                wants.iter().for_each(|id| request.extend(packet(format!("want {id}\n").as_bytes())));
                if self.has_depth() {
                    known.iter().for_each(|id| request.extend(packet(format!("shallow {id}\n").as_bytes())));
                }
                request.extend(depth);
                known.iter().for_each(|id| request.extend(packet(format!("have {id}\n").as_bytes())));
                request.extend(packet(b"done\n"));
                request.extend_from_slice(FLUSH);
            }
            Self::Old { capabilities, .. } => {
                // Azure DevOps wants the first, even where nothing is negotiated (go-git, `_examples/azure_devops`).
                let known = ["multi_ack", "side-band-64k", "ofs-delta", "no-progress"];
                let known = known.into_iter().filter(|name| capabilities.iter().any(|there| there == name));
                let known: Vec<&str> = known.chain([AGENT]).collect();
                for (n, id) in wants.iter().enumerate() {
                    let known = if n == 0 { format!(" {}", known.join(" ")) } else { String::new() };
                    request.extend(packet(format!("want {id}{known}\n").as_bytes()));
                }
                request.extend(depth);
                request.extend_from_slice(FLUSH);
                request.extend(packet(b"done\n"));
            }
        }
        request
    }
}

/// The head of a message in version 2.
fn command(name: &str) -> Vec<u8> {
    [packet(format!("command={name}\n").as_bytes()), packet(format!("{AGENT}\n").as_bytes()), DELIMITER.to_vec()].concat()
}

/// A line that begins with an object's and a reference's name.
fn reference(line: &[u8]) -> Option<(String, Oid)> {
    let (id, name) = split(line, b' ');
    Some((String::from_utf8_lossy(name).into_owned(), Oid::from_str(std::str::from_utf8(id).ok()?).ok()?))
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

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1d31656ea8b17b884e8d3fc8283e5c8200242f99";
    const TWO: &str = "2d31656ea8b17b884e8d3fc8283e5c8200242f99";

    fn greeting(lines: &[String]) -> Option<Greeting> {
        let lines: Vec<u8> = lines.iter().flat_map(|line| packet(line.as_bytes())).collect();
        Greeting::read(&[packet(b"# service=git-upload-pack\n"), FLUSH.to_vec(), lines, FLUSH.to_vec()].concat())
    }

    fn default(lines: &[String]) -> Option<String> {
        match greeting(lines) {
            Some(Greeting::Old { listing, .. }) => listing.default,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_default_branch_is_named_or_is_where_the_head_is() {
        let (main, next) = (format!("{ONE} refs/heads/main\n"), format!("{TWO} refs/heads/next\n"));
        let named = format!("{TWO} HEAD\0shallow symref=HEAD:refs/heads/main\n");
        assert_eq!(default(&[named, main.clone(), next.clone()]).as_deref(), Some("refs/heads/main"));
        let unnamed = format!("{TWO} HEAD\0shallow\n");
        assert_eq!(default(&[unnamed, main.clone(), next]).as_deref(), Some("refs/heads/next"));
        assert_eq!(default(&[main, format!("shallow {TWO}\n")]), None);
        assert_eq!(default(&[]), None, "an empty repository of an old server");
    }

    #[test]
    fn what_is_no_greeting_is_none() {
        assert_eq!(Greeting::read(b"<html>"), None);
        assert_eq!(greeting(&["<html>".into()]), None);
    }

    #[test]
    fn histories_are_cut_where_the_server_can() {
        let id = Oid::from_str(ONE).unwrap();
        let known = Oid::from_str(TWO).unwrap();
        let asked = |lines: &[String]| {
            let request = greeting(lines).unwrap().request(&[id], &[known]);
            let line =
                |line: &[u8]| String::from_utf8_lossy(line).trim_end().replace(AGENT, "AGENT").replace(ONE, "ONE").replace(TWO, "TWO");
            packets(&request).map(|packet| packet.map_or("-".into(), line)).collect::<Vec<_>>().join(" | ")
        };
        let (two, old) = ("version 2\n".to_owned(), format!("{ONE} refs/heads/main\0"));
        let requests = [
            asked(&[two.clone(), "fetch=shallow filter\n".into()]),
            asked(&[two, "fetch=filter\n".into()]),
            asked(&[format!("{old}shallow ofs-delta thin-pack\n")]),
            asked(&[format!("{old}multi_ack side-band-64k\n")]),
        ];
        insta::assert_snapshot!(requests.join("\n"), @"
        command=fetch | AGENT | - | no-progress | ofs-delta | thin-pack | want ONE | shallow TWO | deepen 1 | have TWO | done | -
        command=fetch | AGENT | - | no-progress | ofs-delta | thin-pack | want ONE | have TWO | done | -
        want ONE ofs-delta AGENT | deepen 1 | - | done
        want ONE multi_ack side-band-64k AGENT | - | done
        ");
    }
}
