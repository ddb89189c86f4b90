//! Key paths of values: `image.tag`, `sidecars[0].image.tag`, `"app.kubernetes.io/x".tag`.

use std::fmt;

use super::super::place::Hop;

/// A key of a values file and the service whose image it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    written: String,
    pub(super) path: Vec<Hop>,
    /// A service of the compose file.
    pub service: String,
}

/// Which part of an image a key holds, told by its last name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// `image`: the whole reference.
    Reference,
    Repository,
    Digest,
    /// Everything else.
    Tag,
}

/// Why a text is no key path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("is empty, or has an empty name")]
    Empty,
    #[error("has a quote that is not closed, or something behind a closing one")]
    Quote,
    #[error("has an index that is not a number in brackets")]
    Index,
}

impl Key {
    /// # Errors
    /// When the text is no key path.
    pub fn new(written: &str, service: &str) -> Result<Self, KeyError> {
        Ok(Self { written: written.to_owned(), path: parse(written)?, service: service.to_owned() })
    }

    pub(super) fn part(&self) -> Part {
        let name = self.path.iter().rev().find_map(|hop| match hop {
            Hop::Key(key) => Some(key.to_ascii_lowercase()),
            Hop::Item(_) => None,
        });
        match name.unwrap_or_default().as_str() {
            name if name.ends_with("image") => Part::Reference,
            name if name.ends_with("digest") => Part::Digest,
            name if name.ends_with("repository") => Part::Repository,
            _ => Part::Tag,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

fn parse(text: &str) -> Result<Vec<Hop>, KeyError> {
    let mut path = Vec::new();
    let mut rest = text.trim();
    loop {
        rest = match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let (name, after) = rest[1..].split_once(quote).ok_or(KeyError::Quote)?;
                path.push(Hop::Key(name.to_owned()));
                after
            }
            _ => {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                if end == 0 && !(path.is_empty() && rest.starts_with('[')) {
                    return Err(KeyError::Empty);
                }
                if end > 0 {
                    path.push(Hop::Key(rest[..end].to_owned()));
                }
                &rest[end..]
            }
        };
        while let Some(after) = rest.strip_prefix('[') {
            let (index, after) = after.split_once(']').ok_or(KeyError::Index)?;
            path.push(Hop::Item(index.parse().map_err(|_| KeyError::Index)?));
            rest = after;
        }
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Ok(path),
            None => return Err(KeyError::Quote),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_paths_name_keys_and_items() {
        let show = |text: &str| match Key::new(text, "api") {
            Ok(key) => format!("{:?} {:?}", key.path, key.part()),
            Err(error) => error.to_string(),
        };
        let lines = ["image.tag", "sidecars[0][1].image", "\"a.b/c\".tag", "[2].imageDigest", "a..b", "'a", "a[x]", "'a'b", ""].map(show);
        insta::assert_snapshot!(lines.join("\n"), @r#"
        [Key("image"), Key("tag")] Tag
        [Key("sidecars"), Item(0), Item(1), Key("image")] Reference
        [Key("a.b/c"), Key("tag")] Tag
        [Item(2), Key("imageDigest")] Digest
        is empty, or has an empty name
        has a quote that is not closed, or something behind a closing one
        has an index that is not a number in brackets
        has a quote that is not closed, or something behind a closing one
        is empty, or has an empty name
        "#);
    }
}
