//! Namespaces and definitions: what others can only be judged after. Pure.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::super::plan::{Action, Step};
use crate::resource::Id;

/// Objects that others can only be judged after.
pub(super) fn is_foundation(id: &Id) -> bool {
    id.is("", "Namespace") || is_definition(id)
}

pub(in crate::rollout) fn is_definition(id: &Id) -> bool {
    id.is("apiextensions.k8s.io", "CustomResourceDefinition")
}

/// What of the foundations isn't there yet.
#[derive(Default)]
pub(super) struct Ground {
    pub(super) new_namespaces: BTreeSet<String>,
    /// By group and kind.
    definitions: HashMap<(String, String), Definition>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Definition {
    New,
    Changing,
}

impl Ground {
    pub(super) fn of<'s>(foundations: impl Iterator<Item = &'s Step>) -> Self {
        let mut ground = Self::default();
        for step in foundations {
            if step.resource.id.is("", "Namespace") && step.live.is_none() && step.action != Action::Unseen {
                ground.new_namespaces.insert(step.resource.id.name.clone());
            }
            let text = |pointer| step.resource.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            let definition = match step.action {
                _ if !is_definition(&step.resource.id) => continue,
                Action::Keep | Action::Adopt => continue,
                _ if step.live.is_none() => Definition::New,
                _ => Definition::Changing,
            };
            ground.definitions.insert((text("/spec/group"), text("/spec/names/kind")), definition);
        }
        ground
    }

    pub(super) fn definition(&self, id: &Id) -> Option<Definition> {
        self.definitions.get(&(id.group.clone(), id.kind.clone())).copied()
    }
}
