//! Kubernetes resources as values: parsing with file and line kept, identity, image fields, references.
//!
//! ```text
//! find → files, built kustomizations → placeholders → YAML → Vec<Resource>      sources, load, parse
//!                                           ├→ namespace     apply_namespace
//!                                           ├→ images        images::fields, images::pin
//!                                           └→ references    references::of  (what rollout::order builds its graph from)
//! ```
//! Pure, except for [`find`] and [`load`], which read folders and files; what a kustomization builds is given to them as text.

mod checks;
pub mod config;
mod error;
mod id;
pub mod images;
pub mod kinds;
mod load;
mod namespace;
mod parse;
pub mod placeholders;
pub mod pods;
pub mod pull_secrets;
pub mod quantity;
pub mod references;
mod sources;
#[cfg(test)]
pub(crate) mod testing;

pub use error::Error;
pub use id::{Id, Key};
pub use kinds::{Catalog, Kind, Scope, built_in};
pub use load::{Request, load};
pub use namespace::{apply_namespace, check_duplicates, default_namespace};
pub use parse::parse;
pub use sources::{Entry, find};

use crate::error::Location;

/// One object of a manifest: the intent, without what only a server may write.
#[derive(Clone, PartialEq)]
pub struct Resource {
    pub id: Id,
    /// The object without `status` and without the metadata that the server owns (resourceVersion, uid, managedFields …).
    pub value: serde_json::Value,
    /// Where the object begins.
    pub at: Location,
    pub purpose: Purpose,
}

/// What an object is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It is a part of the application.
    Application,
    /// It proves that a release works, or belongs to what does.
    Check,
}

/// Without the value: it may be a Secret's.
impl std::fmt::Debug for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.id, self.at)
    }
}
