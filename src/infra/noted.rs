//! Writes that stand in the journal.

use crate::forge;
use crate::journal::Kind;

use super::Infra;

impl Infra {
    /// Sends a write that stands in the journal.
    pub(super) async fn noted<T>(
        &self,
        kind: Kind,
        subject: String,
        before: Option<&str>,
        after: &str,
        request: impl Future<Output = Result<T, forge::Error>>,
    ) -> Result<T, forge::Error> {
        let pending = self.journal.begin(kind, subject, before.map(str::to_owned), after);
        let result = request.await;
        match &result {
            Ok(_) => pending.done(),
            Err(error) if !error.is_uncertain() => pending.failed(),
            // The journal says that it may have happened.
            Err(_) => {}
        }
        result
    }
}
