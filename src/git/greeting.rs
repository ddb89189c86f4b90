//! What a server that serves fetches says of itself, and what it can be asked for then.

use git2::Oid;

use super::AGENT;
use super::packets::{DELIMITER, FLUSH, packet, packets, split};

pub(super) const HEADS: &str = "refs/heads/";

/// References of a server: all, or those that it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) heads: Vec<(String, Oid)>,
    /// What its HEAD is.
    pub(super) default: Option<String>,
}

/// What a server says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Greeting {
    /// Version 2.
    Two { capabilities: Vec<String> },
    /// A version before that.
    Old { capabilities: Vec<String>, listing: Listing },
}

impl Greeting {
    pub(super) fn read(greeting: &[u8]) -> Option<Self> {
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
    pub(super) fn object_format(&self) -> Option<&str> {
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
    pub(super) fn request(&self, wants: &[Oid], known: &[Oid]) -> Vec<u8> {
        let lines = |word: &str, ids: &[Oid]| ids.iter().flat_map(|id| packet(format!("{word} {id}\n").as_bytes())).collect::<Vec<u8>>();
        let (depth, cut) = if self.has_depth() { (packet(b"deepen 1\n"), known) } else { (Vec::new(), [].as_slice()) };
        match self {
            Self::Two { .. } => {
                // Only with it a commit whose history is cut is compared with those that are here (git's `builtin/pack-objects.c`).
                let thin = if known.is_empty() { Vec::new() } else { packet(b"thin-pack\n") };
                let options = [command("fetch"), packet(b"no-progress\n"), packet(b"ofs-delta\n"), thin].concat();
                let ids = [lines("want", wants), lines("shallow", cut), depth, lines("have", known)].concat();
                [options, ids, packet(b"done\n"), FLUSH.to_vec()].concat()
            }
            Self::Old { capabilities, .. } => {
                // Azure DevOps wants the first, even where nothing is negotiated (go-git, `_examples/azure_devops`).
                let names = ["multi_ack", "side-band-64k", "ofs-delta", "no-progress"];
                let names = names.into_iter().filter(|name| capabilities.iter().any(|there| there == name));
                let names = names.chain([AGENT]).collect::<Vec<_>>().join(" ");
                let Some((first, others)) = wants.split_first() else { return FLUSH.to_vec() };
                let wants = [packet(format!("want {first} {names}\n").as_bytes()), lines("want", others)].concat();
                [wants, depth, FLUSH.to_vec(), packet(b"done\n")].concat()
            }
        }
    }
}

/// The head of a message in version 2.
pub(super) fn command(name: &str) -> Vec<u8> {
    [packet(format!("command={name}\n").as_bytes()), packet(format!("{AGENT}\n").as_bytes()), DELIMITER.to_vec()].concat()
}

/// A line that begins with an object's and a reference's name.
pub(super) fn reference(line: &[u8]) -> Option<(String, Oid)> {
    let (id, name) = split(line, b' ');
    Some((String::from_utf8_lossy(name).into_owned(), Oid::from_str(std::str::from_utf8(id).ok()?).ok()?))
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
