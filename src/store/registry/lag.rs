//! Registries that show what was pushed some seconds later.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Client, Error, Pointer};
use crate::image::{Manifest, Repository};

/// Which registries are late, and how long they are waited for.
#[derive(Debug, Clone)]
pub struct Lag {
    pub hosts: Vec<String>,
    pub within: Duration,
    /// The first pause; each is twice as long as the one before.
    pub first_wait: Duration,
}

impl Default for Lag {
    /// GHCR answers `manifest unknown` for up to half a minute after a push.
    fn default() -> Self {
        Self { hosts: vec!["ghcr.io".to_owned()], within: Duration::from_secs(30), first_wait: Duration::from_secs(1) }
    }
}

impl Client {
    /// See [`crate::store::Store::is_late`].
    pub(in crate::store) fn is_late(&self, repository: &Repository) -> bool {
        self.settings.lag.hosts.iter().any(|host| host == repository.registry())
    }

    /// See [`crate::store::Store::late_manifest`].
    pub(in crate::store) async fn late_manifest(
        &self,
        repository: &Repository,
        pointer: &Pointer,
        missing: Error,
    ) -> Result<Manifest, Error> {
        let lag = &self.settings.lag;
        if !self.is_late(repository) {
            return Err(missing);
        }
        let deadline = Instant::now() + lag.within;
        let (mut missing, mut wait) = (missing, lag.first_wait);
        // A repository that isn't there at all was never pushed to.
        while is_unknown_manifest(&missing) && Instant::now() < deadline {
            sleep(wait.min(deadline - Instant::now())).await;
            wait *= 2;
            match self.manifest(repository, pointer).await {
                Err(error @ Error::NotFound { .. }) => missing = error,
                result => return result,
            }
        }
        Err(missing)
    }
}

fn is_unknown_manifest(error: &Error) -> bool {
    match error {
        Error::NotFound { source: Some(refusal), .. } => {
            refusal.message.to_ascii_lowercase().replace('_', " ").contains("manifest unknown")
        }
        _ => false,
    }
}
