//! Keeps secrets out of every text that leaves the process.

use std::sync::{Arc, PoisonError, RwLock};

/// Values shorter than this are not replaced: hiding `true` or `v1` would destroy every log line.
const SHORTEST: usize = 6;

/// The secrets of a run; clones share them.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<Vec<String>>>);

impl Redactor {
    /// Adds a secret: the whole, and each of its lines, since logs are lines. Returns the values that are new.
    pub fn add(&self, secret: &str) -> Vec<String> {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let lines = secret.lines().map(str::trim);
        let mut fresh: Vec<String> = Vec::new();
        for value in std::iter::once(secret.trim()).chain(lines.filter(|line| is_telling(line))) {
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

/// A line of a multi-line secret (a kubeconfig, JSON) that would tell something. `apiVersion: v1` and braces would not,
/// and masking them makes logs unreadable.
fn is_telling(line: &str) -> bool {
    line.len() >= 16 && !line.contains("apiVersion") && !line.contains("kind:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_their_lines_are_replaced_and_short_words_are_not() {
        let redactor = Redactor::default();
        assert_eq!(redactor.add("hunter22"), ["hunter22"]);
        assert_eq!(redactor.add("correct-horse-battery"), ["correct-horse-battery"], "once, as a whole and as a line");
        assert!(redactor.add("hunter22").is_empty(), "known already");
        redactor.add("true");
        redactor.add("apiVersion: v1\ntoken: abcdefghijklmnop\n");
        assert_eq!(redactor.clean("login hunter22 true"), "login *** true");
        assert_eq!(redactor.clean("x token: abcdefghijklmnop"), "x ***");
        assert_eq!(redactor.clean("apiVersion: v1"), "apiVersion: v1");
    }
}
