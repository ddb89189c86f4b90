//! What the entries of `images:` say, and which images they are about.

use std::borrow::Cow;

use regex::Regex;

use crate::image::Repository;
use crate::yaml::{Node, Schema};

use super::super::ImagePin;
use super::super::images::shown;
use super::reading::Spot;
use super::{is_repository, repository_of, unescaped};

/// What one entry says, aliases and merge keys resolved.
pub(super) struct Entry {
    /// Its place in the file's `images`, counted from 0.
    pub(super) index: usize,
    pub(super) spot: Spot,
    pub(super) name: String,
    pub(super) new_name: Option<String>,
    pub(super) new_tag: Option<String>,
    /// Whether `newTag` is a text; kustomize refuses numbers.
    tag_is_text: bool,
    pub(super) digest: Option<String>,
    /// The repositories that `name` and `newName` are.
    named: Option<Repository>,
    renamed: Option<Repository>,
}

impl Entry {
    pub(super) fn read(node: &Node, index: usize, spot: Spot) -> Option<Self> {
        let text = |key: &str| node.get(key).filter(|value| !value.is_null()).and_then(Node::as_str).map(str::to_owned);
        let is_text = |tag: &Node| tag.to_json(Schema::Yaml11).is_string() && tag.to_json(Schema::Core).is_string();
        let filled = |key: &str| text(key).filter(|value| !value.is_empty());
        let (name, new_name) = (text("name")?, filled("newName"));
        Some(Self {
            index,
            spot,
            named: repository_of(&name),
            renamed: new_name.as_deref().and_then(repository_of),
            name,
            new_name,
            new_tag: filled("newTag"),
            tag_is_text: node.get("newTag").is_none_or(is_text),
            digest: filled("digest"),
        })
    }

    /// Whether the images that this entry makes are those of a repository.
    pub(super) fn is_of(&self, repository: &Repository) -> bool {
        let made = if self.new_name.is_some() { &self.renamed } else { &self.named };
        made.as_ref() == Some(repository)
    }

    pub(super) fn says(&self, pin: &ImagePin) -> bool {
        self.is_of(&pin.repository)
            && self.tag_is_text
            && self.new_tag.as_deref() == Some(pin.tag.as_str())
            && self.digest.as_deref() == pin.digest.as_ref().map(crate::image::Digest::as_str)
    }

    /// The entry's present value, with the repository when that is about to change.
    pub(super) fn value(&self, pin: &ImagePin) -> String {
        let repository = self.new_name.as_ref().unwrap_or(&self.name);
        let repository = if self.is_of(&pin.repository) { "" } else { repository.as_str() };
        shown(repository, self.new_tag.as_deref(), self.digest.as_deref())
    }

    /// The one image that its name is about, if it is no regular expression for several.
    pub(super) fn image(&self) -> Option<Cow<'_, str>> {
        Some(unescaped(&self.name)).filter(|name| is_plain(name))
    }

    /// What its name matches; `None` where kustomize ignores it, because it is no regular expression.
    pub(super) fn pattern(&self) -> Option<Regex> {
        Regex::new(&format!("^{}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$", self.name)).ok()
    }

    pub(super) fn note(&self, file: &str, pin: &ImagePin) -> Option<String> {
        if !may_match(&self.name, &pin.name) {
            return None;
        }
        let pattern = self.pattern()?;
        let (name, index) = (&self.name, self.index);
        let also = || format!("{file}: images[{index}] has the name {name:?}, which as a regular expression matches {} too", pin.name);
        pattern.is_match(&pin.name).then(also)
    }
}

/// Whether a name is that of one image, dots aside, which in regular expressions match themselves among others.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b':'))
}

/// Whether a name may match another at all, which saves most regular expressions: one of plain characters and dots matches only what
/// begins with the same ones.
pub(super) fn may_match(pattern: &str, name: &str) -> bool {
    let begins = || name.len() >= pattern.len() && pattern.bytes().zip(name.bytes()).all(|(one, other)| one == b'.' || one == other);
    begins() || !is_plain(pattern)
}

/// A pin beside the entries.
pub(super) struct Wanted<'p> {
    pub(super) pin: &'p ImagePin,
    /// Whether the manifests know the image by another name than its repository.
    has_alias: bool,
}

impl<'p> Wanted<'p> {
    pub(super) fn new(pin: &'p ImagePin) -> Self {
        Self { pin, has_alias: !is_repository(&pin.name, &pin.repository) }
    }

    pub(super) fn is_name_of(&self, entry: &Entry) -> bool {
        let is_repository = || !self.has_alias && entry.named.as_ref() == Some(&self.pin.repository);
        entry.name == self.pin.name || unescaped(&entry.name) == self.pin.name || is_repository()
    }

    pub(super) fn owns(&self, entry: &Entry) -> bool {
        self.is_name_of(entry) || entry.renamed.as_ref() == Some(&self.pin.repository)
    }

    /// Whether the manifests' name of the image is covered by an entry: one of that name, or, where the name is the repository itself, one
    /// that turns another name into it.
    pub(super) fn is_covered(&self, entries: &[Entry]) -> bool {
        entries.iter().any(|entry| self.is_name_of(entry) || (!self.has_alias && self.owns(entry)))
    }
}
