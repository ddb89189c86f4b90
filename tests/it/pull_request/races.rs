//! Many applications that bring one repository to their releases at the same time.

use std::collections::BTreeSet;

use super::*;

const MANY: usize = 20;

/// One file with an image of each application: every change of one is a change under the hands of all others.
fn together(tag: impl Fn(usize) -> String) -> String {
    let image = |n: usize| format!("- name: app{n} # of team {n}\n  newName: ghcr.io/acme/app{n}\n  newTag: {}\n", tag(n));
    format!("resources: [../base]\nimages:\n{}# end\n", (0..MANY).map(image).collect::<String>())
}

fn image(n: usize, tag: &str) -> Vec<ImagePin> {
    let repository = format!("ghcr.io/acme/app{n}").parse::<Reference>().unwrap().repository();
    vec![ImagePin { service: format!("app{n}"), name: format!("app{n}"), repository, tag: tag.parse().unwrap(), digest: None }]
}

impl World {
    pub(crate) fn with_many(publish: Publish) -> (World, RepositoryHandle) {
        let world = World { publish, ..World::new() };
        let repository = world.git.create_repository("acme/infra", &[(FILE, together(|_| "v1".into()).as_bytes())]);
        world.github.add_repository("acme/infra", &repository);
        (world, repository)
    }

    /// The release of one of the applications.
    pub(crate) async fn release_one(&self, n: usize, tag: &str) -> State {
        let verb = self.verb_for(&format!("app{n}"), self.git.token());
        let events = self.events.clone();
        let progress = move |event: infra::Event| events.lock().unwrap().push(event.to_string());
        state(&verb.run(&production(), &image(n, tag), &progress).await[0])
    }

    pub(crate) async fn release_all(&self, tag: &str) -> Vec<State> {
        futures::future::join_all((0..MANY).map(|n| self.release_one(n, tag))).await
    }
}

#[tokio::test]
async fn twenty_applications_commit_to_one_file_and_all_changes_land() {
    let (world, repository) = World::with_many(Publish::Commit);
    assert_eq!(world.release_all("v2").await, vec![State::Committed; MANY]);
    assert_eq!(repository.read("main", FILE).unwrap(), together(|_| "v2".into()).as_bytes());
    let log = repository.log("main");
    let subjects: BTreeSet<&String> = log.iter().collect();
    assert_eq!((log.len(), subjects.len()), (MANY + 1, MANY + 1), "one commit of each, none lost, none doubled: {log:?}");
    assert_eq!(world.release_all("v2").await, vec![State::Nothing; MANY]);
    assert_eq!(repository.log("main").len(), MANY + 1);
}

#[tokio::test]
async fn twenty_applications_propose_changes_of_one_file_each_in_its_own_pull_request() {
    let (world, repository) = World::with_many(Publish::PullRequest);
    assert_eq!(world.release_all("v2").await, vec![State::Opened; MANY]);
    assert_eq!(world.github.pulls("acme/infra").len(), MANY);
    for n in 0..MANY {
        let expected = together(|other| if other == n { "v2".into() } else { "v1".into() });
        let branch = format!("tagboat/app{n}/production");
        assert_eq!(repository.read(&branch, FILE).unwrap(), expected.as_bytes());
        assert_eq!(repository.git(&["rev-list", "--count", &format!("main..{branch}")]), "1");
    }
    let written = world.written().len();
    assert_eq!(world.release_all("v2").await, vec![State::Proposed; MANY]);
    assert_eq!((world.written().len(), world.github.pulls("acme/infra").len()), (written, MANY));
}

/// Requests after a race that was lost: all that is sent from the push that is refused to the end.
async fn costs_of_a_lost_race(publish: Publish, way: &str) -> String {
    let world = World { publish, ..World::new() };
    let repository = world.repository("acme/infra");
    let entries = entries(&format!("- {{repository: acme/infra, path: overlays/shop, environment: production, publish: {way}}}"));
    let verb = world.verb_with(world.git.token());
    let prepared = verb.plan(&entries, &images("1.10")).await.remove(0).unwrap();
    match publish {
        Publish::Commit => drop(repository.commit("main", &[(FILE, KUSTOMIZATION.replace("\"7\"", "\"8\"").as_bytes())], "Newer redis")),
        Publish::PullRequest => drop(world.run(&entries, "1.9.1").await),
    }
    let (github, git) = (world.github.requests().len(), world.git.requests().len());
    let outcome = verb.publish(vec![prepared], &images("1.10"), &|_| {}).await.remove(0);
    assert!(matches!(state(&outcome), State::Committed | State::Updated), "{outcome:?}");
    let mut requests = [&world.github.requests()[github..], &world.git.requests()[git..]].concat();
    requests.sort_by_key(|request| request.started);
    requests.iter().map(|request| format!("{}\n", request.line())).collect()
}

#[tokio::test]
async fn a_lost_race_costs_what_may_have_changed_and_nothing_else() {
    insta::assert_snapshot!(costs_of_a_lost_race(Publish::Commit, "git").await, @"
    POST /acme/infra.git/git-receive-pack
    POST /acme/infra.git/git-upload-pack
    POST /acme/infra.git/git-upload-pack
    POST /acme/infra.git/git-receive-pack
    ");
    insta::assert_snapshot!(costs_of_a_lost_race(Publish::Commit, "api").await, @"
    POST /api/v3/repos/acme/infra/git/trees
    POST /api/v3/repos/acme/infra/git/commits
    PATCH /api/v3/repos/acme/infra/git/refs/heads/main
    GET /api/v3/repos/acme/infra/git/ref/heads/main
    POST /api/graphql
    POST /api/v3/repos/acme/infra/git/trees
    POST /api/v3/repos/acme/infra/git/commits
    PATCH /api/v3/repos/acme/infra/git/refs/heads/main
    ");
    insta::assert_snapshot!(costs_of_a_lost_race(Publish::PullRequest, "git").await, @"
    POST /acme/infra.git/git-receive-pack
    POST /acme/infra.git/git-upload-pack
    POST /acme/infra.git/git-upload-pack
    GET /api/v3/repos/acme/infra/pulls?state=open&per_page=100&page=1
    POST /acme/infra.git/git-receive-pack
    PATCH /api/v3/repos/acme/infra/pulls/41
    ");
    insta::assert_snapshot!(costs_of_a_lost_race(Publish::PullRequest, "api").await, @"
    POST /api/v3/repos/acme/infra/git/trees
    POST /api/v3/repos/acme/infra/git/commits
    POST /api/v3/repos/acme/infra/git/refs
    GET /api/v3/repos/acme/infra/git/ref/heads/tagboat/shop/production
    POST /api/graphql
    GET /api/v3/repos/acme/infra/pulls?state=open&per_page=100&page=1
    POST /api/v3/repos/acme/infra/git/trees
    POST /api/v3/repos/acme/infra/git/commits
    POST /api/graphql
    PATCH /api/v3/repos/acme/infra/pulls/41
    ");
}

/// The figure of `bench/README.md`: at once, within three times what they take in a row.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: bench/races"]
async fn measured() {
    println!("| 20 applications, one file | in a row | at once | × | starts again |\n|---|---|---|---|---|");
    for (name, publish) in [("commits", Publish::Commit), ("pull requests", Publish::PullRequest)] {
        let (world, _) = World::with_many(publish);
        let begun = std::time::Instant::now();
        for n in 0..MANY {
            world.release_one(n, "v2").await;
        }
        let (in_a_row, begun) = (begun.elapsed(), std::time::Instant::now());
        world.events.lock().unwrap().clear();
        let states = world.release_all("v3").await;
        let at_once = begun.elapsed();
        assert!(states.iter().all(|state| matches!(state, State::Committed | State::Updated)), "{states:?}");
        let again = world.events.lock().unwrap().iter().filter(|event| event.contains("starting again")).count();
        let factor = at_once.as_secs_f64() / in_a_row.as_secs_f64();
        println!("| {name} | {:.1} s | {:.1} s | {factor:.1} | {again} |", in_a_row.as_secs_f64(), at_once.as_secs_f64());
    }
}
