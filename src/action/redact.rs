//! Keeps secrets out of every text that leaves the process.

use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;

/// Values shorter than this are not replaced: hiding `true` or `v1` would destroy every log line.
const SHORTEST: usize = 6;

/// The secrets of a run; clones share them.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<Vec<String>>>);

impl Redactor {
    /// Adds a secret: the whole, each of its lines, since logs are lines, and the credentials in it (a kubeconfig, a Docker
    /// configuration, base64 of one). Returns the values that are new.
    pub fn add(&self, secret: &str) -> Vec<String> {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let decoded = STANDARD.decode(secret.split_whitespace().collect::<String>()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let texts = [Some(secret), decoded.as_deref()].into_iter().flatten();
        let values: Vec<&str> = texts.clone().flat_map(credentials).collect();
        // A configuration's other lines are none of the secret: `"kind": "Config"` masked everywhere makes logs unreadable.
        let is_configuration = !values.is_empty();
        let lines = texts.flat_map(str::lines).map(str::trim).filter(|line| !is_configuration && is_telling(line));
        let mut fresh: Vec<String> = Vec::new();
        for value in std::iter::once(secret.trim()).chain(values).chain(lines) {
            if value.len() >= SHORTEST && !known.iter().chain(&fresh).any(|k| k == value) {
                fresh.push(value.to_owned());
            }
        }
        known.extend(fresh.iter().cloned());
        // Longer ones first, so that a secret inside another one does not leave the rest of it standing.
        known.sort_by_key(|value| std::cmp::Reverse(value.len()));
        known.dedup();
        fresh
    }

    /// The text with every known secret replaced by `***`.
    pub fn clean(&self, text: &str) -> String {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().fold(text.to_owned(), |text, secret| if text.contains(secret.as_str()) { text.replace(secret, "***") } else { text })
    }
}

/// The values in YAML or JSON that are credentials by their keys.
fn credentials(text: &str) -> Vec<&str> {
    static PAIR: LazyLock<Regex> = LazyLock::new(|| {
        let keys =
            "token|password|auth|identitytoken|registrytoken|id-token|refresh-token|access-token|client-secret|client-key-data|secretKey";
        Regex::new(&format!(r#"(?:^|[\s{{,"'])(?:{keys})["']?\s*:\s*["']?([^\s"',{{}}]+)"#)).expect("a constant")
    });
    PAIR.captures_iter(text).filter_map(|found| found.get(1)).map(|value| value.as_str()).collect()
}

/// A line of a multi-line secret (a kubeconfig, JSON) that would tell something. `apiVersion: v1` and braces would not,
/// and masking them makes logs unreadable.
fn is_telling(line: &str) -> bool {
    line.len() >= 16 && !line.contains("apiVersion") && !line.contains("kind:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_inside_a_configuration_are_secrets_of_their_own() {
        let kubeconfig = "users:\n- name: ada\n  user:\n    token: abc-123-xyz\n    client-key-data: \"S0VZS0VZ\"\n";
        let docker = r#"{"auths":{"ghcr.io":{"auth":"YWRhOnB3"}}}"#;
        for secret in [kubeconfig.to_owned(), STANDARD.encode(kubeconfig), docker.to_owned()] {
            let redactor = Redactor::default();
            redactor.add(&secret);
            let cleaned = redactor.clean("abc-123-xyz S0VZS0VZ YWRhOnB3 users: name ada");
            assert!(cleaned.contains("***") && cleaned.ends_with("users: name ada"), "{cleaned}");
            assert!(secret == docker || cleaned == "*** *** YWRhOnB3 users: name ada", "{cleaned}");
        }
    }

    #[test]
    fn secrets_and_their_lines_are_replaced_and_short_words_are_not() {
        let redactor = Redactor::default();
        assert_eq!(redactor.add("hunter22"), ["hunter22"]);
        assert_eq!(redactor.add("correct-horse-battery"), ["correct-horse-battery"], "once, as a whole and as a line");
        assert!(redactor.add("hunter22").is_empty(), "known already");
        redactor.add("true");
        redactor.add("apiVersion: v1\ntoken: abcdefghijklmnop\n");
        assert_eq!(redactor.clean("login hunter22 true"), "login *** true");
        assert_eq!(redactor.clean("x token: abcdefghijklmnop"), "x token: ***");
        assert_eq!(redactor.clean("apiVersion: v1"), "apiVersion: v1");
    }
}
