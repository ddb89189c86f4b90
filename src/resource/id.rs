use std::fmt;

/// What names one object to the API server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// API group; empty for the core group.
    pub group: String,
    /// Version inside the group: `v1`.
    pub version: String,
    pub kind: String,
    /// `None` for cluster-scoped objects, and for namespaced ones whose manifest names no namespace.
    pub namespace: Option<String>,
    pub name: String,
}

impl Id {
    /// As it is written in a manifest: `apps/v1`, `v1`.
    pub fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// The identity without the version: the same object is reached through every version that its group serves.
    pub fn key(&self) -> Key {
        Key { group: self.group.clone(), kind: self.kind.clone(), namespace: self.namespace.clone(), name: self.name.clone() }
    }

    /// Whether the object is of this built-in kind.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.kind == kind && self.group == group
    }
}

/// `Deployment shop/api`, `Namespace shop`.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, &self.kind, self.namespace.as_deref(), &self.name)
    }
}

/// An object's identity in every version: group, kind, namespace, name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub group: String,
    pub kind: String,
    pub namespace: Option<String>,
    pub name: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, &self.kind, self.namespace.as_deref(), &self.name)
    }
}

fn display(f: &mut fmt::Formatter<'_>, kind: &str, namespace: Option<&str>, name: &str) -> fmt::Result {
    match namespace {
        Some(namespace) => write!(f, "{kind} {namespace}/{name}"),
        None => write!(f, "{kind} {name}"),
    }
}
