//! What becomes of a tag.

use std::fmt;

use super::super::tags::{Role, Withheld};
use super::Overwrite;
use crate::image::Digest;

/// What becomes of a tag.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Create,
    Move,
    AlreadyThere,
    /// It must not move, but names another digest.
    Conflict,
    Withheld(Withheld),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create => f.write_str("create"),
            Self::Move => f.write_str("move"),
            Self::AlreadyThere => f.write_str("already there"),
            Self::Conflict => f.write_str("conflict"),
            Self::Withheld(reason) => write!(f, "left alone: {reason}"),
        }
    }
}

/// Decides on one tag, by what it names now and what it is to name.
pub fn decide(role: Role, before: Option<&Digest>, source: &Digest, overwrite: Overwrite) -> Action {
    match (before, role, overwrite) {
        (None, ..) => Action::Create,
        (Some(before), ..) if before == source => Action::AlreadyThere,
        (Some(_), Role::Fixed, Overwrite::Refuse) => Action::Conflict,
        (Some(_), ..) => Action::Move,
    }
}

/// Decides on one tag of an image whose digest nobody knows yet, which is none that the target's tags name.
pub fn decide_unpushed(role: Role, before: Option<&Digest>, overwrite: Overwrite) -> Action {
    match (before, role, overwrite) {
        (None, ..) => Action::Create,
        (Some(_), Role::Fixed, Overwrite::Refuse) => Action::Conflict,
        (Some(_), ..) => Action::Move,
    }
}
