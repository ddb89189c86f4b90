//! What a person should know about the tags of a plan.

use std::fmt;

use super::super::tags::{Values, Wanted, rival};
use crate::image::Tag;

/// What a person should know about the tags of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// No tag may be called as a template came out.
    Renamed { asked: String, tag: Tag },
    /// A tag names the same version with other build metadata, by which no float can tell which is newer.
    SameButBuild { version: String, tag: Tag },
}

impl Note {
    /// Whether something may go otherwise than it was meant.
    pub fn is_warning(&self) -> bool {
        matches!(self, Self::SameButBuild { .. })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Renamed { asked, tag } => write!(f, "{asked} is the tag {tag}: a tag may hold neither `+` nor `/`"),
            Self::SameButBuild { version, tag } => write!(
                f,
                "{version} differs from the released {tag} in its build metadata only, which has no rank: floating tags name what is released last"
            ),
        }
    }
}

pub(super) fn notes<'a>(wanted: &[Wanted], values: &Values, existing: impl Iterator<Item = &'a Tag>) -> Vec<Note> {
    let renamed = wanted.iter().filter_map(|wanted| Some(Note::Renamed { asked: wanted.asked.clone()?, tag: wanted.tag.clone() }));
    let rival = rival(wanted, values, existing).zip(values.version.as_ref());
    let same = rival.map(|(tag, version)| Note::SameButBuild { version: version.to_string(), tag: tag.clone() });
    renamed.chain(same).collect()
}
