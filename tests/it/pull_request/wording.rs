//! Titles and messages as the rules of a repository want them.

use super::*;

const RULES: &str = "title: 'chore(deploy): {{app}} {{version}} to {{environment}}'";
const MESSAGE: &str = "commit-message: \"chore(deploy): {{app}} {{version}}\\n\\nRefs: #7 {{repository}}@{{short_sha}}\\nSigned-off-by: Ada <ada@example.org>\"";

fn worded(way: &str, keys: &[&str]) -> Vec<Entry> {
    let keys: String = keys.iter().map(|key| format!(", {key}")).collect();
    entries(&format!("- {{repository: acme/infra, path: overlays/shop, environment: production, publish: {way}{keys}}}"))
}

fn world() -> World {
    let world = World::new();
    let release = Release {
        project: Some("acme/shop".into()),
        commit: Some("0123456789abcdef0123456789abcdef01234567".into()),
        ..world.release.clone()
    };
    World { release, ..world }
}

fn message(repository: &RepositoryHandle, branch: &str) -> String {
    repository.git(&["show", "--no-patch", "--format=%B", branch])
}

#[tokio::test]
async fn a_title_and_a_message_are_worded_by_the_entry_and_a_second_run_writes_nothing() {
    for way in ["git", "api"] {
        let world = world();
        let repository = world.repository("acme/infra");
        let entries = worded(way, &[RULES, MESSAGE]);
        assert_eq!(state(&world.run(&entries, "1.10").await[0]), State::Opened, "{way}");
        assert_eq!(pull(&world).title, "chore(deploy): shop 1.10.0 to production");
        assert!(pull(&world).body.starts_with("Deploy shop v1.10 to production\n"), "{}", pull(&world).body);
        let said = message(&repository, BRANCH);
        let worded = "chore(deploy): shop 1.10.0\n\nRefs: #7 acme/shop@0123456\nSigned-off-by: Ada <ada@example.org>";
        assert!(said.starts_with(worded), "{said}");
        let trailers = repository.git(&["show", "--no-patch", "--format=%(trailers:key=Signed-off-by,valueonly)", BRANCH]);
        assert_eq!(trailers, "Ada <ada@example.org>", "our mark does not push the trailers out of the last paragraph");

        let (head, writes, pushes) = (repository.head(BRANCH), world.github.writes().len(), world.pushes());
        assert_eq!(state(&world.run(&entries, "1.10").await[0]), State::Proposed, "{way}");
        assert_eq!((repository.head(BRANCH), world.github.writes().len(), world.pushes()), (head, writes, pushes));
    }
}

#[tokio::test]
async fn another_title_updates_the_pull_request_and_another_message_makes_the_branch_anew_once() {
    for way in ["git", "api"] {
        let world = world();
        let repository = world.repository("acme/infra");
        world.run(&worded(way, &[]), "1.10").await;
        let head = repository.head(BRANCH);

        let titled = worded(way, &["title: 'chore: {{tag}}'", "commit-message: \"Deploy shop v1.10 to production\\n\\nweb: 1.9 → 1.10\""]);
        assert_eq!(state(&world.run(&titled, "1.10").await[0]), State::Updated, "{way}");
        assert_eq!((pull(&world).title, repository.head(BRANCH)), ("chore: v1.10".to_owned(), head.clone()), "the same message");

        let worded = worded(way, &["title: 'chore: {{tag}}'", "commit-message: 'chore: {{tag}}'"]);
        assert_eq!(state(&world.run(&worded, "1.10").await[0]), State::Updated, "{way}");
        assert!(message(&repository, BRANCH).starts_with("chore: v1.10"));
        assert_ne!(repository.head(BRANCH), head);

        let (head, writes, pushes) = (repository.head(BRANCH), world.github.writes().len(), world.pushes());
        assert_eq!(state(&world.run(&worded, "1.10").await[0]), State::Proposed, "{way}");
        assert_eq!((repository.head(BRANCH), world.github.writes().len(), world.pushes()), (head, writes, pushes));
    }
}

#[tokio::test]
async fn a_commit_to_the_base_is_worded_by_the_entry_too() {
    for way in ["git", "api"] {
        let world = World { publish: Publish::Commit, ..world() };
        let repository = world.repository("acme/infra");
        assert_eq!(state(&world.run(&worded(way, &[RULES]), "1.10").await[0]), State::Committed);
        assert!(message(&repository, "main").starts_with("chore(deploy): shop 1.10.0 to production\n\nweb: 1.9 → 1.10"));
    }
}

#[tokio::test]
async fn a_word_without_a_value_is_told_before_anything_is_written() {
    let world = World::new();
    world.repository("acme/infra");
    let error = world.run(&worded("git", &[MESSAGE]), "1.10").await.remove(0).result.unwrap_err();
    let said = format!("{error} (exit {}; {})", error.exit().code(), error.hint());
    insta::assert_snapshot!(said, @"couldn't fill in `commit-message` of acme/infra overlays/shop (production): this run has no repository, so {{repository}} has no value (exit 2; change `commit-message` in the input `infra`)");
    assert_eq!((world.fetches(), world.github.writes(), world.written()), (0, vec![], vec![]));
}
