//! Lets a pull request be merged by itself.

use crate::error::Explain as _;
use crate::forge::{self, Hosted};
use crate::github::{MergeMethod, Pull};
use crate::journal::Kind;

use super::{Event, Infra, Progress};

/// What became of the wish to merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Merging {
    /// Nobody wished it, or it can't be: the reason.
    Left(Option<String>),
    /// The server merges it when everything that the base asks for is there.
    Waits,
    /// Nothing was left to wait for.
    Merged,
}

impl Infra {
    /// Turns automatic merging on, unless it is on. What needs to wait for nothing is merged at once. A server that refuses does not fail
    /// the release: the pull request is there, and a person can merge it.
    pub(super) async fn merge(&self, hosted: &Hosted, pull: &Pull, commit: &str, method: MergeMethod, progress: Progress<'_>) -> Merging {
        let merging = self.try_merge(hosted, pull, commit, method).await;
        let url = || pull.html_url.clone();
        match &merging {
            Ok((Merging::Merged, _)) => progress(Event::Merged { url: url() }),
            Ok((Merging::Waits, true)) => progress(Event::WillMerge { url: url() }),
            _ => {}
        }
        match merging {
            Ok((merging, _)) => merging,
            Err(error) => {
                let how = method.name();
                Merging::Left(Some(format!("{hosted}#{}: auto-merge {how} not turned on: {error}; {}", pull.number, error.hint())))
            }
        }
    }

    /// The flag says whether something was changed.
    async fn try_merge(&self, hosted: &Hosted, pull: &Pull, commit: &str, method: MergeMethod) -> Result<(Merging, bool), forge::Error> {
        let state = hosted.merge_state(pull.number).await?;
        if state.waits_for(method) {
            return Ok((Merging::Waits, false));
        }
        let subject = format!("{hosted}#{} auto-merge", pull.number);
        let how = if state.has_queue { "queue" } else { method.name() };
        let before = state.automatic.as_ref().and_then(|it| it.method.as_deref());
        let turned_on = hosted.merge_when_ready(pull.number, &state, method, commit);
        match self.noted(Kind::PullRequest, subject, before, how, turned_on).await {
            Ok(after) if after.is_merged => Ok((Merging::Merged, true)),
            Ok(after) if after.automatic.is_some() || after.is_queued => Ok((Merging::Waits, true)),
            Ok(_) => {
                Ok((Merging::Left(Some(format!("{hosted}#{}: the server took the wish to merge it and did nothing", pull.number))), false))
            }
            Err(error) if error.is_ready_to_merge() && !state.has_queue => {
                let merged = hosted.merge_now(pull.number, method, commit);
                self.noted(Kind::PullRequest, format!("{hosted}#{}", pull.number), Some("open"), "merged", merged).await?;
                Ok((Merging::Merged, true))
            }
            Err(error) => Err(error),
        }
    }
}
