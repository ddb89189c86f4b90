//! Which server has which key (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). Pure.

use std::str::FromStr as _;

use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns, Marker};
use russh::keys::{Algorithm, PublicKey};

use super::super::Error;

/// The keys of github.com and ssh.github.com, as GitHub publishes them (docs.github.com, "GitHub's SSH key fingerprints"; also
/// `ssh_keys` of api.github.com/meta).
const GITHUB: &str = "\
github.com,[ssh.github.com]:443 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl
github.com,[ssh.github.com]:443 ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=
";

/// Keys of servers. Without further ones, those of GitHub.
#[derive(Debug, Clone)]
pub struct KnownHosts(Vec<Entry>);

/// What is known of a server's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Known,
    /// No key of this server is known.
    Unknown,
    /// Other keys of this server are known.
    Different,
    Revoked,
}

impl Default for KnownHosts {
    fn default() -> Self {
        Self(GITHUB.lines().filter_map(|line| Entry::from_str(line).ok()).collect())
    }
}

impl KnownHosts {
    /// GitHub's keys and those of a known_hosts file. Certificate authorities and RSA keys are passed over: no server is known by them.
    ///
    /// # Errors
    /// The first line that is none of such a file.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let Self(mut entries) = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let entry = Entry::from_str(&line).map_err(|error| Error::KnownHosts { line: index + 1, reason: error.to_string() })?;
            entries.push(entry);
        }
        Ok(Self(entries))
    }

    pub(super) fn check(&self, host: &str, key: &PublicKey) -> Verdict {
        let of_host = || self.0.iter().filter(|entry| is_of(entry.host_patterns(), host));
        let same = |entry: &&Entry| entry.public_key().key_data() == key.key_data();
        if of_host().filter(same).any(|entry| entry.marker() == Some(&Marker::Revoked)) {
            return Verdict::Revoked;
        }
        let keys: Vec<&Entry> = of_host().filter(|entry| entry.marker().is_none()).collect();
        match keys.as_slice() {
            [] => Verdict::Unknown,
            keys if keys.iter().any(same) => Verdict::Known,
            _ => Verdict::Different,
        }
    }

    /// Of which kinds the known keys of a server are, so that it shows one of those.
    pub(super) fn algorithms(&self, host: &str) -> Vec<Algorithm> {
        let known = self.0.iter().filter(|entry| entry.marker().is_none() && is_of(entry.host_patterns(), host));
        let mut kinds: Vec<Algorithm> = known.map(|entry| entry.public_key().algorithm()).collect();
        kinds.retain(|kind| matches!(kind, Algorithm::Ed25519 | Algorithm::Ecdsa { .. }));
        kinds.dedup();
        kinds
    }
}

fn is_of(patterns: &HostPatterns, host: &str) -> bool {
    match patterns {
        HostPatterns::HashedName { salt, hash } => {
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
            ring::hmac::verify(&key, host.as_bytes(), hash).is_ok()
        }
        HostPatterns::Patterns(patterns) => {
            let matches = |pattern: &str| is_like(pattern.to_ascii_lowercase().as_bytes(), host.as_bytes());
            let (refused, given): (Vec<&str>, Vec<&str>) =
                patterns.iter().map(String::as_str).partition(|pattern| pattern.starts_with('!'));
            given.into_iter().any(matches) && !refused.into_iter().any(|pattern| matches(&pattern[1..]))
        }
    }
}

/// `*` stands for any characters, `?` for one.
fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => is_like(rest, text) || text.split_first().is_some_and(|(_, text)| is_like(pattern, text)),
        (Some((b'?', pattern)), Some((_, text))) => is_like(pattern, text),
        (Some((one, pattern)), Some((other, text))) => one == other && is_like(pattern, text),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russh::keys::HashAlg;

    const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

    #[test]
    fn githubs_keys_have_the_published_fingerprints() {
        let KnownHosts(entries) = KnownHosts::default();
        let prints: Vec<String> = entries.iter().map(|entry| entry.public_key().fingerprint(HashAlg::Sha256).to_string()).collect();
        let published = ["SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU", "SHA256:p2QAMXNIC1TJYWeIOttrVc98/R1BUFWu3/LiyKgUfQM"];
        assert_eq!(prints, published);
        assert_eq!(KnownHosts::default().algorithms("github.com").len(), 2);
    }

    #[test]
    fn a_key_is_known_for_its_host_only() {
        let key: PublicKey = ONE.parse().unwrap();
        let table = [
            (format!("host {ONE}"), "host", Verdict::Known),
            (format!("host {ONE}"), "[host]:2222", Verdict::Unknown),
            (format!("[host]:2222 {ONE} comment"), "[host]:2222", Verdict::Known),
            (format!("# c\n\n*.example.org,!bad.example.org\t{ONE}"), "a.example.org", Verdict::Known),
            (format!("*.example.org,!bad.example.org {ONE}"), "bad.example.org", Verdict::Unknown),
            (format!("host {OTHER}"), "host", Verdict::Different),
            (format!("host {OTHER}\nhost {ONE}"), "host", Verdict::Known),
            (format!("host {ONE}\n@revoked * {ONE}"), "host", Verdict::Revoked),
            (format!("@cert-authority * {ONE}"), "host", Verdict::Unknown),
            (String::new(), "host", Verdict::Unknown),
            (String::new(), "github.com", Verdict::Different),
        ];
        for (file, host, verdict) in table {
            assert_eq!(KnownHosts::parse(&file).unwrap().check(host, &key), verdict, "{file}");
        }
    }

    #[test]
    fn hashed_names_are_found() {
        // `ssh-keygen -H` of `localhost`.
        let key: PublicKey = ONE.parse().unwrap();
        let salt = b"salt of twenty bytes";
        let hash = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt), b"host");
        let encode = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
        let file = format!("|1|{}|{} {ONE}", encode(salt), encode(hash.as_ref()));
        assert_eq!(KnownHosts::parse(&file).unwrap().check("host", &key), Verdict::Known);
        assert_eq!(KnownHosts::parse(&file).unwrap().check("hosts", &key), Verdict::Unknown);
    }

    #[test]
    fn a_line_that_is_none_is_told() {
        insta::assert_snapshot!(KnownHosts::parse(&format!("host {ONE}\nhost ssh-ed25519\n")).unwrap_err(), @"couldn't read line 2 of `infra-ssh-known-hosts`: length invalid");
    }
}
