use std::collections::BTreeMap;

use secrecy::SecretString;

/// Which token goes with whose repositories: one for all, or one for each owner, as installations of an App have it.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    pub(super) any: Option<SecretString>,
    /// By owner, in small letters: names of owners don't differ by case.
    pub(super) owners: BTreeMap<String, SecretString>,
}

impl Tokens {
    /// From now on this owner's repositories have a token of their own.
    pub fn add(&mut self, owner: &str, token: SecretString) {
        self.owners.insert(owner.to_ascii_lowercase(), token);
    }

    /// The token for an owner's repositories.
    pub fn of(&self, owner: &str) -> Option<&SecretString> {
        self.owners.get(&owner.to_ascii_lowercase()).or(self.any.as_ref())
    }

    pub fn is_empty(&self) -> bool {
        self.any.is_none() && self.owners.is_empty()
    }

    /// The token for repositories that are on another server.
    pub fn any(&self) -> Option<&SecretString> {
        self.any.as_ref()
    }
}

impl From<Option<SecretString>> for Tokens {
    fn from(any: Option<SecretString>) -> Self {
        Self { any, owners: BTreeMap::new() }
    }
}
