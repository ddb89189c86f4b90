//! Branches that take no commits but through pull requests.

use crate::forge::Hosted;
use crate::github::{Bypass, Signature};

use super::entry::OnProtected;
use super::source::Source;
use super::{Entry, Error, Infra, Publish};

impl Infra {
    /// Asks how a commit is to reach its base, as far as the server tells before it is pushed, and gives what a person should know about it.
    ///
    /// # Errors
    /// When a rule forbids it for certain, and the entry wants no pull request instead.
    pub(super) async fn ask_way_to(&self, entry: &Entry, hosted: &Hosted, source: &Source) -> Result<(Publish, Option<String>), Error> {
        let base = source.base_branch();
        let is_signed = self.git.signs() || matches!(source, Source::Api(_));
        let signature = if is_signed { Signature::Expected } else { Signature::None };
        match (hosted.rule_against_pushes(base, signature).await?, entry.on_protected) {
            (None, _) => Ok((Publish::Commit, None)),
            (Some((rule, Bypass::Possible)), _) => {
                let note = format!("{base} has a {rule}: the push is refused unless the token's owner may bypass it");
                Ok((Publish::Commit, Some(note)))
            }
            (Some((rule, Bypass::Never)), OnProtected::PullRequest) => {
                let note = format!("{base} has a {rule}: a pull request takes the place of the commit");
                Ok((Publish::PullRequest, Some(note)))
            }
            (Some((rule, Bypass::Never)), OnProtected::Fail) => Err(Error::Protected {
                repository: entry.repository.to_string(),
                branch: base.to_owned(),
                reason: format!("its {rule} forbids it"),
                text: String::new(),
            }),
        }
    }
}
