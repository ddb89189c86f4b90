//! Images that a real Docker engine has just built: pushed once, retagged in the registry, and left alone when they are there already.

use std::sync::Mutex;

use tagboat::error::{Exit, Problems};
use tagboat::journal::Journal;
use tagboat::retag::select::{Choice, Place};
use tagboat::retag::{self, Intent, Overwrite, Plan, Revision, Rules, Service, Summary, tags};
use tagboat::store::Store;
use tagboat::store::docker::Daemon;
use tagboat::store::registry::Keychain;

use super::{client, count, service, told, values};
use crate::servers::docker::{Built, docker, engine};
use crate::servers::token::User;
use crate::servers::{Recorded, Registry};

fn store(keychain: Keychain) -> Store {
    Store::Daemon(Daemon::new(engine().host().parse().unwrap(), client(keychain)))
}

/// A project as the registry's own test names it: two tests never build the same image.
pub(super) struct Shop<'a> {
    registry: &'a Registry,
    pub(super) names: Vec<String>,
}

impl Shop<'_> {
    pub(super) fn new<'a>(registry: &'a Registry, names: &[&str]) -> Shop<'a> {
        let port = registry.host().rsplit(':').next().unwrap().to_owned();
        Shop { registry, names: names.iter().map(|name| format!("{name}-{port}")).collect() }
    }

    fn services(&self) -> Vec<Service> {
        self.names.iter().map(|name| Service { image: Some(name.clone()), ..service("", name) }).collect()
    }

    pub(super) async fn plan(&self, store: &Store, templates: &[&str], version: &str, overwrite: Overwrite) -> Plan {
        let choice = Choice { registry: Some(format!("{}/shop", self.registry.host())), place: Place::Daemon, ..Choice::default() };
        let selection = retag::select(&self.services(), &choice).unwrap();
        let wanted = tags::expand(&templates.iter().map(|&t| t.to_owned()).collect::<Vec<_>>(), &values(version)).unwrap();
        retag::plan(store, selection, &wanted, &Rules { overwrite, intent: Intent::Write, values: values(version), ..Rules::default() })
            .await
    }

    async fn release(&self, keychain: Keychain, templates: &[&str], version: &str, journal: &Journal) -> Result<Summary, Problems> {
        let store = store(keychain);
        let ready = self.plan(&store, templates, version, Overwrite::Refuse).await.ready()?;
        retag::run(&store, &ready, journal, &|_| ()).await
    }

    /// Without what differs from run to run.
    pub(super) fn shown(&self, text: &str) -> String {
        let port = self.registry.host().rsplit(':').next().unwrap().to_owned();
        let digests = regex::Regex::new("sha256:[0-9a-f]{12,64}").unwrap();
        let text = text.replace(&engine().host(), "DAEMON").replace(&self.registry.host(), "HOST").replace(&format!("-{port}"), "");
        digests.replace_all(&text, "sha256:…").into_owned()
    }
}

pub(super) fn uploads(requests: &[Recorded]) -> usize {
    requests.iter().filter(|request| request.path().contains("/blobs/uploads/")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pushed_once_and_a_second_run_pushes_nothing() {
    let registry = Registry::start();
    let shop = Shop::new(&registry, &["web", "api"]);
    let _images: Vec<Built> = shop.names.iter().map(|name| Built::new(name, name)).collect();
    let templates = ["latest", "{{tag}}", "{{major}}"];

    let to_registry = store(Keychain::default());
    let plan = shop.plan(&to_registry, &templates, "1.2.3", Overwrite::Refuse).await;
    insta::assert_snapshot!(shop.shown(&plan.to_string()), @"
    SERVICE    IMAGE                           TAG     DIGEST             ACTION
    web  HOST/shop/web  latest  new → of the push  create
    web  HOST/shop/web  v1.2.3  new → of the push  create
    web  HOST/shop/web  1       new → of the push  create
    api  HOST/shop/api  latest  new → of the push  create
    api  HOST/shop/api  v1.2.3  new → of the push  create
    api  HOST/shop/api  1       new → of the push  create
    ");
    let (journal, events) = (Journal::default(), Mutex::new(Vec::new()));
    let ready = plan.ready().unwrap();
    let summary = retag::run(&to_registry, &ready, &journal, &|event| events.lock().unwrap().push(event.to_string())).await.unwrap();
    assert_eq!(summary.to_string(), "6 tags created, 0 moved, 0 already there");
    let events: Vec<String> = events.into_inner().unwrap().iter().map(|event| shop.shown(event)).collect();
    let pushed = events.iter().filter(|event| event.starts_with("HOST/shop/web:v1.2.3: layer ") && event.ends_with(": pushed")).count();
    assert_eq!(pushed, 1, "the release tag is pushed, and only changes are told: {events:?}");
    let changes: Vec<String> = journal.changes().iter().map(|change| shop.shown(&change.to_string())).collect();
    assert_eq!(changes.len(), 6);
    assert!(changes.iter().all(|change| change.ends_with(": new, sha256:…")), "{changes:?}");
    for (name, pin) in shop.names.iter().zip(&summary.pushed) {
        let repository = format!("shop/{name}");
        assert_eq!(registry.tags(&repository), ["1", "latest", "v1.2.3"]);
        for tag in ["1", "latest", "v1.2.3"] {
            assert_eq!(registry.digest(&repository, tag).as_deref(), Some(pin.digest.as_str()), "{tag}");
        }
    }
    // Layer and configuration of two images; one manifest by the daemon and two tags by us, for each.
    let requests = registry.requests();
    assert_eq!(
        (uploads(&requests) > 0, requests.iter().filter(|r| r.method == "PUT" && r.path().contains("/manifests/")).count()),
        (true, 6)
    );

    let before = registry.requests().len();
    let journal = Journal::default();
    let summary = shop.release(Keychain::default(), &templates, "1.2.3", &journal).await.unwrap();
    assert_eq!((summary.to_string().as_str(), journal.changes().len()), ("nothing written: 6 tags already there", 0));
    let requests = &registry.requests()[before..];
    assert!(requests.iter().all(|request| request.method == "GET" || request.method == "HEAD"), "{requests:?}");

    // The next release of the same image is a matter of the registry alone.
    let before = registry.requests().len();
    let summary = shop.release(Keychain::default(), &templates, "1.2.4", &journal).await.unwrap();
    assert_eq!(summary.to_string(), "2 tags created, 0 moved, 4 already there");
    let requests = &registry.requests()[before..];
    assert_eq!((uploads(requests), count(requests, "PUT")), (0, 2));

    // A daemon that doesn't know of any push recognises the image by its configuration.
    for name in &shop.names {
        let target = format!("{}/shop/{name}:v1.2.3", registry.host());
        assert!(docker(&["image", "rm", target.as_str()]).status.success());
    }
    let digests = docker(&["image", "inspect", "--format={{.RepoDigests}}", &shop.names[0]]);
    assert_eq!(String::from_utf8_lossy(&digests.stdout).trim(), "[]");
    let summary = shop.release(Keychain::default(), &templates, "1.2.4", &journal).await.unwrap();
    assert_eq!(summary.to_string(), "nothing written: 6 tags already there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_tag_that_names_another_build_is_a_conflict_before_anything_is_pushed() {
    let registry = Registry::start();
    let shop = Shop::new(&registry, &["web"]);
    let _old = Built::new(&shop.names[0], "old");
    shop.release(Keychain::default(), &["{{tag}}", "latest"], "1.2.3", &Journal::default()).await.unwrap();
    let repository = format!("shop/{}", shop.names[0]);
    let old = registry.digest(&repository, "v1.2.3");
    let _new = Built::new(&shop.names[0], "new");

    let before = registry.requests().len();
    let problems = shop.release(Keychain::default(), &["{{tag}}", "latest"], "1.2.3", &Journal::default()).await.unwrap_err();
    assert_eq!(problems.exit(), Exit::Refused);
    insta::assert_snapshot!(shop.shown(&told(&problems)), @"
    couldn't release service web: HOST/shop/web:v1.2.3 exists and is sha256:…, but docker.io/library/web:latest is sha256:… in the Docker daemon (the ID of the image)
      hint: release tags don't move, and this image was built anew: write other tags with `tags`; to replace what v1.2.3 names, set `overwrite-tags: true`; to deploy it as it is, set `source: registry` and `source-tag: v1.2.3`
    ");
    assert_eq!(uploads(&registry.requests()[before..]), 0);
    assert_eq!(registry.digest(&repository, "v1.2.3"), old);

    let store = store(Keychain::default());
    let ready = shop.plan(&store, &["{{tag}}", "latest"], "1.2.3", Overwrite::Allow).await.ready().unwrap();
    assert_eq!(retag::run(&store, &ready, &Journal::default(), &|_| ()).await.unwrap().moved, 2);
    assert_ne!(registry.digest(&repository, "v1.2.3"), old);
    assert_eq!(registry.digest(&repository, "v1.2.3"), registry.digest(&repository, "latest"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_float_that_names_the_pushed_image_already_is_not_written_again() {
    let registry = Registry::start();
    let shop = Shop::new(&registry, &["web"]);
    let _image = Built::new(&shop.names[0], "same");
    shop.release(Keychain::default(), &["latest"], "1.2.3", &Journal::default()).await.unwrap();
    assert_eq!(registry.tags(&format!("shop/{}", shop.names[0])), ["latest"], "a float is pushed where there is no other tag");
    let before = registry.requests().len();
    let summary = shop.release(Keychain::default(), &["latest", "{{tag}}"], "1.2.3", &Journal::default()).await.unwrap();
    assert_eq!((summary.created, summary.moved, summary.already_there), (1, 0, 1));
    assert_eq!(count(&registry.requests()[before..], "PUT"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_pushes_with_the_credentials_of_the_keychain_and_says_what_is_wrong_with_them() {
    let ada = User::new("ada", "sécret?>~ÿ").may(&["pull", "push"], "shop/");
    let bob = User::new("bob", "secret").may(&["pull"], "shop/");
    let registry = Registry::with_token_service(vec![ada, bob]);
    let shop = Shop::new(&registry, &["web"]);
    let _image = Built::new(&shop.names[0], "login");
    let login = |user: &str, password: &str| Keychain::default().login("registry-password", &registry.host(), user, password.into());
    let shown = |text: &str| shop.shown(text).replace(&registry.tokens().realm(), "REALM");

    let journal = Journal::default();
    let wrong = shop.release(login("ada", "wrong"), &[], "1.2.3", &journal).await.unwrap_err();
    insta::assert_snapshot!(shown(&told(&wrong)), @"
    couldn't look at HOST/shop/web:v1.2.3, which service web is to be released as
      because couldn't log in to HOST: it refused the credentials of registry-password, entry HOST
      because GET REALM?service=testbed registry&scope=repository:shop/web:pull answered 401 Unauthorized: UNAUTHORIZED: UNAUTHORIZED
      hint: check the user and the password or token of registry-password, entry HOST; a token may have expired
    ");
    let reader = shop.release(login("bob", "secret"), &[], "1.2.3", &journal).await.unwrap_err();
    insta::assert_snapshot!(shown(&told(&reader)), @"
    couldn't look at HOST/shop/web, which service web is to be released as
      because couldn't get the right to push HOST/shop/web: HOST gives no such token for the credentials of registry-password, entry HOST
      hint: give the credentials the right to pull and push this repository (on GitHub: `permissions: packages: write`, and the package linked to this repository)
    ");
    assert_eq!(journal.changes(), [], "nothing was changed");
    assert!(registry.tags(&format!("shop/{}", shop.names[0])).is_empty());

    assert_eq!(shop.release(login("ada", "sécret?>~ÿ"), &["{{tag}}", "latest"], "1.2.3", &journal).await.unwrap().created, 2);
    let asked = registry.tokens().requests();
    let rights = asked.iter().filter(|token| token.user == "ada" && token.status == 200);
    assert!(rights.flat_map(|token| &token.scopes).any(|scope| scope.ends_with("push,pull")), "the daemon asks as ada: {asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_was_not_built_names_its_service_and_what_builds_it() {
    let registry = Registry::start();
    let shop = Shop::new(&registry, &["web", "api"]);
    let _web = Built::new(&shop.names[0], "web");
    let problems = shop.release(Keychain::default(), &[], "1.2.3", &Journal::default()).await.unwrap_err();
    insta::assert_snapshot!(shop.shown(&told(&problems)), @"
    couldn't read docker.io/library/api:latest, the image of service api
      because couldn't find api:latest in the Docker daemon at DAEMON
      hint: run `docker compose build api` in a step of this job, before this one; set `source: registry` where another job has pushed it; services that aren't built here can be left out with `services`
    ");
    assert_eq!(uploads(&registry.requests()), 0);

    let nowhere = Daemon::new("unix:///nowhere/docker.sock".parse().unwrap(), client(Keychain::default()));
    let problems = shop.plan(&Store::Daemon(nowhere), &[], "1.2.3", Overwrite::Refuse).await.ready().unwrap_err();
    insta::assert_snapshot!(shop.shown(&told(&problems)).lines().take(4).collect::<Vec<_>>().join("\n"), @"
    couldn't read docker.io/library/web:latest, the image of service web
      because couldn't reach the Docker daemon at unix:///nowhere/docker.sock
      because No such file or directory (os error 2)
      hint: run this step where the daemon runs that has built the images; a container needs its socket (`-v /var/run/docker.sock:/var/run/docker.sock`)
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_must_have_been_built_from_the_released_commit_where_that_is_required() {
    let registry = Registry::start();
    let shop = Shop::new(&registry, &["same", "other", "silent"]);
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let label = |commit: &str| format!("--label=org.opencontainers.image.revision={commit}");
    let _same = Built::with(&shop.names[0], "same", &[&label(commit)]);
    let _other = Built::with(&shop.names[1], "other", &[&label("abcdefabcdefabcdefabcdefabcdefabcdefabcd")]);
    let _silent = Built::new(&shop.names[2], "silent");
    let values = retag::Values { tag: Some("v1.2.3".into()), commit: Some(commit.into()), ..values("1.2.3") };
    let choice = Choice { registry: Some(format!("{}/shop", registry.host())), place: Place::Daemon, ..Choice::default() };
    let selection = retag::select(&shop.services(), &choice).unwrap();
    let wanted = tags::expand(&["{{tag}}".to_owned()], &values).unwrap();
    let rules = Rules { intent: Intent::Write, revision: Revision::Require, values, ..Rules::default() };
    let problems = retag::plan(&store(Keychain::default()), selection, &wanted, &rules).await.ready().unwrap_err();
    assert_eq!(problems.exit(), Exit::Refused);
    insta::assert_snapshot!(shop.shown(&told(&problems)), @"
    couldn't release service other: docker.io/library/other:latest was built from commit abcdefabcdefabcdefabcdefabcdefabcdefabcd, but v1.2.3 is commit 0123456789abcdef0123456789abcdef01234567
      hint: run `docker compose build other` on the checkout of v1.2.3 in a step of this job, before this one; the commit is what the image's label org.opencontainers.image.revision says: `verify-revision: off` releases it all the same
    couldn't tell which commit docker.io/library/silent:latest, the image of service silent, was built from: it has no label org.opencontainers.image.revision
      hint: build the image with the label org.opencontainers.image.revision (`build.labels` in the compose file), or set `verify-revision: auto`, which takes images that say nothing
    ");
    assert_eq!(uploads(&registry.requests()), 0);
}
