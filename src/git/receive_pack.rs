//! Pushing one commit to a server (gitprotocol-pack(5), "Pushing Data To a Server"; gitprotocol-http(5)).
//!
//! libgit2 can't push from a repository without history: its walk looks for the parents that were not fetched. What has to be sent is
//! known here without a walk, namely what the commit's tree has and its parent's has not. The reference's old value goes along, and the
//! server changes the reference only from that: the lease costs nothing.

use std::sync::Arc;

use git2::{ObjectType, Oid, Repository, Tree};

use super::exchange::Service;
use super::packets::{FLUSH, packet, packets, split};
use super::server::Server;
use super::session::{Session, printable};
use super::{AGENT, Error, Remote, Snapshot};

/// What the server said to a push.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// Why the pack or the reference was refused.
    pub(super) refused: Option<String>,
    /// Whether the server says that the reference was updated.
    pub(super) confirmed: bool,
    /// What hooks and the server told people.
    pub(super) text: String,
}

/// A server that takes pushes of ours, and what it is able to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Receiver {
    url: String,
    capabilities: Vec<String>,
}

/// Asks a server on HTTP whether it takes pushes, and what it is able to do.
pub(super) fn call(session: &Arc<Session>, remote: &Remote) -> Result<Option<Receiver>, Error> {
    let (server, listing) = Server::call(session, remote, Service::ReceivePack)?;
    let (_, capabilities) = advertised(&listing, "").ok_or_else(|| Error::NotGit { url: remote.to_string() })?;
    Ok(server.address().map(|url| Receiver { url: url.to_owned(), capabilities }))
}

/// Where a reference is now; zero stands for one that is not there.
pub(super) fn present(session: &Arc<Session>, remote: &Remote, reference: &str) -> Result<Oid, Error> {
    let (_, listing) = Server::call(session, remote, Service::ReceivePack)?;
    advertised(&listing, reference).map(|(present, _)| present).ok_or_else(|| Error::NotGit { url: remote.to_string() })
}

/// Pushes the commit. The outer error is the network's or the server's; what became of the reference stands in the report.
pub(super) fn push(session: &Arc<Session>, snapshot: &Snapshot, commit: Oid, reference: &str, expected: Oid) -> Result<Report, Error> {
    let not_git = || Error::NotGit { url: snapshot.remote.to_string() };
    let (mut server, capabilities) = match snapshot.receiver.get() {
        // Should the reference have moved meanwhile, the server tells.
        Some(known) => (Server::again(session, known.url.clone(), Service::ReceivePack), known.capabilities.clone()),
        None => {
            let (server, listing) = Server::call(session, &snapshot.remote, Service::ReceivePack)?;
            let (present, capabilities) = advertised(&listing, reference).ok_or_else(not_git)?;
            if present != expected {
                let reason = format!("expected {expected}, found {present}");
                return Err(Error::Raced { remote: snapshot.remote.to_string(), branch: reference.to_owned(), reason });
            }
            (server, capabilities)
        }
    };
    // Nobody looks at the server's progress, which takes bytes where it is slow.
    let wanted = ["report-status", "side-band-64k", "quiet"].into_iter().filter(|name| capabilities.iter().any(|there| there == name));
    let capabilities: Vec<&str> = wanted.chain([AGENT]).collect();
    let command = format!("{expected} {commit} {reference}\0 {}\n", capabilities.join(" "));
    let mut request = packet(command.as_bytes());
    request.extend_from_slice(FLUSH);
    request.extend(pack(snapshot, commit).map_err(Error::Commit)?);
    let answer = server.push(request)?;
    report(&answer, capabilities.contains(&"side-band-64k"), reference).ok_or_else(not_git)
}

/// The objects that the server does not have: everything in which the commit's tree differs from its parent's.
fn pack(snapshot: &Snapshot, commit: Oid) -> Result<Vec<u8>, git2::Error> {
    let repository = snapshot.open()?;
    let tree = repository.find_commit(commit)?.tree()?;
    let base = repository.find_tree(snapshot.base.tree)?;
    let mut new = vec![commit];
    collect(&repository, &tree, Some(&base), &mut new)?;
    let mut builder = repository.packbuilder()?;
    for id in new {
        builder.insert_object(id, None)?;
    }
    let mut bytes = git2::Buf::new();
    builder.write_buf(&mut bytes)?;
    Ok(bytes.to_vec())
}

fn collect(repository: &Repository, tree: &Tree<'_>, base: Option<&Tree<'_>>, new: &mut Vec<Oid>) -> Result<(), git2::Error> {
    new.push(tree.id());
    for entry in tree {
        let before = base.and_then(|base| base.iter().find(|other| other.name_bytes() == entry.name_bytes()));
        if before.as_ref().is_some_and(|before| before.id() == entry.id()) {
            continue;
        }
        match entry.kind() {
            Some(ObjectType::Tree) => {
                let before = before.filter(|before| before.kind() == Some(ObjectType::Tree));
                let before = before.map(|before| repository.find_tree(before.id())).transpose()?;
                collect(repository, &repository.find_tree(entry.id())?, before.as_ref(), new)?;
            }
            Some(ObjectType::Blob) => new.push(entry.id()),
            _ => {}
        }
    }
    Ok(())
}

/// The present value of a reference in the server's listing, zero if it is not there, and the server's capabilities.
fn advertised(listing: &[u8], reference: &str) -> Option<(Oid, Vec<String>)> {
    let lines: Vec<&[u8]> = packets(listing).flatten().filter(|line| !line.starts_with(b"# service=")).collect();
    let (_, capabilities) = split(lines.first()?, 0);
    let capabilities = String::from_utf8_lossy(capabilities).split_whitespace().map(str::to_owned).collect();
    let mut present = Oid::ZERO_SHA1;
    for line in lines {
        let (id, name) = split(split(line, 0).0, b' ');
        if name.trim_ascii_end() == reference.as_bytes() {
            present = Oid::from_str(std::str::from_utf8(id).ok()?).ok()?;
        }
    }
    Some((present, capabilities))
}

/// Reads the report of a push, with its side band: 1 is the report, 2 is for people, 3 is the end.
fn report(answer: &[u8], has_bands: bool, reference: &str) -> Option<Report> {
    let (mut lines, mut said, mut refused) = (Vec::new(), Vec::new(), None);
    if has_bands {
        for content in packets(answer).flatten() {
            match content.split_first()? {
                (1, part) => lines.extend_from_slice(part),
                (2, part) => said.extend_from_slice(part),
                (_, part) => refused = Some(printable(part)),
            }
        }
    } else {
        lines = answer.to_vec();
    }
    let mut report = Report { refused, confirmed: false, text: printable(&said) };
    for line in packets(&lines).flatten() {
        let line = String::from_utf8_lossy(line).trim_end().to_owned();
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        match words.as_slice() {
            ["unpack", "ok"] => {}
            ["unpack", ..] => report.refused = Some(line.clone()),
            ["ok", name] | ["ok", name, _] => report.confirmed |= *name == reference,
            ["ng", _, reason] => report.refused = Some((*reason).to_owned()),
            _ => {}
        }
    }
    Some(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1d31656ea8b17b884e8d3fc8283e5c8200242f99";

    fn lines(lines: &[&[u8]]) -> Vec<u8> {
        [lines.iter().flat_map(|line| packet(line)).collect(), b"0000".to_vec()].concat()
    }

    #[test]
    fn a_listing_tells_the_references_value_and_what_the_server_can() {
        let first = format!("{ID} refs/heads/main\0report-status side-band-64k\n");
        let listing =
            [lines(&[b"# service=git-receive-pack\n"]), lines(&[first.as_bytes(), format!("{ID} refs/heads/x\n").as_bytes()])].concat();
        let (id, capabilities) = advertised(&listing, "refs/heads/x").unwrap();
        assert_eq!((id.to_string().as_str(), capabilities.len()), (ID, 2));
        assert_eq!(advertised(&listing, "refs/heads/main").unwrap().0.to_string(), ID);
        assert!(advertised(&listing, "refs/heads/y").unwrap().0.is_zero());
        assert_eq!(advertised(b"<html>", "refs/heads/x"), None);
    }

    #[test]
    fn a_report_tells_confirmation_and_refusal_apart() {
        let band = |number: u8, content: &[u8]| [&[number], content].concat();
        let ok = lines(&[b"unpack ok\n", b"ok refs/heads/x\n"]);
        let answer = lines(&[&band(2, b"hello\n"), &band(1, &ok)]);
        assert_eq!(report(&answer, true, "refs/heads/x"), Some(Report { refused: None, confirmed: true, text: "hello".into() }));
        let ng = lines(&[b"unpack ok\n", b"ng refs/heads/x pre-receive hook declined\n"]);
        let said = report(&ng, false, "refs/heads/x").unwrap();
        assert_eq!((said.refused.as_deref(), said.confirmed), (Some("pre-receive hook declined"), false));
        let broken = report(&lines(&[&band(3, b"disk full\n")]), true, "refs/heads/x").unwrap();
        assert_eq!((broken.refused.as_deref(), broken.confirmed), (Some("disk full"), false));
    }
}
