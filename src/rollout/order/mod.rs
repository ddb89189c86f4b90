//! In which order a set of resources is applied. Pure.
//!
//! Three sources of order: a short [table](table) of waves by kind, the [edges](graph) between objects that need each other, and what
//! [annotations] of other tools ask for. An edge goes before all else: an object whose need comes later moves behind it. All objects of a wave are
//! applied together; the next wave begins when the previous one is applied and, where something after it depends on more than
//! the object's existence, ready.

mod annotations;
mod graph;
mod print;
mod sort;
mod table;

pub use annotations::{Ending, Selection, is_check, is_deleted_after, runs_again, set_aside, vanishes};

use crate::error::{Exit, Explain, Location};
use crate::resource::{Id, Resource};

/// The order of a set; indices are positions in the slice given to [`order`].
#[derive(Default, Debug, Clone, PartialEq)]
pub struct Order {
    pub waves: Vec<Wave>,
    /// Every "this before that", without duplicates.
    pub edges: Vec<Edge>,
    names: Vec<(Id, Location)>,
}

/// Objects that are applied together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wave {
    pub name: String,
    /// Sorted by the table, then by group, namespace and name.
    pub resources: Vec<usize>,
    pub wait: Wait,
}

/// What must be true before the next wave begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// All objects of the wave are applied.
    Applied,
    /// They are applied, and these objects (of this wave or an earlier one) are ready: the next wave needs them to work.
    Ready(Vec<usize>),
}

/// Two objects that have an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    pub before: usize,
    pub after: usize,
    pub until: Until,
    pub why: Why,
}

/// What the first must have reached before the second is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Until {
    Ready,
    Applied,
}

/// Why the second comes after the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    InNamespace,
    InstanceOf,
    ConvertedBy,
    Uses,
    ServedBy,
    /// The annotation `config.kubernetes.io/depends-on`.
    DependsOn,
    /// The annotation `kapp.k14s.io/change-rule`.
    ChangeRule,
}

/// Why a set has no order.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("couldn't order the objects, because they wait for each other: {}", print::cycle(path))]
    Cycle { path: Vec<Step> },
    #[error("{} has the annotation `{}: {}`, but {}", .0.id, .0.annotation, .0.value, .0.reason)]
    Annotation(Box<Misread>),
}

/// An annotation that says something impossible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misread {
    pub id: Id,
    pub annotation: String,
    pub value: String,
    pub reason: String,
    pub at: Location,
}

/// One object of a cycle; it needs the next one, and the last one needs the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub id: Id,
    pub at: Location,
    pub why: Why,
}

impl Explain for Error {
    fn hint(&self) -> String {
        match self {
            Self::Cycle { .. } => {
                "remove one of these references, or apply one of the objects in an earlier step with its own `manifests`".into()
            }
            Self::Annotation(_) => "correct the annotation, or remove it".into(),
        }
    }

    fn exit(&self) -> Exit {
        Exit::BadInput
    }

    fn location(&self) -> Option<&Location> {
        match self {
            Self::Cycle { path } => path.first().map(|step| &step.at),
            Self::Annotation(misread) => Some(&misread.at),
        }
    }
}

/// Orders a set. The same set gives the same order, in whichever order its objects were written.
///
/// Names without a namespace mean objects without one: apply the namespace before.
///
/// # Errors
/// Objects that wait for each other in a circle, and the first annotation that says something impossible.
pub fn order(resources: &[Resource]) -> Result<Order, Error> {
    let wishes = resources.iter().map(annotations::wishes).collect::<Result<Vec<_>, _>>()?;
    let edges = graph::edges(resources, &wishes)?;
    let waves = sort::waves(resources, &wishes, &edges)?;
    let names = resources.iter().map(|r| (r.id.clone(), r.at.clone())).collect();
    Ok(Order { waves, edges, names })
}

#[cfg(test)]
mod tests;
