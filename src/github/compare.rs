//! What a commit has that a branch has not (REST, "Compare two commits").

use serde::Deserialize;

use super::closing::ListedCommit;
use super::{Client, Error, Slug, Written};

/// GitHub tells no more files of a comparison than these.
const MOST_FILES: usize = 300;

/// What a commit has that its base has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ahead {
    /// All of its commits.
    pub commits: Vec<Written>,
    pub difference: Difference,
}

/// What changes between two states: files with the lines that come and go, wherever in the file they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference(String);

impl Difference {
    /// Adds a part of a patch. Where lines stand and what is around them makes no difference (as for git-patch-id(1)).
    pub(crate) fn add(&mut self, patch: &str) {
        let is_around = |line: &str| line.is_empty() || [" ", "@@", "index ", "\\"].iter().any(|begin| line.starts_with(begin));
        for line in patch.split('\n').filter(|line| !is_around(line)) {
            self.0.push_str(line);
            self.0.push('\n');
        }
    }
}

#[derive(Deserialize)]
struct Comparison {
    total_commits: usize,
    commits: Vec<ListedCommit>,
    #[serde(default)]
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    filename: String,
    #[serde(default)]
    previous_filename: Option<String>,
    status: String,
    #[serde(default)]
    sha: Option<String>,
    /// Missing where it is long or of no text.
    #[serde(default)]
    patch: Option<String>,
}

impl Client {
    /// Compares a commit with a branch or another commit; `None` when the server does not tell all of it.
    ///
    /// # Errors
    /// When one of them is not there, or the server can't be asked.
    pub async fn ahead(&self, slug: &Slug, base: &str, head: &str) -> Result<Option<Ahead>, Error> {
        let base: String = url::form_urlencoded::byte_serialize(base.as_bytes()).collect();
        let told: Comparison = self.get(&format!("/repos/{slug}/compare/{base}...{head}")).await?;
        if told.commits.len() != told.total_commits || told.files.len() >= MOST_FILES {
            return Ok(None);
        }
        let mut difference = Difference::default();
        for file in &told.files {
            let from = file.previous_filename.as_deref().unwrap_or_default();
            difference.add(&format!("{} {from} {}", file.status, file.filename));
            match &file.patch {
                Some(patch) => difference.add(patch),
                None => difference.add(file.sha.as_deref().unwrap_or_default()),
            }
        }
        Ok(Some(Ahead { commits: told.commits.into_iter().map(Written::from).collect(), difference }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_what_comes_and_goes() {
        let of = |patch: &str| {
            let mut difference = Difference::default();
            difference.add(patch);
            difference
        };
        let one =
            of("diff --git a/f b/f\nindex 1..2 100644\n--- a/f\n+++ b/f\n@@ -7,2 +7,2 @@ x\n a\n-b\n+c\n\\ No newline at end of file\n");
        assert_eq!(one, of("diff --git a/f b/f\nindex 3..4 100644\n--- a/f\n+++ b/f\n@@ -9,2 +9,2 @@\n d\n-b\n+c"));
        assert_ne!(one, of("diff --git a/g b/f\n--- a/f\n+++ b/f\n-b\n+c"));
        assert_ne!(one, of("diff --git a/f b/f\n--- a/f\n+++ b/f\n-b\n+c\n+e"));
    }
}
