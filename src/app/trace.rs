//! What an object says about the run that has written it.

use super::Run;
use crate::rollout::trace::Trace;

impl Run<'_> {
    /// This run, when a workflow has started it.
    pub(super) fn trace(&self) -> Option<Trace> {
        let get = |name| self.environment.get(name).map(str::to_owned);
        if !self.environment.on_runner() {
            return None;
        }
        let commit = get("GITHUB_SHA");
        let place = self.environment.get("GITHUB_SERVER_URL").zip(self.environment.repository());
        Some(Trace {
            run: get("GITHUB_RUN_ID"),
            repository: get("GITHUB_REPOSITORY"),
            workflow: get("GITHUB_WORKFLOW"),
            workflow_file_name: self.environment.workflow_file().map(str::to_owned),
            job_name: get("GITHUB_JOB"),
            created_by: get("GITHUB_ACTOR"),
            run_uri: self.environment.run_url(),
            branch: get("GITHUB_REF"),
            deploy_timestamp: jiff::Timestamp::now().as_millisecond(),
            files: place.zip(commit.as_ref()).map(|((server, repository), commit)| format!("{server}/{repository}/blob/{commit}")),
            commit,
        })
    }
}
