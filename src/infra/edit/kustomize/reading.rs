//! How much of a kustomization has to be read: the entries of `images:` that may be about one of the images, where the others are so plainly
//! written that they are surely not; or all of `images:`; or the whole file.

use std::collections::HashSet;
use std::ops::Range;

use crate::error::Location;
use crate::yaml::{Document, Kind, Node, Part};

use super::super::images::last_part;
use super::super::yaml::{Editor, Fields, Step};
use super::super::{Error, ImagePin};
use super::entries::{Entry, Wanted, may_match};

/// Neighbours that are read as one part: enough to make up for starting a parser, few enough that an edit reads little again.
const RUN: usize = 32;

/// An entry's place: the document that was read, and the item of its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) document: usize,
    item: usize,
}

impl Spot {
    pub(super) fn node<'d>(&self, list: &[Step<'_>], documents: &'d [Document]) -> Option<&'d Node> {
        list_of(list, documents.get(self.document)?)?.items().get(self.item)
    }
}

fn list_of<'d>(list: &[Step<'_>], document: &'d Document) -> Option<&'d Node> {
    match list {
        [Step::Key(key)] => document.root.get(key),
        _ => Some(&document.root),
    }
}

/// The list of images, of which an editor has read what matters.
pub(super) struct Images<'t> {
    pub(super) editor: Editor<'t>,
    /// The way from a document's root to its list.
    pub(super) list: &'static [Step<'static>],
}

impl<'t> Images<'t> {
    /// Reads the entries that may be about the pins' images; all of them where the file leaves a doubt.
    ///
    /// # Errors
    /// When the file is no kustomization, or one of its entries is none.
    pub(super) fn read(file: &'t str, text: &'t str, pins: &[ImagePin]) -> Result<(Self, Vec<Entry>), Error> {
        let section = section(text);
        // What can't be read in parts is read as a whole, which also gives the right error.
        if let Some(read) = section.as_ref().and_then(|section| Self::by_items(file, text, section, pins)) {
            return Ok(read);
        }
        match section.and_then(|section| Editor::of_parts(file, text, vec![section]).ok()).filter(has_entries) {
            Some(editor) => Self::whole(file, editor),
            None => Self::whole(file, Editor::new(file, text)?),
        }
    }

    /// `None` where the list is not one that can be cut, or one of the entries that were read is none.
    fn by_items(file: &'t str, text: &'t str, section: &Part, pins: &[ImagePin]) -> Option<(Self, Vec<Entry>)> {
        let items = section.items(text)?;
        let (mut parts, mut runs): (Vec<Part>, Vec<Range<usize>>) = (Vec::new(), Vec::new());
        let fields: Vec<_> = items.iter().map(|item| item.fields(text)).collect();
        let ours = Names::of(pins, fields.iter().flatten());
        for (index, (item, fields)) in items.iter().zip(&fields).enumerate() {
            // The last one shows how another is added.
            let is_read = index + 1 == items.len() || fields.as_ref().is_none_or(|fields| ours.may_be_in(fields));
            match (runs.last_mut(), parts.last_mut()) {
                _ if !is_read => {}
                (Some(run), Some(part)) if run.end == index && run.len() < RUN => {
                    run.end += 1;
                    part.span.end = item.span.end;
                }
                _ => {
                    runs.push(index..index + 1);
                    parts.push(item.clone());
                }
            }
        }
        let editor = Editor::of_parts(file, text, parts).ok()?;
        let is_as_cut = |(document, run): (&Document, &Range<usize>)| document.root.items().len() == run.len();
        let is_cut = editor.documents().len() == runs.len() && editor.documents().iter().zip(&runs).all(is_as_cut);
        if !is_cut || !editor.can_extend(runs.len() - 1, &[]) {
            return None;
        }
        let mut entries = Vec::new();
        for (document, (read, run)) in editor.documents().iter().zip(runs).enumerate() {
            for (item, (node, index)) in read.resolved().ok()?.items().iter().zip(run).enumerate() {
                entries.push(Entry::read(node, index, Spot { document, item })?);
            }
        }
        // What gives an image another name has other entries be about it.
        let wanted: Vec<Wanted<'_>> = pins.iter().map(Wanted::new).collect();
        let is_known = |name: &str| is_among(&ours.words, name);
        let leads_on = |entry: &Entry| {
            let stays = entry.new_name.as_deref().is_none_or(|name| is_known(name) && is_known(&entry.name));
            !stays && !wanted.iter().any(|wanted| wanted.is_name_of(entry))
        };
        (!entries.iter().any(leads_on)).then_some((Self { editor, list: &[] }, entries))
    }

    /// All entries of a document that an editor has read.
    pub(super) fn whole(file: &str, editor: Editor<'t>) -> Result<(Self, Vec<Entry>), Error> {
        let entries = read_entries(&editor, file)?;
        Ok((Self { editor, list: &[Step::Key("images")] }, entries))
    }

    pub(super) fn node(&self, spot: Spot) -> Option<&Node> {
        spot.node(self.list, self.editor.documents())
    }

    pub(super) fn location(&self, spot: Spot) -> Location {
        self.node(spot).map_or_else(|| Location::line("", 0), |item| self.editor.location(item))
    }

    fn way<'k>(&self, spot: Spot, key: Option<&'k str>) -> Vec<Step<'k>> {
        self.list.iter().copied().chain([Step::Item(spot.item)]).chain(key.map(Step::Key)).collect()
    }

    /// Sets a key of an entry, or adds it. A key that only a merge brings is added in the entry itself, where it wins.
    pub(super) fn put(&mut self, spot: Spot, key: &str, text: &str) -> Result<(), Error> {
        let is_there = self.node(spot).is_some_and(|item| item.get(key).is_some());
        match is_there {
            true => self.editor.set(spot.document, &self.way(spot, Some(key)), text),
            false => self.editor.insert(spot.document, &self.way(spot, None), key, text),
        }
    }

    pub(super) fn remove(&mut self, spot: Spot, key: &str) -> Result<(), Error> {
        self.editor.remove(spot.document, &self.way(spot, None), key)
    }

    /// Adds entries at the end, and tells where they are then.
    pub(super) fn add(&mut self, entries: &[Fields]) -> Result<impl Iterator<Item = Spot> + use<>, Error> {
        let document = self.editor.documents().len() - 1;
        let present = list_of(self.list, &self.editor.documents()[document]).map_or(0, |list| list.items().len());
        match self.list {
            [Step::Key(key)] => self.editor.append(document, &[], key, entries)?,
            _ => self.editor.extend(document, &[], entries)?,
        }
        Ok((present..present + entries.len()).map(move |item| Spot { document, item }))
    }
}

/// The file's `images`, where the rest of it has no influence on them.
fn section(text: &str) -> Option<Part> {
    let [document] = Part::documents(text).try_into().ok()?;
    let sections = document.sections(text)?;
    let (images, others): (Vec<Part>, Vec<Part>) = sections.into_iter().partition(|part| text[part.span.clone()].starts_with("images:"));
    others.iter().all(|part| part.is_closed(text)).then_some(images)?.pop()
}

fn has_entries(editor: &Editor<'_>) -> bool {
    matches!(editor.documents(), [document] if document.root.get("images").is_some_and(|list| !list.items().is_empty()))
}

/// What an entry that is about one of some pins has as a name.
struct Names<'p> {
    /// The pins' names, those that entries make theirs, and the last parts of repositories.
    words: HashSet<&'p str>,
    names: Vec<&'p str>,
}

impl<'p> Names<'p> {
    fn of(pins: &'p [ImagePin], entries: impl Iterator<Item = &'p Vec<(&'p str, &'p str)>>) -> Self {
        let mut names: Vec<&str> = pins.iter().map(|pin| pin.name.as_str()).collect();
        let parts = pins.iter().map(|pin| last_part(&pin.repository));
        let mut words: HashSet<&str> = names.iter().copied().chain(parts).collect();
        // Another entry of the same name gets in the way of one that gives it a repository of ours.
        let renamed = |fields: &&Vec<(&str, &str)>| field(fields, "newName").is_some_and(|name| is_among(&words, name));
        let more: Vec<&str> = entries.filter(renamed).filter_map(|fields| field(fields, "name")).collect();
        words.extend(&more);
        names.extend(more);
        Self { words, names }
    }

    /// Whether an entry of these fields may be about one of the pins: name it, make it, or match it as a regular expression; or may be none.
    fn may_be_in(&self, fields: &[(&str, &str)]) -> bool {
        let Some(name) = field(fields, "name").filter(|name| !name.eq_ignore_ascii_case("null")) else { return true };
        let is_made = || field(fields, "newName").is_some_and(|name| is_among(&self.words, name));
        is_among(&self.words, name) || is_made() || self.names.iter().any(|wanted| may_match(name, wanted))
    }
}

fn field<'f>(fields: &[(&str, &'f str)], key: &str) -> Option<&'f str> {
    fields.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
}

fn is_among(words: &HashSet<&str>, name: &str) -> bool {
    words.contains(name) || name.rsplit('/').next().is_some_and(|part| words.contains(part))
}

fn read_entries(editor: &Editor<'_>, file: &str) -> Result<Vec<Entry>, Error> {
    let at = |line: u32| Location::line(file, line);
    let [document] = editor.documents() else {
        let reason = format!("a kustomization is one document, and there are {}", editor.documents().len());
        return Err(Error::Refused { at: at(1), reason });
    };
    if !document.root.is_mapping() {
        return Err(editor.refuse(&document.root, format!("there is {} where a kustomization was expected", document.root.describe())));
    }
    let resolved = document.resolved().map_err(|error| Error::Unreadable { at: at(error.line()), message: error.to_string() })?;
    let Some(images) = resolved.get("images").filter(|images| !images.is_null()) else { return Ok(Vec::new()) };
    if document.root.get("images").is_none_or(|raw| matches!(raw.kind, Kind::Alias { .. })) {
        return Err(editor.refuse(images, "`images` comes from an alias or a merge key".into()));
    }
    if !images.is_sequence() {
        return Err(editor.refuse(images, format!("`images` holds {} where a list was expected", images.describe())));
    }
    let entry = |(index, item): (usize, &Node)| {
        let spot = Spot { document: 0, item: index };
        Entry::read(item, index, spot).ok_or_else(|| editor.refuse(item, "an entry of `images` has no `name`".into()))
    };
    images.items().iter().enumerate().map(entry).collect()
}
