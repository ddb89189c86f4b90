//! Several tags with one request, where the registry confirms it (distribution-spec §Pushing manifests, `OCI-Tag`).

use super::{SIX, anonymous, count, push_six, release, told};
use crate::servers::http1::{Listener, Reply, Request, Upstream, serve};
use crate::servers::{Fault, Registry};

/// Five tags, of which two are release tags and two floats of a line: 6 images × 2 requests can be saved.
const FIVE: [&str; 5] = ["{{tag}}", "{{version}}", "{{major}}.{{minor}}", "{{major}}", "stable"];

/// A registry that takes several tags at once, made of one that doesn't. `confirmed` tags of each request are believed to be done.
fn in_front_of(registry: &Registry, confirmed: usize) -> (Listener, String) {
    let port = registry.host().rsplit(':').next().unwrap().parse().unwrap();
    let upstream = Upstream::plain(port);
    let listener = serve(move |request: &Request| {
        let headers: Vec<(&str, &str)> = request
            .head
            .headers
            .iter()
            .filter(|(name, _)| matches!(name.to_ascii_lowercase().as_str(), "accept" | "content-type"))
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        let send = |target: &str| upstream.send(&request.method, target, &headers, &request.body).unwrap();
        let tags: Vec<&str> = request.query().split('&').filter_map(|pair| pair.strip_prefix("tag=")).collect();
        if request.method != "PUT" || tags.is_empty() {
            return send(&request.target);
        }
        let (folder, _) = request.path().rsplit_once('/').unwrap();
        let (folder, mut reply) = (folder.to_owned(), Reply::new(201, ""));
        for tag in tags.into_iter().take(confirmed) {
            assert_eq!(send(&format!("{folder}/{tag}")).status, 201);
            reply = reply.with("OCI-Tag", tag);
        }
        reply
    });
    let host = listener.host();
    (listener, host)
}

async fn digests_are_right(registry: &Registry) {
    for name in SIX {
        let repository = format!("shop/{name}");
        let source = registry.digest(&repository, "latest");
        for tag in ["v1.2.3", "1.2.3", "1.2", "1", "stable"] {
            assert_eq!(registry.digest(&repository, tag), source, "{name}:{tag}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_confirms_them_gets_the_tags_of_a_wave_in_one_request() {
    let registry = Registry::start();
    push_six(&registry);
    let (_listener, host) = in_front_of(&registry, 10);
    let store = anonymous();
    let summary = release(&store, &host, &SIX, &FIVE, "1.2.3").await.unwrap_or_else(|e| panic!("{}", told(&e)));
    assert_eq!(summary.created, 30);
    assert_eq!(store.traffic().writes, 18, "a request an image and wave");
    digests_are_right(&registry).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_ignores_them_is_asked_once() {
    let registry = Registry::start();
    push_six(&registry);
    let store = anonymous();
    release(&store, &registry.host(), &SIX, &FIVE, "1.2.3").await.unwrap();
    assert_eq!(store.traffic().writes, 31);
    let asked: Vec<_> = registry.requests().into_iter().filter(|request| request.target.contains("?tag=")).collect();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].target.ends_with("?tag=v1.2.3&tag=1.2.3"), "{}", asked[0].target);
    digests_are_right(&registry).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_registry_refuses_or_confirms_in_part_is_written_one_by_one() {
    let registry = Registry::start();
    push_six(&registry);
    registry.proxy().on(|request| request.target.contains("?tag=")).fault(Fault::reply(400, "tag query parameters"));
    release(&anonymous(), &registry.host(), &SIX, &FIVE, "1.2.3").await.unwrap_or_else(|e| panic!("{}", told(&e)));
    digests_are_right(&registry).await;

    let registry = Registry::start();
    push_six(&registry);
    let (_listener, host) = in_front_of(&registry, 1);
    let store = anonymous();
    release(&store, &host, &SIX, &FIVE, "1.2.3").await.unwrap();
    assert_eq!(store.traffic().writes, 30, "one for each tag");
    digests_are_right(&registry).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_where_it_could_save_little() {
    let registry = Registry::start();
    push_six(&registry);
    release(&anonymous(), &registry.host(), &SIX, &FIVE[1..], "1.2.3").await.unwrap();
    assert!(registry.requests().iter().all(|request| !request.target.contains('?') || request.target.contains("/tags/list?")));
    assert_eq!(count(&registry.requests(), "PUT"), 24);
}
