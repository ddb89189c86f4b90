//! The button "Update branch": a merge of the base into our branch, in the name of whoever presses it.

use super::*;

/// Puts our branch at a merge of two commits, by Ada.
fn merge(repository: &RepositoryHandle, one: &str, other: &str, tree: &str) -> String {
    let who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
    let rest = ["commit-tree", tree, "-p", one, "-p", other, "-m", "Merge branch 'main' into tagboat/shop/production"];
    let commit = repository.git(&[&who[..], &rest[..]].concat());
    repository.git(&["update-ref", &format!("refs/heads/{BRANCH}"), &commit]);
    commit
}

/// As the server does it.
fn update_branch(repository: &RepositoryHandle) -> String {
    let tree = repository.git(&["merge-tree", "--write-tree", BRANCH, "main"]);
    merge(repository, BRANCH, "main", &tree)
}

fn by(way: &str) -> Vec<Entry> {
    entries(&format!("- {{repository: acme/infra, path: overlays/shop, environment: production, publish: {way}}}"))
}

#[tokio::test]
async fn a_branch_that_somebody_brought_up_to_date_is_made_anew() {
    for way in ["git", "api"] {
        let world = World::new();
        let repository = world.repository("acme/infra");
        world.run(&by(way), "1.10").await;
        repository.commit("main", &[("README.md", b"new\n")], "Somebody's change");
        update_branch(&repository);
        // In our own file as well, and once more.
        repository.commit("main", &[(FILE, KUSTOMIZATION.replace("of the shop", "of our shop").as_bytes())], "A remark");
        update_branch(&repository);
        repository.commit("main", &[("README.md", b"newer\n")], "Another change");

        let before = world.github.requests().len();
        assert_eq!(state(&world.run(&by(way), "2.0.0").await[0]), State::Updated, "{way}");
        let log = repository.log(BRANCH);
        assert_eq!(log, ["Deploy shop v1.10 to production", "Another change", "A remark", "Somebody's change", "First commit"]);
        let text = String::from_utf8(repository.read(BRANCH, FILE).unwrap()).unwrap();
        assert!(text.contains("newTag: '2.0.0'") && text.contains("of our shop"), "{text}");
        let compared = world.github.requests()[before..].iter().filter(|request| request.path().contains("/compare/")).count();
        assert_eq!(compared, 2, "what the branch has, and what our commit changes");
        let (head, writes) = (repository.head(BRANCH), world.github.writes().len());
        assert_eq!(state(&world.run(&by(way), "2.0.0").await[0]), State::Proposed, "{way}");
        assert_eq!((repository.head(BRANCH), world.github.writes().len()), (head, writes));
    }
}

#[tokio::test]
async fn a_base_with_a_slash_in_its_name_is_compared_too() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    repository.git(&["branch", "live/eu", "main"]);
    let entries = entries("- {repository: acme/infra, base: live/eu, path: overlays/shop, environment: production, publish: api}");
    world.run(&entries, "1.10").await;
    repository.commit("live/eu", &[("README.md", b"new\n")], "Somebody's change");
    let tree = repository.git(&["merge-tree", "--write-tree", BRANCH, "live/eu"]);
    merge(&repository, BRANCH, "live/eu", &tree);
    assert_eq!(state(&world.run(&entries, "2.0.0").await[0]), State::Updated);
}

#[tokio::test]
async fn a_merge_with_a_persons_work_in_it_stays_theirs() {
    /// Leaves our branch at a merge.
    type Work = fn(&RepositoryHandle) -> String;
    let cases: [(&str, Work); 6] = [
        ("our file changed in the merge", |repository| {
            update_branch(repository);
            amend(repository, FILE, KUSTOMIZATION.replace("'1.9'", "'1.10.1'").as_bytes())
        }),
        ("another file changed in the merge", |repository| {
            update_branch(repository);
            amend(repository, "README.md", b"mine\n")
        }),
        ("a branch that is not the base", |repository| {
            repository.git(&["branch", "feature", "main"]);
            repository.commit("feature", &[("feature", b"x")], "A feature");
            let tree = repository.git(&["merge-tree", "--write-tree", BRANCH, "feature"]);
            merge(repository, BRANCH, "feature", &tree)
        }),
        ("our branch merged into the base", |repository| {
            let tree = repository.git(&["merge-tree", "--write-tree", "main", BRANCH]);
            merge(repository, "main", BRANCH, &tree)
        }),
        ("a person's commit below the merge", |repository| {
            repository.commit(BRANCH, &[("mine", b"x")], "A person's work");
            update_branch(repository)
        }),
        ("a person's commit above the merge", |repository| {
            update_branch(repository);
            repository.commit(BRANCH, &[("mine", b"x")], "A person's work")
        }),
    ];
    for (what, work) in cases {
        for way in ["git", "api"] {
            let world = World::new();
            let repository = world.repository("acme/infra");
            world.run(&by(way), "1.10").await;
            repository.commit("main", &[("README.md", b"new\n")], "Somebody's change");
            let theirs = work(&repository);
            let error = world.run(&by(way), "2.0.0").await.remove(0).result.unwrap_err();
            assert!(matches!(error, infra::Error::ForeignCommit { .. }), "{what}: {error}");
            assert_eq!(repository.head(BRANCH).unwrap(), theirs, "{what}");
        }
    }
}

/// Changes a file in the merge at the branch's head.
fn amend(repository: &RepositoryHandle, path: &str, bytes: &[u8]) -> String {
    let parents = repository.git(&["show", "--no-patch", "--format=%P", BRANCH]);
    let (ours, base) = parents.split_once(' ').unwrap();
    let changed = repository.commit(BRANCH, &[(path, bytes)], "Scratch");
    let tree = repository.git(&["rev-parse", &format!("{changed}^{{tree}}")]);
    repository.git(&["update-ref", &format!("refs/heads/{BRANCH}"), ours]);
    merge(repository, BRANCH, base, &tree)
}

#[tokio::test]
async fn a_server_that_can_not_compare_leaves_the_branch_to_the_person() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    world.run(&by("git"), "1.10").await;
    repository.commit("main", &[("README.md", b"new\n")], "Somebody's change");
    let theirs = update_branch(&repository);
    let reply = crate::servers::http1::Reply::new(404, "Not Found");
    world.github.proxy().on(|request| request.path().contains("/compare/")).fault(Fault::Reply(reply));
    let error = world.run(&by("git"), "2.0.0").await.remove(0).result.unwrap_err();
    assert!(matches!(error, infra::Error::ForeignCommit { .. }), "{error}");
    assert_eq!(repository.head(BRANCH).unwrap(), theirs);
}

#[tokio::test]
async fn what_the_base_has_already_is_closed_though_somebody_brought_its_branch_up_to_date() {
    let by_hand = |repository: &RepositoryHandle| {
        repository.commit("main", &[(FILE, KUSTOMIZATION.replace("'1.9'", "'1.10'").as_bytes())], "By hand");
    };
    for is_there_before in [false, true] {
        let world = World::new();
        let repository = world.repository("acme/infra");
        world.run(&by("api"), "1.10").await;
        repository.commit("main", &[("README.md", b"new\n")], "Somebody's change");
        if is_there_before {
            by_hand(&repository);
        }
        update_branch(&repository);
        if !is_there_before {
            by_hand(&repository);
        }
        assert_eq!(state(&world.run(&by("api"), "1.10").await[0]), State::Closed);
        assert_eq!((pull(&world).open, repository.branches()), (false, vec!["main".to_owned()]));
    }
}
