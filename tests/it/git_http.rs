//! The git adapter against `git http-backend`: what goes over the wire, to whom, and what is said when it doesn't work.
#![allow(clippy::unwrap_used, reason = "what a test can't go on without ends it")]

use std::time::{Duration, Instant};

use secrecy::SecretString;
use tagboat::error::{Exit, Explain as _};
use tagboat::git::{Base, Client, Error, Person, Remote, Snapshot};
use tagboat::http;

use crate::servers::http1::{Reply, Upstream};
use crate::servers::tls::{Authority, server_config};
use crate::servers::{Fault, GitServer, Proxy};

const LIMIT: Duration = Duration::from_secs(60);

fn client(settings: &http::Settings, limit: Duration) -> Client {
    http::install_tls_provider();
    Client::new(http::client(settings).unwrap(), limit)
}

fn plain() -> Client {
    client(&http::Settings::default(), LIMIT)
}

fn remote(url: &str, token: &str) -> Remote {
    Remote::Http { url: url.parse().unwrap(), token: Some(SecretString::from(token)) }
}

fn change(snapshot: &Snapshot) -> tagboat::git::Oid {
    let us = Person { name: "tagboat".into(), email: "tagboat@example.org".into() };
    snapshot.commit(&[("a/b/c.yaml".into(), Some(b"new\n".to_vec()))], "Change", &us).unwrap().id
}

/// A repository `acme/infra` with a file three folders deep.
fn served() -> (GitServer, crate::servers::RepositoryHandle) {
    let git = GitServer::start();
    let repository = git.create_repository("acme/infra", &[("a/b/c.yaml", b"old\n"), ("a/d.yaml", b"d\n")]);
    (git, repository)
}

#[tokio::test]
async fn history_stays_where_it_is() {
    let (git, repository) = served();
    for n in 0..20_u32 {
        let noise: Vec<u8> =
            (0..40_000_u32).map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(n).wrapping_mul(i ^ n) >> 13) as u8).collect();
        repository.commit("main", &[("noise", &noise)], "Noise");
    }
    repository.commit("main", &[("noise", b"small\n")], "Silence");
    let (client, remote) = (plain(), remote(repository.url(), git.token()));
    let snapshot = client.fetch(&remote, &Base::Default, "x").await.unwrap();
    assert_eq!((snapshot.base_branch.as_str(), snapshot.branch.is_none()), ("main", true));
    assert_eq!(snapshot.base.parents[0].to_string(), repository.git(&["rev-parse", "main~1"]));
    let received: u64 = git.requests().iter().map(|request| request.received).sum();
    assert!(received < 20_000, "{received} bytes");

    let commit = change(&snapshot);
    client.push(&snapshot, commit, "x").await.unwrap();
    let sent: usize = git.requests().iter().map(|request| request.body.len()).sum();
    assert!(sent < 2_000, "{sent} bytes");
    repository.git(&["fsck", "--strict"]);
    assert_eq!(repository.git(&["diff", "--name-only", "main", "x"]), "a/b/c.yaml");
    assert_eq!(repository.read("x", "a/b/c.yaml").unwrap(), b"new\n");
    assert_eq!(repository.log("x").len(), 23);

    let error = client.push(&snapshot, commit, "x").await.unwrap_err();
    assert!(error.is_race(), "the branch is not absent any more: {error}");
}

#[tokio::test]
async fn https_goes_by_the_given_roots() {
    let (git, repository) = served();
    let authority = Authority::new("git");
    let port = git.url().rsplit(':').next().unwrap().parse().unwrap();
    let proxy = Proxy::with_tls(Upstream::plain(port), server_config(&authority.server(&[], &[])));
    let remote = remote(&format!("{}/acme/infra.git", proxy.url()), git.token());
    let error = plain().fetch(&remote, &Base::Default, "x").await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");

    let trusting = client(&http::Settings { ca_bundle: Some(authority.certificate.clone().into_bytes()) }, LIMIT);
    let snapshot = trusting.fetch(&remote, &Base::Named("main".into()), "x").await.unwrap();
    trusting.push(&snapshot, change(&snapshot), "x").await.unwrap();
    assert_eq!(repository.branches(), ["main", "x"]);
}

#[tokio::test]
async fn a_redirect_is_followed_on_the_host_and_nowhere_else() {
    let (git, repository) = served();
    let other = GitServer::start();
    let moved = |from: &str, to: String| {
        for service in ["git-upload-pack", "git-receive-pack"] {
            let suffix = format!("/info/refs?service={service}");
            let (from, to) = (format!("/{from}{suffix}"), format!("{to}{suffix}"));
            let reply = Reply::new(301, "").with("Location", to);
            git.proxy().on(move |request| request.target == from).fault(Fault::Reply(reply));
        }
    };
    moved("acme/old.git", "/acme/infra.git".into());
    moved("acme/gone.git", format!("{}/acme/infra.git", other.url()));
    let client = plain();
    let old = remote(&format!("{}/acme/old.git", git.url()), git.token());
    let snapshot = client.fetch(&old, &Base::Default, "x").await.unwrap();
    client.push(&snapshot, change(&snapshot), "x").await.unwrap();
    assert!(repository.head("x").is_some());

    let gone = remote(&format!("{}/acme/gone.git", git.url()), git.token());
    let error = client.fetch(&gone, &Base::Default, "x").await.unwrap_err();
    assert!(matches!(error, Error::Redirected { .. }), "{error}");
    assert!(other.requests().is_empty(), "the token went nowhere else");
}

#[tokio::test]
async fn failures_say_what_they_are() {
    let (git, repository) = served();
    let client = plain();
    let fetch = |url: String, token: &'static str, base: Base| {
        let client = client.clone();
        async move { client.fetch(&remote(&url, token), &base, "x").await.unwrap_err() }
    };
    let url = repository.url().to_owned();
    git.proxy().on(|r| r.path().starts_with("/page")).fault(Fault::Reply(Reply::new(200, "<html>").with("Content-Type", "text/html")));
    git.proxy().on(|r| r.path().starts_with("/busy")).fault(Fault::reply(503, "come\u{1b}[31m back\r\nlater"));
    git.proxy().on(|r| r.path().starts_with("/short") && r.method == "POST").fault(Fault::Reset);
    let errors = [
        fetch(url.clone(), "wrong", Base::Default).await,
        fetch(url.clone(), git.token(), Base::Named("nowhere".into())).await,
        fetch(format!("{}/page/x", git.url()), git.token(), Base::Default).await,
        fetch(format!("{}/busy/x", git.url()), git.token(), Base::Default).await,
        fetch("http://git.example.org/acme/infra".into(), git.token(), Base::Default).await,
    ];
    let lines: Vec<String> = errors.iter().map(|error| format!("{error} ({})", error.hint()).replace(&git.url(), "http://git")).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    couldn't log in to http://git/acme/infra.git/info/refs?service=git-upload-pack: the server did not accept the token (401) (check that the token in `infra-token` is valid and has not expired)
    couldn't find the branch nowhere in http://git/acme/infra.git (check `base` in the input `infra`, or push a first commit)
    couldn't read http://git/page/x/info/refs?service=git-upload-pack: the answer does not speak git's smart protocol (check that `repository` in the input `infra` is the address that `git clone` takes)
    couldn't GET http://git/busy/x/info/refs?service=git-upload-pack: the server answered 503: come[31m back; later (the server is in trouble or busy; run it again)
    couldn't send the token to http://git.example.org/acme/infra/info/refs?service=git-upload-pack: the connection would not be encrypted (use an `https://` address in `repository` of the input `infra`)
    ");
    let empty = git.create_repository("acme/empty", &[("x", b"x")]);
    empty.git(&["update-ref", "-d", "refs/heads/main"]);
    let error = fetch(empty.url().to_owned(), git.token(), Base::Default).await;
    assert!(matches!(error, Error::NoDefaultBranch { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_waited_for_beyond_the_limit() {
    let (git, repository) = served();
    git.proxy().on(|request| request.method == "POST").fault(Fault::Delay(Duration::from_secs(600)));
    let hurried = client(&http::Settings::default(), Duration::from_millis(300));
    let error = hurried.fetch(&remote(repository.url(), git.token()), &Base::Default, "x").await.unwrap_err();
    assert_eq!(error.exit(), Exit::TimedOut, "{error}");
}

#[test]
fn dropped_work_ends_its_thread() {
    let (git, repository) = served();
    git.proxy().on(|request| request.method == "POST").fault(Fault::Delay(Duration::from_secs(600)));
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, remote) = (plain(), remote(repository.url(), git.token()));
        let fetch = client.fetch(&remote, &Base::Default, "x");
        let asked = async {
            while git.requests().iter().all(|request| request.method != "POST") {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            result = fetch => panic!("ended by itself: {result:?}"),
            () = asked => {}
        }
    });
    // Dropping a runtime waits for its blocking threads.
    drop(runtime);
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
}
