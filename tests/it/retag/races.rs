//! Two releases at once, and registries that show what was pushed some seconds later.

use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use tagboat::http::{self, Patience};
use tagboat::journal::Journal;
use tagboat::retag::{self, Freshness, Intent, Ready, Rules, select, tags};
use tagboat::store::Store;
use tagboat::store::registry::{Client, Lag, Settings};

use super::{anonymous, count, plan, release, service, told, values};
use crate::servers::{Fault, Image, Platforms, Registry};

const FOUR: [&str; 4] = ["{{version}}", "{{major}}.{{minor}}", "{{major}}", "latest"];

fn push(registry: &Registry, name: &str, tag: &str, version: &str) -> String {
    registry.push(&format!("shop/{name}"), tag, &Image::new(Platforms::One).content(&format!("{name} {version}")))
}

/// A plan of 1.2.9 whose floats are looked at again however soon it is carried out.
async fn ready(registry: &Registry, names: &[&str], freshness: Duration) -> Ready {
    let choice = select::Choice { source_tag: Some("build".parse().unwrap()), ..select::Choice::default() };
    let services: Vec<_> = names.iter().map(|name| service(&registry.host(), name)).collect();
    let wanted = tags::expand(&FOUR.map(str::to_owned), &values("1.2.9")).unwrap();
    let rules = Rules { intent: Intent::Write, values: values("1.2.9"), freshness: Freshness(freshness), ..Rules::default() };
    let plan = retag::plan(&anonymous(), retag::select(&services, &choice).unwrap(), &wanted, &rules).await;
    plan.ready().unwrap_or_else(|problems| panic!("{}", told(&problems)))
}

/// Trap: two releases at once, of which the older one is the slower.
#[tokio::test(flavor = "multi_thread")]
async fn floats_that_a_newer_release_took_since_the_plan_are_left_to_it() {
    let registry = Registry::start();
    for name in ["web", "api"] {
        push(&registry, name, "build", "1.2.9");
    }
    let ready = ready(&registry, &["web", "api"], Duration::ZERO).await;
    // The newer release has done the first of its two images.
    push(&registry, "web", "2.0.0", "2.0.0");
    let theirs = push(&registry, "web", "latest", "2.0.0");
    let events = Mutex::new(Vec::new());
    let summary =
        retag::run(&anonymous(), &ready, &Journal::default(), &|event| events.lock().unwrap().push(event.to_string())).await.unwrap();
    assert_eq!((summary.created, summary.left_alone), (6, 2), "{summary}");
    assert_eq!(registry.digest("shop/web", "latest"), Some(theirs));
    assert_eq!(registry.tags("shop/api"), ["1", "1.2", "1.2.9", "build"], "its images agree");
    let events = events.into_inner().unwrap();
    assert!(events.iter().any(|event| event.ends_with("shop/web:latest left alone: 2.0.0 is newer, and has come since")), "{events:?}");
}

/// Trap: the newer release comes between our last look and our write; no registry compares and swaps.
#[tokio::test(flavor = "multi_thread")]
async fn a_float_written_over_a_newer_release_is_given_back() {
    let registry = Arc::new(Registry::start());
    push(&registry, "web", "build", "1.2.9");
    let ready = ready(&registry, &["web"], Duration::ZERO).await;
    let (newer, once) = (Arc::downgrade(&registry), Once::new());
    // The newer release is complete after our last look and before our write.
    registry
        .proxy()
        .on(move |request| {
            if request.method == "PUT" && request.path().ends_with("/latest") {
                once.call_once(|| {
                    let registry = newer.upgrade().unwrap();
                    push(&registry, "web", "2.0.0", "2.0.0");
                    push(&registry, "web", "latest", "2.0.0");
                });
            }
            false
        })
        .fault(Fault::Reset);
    let journal = Journal::default();
    let summary = retag::run(&anonymous(), &ready, &journal, &|_| ()).await.unwrap();
    assert_eq!(registry.digest("shop/web", "latest"), registry.digest("shop/web", "2.0.0"), "the higher version wins");
    assert_eq!(registry.digest("shop/web", "1"), registry.digest("shop/web", "1.2.9"));
    assert_eq!((summary.created, summary.left_alone), (3, 1));
    assert_eq!(journal.changes().len(), 5, "both writes of latest are in the journal");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_float_that_another_run_of_the_same_release_wrote_is_not_written_again() {
    let registry = Registry::start();
    push(&registry, "web", "build", "1.2.9");
    let ready = ready(&registry, &["web"], Duration::ZERO).await;
    for tag in ["1.2.9", "1.2", "1"] {
        push(&registry, "web", tag, "1.2.9");
    }
    let before = count(&registry.requests(), "PUT");
    let summary = retag::run(&anonymous(), &ready, &Journal::default(), &|_| ()).await.unwrap();
    // The release tag was planned; the floats were looked at again.
    assert_eq!(count(&registry.requests(), "PUT") - before, 2);
    assert_eq!((summary.created, summary.already_there), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_fresh_is_believed() {
    let registry = Registry::start();
    push(&registry, "web", "build", "1.2.9");
    let ready = ready(&registry, &["web"], Duration::from_secs(3600)).await;
    let store = anonymous();
    retag::run(&store, &ready, &Journal::default(), &|_| ()).await.unwrap();
    assert_eq!(store.traffic().requests, 4, "its writes and nothing else");
}

pub(super) fn late(registry: &Registry, within: Duration) -> Client {
    http::install_tls_provider();
    let client = http::client(&http::Settings::default()).unwrap();
    let lag = Lag { hosts: vec![registry.host()], within, first_wait: Duration::from_millis(5) };
    Client::new(client, Settings { lag, patience: Patience::default(), ..Settings::default() })
}

fn late_store(registry: &Registry, within: Duration) -> Store {
    Store::Registry(late(registry, within))
}

/// Trap: a registry answers "manifest unknown" for seconds after a push.
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_shows_its_writes_late_is_waited_for() {
    let unknown = || Fault::reply(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#);
    let registry = Registry::start();
    registry.push_image("shop/web", "latest", Platforms::Several);
    registry.proxy().on(|request| request.method == "GET").first(3).fault(unknown());
    release(&late_store(&registry, Duration::from_secs(60)), &registry.host(), &["web"], &[], "1.2.3").await.unwrap();
    assert_eq!(count(&registry.requests(), "GET"), 4);

    // It isn't waited for ever, and not where there is no such repository.
    registry.proxy().on(|request| request.method == "GET").fault(unknown());
    let plan = plan(&late_store(&registry, Duration::from_millis(50)), &registry.host(), &["web"], &[], "2.0.0").await;
    assert!(told(&plan.ready().unwrap_err()).contains("couldn't find"));
    let nobody = Registry::start();
    let unnamed = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}"#;
    nobody.proxy().on(|request| request.method == "GET").fault(Fault::reply(404, unnamed));
    assert!(release(&late_store(&nobody, Duration::from_secs(3600)), &nobody.host(), &["web"], &[], "1.2.3").await.is_err());
    assert_eq!(count(&nobody.requests(), "GET"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_registries_are_asked_once_for_a_missing_image() {
    let registry = Registry::start();
    assert!(release(&anonymous(), &registry.host(), &["web"], &[], "1.2.3").await.is_err());
    assert_eq!(count(&registry.requests(), "GET"), 1);
}
