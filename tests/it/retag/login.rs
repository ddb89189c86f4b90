//! Logging in: tokens for many repositories at once, and what a person is told when it fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tagboat::store::Store;
use tagboat::store::registry::{Client, Keychain, Settings};

use super::{SIX, anonymous, count, is_unknown, plan, push_six, release, store, told};
use crate::servers::http1::{Reply, Request, Upstream, serve};
use crate::servers::proxy::Authorization;
use crate::servers::tls::{Authority, server_config};
use crate::servers::token::User;
use crate::servers::{Fault, Platforms, Proxy, Registry};

const FOUR: [&str; 4] = ["{{version}}", "{{major}}.{{minor}}", "{{major}}", "stable"];

pub(super) fn ada() -> User {
    User::new("ada", "secret").may(&["pull", "push"], "shop/")
}

pub(super) fn keychain(registry: &Registry, password: &str) -> Keychain {
    Keychain::default().login("registry-password", &registry.host(), "ada", password.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn six_images_and_four_tags_take_62_requests_and_one_token() {
    let registry = Registry::with_token_service(vec![ada()]);
    push_six(&registry);
    let first = store(keychain(&registry, "secret"));
    let summary = release(&first, &registry.host(), &SIX, &FOUR, "1.2.3").await.unwrap();
    assert_eq!(summary.created, 24);
    let tokens = registry.tokens().requests();
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    assert_eq!((tokens[0].user.as_str(), tokens[0].scopes.len()), ("ada", 6));
    assert!(tokens[0].scopes.iter().all(|scope| scope.ends_with(":pull,push")), "{tokens:?}");
    // The challenge, the token, 6 sources, 24 targets, 6 lists, 24 tags.
    assert_eq!((first.traffic().requests, first.traffic().writes), (62, 24));
    assert_eq!(registry.requests().iter().filter(|request| request.status == Some(401)).count(), 1);

    let second = store(keychain(&registry, "secret"));
    let summary = release(&second, &registry.host(), &SIX, &FOUR, "1.2.3").await.unwrap();
    assert_eq!((summary.created, summary.moved), (0, 0));
    assert_eq!((second.traffic().requests, second.traffic().writes), (38, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_images_take_three_requests_each_and_one_token_for_all() {
    let registry = Registry::with_token_service(vec![ada()]);
    let names: Vec<String> = (0..100).map(|number| format!("service-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for name in &names {
        registry.push_image(&format!("shop/{name}"), "latest", Platforms::One);
    }
    let store = store(keychain(&registry, "secret"));
    let summary = release(&store, &registry.host(), &names, &[], "1.2.3").await.unwrap();
    assert_eq!(summary.created, 100);
    assert_eq!((store.traffic().requests, store.traffic().writes), (302, 100));
    assert!(registry.proxy().most_at_once() <= 24, "{}", registry.proxy().most_at_once());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_login_is_told() {
    let reader = User::new("reader", "secret").may(&["pull"], "shop/");
    let registry = Registry::with_token_service(vec![ada(), reader]);
    registry.push_image("shop/web", "latest", Platforms::One);
    let host = registry.host();
    let shown = |problems: &tagboat::error::Problems| told(problems).replace(&host, "HOST").replace(&registry.tokens().realm(), "REALM");

    let nobody = release(&anonymous(), &host, &["web"], &[], "1.2.3").await.unwrap_err();
    insta::assert_snapshot!(shown(&nobody), @r"
    couldn't read HOST/shop/web:latest, the image of service web
      because couldn't use HOST/shop/web: HOST wants a login and there are no credentials for it
      because GET http://HOST/v2/shop/web/manifests/latest answered 401 Unauthorized: UNAUTHORIZED: authentication required
      hint: set `registry-username` and `registry-password`, or give `registry-auths` an entry for HOST
    ");
    let wrong = release(&store(keychain(&registry, "wrong")), &host, &["web"], &[], "1.2.3").await.unwrap_err();
    insta::assert_snapshot!(shown(&wrong), @r"
    couldn't read HOST/shop/web:latest, the image of service web
      because couldn't log in to HOST: it refused the credentials of registry-password, entry HOST
      because GET REALM?service=testbed registry&scope=repository:shop/web:pull answered 401 Unauthorized: UNAUTHORIZED: UNAUTHORIZED
      hint: check the user and the password or token of registry-password, entry HOST; a token may have expired
    ");
    let reads = Keychain::default().login("registry-password", &host, "reader", "secret".into());
    let reads = release(&store(reads), &host, &["web"], &[], "1.2.3").await.unwrap_err();
    insta::assert_snapshot!(shown(&reads), @r"
    couldn't look at HOST/shop/web, which service web is to be released as
      because couldn't get the right to push HOST/shop/web: HOST gives no such token for the credentials of registry-password, entry HOST
      hint: give the credentials the right to pull and push this repository (on GitHub: `permissions: packages: write`, and the package linked to this repository)
    ");
    assert_eq!(count(&registry.requests(), "PUT"), 0, "known before anything is written");
    assert_eq!(registry.tags("shop/web"), ["latest"]);
    assert!(registry.requests().len() < 20, "a refused login isn't tried again and again");
}

/// Lets a registry send its clients to a token service of the test's own, which asks the real one when `forward` says so.
pub(super) fn other_service(
    registry: &Registry,
    forward: impl Fn(&Request, &Upstream) -> Reply + Send + Sync + 'static,
) -> crate::servers::http1::Listener {
    let realm = registry.tokens().realm();
    let port = realm.rsplit(':').next().and_then(|rest| rest.split('/').next()).unwrap().parse().unwrap();
    let upstream = Upstream::plain(port);
    let listener = serve(move |request| forward(request, &upstream));
    let mine = format!("http://{}/token", listener.host());
    registry.proxy().on(|request| request.authorization == Authorization::None).fault(Fault::tamper(move |reply| {
        for (name, value) in &mut reply.headers {
            if name.eq_ignore_ascii_case("www-authenticate") {
                *value = value.replace(&realm, &mine);
            }
        }
    }));
    listener
}

pub(super) fn ask(request: &Request, upstream: &Upstream, query: &str) -> Reply {
    let authorization = request.head.get("authorization").unwrap_or_default().to_owned();
    upstream.send("GET", &format!("/token?{query}"), &[("Authorization", &authorization)], b"").unwrap()
}

pub(super) fn scopes(request: &Request) -> usize {
    request.query().matches("scope=").count()
}

/// Trap: token services that take one scope only.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_denies_several_scopes_is_asked_for_each_repository() {
    let registry = Registry::with_token_service(vec![ada()]);
    push_six(&registry);
    let denied = Arc::new(AtomicUsize::new(0));
    let counter = denied.clone();
    let _service = other_service(&registry, move |request, upstream| {
        if scopes(request) > 1 {
            counter.fetch_add(1, Ordering::Relaxed);
            return Reply::new(400, "one scope, please");
        }
        ask(request, upstream, request.query())
    });
    let store = store(keychain(&registry, "secret"));
    release(&store, &registry.host(), &SIX, &[], "1.2.3").await.unwrap();
    assert_eq!(denied.load(Ordering::Relaxed), 1, "it says no once");
    assert_eq!(registry.tokens().requests().len(), 12, "one token to read and one to write for each repository");
}

/// Trap: token services that keep the last scope only.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_good_for_the_last_scope_only_is_replaced_by_others() {
    let registry = Registry::with_token_service(vec![ada()]);
    push_six(&registry);
    let _service = other_service(&registry, |request, upstream| {
        let (rest, last) = request.query().rsplit_once("scope=").unwrap();
        let service = rest.split('&').next().unwrap();
        ask(request, upstream, &format!("{service}&scope={last}"))
    });
    let store = store(keychain(&registry, "secret"));
    release(&store, &registry.host(), &SIX, &[], "1.2.3").await.unwrap();
    assert!(registry.tokens().requests().len() <= 11, "{:?}", registry.tokens().requests());
}

/// Trap: a token expires in the middle of a run.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_is_renewed_for_all_repositories() {
    let registry = Registry::with_token_service(vec![ada()]);
    push_six(&registry);
    let challenge = format!("Bearer realm=\"{}\",service=\"testbed registry\",error=\"invalid_token\"", registry.tokens().realm());
    let expired = Reply::new(401, "{}").with("WWW-Authenticate", challenge);
    registry.proxy().on(|request| request.method == "PUT").first(1).fault(Fault::Reply(expired));
    let store = store(keychain(&registry, "secret"));
    release(&store, &registry.host(), &SIX, &[], "1.2.3").await.unwrap();
    let tokens = registry.tokens().requests();
    assert_eq!(tokens.len(), 2, "{tokens:?}");
    assert!(tokens.iter().all(|token| token.scopes.len() == 6), "the others get the new one too: {tokens:?}");
    assert_eq!(count(&registry.requests(), "PUT"), 7);
}

/// Trap: a registry says 401 whatever it is sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_never_stops_asking_is_believed_after_some_rounds() {
    let registry = Registry::with_token_service(vec![ada()]);
    registry.push_image("shop/web", "latest", Platforms::One);
    let challenge = format!("Bearer realm=\"{}\",service=\"testbed registry\"", registry.tokens().realm());
    registry.proxy().on(|_| true).fault(Fault::Reply(Reply::new(401, "{}").with("WWW-Authenticate", challenge)));
    let plan = plan(&store(keychain(&registry, "secret")), &registry.host(), &["web"], &[], "1.2.3").await;
    assert!(is_unknown(&plan));
    assert!(plan.to_string().contains("access is denied"), "{plan}");
    assert!(registry.requests().len() <= 8, "{}", registry.requests().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_realm_inside_the_network_or_without_tls_gets_no_credentials() {
    let registry = Registry::with_token_service(vec![ada()]);
    registry.push_image("shop/web", "latest", Platforms::One);
    let challenge = "Bearer realm=\"http://registry.example/token\",service=\"x\"";
    registry.proxy().on(|_| true).fault(Fault::Reply(Reply::new(401, "{}").with("WWW-Authenticate", challenge)));
    let plan = plan(&store(keychain(&registry, "secret")), &registry.host(), &["web"], &[], "1.2.3").await;
    assert!(plan.to_string().contains("at http://registry.example/token: it has no TLS"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_sent_where_basic_is_asked_for_and_never_to_another_host() {
    let (registry, other) = (Registry::start(), Registry::start());
    registry.push_image("shop/web", "latest", Platforms::One);
    other.push_image("shop/web", "latest", Platforms::One);
    let basic = Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"r\"");
    registry.proxy().on(|request| request.authorization == Authorization::None).fault(Fault::Reply(basic));
    let elsewhere = format!("http://{}/v2/shop/web/manifests/latest", other.host());
    registry.proxy().on(|request| request.method == "GET").fault(Fault::Reply(Reply::new(307, "").with("Location", elsewhere)));
    let summary = release(&store(keychain(&registry, "secret")), &registry.host(), &["web"], &[], "1.2.3").await.unwrap();
    assert_eq!(summary.created, 1);
    assert!(registry.requests().iter().any(|request| request.authorization == Authorization::Basic));
    let seen: Vec<Authorization> = other.requests().iter().map(|request| request.authorization).collect();
    assert_eq!(seen, [Authorization::None]);
}

/// Trap: plain HTTP is tried where TLS should be.
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_not_on_loopback_is_spoken_to_with_tls_and_its_certificate_is_checked() {
    let registry = Registry::start();
    registry.push_image("shop/web", "latest", Platforms::One);
    let authority = Authority::new("acme");
    let port = registry.host().rsplit(':').next().unwrap().parse().unwrap();
    let tls = server_config(&authority.server(&["registry.test"], &[]));
    let proxy = Proxy::with_tls(Upstream::plain(port), tls);
    let proxy_port = proxy.host().rsplit(':').next().unwrap().to_owned();
    let host = format!("registry.test:{proxy_port}");

    tagboat::http::install_tls_provider();
    let address = format!("127.0.0.1:{proxy_port}").parse().unwrap();
    let trusted = reqwest::Certificate::from_pem(authority.certificate.as_bytes()).unwrap();
    let builder = || reqwest::Client::builder().resolve("registry.test", address).no_proxy();
    let store = |client: reqwest::Client| Store::Registry(Client::new(client, Settings::default()));

    let distrustful = store(builder().build().unwrap());
    let problems = release(&distrustful, &host, &["web"], &[], "1.2.3").await.unwrap_err();
    let said = told(&problems);
    assert!(said.contains("couldn't trust the server's certificate: GET https://registry.test"), "{said}");
    assert!(said.contains("hint: give the registry's root certificate in `ca-bundle`"), "{said}");
    assert_eq!(registry.requests().len(), 0);

    let trusting = store(builder().tls_certs_merge([trusted]).build().unwrap());
    assert_eq!(release(&trusting, &host, &["web"], &[], "1.2.3").await.unwrap().created, 1);
}
