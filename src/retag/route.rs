//! Where images are taken from and where they go.

use super::select::Task;
use crate::store::{Place, Store};

/// The two ends of a retag; mostly the same store.
#[derive(Debug, Clone, Copy)]
pub struct Route<'a> {
    pub source: &'a Store,
    pub target: &'a Store,
}

impl<'a> From<&'a Store> for Route<'a> {
    fn from(store: &'a Store) -> Self {
        Self { source: store, target: store }
    }
}

impl<'a> Route<'a> {
    /// Whether a tag alone isn't enough, because the image's content is somewhere else.
    pub(super) fn crosses(&self, task: &Task) -> bool {
        // The Docker daemon pushes to the target itself.
        let pushes = matches!(self.source, Store::Daemon(_));
        !pushes && (!std::ptr::eq(self.source, self.target) || task.source.repository != task.target)
    }

    pub(super) fn from(&self, copy: &'a super::Copy) -> Place<'a> {
        Place { store: self.source, repository: &copy.from }
    }

    pub(super) fn to(&self, copy: &'a super::Copy) -> Place<'a> {
        Place { store: self.target, repository: &copy.to }
    }
}
