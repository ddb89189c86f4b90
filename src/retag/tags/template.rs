//! The tags that templates make.

use semver::Version;

use super::super::Error;
use super::{Role, Values, Wanted, Withheld};
use crate::suggest::nearest;

/// The default of `tags`.
pub const DEFAULT: &str = "{{tag}}";
const WORDS: [&str; 7] = ["tag", "version", "major", "minor", "patch", "sha", "short_sha"];
/// Digits of a short commit hash.
const SHORT: usize = 7;

/// The tags that templates make; the first of them is the release tag. No templates means [`DEFAULT`].
///
/// `+` and `/` become `-`: no tag may hold them (`1.2.3+5` is `1.2.3-5`).
///
/// # Errors
/// All at once: unknown words, words without a value, texts that are no tags.
pub fn expand(templates: &[String], values: &Values) -> Result<Vec<Wanted>, Vec<Error>> {
    let default = [DEFAULT.to_owned()];
    let templates = if templates.is_empty() { &default } else { templates };
    let mut errors = Vec::new();
    let mut wanted: Vec<Wanted> = Vec::new();
    for template in templates {
        match one(template, values) {
            Ok(tag) if wanted.iter().any(|known| known.tag == tag.tag) => {}
            Ok(tag) => wanted.push(tag),
            Err((reason, suggestion)) => errors.push(Error::Template { template: template.clone(), reason, suggestion }),
        }
    }
    if errors.is_empty() { Ok(wanted) } else { Err(errors) }
}

type Mistake = (String, Option<String>);

fn one(template: &str, values: &Values) -> Result<Wanted, Mistake> {
    let (mut text, mut words) = (String::new(), Vec::new());
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        let (word, after) = behind.split_once("}}").ok_or_else(|| ("`{{` is not closed by `}}`".to_owned(), None))?;
        let word = word.trim();
        text.push_str(before);
        text.push_str(&value(word, values)?);
        words.push(word.to_owned());
        rest = after;
    }
    text.push_str(rest);
    let legal = text.replace(['+', '/'], "-");
    let tag = legal.parse().map_err(|error: crate::image::NameError| (error.to_string(), None))?;
    let has = |names: &[&str]| names.iter().any(|name| words.iter().any(|word| word == name));
    let role = match () {
        () if has(&["tag", "version", "patch", "sha", "short_sha"]) => Role::Fixed,
        () if has(&["minor"]) => Role::Minor,
        () if has(&["major"]) => Role::Major,
        () => Role::Latest,
    };
    let withheld = match (role, &values.version) {
        (Role::Fixed, _) => None,
        (_, Some(version)) if values.prerelease || !version.pre.is_empty() => Some(Withheld::Prerelease),
        (Role::Major, Some(version)) if version.major == 0 => Some(Withheld::MajorZero),
        _ => None,
    };
    Ok(Wanted { tag, role, withheld, asked: (legal != text).then_some(text) })
}

fn value(word: &str, values: &Values) -> Result<String, Mistake> {
    let version = |part: fn(&Version) -> String| values.version.as_ref().map(part);
    let value = match word {
        "tag" => values.tag.clone(),
        "version" => version(Version::to_string),
        "major" => version(|v| v.major.to_string()),
        "minor" => version(|v| v.minor.to_string()),
        "patch" => version(|v| v.patch.to_string()),
        "sha" => values.commit.clone(),
        "short_sha" => values.commit.as_ref().map(|commit| commit.chars().take(SHORT).collect()),
        _ => {
            let suggestion = nearest(word, WORDS).map(|word| format!("{{{{{word}}}}}"));
            return Err((format!("it has an unknown word {word:?}"), suggestion));
        }
    };
    value.ok_or_else(|| {
        let what = if matches!(word, "sha" | "short_sha") { "commit" } else { "release" };
        (format!("this run has no {what}, so {{{{{word}}}}} has no value"), None)
    })
}

/// Whether a template can have no value without a release.
pub fn needs_release(template: &str) -> bool {
    let words = template.split("{{").skip(1).filter_map(|rest| rest.split_once("}}"));
    words.map(|(word, _)| word.trim()).any(|word| matches!(word, "tag" | "version" | "major" | "minor" | "patch"))
}
