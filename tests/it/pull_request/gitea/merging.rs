//! `auto-merge`: the server merges when the checks are there.

use std::time::Instant;

use super::*;

pub(super) const PATIENCE: Duration = Duration::from_secs(120);

impl Acme {
    fn automatic(&self, slug: &str) -> Vec<Entry> {
        self.entry(slug, ", auto-merge: squash")
    }

    /// Reports that a commit's check has succeeded, until the pull request is merged: a server that is just finding out whether it can be
    /// lets a report pass by.
    async fn check_succeeds(&self, slug: &str, commit: &str) {
        let (begun, status) = (Instant::now(), json!({ "state": "success", "context": "ci" }));
        while self.pull(slug)["merged"] != true {
            assert!(begun.elapsed() < PATIENCE, "not merged: {}", self.pull(slug));
            self.on.ask("POST", &format!("/repos/{slug}/statuses/{commit}"), Some(&status));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    fn protect(&self, slug: &str, rule: Value) {
        self.on.ask("POST", &format!("/repos/{slug}/branch_protections"), Some(&rule));
    }
}

on_each_server! {
    a_pull_request_waits_for_its_checks_and_a_second_run_writes_nothing,
    what_has_nothing_to_wait_for_is_merged_by_the_chosen_method,
    who_may_not_merge_is_told_and_the_pull_request_is_there,
}

async fn a_pull_request_waits_for_its_checks_and_a_second_run_writes_nothing(server: &'static Gitea) {
    let acme = Acme::new(server);
    let slug = acme.repository("infra");
    acme.protect(&slug, json!({ "rule_name": "main", "enable_status_check": true, "status_check_contexts": ["ci"] }));
    let entries = acme.automatic(&slug);
    let done = acme.run(&entries, "1.10").await.remove(0).result.unwrap();
    assert_eq!((done.state, done.automatic, done.warnings), (State::Opened, true, vec![]));
    assert_eq!(acme.pull(&slug)["merged"], false);

    let (writes, written) = (acme.on.writes(), acme.written());
    let done = acme.run(&entries, "1.10").await.remove(0).result.unwrap();
    assert_eq!((done.state, done.automatic, done.warnings), (State::Proposed, true, vec![]));
    assert_eq!((acme.on.writes(), acme.written()), (writes, written));

    acme.check_succeeds(&slug, &done.commit.unwrap()).await;
    assert_eq!(acme.on.read(&slug, "main", FILE), KUSTOMIZATION.replace("'1.9'", "'1.10'"));
    assert_eq!(state(&acme.run(&entries, "1.10").await[0]), State::Nothing);
}

async fn what_has_nothing_to_wait_for_is_merged_by_the_chosen_method(server: &'static Gitea) {
    let acme = Acme::new(server);
    for (name, method, commits) in [("a", "squash", 1), ("b", "merge", 2), ("c", "rebase", 1)] {
        let slug = acme.repository(name);
        let before = acme.on.log(&slug, "main").len();
        let done = acme.run(&acme.entry(&slug, &format!(", auto-merge: {method}")), "1.10").await.remove(0).result.unwrap();
        assert_eq!((done.state, done.automatic, done.warnings), (State::Merged, false, vec![]), "{method}");
        assert_eq!(acme.pull(&slug)["merged"], true);
        assert_eq!(acme.on.log(&slug, "main").len() - before, commits, "{method}");
    }
}

async fn who_may_not_merge_is_told_and_the_pull_request_is_there(server: &'static Gitea) {
    let acme = Acme::new(server);
    let slug = acme.repository("infra");
    acme.protect(&slug, json!({ "rule_name": "main", "enable_merge_whitelist": true }));
    let done = acme.run(&acme.automatic(&slug), "1.10").await.remove(0).result.unwrap();
    assert_eq!((done.state, done.automatic), (State::Opened, false));
    let warning = done.warnings.join("\n").replace(&acme.on.url(), "http://HOST").replace(&acme.on.name(), "acme");
    insta::assert_snapshot!(warning, @"acme/infra#1: auto-merge squash not turned on: couldn't merge acme/infra#1 when its checks succeed: POST http://HOST/api/v1/repos/acme/infra/pulls/1/merge answered 405 Method Not Allowed: User not allowed to merge PR; let the token's owner merge there, or take `auto-merge` out of the input `infra`");
}
