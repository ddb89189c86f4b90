//! Titles and messages in the words of an entry. Pure.
//!
//! What an entry says itself stands as it was written, because rules for messages want it so: `Signed-off-by`, `#123`. The values of its
//! words come from elsewhere: they mention nobody.

use crate::release::template::{self, Mistake, Piece, Words};

use super::text::quiet;
use super::{Entry, Error, Settings};

/// Words that an entry may use beside those of a release.
const MORE: [&str; 3] = ["app", ENVIRONMENT, "repository"];
const ENVIRONMENT: &str = "environment";
/// Characters. GitHub takes 256; Gitea keeps 255, with `WIP: ` before the title of a draft.
pub(super) const TITLE_LIMIT: usize = 250;

/// A commit's message in its two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) subject: String,
    /// Empty when there is only a subject.
    pub(super) body: String,
}

/// What an entry says in its own words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wording {
    pub(super) title: Option<String>,
    pub(super) message: Option<Message>,
}

/// Checks what can be checked without a release.
///
/// # Errors
/// What is wrong with the template.
pub(super) fn check(template: &str, environment: Option<&str>) -> Result<(), String> {
    let told = |mistake: Mistake| {
        let suggestion = mistake.suggestion().map_or_else(String::new, |word| format!("; did you mean `{word}`?"));
        format!("can't be filled in: {mistake}{suggestion}")
    };
    let pieces = template::pieces(template, &MORE).map_err(told)?;
    if environment.is_none() && pieces.contains(&Piece::Word(ENVIRONMENT)) {
        return Err("can't be filled in: it has {{environment}}, and the entry has no `environment`".into());
    }
    Ok(())
}

impl Wording {
    /// Fills in the keys `title` and `commit-message`.
    ///
    /// # Errors
    /// [`Error::Wording`] for words that this run has no value for, and titles that are too long.
    pub(super) fn of(settings: &Settings, entry: &Entry) -> Result<Self, Error> {
        let fail = |key: &'static str| move |reason: String| Error::Wording { key, place: entry.to_string(), reason };
        let filled = |key: &'static str, template: &Option<String>| {
            let text = template.as_ref().map(|template| fill(settings, entry, template)).transpose();
            text.map_err(|mistake| fail(key)(mistake.to_string()))
        };
        let title = filled("title", &entry.title)?;
        let message = filled("commit-message", &entry.commit_message)?.map(|text| Message::of(&text));
        if let Some(title) = &title {
            limit(title).map_err(fail("title"))?;
        }
        if let Some(message) = &message {
            limit(&message.subject).map_err(fail("commit-message"))?;
        }
        Ok(Self { title, message })
    }
}

impl Message {
    /// The first line is the subject; between it and the body git wants an empty line (git-commit(1), Discussion).
    fn of(text: &str) -> Self {
        let (subject, body) = text.split_once('\n').unwrap_or((text, ""));
        Self { subject: subject.trim().to_owned(), body: body.trim_matches('\n').trim_end().to_owned() }
    }
}

fn limit(title: &str) -> Result<(), String> {
    let length = title.chars().count();
    if length <= TITLE_LIMIT { Ok(()) } else { Err(format!("it has {length} characters in its first line, and may have {TITLE_LIMIT}")) }
}

fn fill(settings: &Settings, entry: &Entry, template: &str) -> Result<String, Mistake> {
    let release = &settings.release;
    let tag = Some(release.name.as_str()).filter(|name| !name.is_empty());
    let words = Words { tag, version: release.version.as_ref(), commit: release.commit.as_deref() };
    let no_value = |word: &str, what| Mistake::NoValue { word: word.to_owned(), what };
    let mut text = String::new();
    for piece in template::pieces(template, &MORE)? {
        let word = match piece {
            Piece::Text(piece) => {
                text.push_str(piece);
                continue;
            }
            Piece::Word(word) => word,
        };
        let value = match word {
            "app" => settings.app.clone(),
            ENVIRONMENT => entry.environment.clone().ok_or_else(|| no_value(word, "environment"))?,
            "repository" => release.project.clone().ok_or_else(|| no_value(word, "repository"))?,
            word => words.value(word)?,
        };
        text.push_str(&quiet(&value));
    }
    Ok(text.trim().to_owned())
}
