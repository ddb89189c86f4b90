//! Retagging against a real registry: what goes over the wire, what is written, and what isn't.

mod containerd;
mod copy;
mod crash;
mod daemon;
mod engines;
mod faults;
mod gitea;
mod layouts;
mod lies;
mod locked;
mod login;
mod main_branch;
mod races;
mod revision;
mod several;
mod signatures;
mod tokens;
mod traps;
mod uploads;

use std::sync::Mutex;
use std::time::Duration;

use tagboat::error::{Explain, Location, Problems};
use tagboat::http::{self, Patience};
use tagboat::image::Repository;
use tagboat::journal::Journal;
use tagboat::retag::{
    self, Freshness, Intent, Outcome, Overwrite, Plan, Published, Ready, Rules, Selection, Service, Summary, Values, select, tags,
};
use tagboat::store::Store;
use tagboat::store::registry::{Client, Keychain, Settings};

use crate::servers::{Image, Platforms, Recorded, Registry};

const SIX: [&str; 6] = ["web", "api", "worker", "mail", "cron", "docs"];

/// A client as a run has it, but one that loses patience sooner.
fn store(keychain: Keychain) -> Store {
    Store::Registry(client(keychain))
}

fn client(keychain: Keychain) -> Client {
    http::install_tls_provider();
    let client = http::client(&http::Settings::default()).unwrap();
    let patience = Patience { first_wait: Duration::from_millis(5), within: Duration::from_secs(20), ..Patience::default() };
    Client::new(client, Settings { keychain, patience, ..Settings::default() })
}

fn anonymous() -> Store {
    store(Keychain::default())
}

fn service(registry: &str, name: &str) -> Service {
    Service {
        name: name.into(),
        image: Some(format!("{registry}/shop/{name}")),
        has_build: true,
        build_tags: Vec::new(),
        skip: false,
        image_override: None,
        source_override: None,
        location: Location::line("compose.yaml", 3),
    }
}

fn selection(registry: &str, names: &[&str]) -> Selection {
    let services: Vec<Service> = names.iter().map(|name| service(registry, name)).collect();
    retag::select(&services, &select::Choice::default()).unwrap()
}

fn values(version: &str) -> Values {
    Values { tag: Some(format!("v{version}")), version: Some(version.parse().unwrap()), ..Values::default() }
}

async fn plan(store: &Store, registry: &str, names: &[&str], templates: &[&str], version: &str) -> Plan {
    let templates: Vec<String> = templates.iter().map(|&t| t.to_owned()).collect();
    let wanted = tags::expand(&templates, &values(version)).unwrap();
    // On a busy machine a second look would come into the counts.
    let freshness = Freshness(Duration::from_secs(3600));
    let rules = Rules { overwrite: Overwrite::Refuse, intent: Intent::Write, values: values(version), freshness, ..Rules::default() };
    retag::plan(store, selection(registry, names), &wanted, &rules).await
}

async fn release(store: &Store, registry: &str, names: &[&str], templates: &[&str], version: &str) -> Result<Summary, Problems> {
    let ready = plan(store, registry, names, templates, version).await.ready()?;
    retag::run(store, &ready, &Journal::default(), &|_| ()).await
}

async fn ready(store: &Store, registry: &str, names: &[&str]) -> Ready {
    plan(store, registry, names, &[], "1.2.3").await.ready().unwrap_or_else(|problems| panic!("{}", told(&problems)))
}

/// What a person is told: message, causes, hint.
fn told(problems: &Problems) -> String {
    let one = |problem: &dyn Explain| {
        let mut lines = vec![problem.to_string()];
        let mut cause = problem.source();
        while let Some(error) = cause {
            lines.push(format!("  because {error}"));
            cause = error.source();
        }
        lines.push(format!("  hint: {}", problem.hint()));
        lines.join("\n")
    };
    problems.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn count(requests: &[Recorded], method: &str) -> usize {
    requests.iter().filter(|request| request.method == method).count()
}

fn push_six(registry: &Registry) {
    for (number, name) in SIX.iter().enumerate() {
        let platforms = if number % 2 == 0 { Platforms::Several } else { Platforms::One };
        let image = Image::new(platforms).content(name);
        let image = if number % 3 == 0 { image.docker() } else { image };
        registry.push(&format!("shop/{name}"), "latest", &image);
    }
}

/// Trap: a digest that changes, or an index of which one platform is left, because a manifest is parsed and written anew.
#[tokio::test(flavor = "multi_thread")]
async fn six_images_get_their_tag_with_the_same_bytes_at_the_same_time_and_no_blob_is_asked_for() {
    let registry = Registry::start();
    push_six(&registry);
    registry.proxy().delay(Duration::from_millis(40));
    let host = registry.host();

    let store = anonymous();
    let events = Mutex::new(Vec::new());
    let ready = ready(&store, &host, &SIX).await;
    let journal = Journal::default();
    let summary = retag::run(&store, &ready, &journal, &|event| events.lock().unwrap().push(event.to_string())).await.unwrap();
    assert_eq!(summary.to_string(), "6 tags created, 0 moved, 0 already there");
    assert_eq!(events.lock().unwrap().len(), 6);
    assert_eq!(journal.changes().len(), 6);

    for name in SIX {
        let repository = format!("shop/{name}");
        let (source, released) = (registry.manifest(&repository, "latest").unwrap(), registry.manifest(&repository, "v1.2.3").unwrap());
        assert_eq!(source.body, released.body, "{name}: bytes are moved verbatim, an index stays whole");
        assert_eq!(source.get("content-type"), released.get("content-type"), "{name}");
    }
    let requests = registry.requests();
    assert!(requests.iter().all(|request| request.path().contains("/manifests/")), "only manifests: {requests:?}");
    assert_eq!((count(&requests, "GET"), count(&requests, "HEAD"), count(&requests, "PUT")), (6, 6, 6));
    assert_eq!(store.traffic().requests, 18);
    assert!(registry.proxy().most_at_once() >= 10, "all images at the same time, not {}", registry.proxy().most_at_once());

    // In a task of its own, as a run may have it.
    let second = async move {
        let again = anonymous();
        let summary = release(&again, &host, &SIX, &[], "1.2.3").await.unwrap();
        (again, summary)
    };
    let (again, summary) = tokio::spawn(second).await.unwrap();
    assert_eq!(summary.to_string(), "nothing written: 6 tags already there");
    assert_eq!((again.traffic().requests, again.traffic().writes), (12, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_share_an_image_cost_as_much_as_one() {
    let registry = Registry::start();
    registry.push_image("shop/web", "latest", Platforms::Several);
    let services = [service(&registry.host(), "web"), Service { name: "worker".into(), ..service(&registry.host(), "web") }];
    let selection = retag::select(&services, &select::Choice::default()).unwrap();
    let wanted = tags::expand(&[], &values("1.2.3")).unwrap();
    let rules = Rules { intent: Intent::Write, ..Rules::default() };
    let store = anonymous();
    let ready = retag::plan(&store, selection, &wanted, &rules).await.ready().unwrap();
    retag::run(&store, &ready, &Journal::default(), &|_| ()).await.unwrap();
    assert_eq!((store.traffic().requests, store.traffic().writes), (3, 1));
    let pins: Vec<String> = ready.pins().iter().map(|pin| format!("{} {}", pin.service, pin.tag)).collect();
    assert_eq!(pins, ["web v1.2.3", "worker v1.2.3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_missing_image_and_nothing_is_written_anywhere() {
    let registry = Registry::start();
    registry.push_image("shop/web", "latest", Platforms::Several);
    registry.push_image("shop/api", "edge", Platforms::One);
    let host = registry.host();
    let problems = release(&anonymous(), &host, &["web", "api", "docs"], &[], "1.2.3").await.unwrap_err();
    let said = told(&problems).replace(&host, "HOST");
    insta::assert_snapshot!(said, @"
    couldn't read HOST/shop/api:latest, the image of service api
      because couldn't find HOST/shop/api:latest
      because GET http://HOST/v2/shop/api/manifests/latest answered 404 Not Found: MANIFEST_UNKNOWN: manifest unknown
      hint: push the image before this step, or set `source-tag` when it has another tag, or `source: docker` when this job has built it and pushed it nowhere; registries also answer this for private images that the credentials may not see
    couldn't read HOST/shop/docs:latest, the image of service docs
      because couldn't find HOST/shop/docs:latest
      because GET http://HOST/v2/shop/docs/manifests/latest answered 404 Not Found: MANIFEST_UNKNOWN: manifest unknown
      hint: push the image before this step, or set `source-tag` when it has another tag, or `source: docker` when this job has built it and pushed it nowhere; registries also answer this for private images that the credentials may not see
    ");
    assert!(problems.iter().all(|problem| problem.location() == Some(&Location::line("compose.yaml", 3))));
    assert_eq!(count(&registry.requests(), "PUT"), 0);
    assert_eq!(registry.tags("shop/web"), ["latest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_tag_that_names_another_image_is_a_conflict_before_anything_is_written() {
    let registry = Registry::start();
    let old = registry.push("shop/api", "v1.2.3", &Image::new(Platforms::One).content("old"));
    registry.push("shop/api", "latest", &Image::new(Platforms::One).content("new"));
    registry.push_image("shop/web", "latest", Platforms::One);
    let host = registry.host();
    let problems = release(&anonymous(), &host, &["web", "api"], &[], "1.2.3").await.unwrap_err();
    assert_eq!(problems.exit(), tagboat::error::Exit::Refused);
    let said = told(&problems);
    assert!(said.contains(&format!("{host}/shop/api:v1.2.3 exists and is {old}")), "{said}");
    assert_eq!(count(&registry.requests(), "PUT"), 0);
    assert_eq!(registry.digest("shop/api", "v1.2.3"), Some(old.clone()));

    // Starting from the release tag itself deploys what was released.
    let choice = select::Choice { source_tag: Some("v1.2.3".parse().unwrap()), ..select::Choice::default() };
    let selection = retag::select(&[service(&host, "api")], &choice).unwrap();
    let store = anonymous();
    let wanted = tags::expand(&[], &values("1.2.3")).unwrap();
    let plan = retag::plan(&store, selection, &wanted, &Rules::default()).await;
    assert_eq!(plan.pins()[0].digest.as_str(), old);
    assert!(!plan.changes());

    // So does a release that was asked for by its name: to roll back is no conflict.
    let rules = Rules { intent: Intent::Write, published: Published::Keep, values: values("1.2.3"), ..Rules::default() };
    let plan = retag::plan(&store, self::selection(&host, &["web", "api"]), &wanted, &rules).await;
    let api = plan.pins().into_iter().find(|pin| pin.service == "api").unwrap();
    assert_eq!(api.digest.as_str(), old);
    assert!(plan.ready().is_ok_and(|ready| ready.summary().created == 1), "what isn't there yet is still made");

    // And who insists may overwrite.
    let rules = Rules { overwrite: Overwrite::Allow, intent: Intent::Write, values: values("1.2.3"), ..Rules::default() };
    let ready = retag::plan(&store, self::selection(&host, &["api"]), &wanted, &rules).await.ready().unwrap();
    assert_eq!(retag::run(&store, &ready, &Journal::default(), &|_| ()).await.unwrap().moved, 1);
    assert_eq!(registry.digest("shop/api", "v1.2.3"), registry.digest("shop/api", "latest"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_whose_source_is_gone_is_what_its_tag_says() {
    let registry = Registry::start();
    let released = registry.push_image("shop/web", "v1.2.3", Platforms::Several);
    let plan = plan(&anonymous(), &registry.host(), &["web"], &["{{tag}}", "{{major}}.{{minor}}"], "1.2.3").await;
    assert_eq!(plan.pins()[0].digest.as_str(), released);
    let store = anonymous();
    retag::run(&store, &plan.ready().unwrap(), &Journal::default(), &|_| ()).await.unwrap();
    assert_eq!(registry.digest("shop/web", "1.2"), Some(released), "what was left undone is finished");
}

#[tokio::test(flavor = "multi_thread")]
async fn floats_never_move_backwards_and_all_images_agree() {
    let registry = Registry::start();
    let host = registry.host();
    let templates = ["{{tag}}", "{{major}}.{{minor}}", "{{major}}", "latest"];
    for name in ["web", "api"] {
        registry.push(&format!("shop/{name}"), "build", &Image::new(Platforms::One).content(&format!("{name} 1.2.9")));
    }
    // Only one of the two has a newer release.
    let newer = registry.push("shop/web", "v2.0.0", &Image::new(Platforms::One).content("web 2"));
    registry.push("shop/web", "latest", &Image::new(Platforms::One).content("web 2"));
    let choice = select::Choice { source_tag: Some("build".parse().unwrap()), ..select::Choice::default() };
    let selection = retag::select(&[service(&host, "web"), service(&host, "api")], &choice).unwrap();
    let wanted = tags::expand(&templates.map(str::to_owned), &values("1.2.9")).unwrap();
    let rules = Rules { intent: Intent::Write, values: values("1.2.9"), ..Rules::default() };
    let store = anonymous();
    let plan = retag::plan(&store, selection, &wanted, &rules).await;
    assert_eq!(plan.to_string().matches("left alone: v2.0.0 is newer").count(), 2, "{plan}");
    retag::run(&store, &plan.ready().unwrap(), &Journal::default(), &|_| ()).await.unwrap();
    assert_eq!(registry.digest("shop/web", "latest"), Some(newer));
    assert_eq!(registry.tags("shop/api"), ["1", "1.2", "build", "v1.2.9"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn release_tags_of_all_images_come_before_the_first_float_and_latest_comes_last() {
    let registry = Registry::start();
    push_six(&registry);
    let templates = ["latest", "{{version}}", "{{major}}", "stable", "{{major}}.{{minor}}"];
    release(&anonymous(), &registry.host(), &SIX, &templates, "1.2.3").await.unwrap();
    let requests = registry.requests();
    let puts = requests.iter().filter(|request| request.method == "PUT");
    let tags: Vec<&str> = puts.map(|request| request.path().rsplit('/').next().unwrap()).collect();
    assert_eq!(tags.len(), 24, "latest is there already");
    assert!(tags[..6].iter().all(|&tag| tag == "1.2.3"), "{tags:?}");
    assert!(tags[6..18].iter().all(|&tag| tag == "1" || tag == "1.2"), "{tags:?}");
    assert!(tags[18..].iter().all(|&tag| tag == "stable"), "{tags:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_listed_page_by_page() {
    let registry = Registry::start();
    for number in 0..7 {
        registry.push_image("shop/web", &format!("v1.0.{number}"), Platforms::One);
    }
    // The registry is asked for large pages; the proxy makes it give small ones.
    let store = anonymous();
    let repository = repository(&registry.host(), "web");
    assert_eq!(store.tags(&repository).await.unwrap().len(), 7);
    let small = "/v2/shop/web/tags/list?n=3";
    let link = format!("<{small}>; rel=\"next\"");
    let first = crate::servers::http1::Reply::json(200, &serde_json::json!({"name": "shop/web", "tags": ["v0.9.0"]})).with("Link", link);
    registry.proxy().on(|request| request.target == "/v2/shop/web/tags/list?n=1000").fault(crate::servers::Fault::Reply(first));
    let tags = store.tags(&repository).await.unwrap();
    assert_eq!(
        tags.iter().map(tagboat::image::Tag::as_str).collect::<Vec<_>>(),
        ["v0.9.0", "v1.0.0", "v1.0.1", "v1.0.2", "v1.0.3", "v1.0.4", "v1.0.5", "v1.0.6"]
    );
    assert_eq!(store.tags(&self::repository(&registry.host(), "nobody")).await.unwrap(), []);
}

fn repository(host: &str, name: &str) -> Repository {
    format!("{host}/shop/{name}").parse::<tagboat::image::Reference>().unwrap().repository()
}

fn is_unknown(plan: &Plan) -> bool {
    plan.images.iter().any(|image| matches!(image.outcome, Outcome::Unknown(_)))
}
