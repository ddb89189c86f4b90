//! The tags that templates make.

use super::super::Error;
use super::{Role, Values, Wanted, Withheld};
use crate::release::template::{Piece, Words, pieces};

/// The default of `tags`.
pub const DEFAULT: &str = "{{tag}}";

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
    let told = |mistake: crate::release::template::Mistake| (mistake.to_string(), mistake.suggestion());
    let about = Words { tag: values.tag.as_deref(), version: values.version.as_ref(), commit: values.commit.as_deref() };
    let (mut text, mut words) = (String::new(), Vec::new());
    for piece in pieces(template, &[]).map_err(told)? {
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Word(word) => {
                text.push_str(&about.value(word).map_err(told)?);
                words.push(word);
            }
        }
    }
    let legal = text.replace(['+', '/'], "-");
    let tag = legal.parse().map_err(|error: crate::image::NameError| (error.to_string(), None))?;
    let has = |names: &[&str]| names.iter().any(|name| words.contains(name));
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
