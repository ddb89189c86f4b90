use std::fmt;
use std::str::FromStr;

use super::{Digest, NameError};

/// The registry of names that have none, and the name under which Docker clients show it.
const DOCKER_HUB: &str = "docker.io";

/// An image tag (OCI distribution-spec: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Tag(String);

impl Tag {
    /// The tag that a name without one means.
    pub fn latest() -> Self {
        Self("latest".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fail = |reason| NameError::Tag { text: text.to_owned(), reason };
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        match text.bytes().next() {
            None => return Err(fail("it is empty")),
            Some(first) if !word(first) => return Err(fail("it must start with a letter, a digit or an underscore")),
            Some(_) => {}
        }
        if !text.bytes().all(|b| word(b) || b == b'.' || b == b'-') {
            return Err(fail("only letters, digits and `_.-` are allowed"));
        }
        if text.len() > 128 {
            return Err(fail("it is longer than 128 characters"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A repository by its canonical name: a registry host (with port) and a path; `redis` is `docker.io/library/redis`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    registry: String,
    path: String,
}

impl Repository {
    /// The host, with its port where it has one: `ghcr.io`, `127.0.0.1:5000`, `docker.io`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The name inside the registry: `acme/api`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the name lies below a prefix such as `ghcr.io/acme`; compared by whole path segments.
    pub fn is_under(&self, prefix: &str) -> bool {
        let name = self.to_string();
        name.strip_prefix(prefix.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Docker's own images, which nobody but Docker can push.
    pub fn is_docker_library(&self) -> bool {
        self.registry == DOCKER_HUB && self.path.starts_with("library/")
    }

    /// The repository with a tag, by canonical name.
    pub fn with_tag(&self, tag: &Tag) -> String {
        format!("{self}:{tag}")
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl serde::Serialize for Repository {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An image reference as it was written: `[registry/]path[:tag][@digest]` (grammar: distribution/reference, reference.go).
///
/// It keeps what the user wrote, so that it prints back the same; [`Reference::repository`] gives the canonical name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    registry: Option<String>,
    path: String,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

impl Reference {
    /// The registry host as written; `None` for names such as `acme/api` and `redis`.
    pub fn registry(&self) -> Option<&str> {
        self.registry.as_deref()
    }

    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The canonical repository: a name without a registry is Docker Hub's, and one without a slash lies in its `library`.
    pub fn repository(&self) -> Repository {
        let registry = match self.registry.as_deref() {
            None | Some("index.docker.io" | "registry-1.docker.io") => DOCKER_HUB,
            Some(host) => host,
        };
        let path = match self.path.contains('/') {
            false if registry == DOCKER_HUB => format!("library/{}", self.path),
            _ => self.path.clone(),
        };
        Repository { registry: registry.to_owned(), path }
    }

    /// Puts a registry or prefix (`ghcr.io/acme`) before a name that has no registry; leaves others as they are.
    ///
    /// # Errors
    /// When the prefix and the name together are not a reference.
    pub fn qualified(&self, prefix: &str) -> Result<Self, NameError> {
        if self.registry.is_some() {
            return Ok(self.clone());
        }
        format!("{}/{self}", prefix.trim_end_matches('/')).parse()
    }

    /// The same name with another tag and digest.
    pub fn pinned(&self, tag: Option<Tag>, digest: Option<Digest>) -> Self {
        Self { tag, digest, ..self.clone() }
    }

    /// The name as written, without tag and digest.
    pub fn name(&self) -> String {
        match &self.registry {
            Some(registry) => format!("{registry}/{}", self.path),
            None => self.path.clone(),
        }
    }
}

impl From<&Repository> for Reference {
    fn from(repository: &Repository) -> Self {
        Self { registry: Some(repository.registry.clone()), path: repository.path.clone(), tag: None, digest: None }
    }
}

impl FromStr for Reference {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fail = |reason| NameError::Reference { text: text.to_owned(), reason };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse::<Digest>()?)),
            None => (text, None),
        };
        // A colon behind the last slash starts a tag; one before it belongs to a port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') && !tag.ends_with(']') => match tag {
                "" => return Err(fail("nothing follows the colon")),
                tag => (name, Some(tag.parse::<Tag>()?)),
            },
            _ => (rest, None),
        };
        let (registry, path) = split_registry(name);
        if registry.is_some_and(|host| !is_host(host)) {
            return Err(fail("the part before the first slash is not a host"));
        }
        if name.is_empty() {
            return Err(fail("it has no name"));
        }
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(fail("a repository name is lower case"));
        }
        if !path.split('/').all(is_path_component) {
            return Err(fail("a part of the name is empty or has characters that are not allowed"));
        }
        if name.len() > 255 {
            return Err(fail("the name is longer than 255 characters"));
        }
        Ok(Self { registry: registry.map(str::to_owned), path: path.to_owned(), tag, digest })
    }
}

/// The first part is a host when it has a dot or a colon, is `localhost`, or has upper-case letters (which no path may have).
fn split_registry(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':', '[']) || host == "localhost" || host.bytes().any(|b| b.is_ascii_uppercase()) => {
            (Some(host), path)
        }
        _ => (None, name),
    }
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            return rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let label =
        |l: &str| !l.is_empty() && !l.starts_with('-') && !l.ends_with('-') && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    host.split('.').all(label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` (OCI distribution-spec §Pulling manifests).
fn is_path_component(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let separators_are_legal = || {
        text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            .all(|separator| matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-'))
    };
    text.bytes().next().is_some_and(alphanumeric) && text.bytes().next_back().is_some_and(alphanumeric) && separators_are_legal()
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl serde::Serialize for Reference {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// Trap: Docker Hub has three names and a `library`; a port looks like a tag; hosts have upper case and brackets.
    #[test]
    fn names_get_their_canonical_repository() {
        let table = [
            ("redis", "docker.io/library/redis"),
            ("acme/api:1", "docker.io/acme/api"),
            ("docker.io/redis", "docker.io/library/redis"),
            ("index.docker.io/acme/api", "docker.io/acme/api"),
            ("ghcr.io/acme/api:v1.2.3", "ghcr.io/acme/api"),
            ("localhost/web", "localhost/web"),
            ("host:5000/x", "host:5000/x"),
            ("host:5000/x:1", "host:5000/x"),
            ("[::1]:5000/x", "[::1]:5000/x"),
            ("REGISTRY/x", "REGISTRY/x"),
            ("a__b/c-d.e", "docker.io/a__b/c-d.e"),
        ];
        for (text, canonical) in table {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.repository().to_string(), canonical);
            assert_eq!(reference.to_string(), text, "prints what was written");
        }
    }

    /// Trap: `name:tag@sha256:…` loses its tag.
    #[test]
    fn a_tag_and_a_digest_are_both_kept() {
        let reference: Reference = format!("host:5000/acme/api:1.0@{D}").parse().unwrap();
        assert_eq!(reference.tag().unwrap().as_str(), "1.0");
        assert_eq!(reference.digest().unwrap().as_str(), D);
        assert_eq!(reference.registry(), Some("host:5000"));
    }

    #[test]
    fn what_is_not_a_reference_says_why() {
        let table =
            ["", "acme/api:", "acme/Api", "acme//api", "acme/api:-x", "acme/.api", "a/b@sha256:12", "host:port/x", "ghcr.io/", "a/b:x+y"];
        let reasons: Vec<String> = table.iter().map(|t| t.parse::<Reference>().unwrap_err().to_string()).collect();
        insta::assert_snapshot!(reasons.join("\n"), @r#"
        "" is not an image reference: it has no name
        "acme/api:" is not an image reference: nothing follows the colon
        "acme/Api" is not an image reference: a repository name is lower case
        "acme//api" is not an image reference: a part of the name is empty or has characters that are not allowed
        "-x" is not a tag: it must start with a letter, a digit or an underscore
        "acme/.api" is not an image reference: a part of the name is empty or has characters that are not allowed
        "sha256:12" is not a digest: the value has the wrong length
        "host:port/x" is not an image reference: the part before the first slash is not a host
        "ghcr.io/" is not an image reference: a part of the name is empty or has characters that are not allowed
        "x+y" is not a tag: only letters, digits and `_.-` are allowed
        "#);
    }

    #[test]
    fn a_registry_prefix_goes_before_names_that_have_none() {
        let qualify = |text: &str| text.parse::<Reference>().unwrap().qualified("ghcr.io/acme/").unwrap().to_string();
        assert_eq!(qualify("web:1"), "ghcr.io/acme/web:1");
        assert_eq!(qualify("quay.io/x/web"), "quay.io/x/web");
        let web: Reference = "ghcr.io/acme/web".parse().unwrap();
        assert!(web.repository().is_under("ghcr.io/acme"));
        assert!(web.repository().is_under("ghcr.io/acme/web"));
        assert!(!web.repository().is_under("ghcr.io/ac"));
    }

    fn host() -> impl Strategy<Value = String> {
        let name = prop_oneof![
            r"[a-z0-9]{1,8}(-[a-z0-9]{1,4})?\.[a-z]{2,3}",
            Just("localhost".to_owned()),
            any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
            any::<std::net::Ipv6Addr>().prop_map(|address| format!("[{address}]")),
        ];
        let ported =
            (prop_oneof![r"[a-z]{1,8}".boxed(), name.clone().boxed()], any::<u16>()).prop_map(|(host, port)| format!("{host}:{port}"));
        prop_oneof![name, ported]
    }

    fn path() -> impl Strategy<Value = String> {
        r"[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}(/[a-z0-9]{1,8}){0,3}"
    }

    proptest! {
        #[test]
        fn every_part_of_a_reference_is_found_again(
            host in host(), path in path(), tag in proptest::option::of(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"), content in proptest::option::of(any::<u64>()),
        ) {
            let digest = content.map(|content| Digest::sha256(&content.to_le_bytes()));
            let text = [format!("{host}/{path}"), tag.as_ref().map(|t| format!(":{t}")).unwrap_or_default(), digest.as_ref().map(|d| format!("@{d}")).unwrap_or_default()].concat();
            let reference: Reference = text.parse().unwrap();
            prop_assert_eq!(reference.registry(), Some(host.as_str()), "a port is no tag");
            prop_assert_eq!(reference.tag().map(Tag::as_str), tag.as_deref());
            prop_assert_eq!(reference.digest(), digest.as_ref());
            let repository = reference.repository();
            prop_assert_eq!((repository.registry(), repository.path()), (host.as_str(), path.as_str()));
            prop_assert_eq!(reference.to_string(), text);
        }

        #[test]
        fn a_name_without_a_host_is_docker_hubs(owner in r"[a-z0-9]{1,8}([_-][a-z0-9]{1,4})?", path in path()) {
            prop_assume!(owner != "localhost");
            let canonical = |text: &str| text.parse::<Reference>().unwrap().repository().to_string();
            prop_assert_eq!(canonical(&owner), format!("docker.io/library/{owner}"));
            prop_assert_eq!(canonical(&format!("{owner}/{path}")), format!("docker.io/{owner}/{path}"));
        }

        #[test]
        fn a_tag_is_what_the_specification_allows_and_no_more(text in prop_oneof![r"[A-Za-z0-9_.-]{0,140}", r"\PC{0,20}", r"[a-z_.+/:@ -]{1,6}"]) {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let legal = text.starts_with(word) && text.chars().all(|c| word(c) || c == '.' || c == '-') && text.len() <= 128;
            let tag = text.parse::<Tag>();
            prop_assert_eq!(tag.is_ok(), legal, "{:?}", tag);
            if let Ok(tag) = tag {
                prop_assert_eq!(tag.as_str(), &text);
            }
        }

        #[test]
        fn references_round_trip(text in r"(([a-z0-9]{1,8}\.[a-z]{2,3}|localhost|[a-z]{1,5}:[1-9][0-9]{0,3}|\[::1\]:5000)/)?[a-z0-9]{1,6}((_|__|-{1,3})[a-z0-9]{1,4}){0,2}(/[a-z0-9]{1,8}){0,3}(:[A-Za-z0-9_][A-Za-z0-9._-]{0,20})?(@sha256:[0-9a-f]{64})?") {
            let reference: Reference = text.parse().unwrap();
            prop_assert_eq!(reference.to_string(), text);
            let again: Reference = Reference::from(&reference.repository()).to_string().parse().unwrap();
            prop_assert_eq!(again.repository(), reference.repository());
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,60}") {
            let _ = text.parse::<Reference>();
        }
    }
}
