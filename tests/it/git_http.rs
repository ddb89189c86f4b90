//! The git adapter against `git http-backend`: what goes over the wire, to whom, and what is said when it doesn't work.
#![allow(clippy::unwrap_used, reason = "what a test can't go on without ends it")]

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use tagboat::error::{Exit, Explain as _};
use tagboat::git::{Base, Client, Error, Person, Remote, Snapshot};
use tagboat::http;

use crate::servers::http1::{Reply, Upstream};
use crate::servers::tls::{Authority, server_config};
use crate::servers::{Fault, GitServer, Proxy, RepositoryHandle};

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
fn served() -> (GitServer, RepositoryHandle) {
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

/// Two thousand files in forty folders, and as many branches and pull requests as a busy repository has seen.
fn busy(repository: &RepositoryHandle) {
    let mut stream =
        b"feature done\nreset refs/heads/main\ncommit refs/heads/main\ncommitter Ada <ada@example.org> 1700000000 +0000\n".to_vec();
    stream.extend_from_slice(b"data 5\nFiles");
    for n in 0..2_000_u32 {
        let text = format!("kind: ConfigMap\nmetadata: {{name: settings-{n}}}\ndata: {{key: '{:x}'}}\n", n.wrapping_mul(2_654_435_761));
        write!(stream, "\nM 100644 inline apps/app-{}/settings-{n}.yaml\ndata {}\n{text}", n % 40, text.len()).unwrap();
    }
    for n in 0..500 {
        write!(stream, "\nreset refs/pull/{n}/head\nfrom refs/heads/main\n").unwrap();
    }
    // What a pipe hands on at a time differs from run to run, and each piece has a head of five bytes: without them two packs are a tie.
    for n in 0..50 {
        write!(stream, "\nreset refs/heads/topic-{n}\nfrom refs/heads/main\n").unwrap();
    }
    stream.extend_from_slice(b"\ndone\n");
    repository.import(&stream);
    // Several would share the work differently each time, and a pack's size would vary by some bytes.
    repository.git(&["config", "pack.threads", "1"]);
    // A busy machine would tell that it is alive.
    repository.git(&["config", "uploadpack.keepAlive", "0"]);
}

/// Runs the git program with the token in a header of its own, so that it need not be asked for it.
fn by_hand(git: &GitServer, folder: &Path, args: &[&str]) {
    let header = format!("http.extraHeader=Authorization: Basic {}", STANDARD.encode(format!("x-access-token:{}", git.token())));
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", &header, "-c", "user.name=a", "-c", "user.email=a@example.org"]).args(args);
    let output = command.output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn fetch_and_push_need_no_more_requests_and_bytes_than_a_shallow_clone_of_git() {
    let git = GitServer::start();
    let repository = git.create_repository("acme/infra", &[("a/b/c.yaml", b"old\n")]);
    busy(&repository);
    let cost = |from: usize| {
        let requests = git.requests().split_off(from);
        (requests.len(), requests.iter().map(|request| request.received).sum::<u64>())
    };
    let folder = tempfile::tempdir().unwrap();
    let clone = folder.path().join("clone");
    by_hand(&git, folder.path(), &["clone", "--quiet", "--depth=1", repository.url(), "clone"]);
    let cloned = cost(0);
    by_hand(&git, &clone, &["switch", "--quiet", "--create", "by-hand"]);
    std::fs::write(clone.join("apps/app-7/settings-7.yaml"), "new\n").unwrap();
    by_hand(&git, &clone, &["commit", "--quiet", "--all", "--message=Change"]);
    let from = git.requests().len();
    by_hand(&git, &clone, &["push", "--quiet", "origin", "by-hand"]);
    let pushed = cost(from);
    let tree = repository.git(&["rev-parse", "by-hand^{tree}"]);
    repository.git(&["branch", "-D", "by-hand"]);

    let from = git.requests().len();
    let (client, remote) = (plain(), remote(repository.url(), git.token()));
    let snapshot = client.fetch(&remote, &Base::Default, "x").await.unwrap();
    let ours = cost(from);
    assert!(ours.0 <= cloned.0 && ours.1 <= cloned.1, "{ours:?} of ours, {cloned:?} of git");
    let us = Person { name: "tagboat".into(), email: "tagboat@example.org".into() };
    let commit = snapshot.commit(&[("apps/app-7/settings-7.yaml".into(), Some(b"new\n".to_vec()))], "Change", &us).unwrap();
    let from = git.requests().len();
    client.push(&snapshot, commit.id, "x").await.unwrap();
    let ours = cost(from);
    assert!(ours.0 <= pushed.0 && ours.1 <= pushed.1, "{ours:?} of ours, {pushed:?} of git");
    assert_eq!(repository.git(&["rev-parse", "x^{tree}"]), tree);
}

#[tokio::test]
async fn what_was_fetched_before_is_not_fetched_again() {
    let git = GitServer::start();
    let repository = git.create_repository("acme/infra", &[("a/b/c.yaml", b"old\n")]);
    busy(&repository);
    let (client, remote) = (plain(), remote(repository.url(), git.token()));
    let snapshot = client.fetch(&remote, &Base::Default, "x").await.unwrap();
    let from = git.requests().len();
    let same = client.fetch_again(&snapshot, "x").await.unwrap();
    assert_eq!((&same.base, git.requests().len() - from), (&snapshot.base, 1), "nothing has changed, the list tells");
    let base = repository.commit("main", &[("apps/app-7/settings-7.yaml", b"new\n")], "Change");
    let branch = repository.commit("x", &[("x", b"x")], "Another branch");
    let from = git.requests().len();
    let fresh = client.fetch_again(&same, "x").await.unwrap();
    let requests = git.requests().split_off(from);
    assert_eq!((fresh.base.id.to_string(), fresh.branch.as_ref().unwrap().id.to_string()), (base, branch));
    assert_eq!(fresh.read("apps/app-7/settings-7.yaml").unwrap().unwrap().bytes, b"new\n");
    assert!(fresh.read("apps/app-8/settings-8.yaml").unwrap().is_some());
    let received: u64 = requests.iter().map(|request| request.received).sum();
    assert!(requests.len() == 2 && received < 10_000, "{} requests, {received} bytes", requests.len());
    client.push(&fresh, change(&fresh), "x").await.unwrap();
    repository.git(&["fsck", "--strict"]);

    // Who does not remember is asked for everything, as the first time.
    git.forget_versions();
    let all = client.fetch(&remote, &Base::Default, "x").await.unwrap();
    let again = client.fetch_again(&all, "x").await.unwrap();
    assert_eq!((&again.base, &again.branch), (&all.base, &all.branch));
}

#[tokio::test]
async fn a_push_begins_with_what_the_server_said_when_it_was_asked_whether_it_takes_one() {
    let (git, repository) = served();
    let client = plain();
    let moved = Reply::new(301, "").with("Location", "/acme/infra.git/info/refs?service=git-receive-pack");
    git.proxy().on(|request| request.target == "/acme/old.git/info/refs?service=git-receive-pack").fault(Fault::Reply(moved));
    let fetched = Reply::new(301, "").with("Location", "/acme/infra.git/info/refs?service=git-upload-pack");
    git.proxy().on(|request| request.target == "/acme/old.git/info/refs?service=git-upload-pack").fault(Fault::Reply(fetched));
    let old = remote(&repository.url().replace("infra", "old"), git.token());
    let snapshot = client.fetch(&old, &Base::Default, "x").await.unwrap();
    client.call_for_push(&snapshot).await.unwrap();
    let from = git.requests().len();
    client.push(&snapshot, change(&snapshot), "x").await.unwrap();
    assert_eq!(git.requests().split_off(from).len(), 1);

    // The same from a state that is gone: the server compares.
    let error = client.push(&snapshot, change(&snapshot), "x").await.unwrap_err();
    assert!(error.is_race(), "{error}");
    repository.reject_pushes("not from there");
    let error = client.push(&snapshot, change(&snapshot), "x").await.unwrap_err();
    assert!(error.is_race(), "a refusal in other words, of a state that is gone: {error}");
    let fresh = client.fetch_again(&snapshot, "x").await.unwrap();
    let error = client.push(&fresh, change(&fresh), "x").await.unwrap_err();
    assert!(matches!(error, Error::Rejected { .. }), "{error}");
    repository.accept_pushes();
    let from = git.requests().len();
    client.push(&fresh, change(&fresh), "x").await.unwrap();
    assert_eq!(git.requests().split_off(from).len(), 1);
    assert_eq!(repository.log("x").len(), 2);
}

#[tokio::test]
async fn a_server_of_before_version_2_gives_the_same_in_as_many_requests_less_one() {
    let (git, repository) = served();
    let main = repository.commit("main", &[("a/d.yaml", b"new\n")], "Second commit");
    repository.commit("x", &[("x", b"x")], "Another branch");
    repository.git(&["branch", "xx", "main"]);
    repository.git(&["tag", "--annotate", "--message=Tag", "v1", "main"]);
    let (client, remote) = (plain(), remote(repository.url(), git.token()));
    let mut costs = Vec::new();
    let mut seen = Vec::new();
    for _ in 0..2 {
        for (base, branch) in [(Base::Default, "x"), (Base::Named("x".into()), "main"), (Base::Named("main".into()), "y")] {
            let from = git.requests().len();
            let snapshot = client.fetch(&remote, &base, branch).await.unwrap();
            costs.push(git.requests().len() - from);
            assert_eq!(snapshot.read("x").unwrap().is_some(), snapshot.base_branch == "x");
            seen.push((snapshot.base_branch.clone(), snapshot.base.clone(), snapshot.branch.clone()));
        }
        let error = client.fetch(&remote, &Base::Named("mai".into()), "x").await.unwrap_err();
        assert!(matches!(error, Error::NoBranch { .. }), "{error}");
        git.forget_versions();
    }
    assert_eq!((&seen[..3], costs), (&seen[3..], vec![3, 3, 3, 2, 2, 2]));
    assert_eq!((seen[0].1.id.to_string(), seen[0].2.as_ref(), seen[2].2.as_ref()), (main, Some(&seen[1].1), None));
    repository.git(&["update-ref", "--no-deref", "HEAD", "main"]);
    let error = client.fetch(&remote, &Base::Named("nowhere".into()), "x").await.unwrap_err();
    assert!(matches!(error, Error::NoBranch { .. }), "{error}");
}

#[tokio::test]
async fn objects_with_other_names_than_ours_are_told() {
    let (git, repository) = served();
    repository.git(&["init", "--quiet", "--bare", "--object-format=sha256", "../other.git"]);
    let client = plain();
    let remote = remote(&repository.url().replace("infra.git", "other.git"), git.token());
    let error = client.fetch(&remote, &Base::Named("main".into()), "x").await.unwrap_err();
    assert!(matches!(error, Error::ObjectFormat { .. }), "{error}");
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
