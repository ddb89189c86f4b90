//! `Chart.yaml`: `appVersion` and `version`.

use semver::{BuildMetadata, Prerelease, Version};

use crate::yaml::Node;

use super::super::place::{Hop, Place, location};
use super::super::yaml::Editor;
use super::super::{Change, Edited, Error, File, ImagePin};

/// What becomes of a chart's `version` when something in the chart changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Bump {
    #[default]
    None,
    Patch,
    Minor,
    Major,
    /// The release's version.
    App,
}

pub(super) fn is_chart(path: &str) -> bool {
    path.rsplit('/').next() == Some("Chart.yaml")
}

/// Sets `appVersion`, where there is one, to the images' tag, and bumps `version` when that or a value has changed. The new version is
/// computed from the file's, which is the base's: a branch that is made anew is not bumped twice.
pub(super) fn edit(file: &File, pins: &[ImagePin], bump: Bump, values_changed: bool) -> Result<Edited, Error> {
    let Some(first) = pins.first() else { return Ok(Edited::unchanged(file)) };
    let mut editor = Editor::new(&file.path, file.text()?)?;
    let text = |editor: &Editor<'_>, key: &str| {
        let root = editor.documents().first().map(|document| &document.root)?;
        root.get(key).filter(|node| !node.is_null()).and_then(Node::as_str).map(str::to_owned)
    };
    let mut pending = Vec::new();
    if let Some(old) = text(&editor, "appVersion")
        && old != first.tag.as_str()
    {
        if let Some(other) = pins.iter().find(|pin| pin.tag != first.tag) {
            let at = location(&file.path, place("appVersion").node(editor.documents()));
            return Err(Error::Contradiction { at, one: first.name.clone(), other: other.name.clone() });
        }
        pending.push(("appVersion", old, first.tag.to_string()));
    }
    if bump != Bump::None && (values_changed || !pending.is_empty()) {
        let old = text(&editor, "version").unwrap_or_default();
        let new = bumped(&old, first, bump).map_err(|reason| {
            let place = place("version");
            let node = place.node(editor.documents()).or_else(|| place.nearest(editor.documents()));
            Error::Refused { at: location(&file.path, node), reason }
        })?;
        pending.push(("version", old, new));
    }
    pending.retain(|(_, old, new)| old != new);
    for (key, _, new) in &pending {
        editor.set(0, &place(key).steps(), new)?;
    }
    let finished = editor.finish()?;
    let change = |(key, old, new): (&str, String, String)| Change {
        file: file.path.clone(),
        line: place(key).line(&finished.documents),
        image: key.to_owned(),
        old: Some(old),
        new,
    };
    let changes = pending.into_iter().map(change).collect();
    Ok(Edited { changes, notes: Vec::new(), bytes: finished.text.into_bytes() })
}

fn place(key: &str) -> Place {
    Place::new(0, &[Hop::Key(key.to_owned())])
}

/// Helm takes versions of SemVer 2 only.
fn bumped(old: &str, pin: &ImagePin, bump: Bump) -> Result<String, String> {
    let tag = pin.tag.as_str();
    if bump == Bump::App {
        let text = tag.strip_prefix('v').unwrap_or(tag);
        return Version::parse(text)
            .map(|version| version.to_string())
            .map_err(|error| format!("the release {tag:?} can't be the chart's version: {error}"));
    }
    let mut version = Version::parse(old).map_err(|error| format!("the chart's version {old:?} can't be raised: {error}"))?;
    // `1.2.0-rc.1` comes before `1.2.0`, which is its next patch.
    let is_before = !version.pre.is_empty();
    (version.pre, version.build) = (Prerelease::EMPTY, BuildMetadata::EMPTY);
    match bump {
        Bump::Patch if !is_before => version.patch += 1,
        Bump::Minor => (version.minor, version.patch) = (version.minor + 1, 0),
        Bump::Major => (version.major, version.minor, version.patch) = (version.major + 1, 0, 0),
        Bump::Patch | Bump::None | Bump::App => {}
    }
    Ok(version.to_string())
}
