//! Pull requests that are not needed any more, and releases that are older than what is there.

use super::*;

const MARKER: &str = "<!-- tagboat:app=shop&for=production -->";

impl World {
    fn release(self, name: &str, version: &str) -> World {
        World { release: release(name, version), ..self }
    }

    async fn refused(&self, tag: &str) -> String {
        let error = self.run(&production(), tag).await.remove(0).result.unwrap_err();
        assert_eq!(error.exit(), Exit::Refused);
        format!("{error}\n{}", error.hint())
    }
}

/// A branch whose last commit is ours, as an older version named it.
fn our_branch(repository: &RepositoryHandle, name: &str) -> String {
    let tree = repository.git(&["rev-parse", "main^{tree}"]);
    let us = default_author();
    let (name_of_us, email) = (format!("user.name={}", us.name), format!("user.email={}", us.email));
    let blob = repository.git(&["rev-parse", &format!("main:{FILE}")]);
    let commit = repository.git(&["-c", &name_of_us, "-c", &email, "commit-tree", &tree, "-p", "main", "-m", &blob]);
    repository.git(&["update-ref", &format!("refs/heads/{name}"), &commit]);
    commit
}

#[tokio::test]
async fn an_older_pull_request_of_ours_is_closed_with_a_link_to_the_new_one() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    repository.commit("someone/else", &[("x", b"x")], "Theirs");
    repository.commit("ada/copy", &[("y", b"y")], "A person's commit");
    our_branch(&repository, "ship-shop");
    repository.git(&["update-ref", "refs/heads/ship-shop-tip", "main"]);
    let old = {
        // It differs from the base by the time the base has moved on.
        repository.commit("main", &[("README.md", b"moved\n")], "The base goes on");
        world.github.add_pull("acme/infra", "ship-shop", "main", MARKER)
    };
    let theirs = world.github.add_pull("acme/infra", "someone/else", "main", "not ours");
    let copied = world.github.add_pull("acme/infra", "ada/copy", "main", MARKER);

    let outcome = world.run(&production(), "1.10").await.remove(0);
    assert_eq!(state(&outcome), State::Opened);
    let done = outcome.result.unwrap();
    let (closed, new) = (world.github.pull("acme/infra", old), done.number.unwrap());
    assert!(!closed.open && world.github.pull("acme/infra", theirs).open && world.github.pull("acme/infra", copied).open);
    assert_eq!(closed.comments, [format!("Superseded by https://github.example/acme/infra/pull/{new}.")]);
    assert_eq!(repository.head("ship-shop"), None);
    assert_eq!(
        done.warnings,
        [format!("acme/infra#{copied} is not needed any more and was left open: its last commit is by Ada <ada@example.org>")]
    );
    assert_eq!(world.written().len(), 5, "branch, pull request, closed, comment, branch deleted: {:?}", world.written());

    let writes = world.github.writes().len();
    assert_eq!(state(&world.run(&production(), "1.10").await[0]), State::Proposed);
    assert_eq!(world.github.writes().len(), writes);
}

#[tokio::test]
async fn what_the_base_has_already_is_closed_and_its_branch_deleted() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    world.run(&production(), "1.10").await;
    repository.commit("main", &[(FILE, KUSTOMIZATION.replace("'1.9'", "'1.10'").as_bytes())], "By hand");
    let plan = world.verb_with(world.git.token()).plan(&production(), &images("1.10")).await.remove(0).unwrap().plan;
    insta::assert_snapshot!(plan, @"acme/infra overlays/shop (production): nothing to change, main has it already, close https://github.example/acme/infra/pull/41");
    assert!(plan.writes());
    let outcome = world.run(&production(), "1.10").await.remove(0);
    assert_eq!(state(&outcome), State::Closed);
    insta::assert_snapshot!(outcome.result.unwrap(), @"nothing to change, main has it already; closed https://github.example/acme/infra/pull/41");
    assert_eq!((pull(&world).open, repository.branches()), (false, vec!["main".to_owned()]));
    assert_eq!(pull(&world).comments, ["Closed: `main` has everything of v1.10 already."]);

    let writes = world.github.writes().len();
    assert_eq!(state(&world.run(&production(), "1.10").await[0]), State::Nothing);
    assert_eq!(world.github.writes().len(), writes);
}

#[tokio::test]
async fn a_persons_commit_keeps_its_pull_request_open() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    world.run(&production(), "1.10").await;
    let theirs = repository.commit(BRANCH, &[("x", b"x")], "A person's work");
    repository.commit("main", &[(FILE, KUSTOMIZATION.replace("'1.9'", "'1.10'").as_bytes())], "By hand");
    let outcome = world.run(&production(), "1.10").await.remove(0);
    assert_eq!(state(&outcome), State::Nothing);
    assert!(outcome.result.unwrap().warnings[0].contains("was left open: its last commit is by Ada"));
    assert!(pull(&world).open);
    assert_eq!(repository.head(BRANCH), Some(theirs));
}

#[tokio::test]
async fn an_older_release_than_the_bases_is_refused_unless_it_was_asked_for() {
    let world = World::new().release("v1.8", "1.8.0");
    let repository = world.repository("acme/infra");
    insta::assert_snapshot!(world.refused("1.8").await, @"
    couldn't bring acme/infra overlays/shop (production) to 1.8.0: web in overlays/shop/kustomization.yaml:7 has the newer 1.9.0
    to roll back, run it with the input `version`, or set `allow-downgrade: true` in the input `infra`; close a newer pull request that isn't wanted any more
    ");
    assert_eq!((repository.branches().len(), world.written().len()), (1, 0));

    let allowed = entries("- {repository: acme/infra, path: overlays/shop, environment: production, allow-downgrade: true}");
    let plan = world.verb_with(world.git.token()).plan(&allowed, &images("1.8")).await.remove(0).unwrap().plan;
    insta::assert_snapshot!(plan, @"
    acme/infra overlays/shop (production): push branch tagboat/shop/production on main, open a pull request
      overlays/shop/kustomization.yaml:7: web 1.9 → 1.8
      note: downgrade: web in overlays/shop/kustomization.yaml:7 goes from 1.9.0 back to 1.8.0, as `allow-downgrade` asks
    ");
    let world = World { downgrades: Downgrades::Asked, ..world };
    assert_eq!(state(&world.run(&production(), "1.8").await[0]), State::Opened);
    insta::assert_snapshot!(format!("{}\n\n{}", pull(&world).title, pull(&world).body), @"
    Deploy shop v1.8 to production (downgrade)

    Deploy shop v1.8 to production (downgrade)

    **This is a downgrade:** `web in overlays/shop/kustomization.yaml:7` goes from 1.9.0 back to 1.8.0, as it was asked for.

    | image | old | new | file |
    | --- | --- | --- | --- |
    | `web` | `1.9` | `1.8` | `overlays/shop/kustomization.yaml:7` |

    Release: v1.8

    <!-- tagboat:app=shop&for=production&version=1.8.0 -->
    ");
}

#[tokio::test]
async fn a_newer_release_that_is_proposed_already_is_not_taken_back() {
    let world = World::new().release("v1.11", "1.11.0");
    let repository = world.repository("acme/infra");
    world.run(&production(), "1.11").await;
    let head = repository.head(BRANCH);
    let world = world.release("v1.10", "1.10.0");
    insta::assert_snapshot!(world.refused("1.10").await, @"
    couldn't bring acme/infra overlays/shop (production) to 1.10.0: the open pull request https://github.example/acme/infra/pull/41 has the newer 1.11.0
    to roll back, run it with the input `version`, or set `allow-downgrade: true` in the input `infra`; close a newer pull request that isn't wanted any more
    ");

    // The release that the base has: nothing to do, and the newer proposal stays.
    let world = world.release("v1.9", "1.9.0");
    assert_eq!(state(&world.run(&production(), "1.9").await[0]), State::Nothing);
    assert!(pull(&world).open);
    assert_eq!(repository.head(BRANCH), head);

    // Unless this very version is asked for.
    let world = World { downgrades: Downgrades::Asked, ..world };
    assert_eq!(state(&world.run(&production(), "1.9").await[0]), State::Closed);
}

#[tokio::test]
async fn one_wrong_reviewer_does_not_cost_the_others_and_nobody_is_asked_twice() {
    let world = World::new();
    world.repository("acme/infra");
    let with = |reviewers: &str| {
        entries(&format!(
            "- {{repository: acme/infra, path: overlays/shop, environment: production, reviewers: [{reviewers}], team-reviewers: [acme/ops]}}"
        ))
    };
    let outcome = world.run(&with("ada, stranger"), "1.10").await.remove(0);
    let warnings = outcome.result.unwrap().warnings;
    assert!(warnings.len() == 1 && warnings[0].starts_with("acme/infra#41: reviewers stranger not set"), "{warnings:?}");
    assert_eq!((pull(&world).reviewers, pull(&world).team_reviewers), (vec!["ada".to_owned()], vec!["ops".to_owned()]));
    world.run(&with("ada, bob"), "1.11").await;
    assert_eq!(pull(&world).reviewers, ["ada", "bob"]);
    let asked: Vec<String> = world
        .github
        .requests()
        .iter()
        .filter(|r| r.path().ends_with("/requested_reviewers"))
        .map(|r| String::from_utf8_lossy(&r.body).into_owned())
        .collect();
    assert_eq!(asked.last().unwrap(), r#"{"reviewers":["bob"],"team_reviewers":[]}"#);
}
