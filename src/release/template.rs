//! Texts with words in double braces that a release has values for: `{{version}}`.

use semver::Version;

use crate::suggest::nearest;

/// The words that every template knows.
const WORDS: [&str; 7] = ["tag", "version", "major", "minor", "patch", "sha", "short_sha"];
/// Digits of a short commit hash.
const SHORT: usize = 7;

/// A piece of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'t> {
    /// It stands for itself.
    Text(&'t str),
    /// It stands for its value.
    Word(&'t str),
}

/// Why a template comes to no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    #[error("it has an unknown word {word:?}")]
    Unknown { word: String, suggestion: Option<&'static str> },
    #[error("`{{{{` is not closed by `}}}}`")]
    Open,
    #[error("this run has no {what}, so {{{{{word}}}}} has no value")]
    NoValue { word: String, what: &'static str },
}

impl Mistake {
    /// The word that was probably meant, in its braces.
    pub fn suggestion(&self) -> Option<String> {
        match self {
            Self::Unknown { suggestion, .. } => suggestion.map(|word| format!("{{{{{word}}}}}")),
            Self::Open | Self::NoValue { .. } => None,
        }
    }
}

/// Cuts a template into its pieces. `more` are words that it may have beside those of a release.
///
/// # Errors
/// The first unknown word, or braces that are not closed.
pub fn pieces<'t>(template: &'t str, more: &[&'static str]) -> Result<Vec<Piece<'t>>, Mistake> {
    let (mut pieces, mut rest) = (Vec::new(), template);
    while let Some((before, behind)) = rest.split_once("{{") {
        let (word, after) = behind.split_once("}}").ok_or(Mistake::Open)?;
        let word = word.trim();
        let known = || WORDS.iter().chain(more).copied();
        if !known().any(|known| known == word) {
            return Err(Mistake::Unknown { word: word.to_owned(), suggestion: nearest(word, known()) });
        }
        pieces.extend([Piece::Text(before), Piece::Word(word)]);
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// What the words of a release stand for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Words<'w> {
    /// The git tag as it is.
    pub tag: Option<&'w str>,
    pub version: Option<&'w Version>,
    /// The full hash of the commit.
    pub commit: Option<&'w str>,
}

impl Words<'_> {
    /// What a word of a template that was cut into pieces stands for.
    ///
    /// # Errors
    /// [`Mistake::NoValue`] when the run has none for it; [`Mistake::Unknown`] for words that are not of a release.
    pub fn value(&self, word: &str) -> Result<String, Mistake> {
        let version = |part: fn(&Version) -> String| self.version.map(part);
        let value = match word {
            "tag" => self.tag.map(str::to_owned),
            "version" => version(Version::to_string),
            "major" => version(|v| v.major.to_string()),
            "minor" => version(|v| v.minor.to_string()),
            "patch" => version(|v| v.patch.to_string()),
            "sha" => self.commit.map(str::to_owned),
            "short_sha" => self.commit.map(|commit| commit.chars().take(SHORT).collect()),
            _ => return Err(Mistake::Unknown { word: word.to_owned(), suggestion: None }),
        };
        let what = if matches!(word, "sha" | "short_sha") { "commit" } else { "release" };
        value.ok_or_else(|| Mistake::NoValue { word: word.to_owned(), what })
    }
}

/// Whether a template can have no value without a release. One that is wrong has none anyway.
pub fn needs_release(template: &str) -> bool {
    let is_of_release = |piece: &Piece<'_>| matches!(piece, Piece::Word("tag" | "version" | "major" | "minor" | "patch"));
    pieces(template, &[]).is_ok_and(|pieces| pieces.iter().any(is_of_release))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_cut_at_its_words_and_unknown_ones_are_told() {
        use Piece::{Text, Word};
        assert_eq!(pieces("v{{ major }}.{{app}}", &["app"]), Ok(vec![Text("v"), Word("major"), Text("."), Word("app"), Text("")]));
        assert_eq!(pieces("", &[]), Ok(vec![Text("")]));
        let unknown = pieces("{{tag}} {{verison}}", &[]).unwrap_err();
        assert_eq!(
            (unknown.to_string().as_str(), unknown.suggestion().as_deref()),
            ("it has an unknown word \"verison\"", Some("{{version}}"))
        );
        assert_eq!(pieces("{{app}}", &[]).unwrap_err().suggestion(), None);
        assert_eq!(pieces("{{tag", &[]).unwrap_err().to_string(), "`{{` is not closed by `}}`");
    }

    #[test]
    fn a_template_needs_a_release_for_the_words_about_one() {
        assert!(needs_release("v{{ major }}") && needs_release("{{tag}}"));
        assert!(!needs_release("latest") && !needs_release("{{short_sha}}") && !needs_release("tag"));
    }

    #[test]
    fn words_have_the_values_of_the_release_or_say_what_is_missing() {
        let version = Version::new(1, 2, 3);
        let words = Words { tag: Some("v1.2.3"), version: Some(&version), commit: Some("0123456789abcdef") };
        let values: Vec<String> = WORDS.iter().map(|word| words.value(word).unwrap()).collect();
        assert_eq!(values, ["v1.2.3", "1.2.3", "1", "2", "3", "0123456789abcdef", "0123456"]);
        let none = |word: &str| Words::default().value(word).unwrap_err().to_string();
        assert_eq!(none("minor"), "this run has no release, so {{minor}} has no value");
        assert_eq!(none("short_sha"), "this run has no commit, so {{short_sha}} has no value");
    }
}
