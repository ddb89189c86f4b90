//! Registries that are busy, broken, or lie.

use std::time::Duration;

use tagboat::error::Exit;
use tagboat::http::{self, Patience};
use tagboat::journal::{Certainty, Journal};
use tagboat::retag;
use tagboat::store::Store;
use tagboat::store::registry::{Client, Settings};

use super::{anonymous, count, plan, ready, release, told};
use crate::servers::http1::Reply;
use crate::servers::{Fault, Platforms, Registry};

fn registry() -> Registry {
    let registry = Registry::start();
    registry.push_image("shop/web", "latest", Platforms::Several);
    registry
}

/// Trap: GHCR limits the rate with 403, not 429.
#[tokio::test(flavor = "multi_thread")]
async fn passing_faults_are_waited_out() {
    let limit =
        Reply::new(403, r#"{"errors":[{"code":"DENIED","message":"You have exceeded a secondary rate limit"}]}"#).with("Retry-After", "0");
    let table = [
        ("busy", Fault::reply(503, "busy")),
        ("too many", Fault::Reply(Reply::new(429, "slow down").with("Retry-After", "0"))),
        ("GitHub's limit", Fault::Reply(limit)),
        ("bad gateway", Fault::reply(502, "<html>")),
        ("request timeout", Fault::reply(408, "")),
        ("reset", Fault::Reset),
        ("answer lost", Fault::LoseAnswer),
    ];
    for (name, fault) in table {
        for method in ["GET", "HEAD", "PUT"] {
            let registry = registry();
            registry.proxy().on(move |request| request.method == method).first(2).fault(fault.clone());
            release(&anonymous(), &registry.host(), &["web"], &[], "1.2.3")
                .await
                .unwrap_or_else(|e| panic!("{name} {method}: {}", told(&e)));
            assert_eq!(registry.digest("shop/web", "v1.2.3"), registry.digest("shop/web", "latest"), "{name}");
            assert_eq!(count(&registry.requests(), method), 3, "{name} {method}");
        }
    }
}

/// Trap: a manifest that breaks off.
#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_answer_is_asked_for_again() {
    let registry = registry();
    registry.proxy().on(|request| request.method == "GET").first(1).fault(Fault::Truncate(20));
    release(&anonymous(), &registry.host(), &["web"], &[], "1.2.3").await.unwrap();
    assert_eq!(count(&registry.requests(), "GET"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_says_how_long_to_wait() {
    let registry = registry();
    let busy = Reply::new(429, "").with("Retry-After", "1");
    registry.proxy().on(|request| request.method == "GET").first(1).fault(Fault::Reply(busy));
    release(&anonymous(), &registry.host(), &["web"], &[], "1.2.3").await.unwrap();
    let requests = registry.requests();
    let gets: Vec<_> = requests.iter().filter(|request| request.method == "GET").collect();
    let pause = gets[1].started - gets[0].finished.unwrap();
    assert!(pause >= Duration::from_millis(990), "{pause:?}");
}

/// What is told about a fault that stays.
async fn fails(fault: Fault, method: &'static str) -> (String, Exit, usize) {
    let registry = registry();
    registry.proxy().on(move |request| request.method == method).fault(fault);
    let host = registry.host();
    let problems = release(&anonymous(), &host, &["web"], &[], "1.2.3").await.unwrap_err();
    if method != "PUT" {
        assert_eq!(count(&registry.requests(), "PUT"), 0);
    }
    let line = told(&problems).replace(&host, "HOST");
    (
        line.lines().filter(|line| !line.starts_with("  hint")).collect::<Vec<_>>().join("\n"),
        problems.exit(),
        count(&registry.requests(), method),
    )
}

/// Trap: a portal's page with status 200, schema 1, a digest that isn't the content's.
#[tokio::test(flavor = "multi_thread")]
async fn faults_that_stay_are_told_apart() {
    let denied = r#"{"errors":[{"code":"DENIED","message":"not yours"}]}"#;
    let mut said = Vec::new();
    let lie = |reply: &mut Reply| reply.body = b"{\"schemaVersion\":2,\"manifests\":[]}".to_vec();
    let confirm = |reply: &mut Reply| {
        for (name, value) in &mut reply.headers {
            if name.eq_ignore_ascii_case("docker-content-digest") {
                *value = format!("sha256:{}", "0".repeat(64));
            }
        }
    };
    let schema1 =
        Reply::new(200, r#"{"schemaVersion":1}"#).with("Content-Type", "application/vnd.docker.distribution.manifest.v1+prettyjws");
    let html = || Fault::Reply(Reply::new(200, "<html>please log in</html>").with("Content-Type", "text/html"));
    let table = [
        ("GET", Fault::reply(403, denied)),
        ("GET", Fault::reply(401, denied)),
        ("HEAD", Fault::reply(403, "")),
        ("GET", Fault::reply(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#)),
        ("GET", Fault::reply(429, "")),
        ("GET", Fault::reply(500, "oops")),
        ("GET", Fault::tamper(lie)),
        ("GET", Fault::Reply(schema1)),
        ("GET", html()),
        ("GET", Fault::reply(200, &" ".repeat(5 << 20))),
        ("PUT", Fault::tamper(confirm)),
        ("PUT", html()),
        ("PUT", Fault::reply(400, r#"{"errors":[{"code":"TAG_INVALID","message":"tag is immutable"}]}"#)),
    ];
    for (method, fault) in table {
        let (line, exit, sent) = fails(fault, method).await;
        said.push(format!("{line}\n  exit {exit:?} after {sent} {method}"));
    }
    insta::assert_snapshot!(said.join("\n"), @"
    couldn't read HOST/shop/web:latest, the image of service web
      because couldn't use HOST/shop/web:latest: access is denied
      because GET http://HOST/v2/shop/web/manifests/latest answered 403 Forbidden: DENIED: not yours
      exit Failed after 1 GET
    couldn't read HOST/shop/web:latest, the image of service web
      because couldn't use HOST/shop/web: HOST wants a login and there are no credentials for it
      because GET http://HOST/v2/shop/web/manifests/latest answered 401 Unauthorized: DENIED: not yours
      exit Failed after 2 GET
    couldn't look at HOST/shop/web:v1.2.3, which service web is to be released as
      because couldn't use HOST/shop/web:v1.2.3: access is denied
      because HEAD http://HOST/v2/shop/web/manifests/v1.2.3 answered 403 Forbidden (answers to HEAD tell no reason)
      exit Failed after 1 HEAD
    couldn't read HOST/shop/web:latest, the image of service web
      because couldn't find HOST/shop/web:latest
      because GET http://HOST/v2/shop/web/manifests/latest answered 404 Not Found: MANIFEST_UNKNOWN: manifest unknown
      exit Failed after 1 GET
    couldn't read HOST/shop/web:latest, the image of service web
      because couldn't use HOST/shop/web:latest: HOST limits the rate of requests
      because GET http://HOST/v2/shop/web/manifests/latest answered 429 Too Many Requests
      exit Failed after 5 GET
    couldn't read HOST/shop/web:latest, the image of service web
      because couldn't use HOST/shop/web:latest: HOST answered in an unexpected way
      because GET http://HOST/v2/shop/web/manifests/latest answered 500 Internal Server Error: oops
      exit Failed after 5 GET
    couldn't read HOST/shop/web:latest, the image of service web
      because couldn't take HOST/shop/web:latest as an image
      because the content is sha256:bc5857ac9458293d5111ab85c952172cd7f56bceb4e3014ddc4cafac8927b313, but sha256:f19458b4ae0b63fb3774e2bea98d8a8715a73366ed6928e778ce03f4dc2cfbf9 was promised
      exit Failed after 1 GET
    couldn't read HOST/shop/web:latest, the image of service web
      because couldn't take HOST/shop/web:latest as an image
      because it is a schema 1 manifest, a format that registries gave up
      exit Failed after 1 GET
    couldn't read HOST/shop/web:latest, the image of service web
      because couldn't take HOST/shop/web:latest as an image
      because it is not a manifest: it isn't JSON of the expected form
      because expected value at line 1 column 1
      exit Failed after 1 GET
    couldn't read HOST/shop/web:latest, the image of service web
      because couldn't use HOST/shop/web
      because couldn't read the answer to GET http://HOST/v2/shop/web/manifests/latest: it is larger than 4194304 bytes
      exit Failed after 1 GET
    couldn't write HOST/shop/web:v1.2.3
      because couldn't trust HOST with HOST/shop/web:v1.2.3: it confirmed sha256:0000000000000000000000000000000000000000000000000000000000000000, but sha256:f19458b4ae0b63fb3774e2bea98d8a8715a73366ed6928e778ce03f4dc2cfbf9 was meant
      exit Failed after 1 PUT
    couldn't write HOST/shop/web:v1.2.3
      because couldn't use HOST/shop/web:v1.2.3: HOST answered in an unexpected way
      because PUT http://HOST/v2/shop/web/manifests/v1.2.3 answered 200 OK: <html>please log in</html>
      exit Failed after 1 PUT
    couldn't write HOST/shop/web:v1.2.3
      because couldn't write HOST/shop/web:v1.2.3: HOST doesn't let this tag change
      because PUT http://HOST/v2/shop/web/manifests/v1.2.3 answered 400 Bad Request: TAG_INVALID: tag is immutable
      exit Failed after 1 PUT
    ");
}

/// Trap: an answer that comes byte by byte.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_drip_ends_at_the_deadline() {
    let registry = registry();
    registry.proxy().on(|request| request.method == "GET").fault(Fault::Drip(1, Duration::from_millis(100)));
    http::install_tls_provider();
    let patience = Patience { within: Duration::from_millis(600), ..Patience::default() };
    let client = http::client(&http::Settings::default()).unwrap();
    let store = Store::Registry(Client::new(client, Settings { patience, ..Settings::default() }));
    let problems = plan(&store, &registry.host(), &["web"], &[], "1.2.3").await.ready().unwrap_err();
    assert_eq!(problems.exit(), Exit::TimedOut, "{}", told(&problems));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_deadline_ends_all_requests_to_a_registry() {
    let registry = registry();
    http::install_tls_provider();
    let client = http::client(&http::Settings::default()).unwrap();
    let store = |until| {
        let patience = Patience { until: Some(until), ..Patience::default() };
        Store::Registry(Client::new(client.clone(), Settings { patience, ..Settings::default() }))
    };
    // Nothing is asked for any more, however patient one request may be.
    let over = store(tokio::time::Instant::now());
    let problems = plan(&over, &registry.host(), &["web"], &[], "1.2.3").await.ready().unwrap_err();
    assert_eq!(problems.exit(), Exit::TimedOut);
    assert!(told(&problems).contains("before the time for all requests together was over"), "{}", told(&problems));
    assert!(told(&problems).contains("a longer `timeout`"), "{}", told(&problems));

    // A registry that never gets done: what was asked for in time is there, the rest is not waited for.
    registry.proxy().on(|request| request.method == "PUT").fault(Fault::Delay(Duration::from_secs(3600)));
    let slow = store(tokio::time::Instant::now() + Duration::from_secs(1));
    let (journal, ready) = (Journal::default(), ready(&slow, &registry.host(), &["web"]).await);
    let problems = retag::run(&slow, &ready, &journal, &|_| ()).await.unwrap_err();
    assert_eq!(problems.exit(), Exit::TimedOut);
    assert_eq!(journal.changes()[0].certainty, Certainty::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_without_an_answer_stays_uncertain_and_a_refused_one_leaves_no_trace() {
    let registry = registry();
    registry.push_image("shop/api", "latest", Platforms::One);
    registry.push_image("shop/docs", "latest", Platforms::One);
    registry.proxy().on(|request| request.method == "PUT" && request.target.contains("shop/web")).fault(Fault::LoseAnswer);
    registry.proxy().on(|request| request.method == "PUT" && request.target.contains("shop/docs")).fault(Fault::reply(403, ""));
    let (store, journal) = (anonymous(), Journal::default());
    let ready = ready(&store, &registry.host(), &["web", "api", "docs"]).await;
    let problems = retag::run(&store, &ready, &journal, &|_| ()).await.unwrap_err();
    assert_eq!(problems.iter().count(), 2);
    let changes = journal.changes();
    let seen: Vec<_> = changes.iter().map(|change| (change.subject.rsplit('/').next().unwrap(), change.certainty)).collect();
    assert_eq!(seen, [("web:v1.2.3", Certainty::Unknown), ("api:v1.2.3", Certainty::Done)]);

    registry.proxy().heal();
    let summary = release(&anonymous(), &registry.host(), &["web", "api", "docs"], &[], "1.2.3").await.unwrap();
    assert_eq!((summary.created, summary.already_there), (1, 2), "the next run finishes it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_not_there_is_an_error_soon() {
    let port = crate::servers::free_port();
    let problems = release(&anonymous(), &format!("127.0.0.1:{port}"), &super::SIX, &[], "1.2.3").await.unwrap_err();
    assert_eq!(problems.iter().count(), 6);
    assert!(told(&problems).contains("couldn't reach the server: GET http://127.0.0.1"), "{}", told(&problems));
}
