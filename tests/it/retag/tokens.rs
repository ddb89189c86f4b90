//! Logging in while an image is copied: at both ends, for every blob.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tagboat::store::registry::Keychain;

use super::copy::{is_whole, promote, promotion};
use super::login::{ada, ask, keychain, other_service, scopes};
use super::{store, told};
use crate::servers::http1::Reply;
use crate::servers::token::User;
use crate::servers::{Fault, Image, Platforms, Registry};

fn image() -> Image {
    Image::new(Platforms::Several).content("web")
}

/// Trap: a token expires while blobs are on their way, all of which have been sent with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_in_mid_copy_is_renewed_once_for_all_blobs() {
    let ada = ada().may(&["pull", "push"], "prod/");
    for (at_source, method) in [(true, "GET"), (false, "POST"), (false, "PUT")] {
        let registry = || Arc::new(Registry::with_token_service(vec![ada.clone()]));
        let (source, target) = (registry(), registry());
        source.push("shop/web", "latest", &image());
        let (hit, other) = if at_source { (&source, &target) } else { (&target, &source) };
        let challenge = format!("Bearer realm=\"{}\",service=\"testbed registry\",error=\"invalid_token\"", hit.tokens().realm());
        let expired = Fault::Reply(Reply::new(401, "{}").with("WWW-Authenticate", challenge));
        // As long as there is no other, they come with the first token.
        let issuer = Arc::downgrade(hit);
        let is_old = move || issuer.upgrade().is_some_and(|registry| registry.tokens().requests().len() == 1);
        hit.proxy().on(move |r| r.method == method && r.path().contains("/blobs/") && is_old()).fault(expired);
        let login = |keychain: Keychain, registry: &Registry| keychain.login("registry-auths", &registry.host(), "ada", "secret".into());
        let store = store(login(login(Keychain::default(), &source), &target));
        let selection = promotion(&source.host(), &["web"], &format!("{}/prod", target.host()));
        promote(&store, selection).await.unwrap_or_else(|e| panic!("{method}: {}", told(&e)));
        is_whole(&target, "prod/web", "v1.2.3", &image());
        assert!(hit.requests().iter().any(|request| request.method == method && request.status == Some(401)));
        assert_eq!((hit.tokens().requests().len(), other.tokens().requests().len()), (2, 1), "{method}");
    }
}

/// Trap: a token service that takes one scope only; no token is good for both ends of a mount then.
#[tokio::test(flavor = "multi_thread")]
async fn blobs_are_sent_where_a_token_is_good_for_one_repository_only() {
    let ada = ada().may(&["pull", "push"], "prod/");
    let registry = Registry::with_token_service(vec![ada]);
    registry.push("shop/web", "latest", &image());
    let _service = other_service(&registry, |request, upstream| match scopes(request) {
        1 => ask(request, upstream, request.query()),
        _ => Reply::new(400, "one scope, please"),
    });
    let host = registry.host();
    let store = store(keychain(&registry, "secret"));
    promote(&store, promotion(&host, &["web"], &format!("{host}/prod"))).await.unwrap_or_else(|e| panic!("{}", told(&e)));
    is_whole(&registry, "prod/web", "v1.2.3", &image());
    let mounts = registry.requests().iter().filter(|r| r.target.contains("mount=")).count();
    assert_eq!(mounts, image().build().blobs.len(), "a token that reaches no further isn't renewed");
    assert_eq!(registry.tokens().requests().len(), 3, "to read here and there, to write there");
}

/// Trap: one login for a whole registry, where the configuration has one for each path.
#[tokio::test(flavor = "multi_thread")]
async fn each_path_of_a_registry_is_used_with_the_login_that_is_meant_for_it() {
    let (ada, bob) = (ada(), User::new("bob", "other").may(&["pull", "push"], "prod/"));
    let registry = Registry::with_token_service(vec![ada, bob]);
    registry.push("shop/web", "latest", &image());
    let host = registry.host();
    let auth = |login: &str| json!({"auth": STANDARD.encode(login)});
    let config = json!({"auths": {format!("{host}/shop"): auth("ada:secret"), format!("{host}/prod"): auth("bob:other")}});
    let keychain = || Keychain::default().docker_config("config.json", &config.to_string()).unwrap();
    let selection = || promotion(&host, &["web"], &format!("{host}/prod"));
    promote(&store(keychain()), selection()).await.unwrap_or_else(|e| panic!("{}", told(&e)));
    is_whole(&registry, "prod/web", "v1.2.3", &image());
    let tokens = registry.tokens().requests();
    for (user, path) in [("ada", "repository:shop/web:"), ("bob", "repository:prod/web:")] {
        let mut asked = tokens.iter().filter(|token| token.user == user).flat_map(|token| &token.scopes);
        assert!(asked.all(|scope| scope.starts_with(path)), "{user}: {tokens:?}");
    }
    assert!(tokens.len() <= 4, "{tokens:?}");
    let again = store(keychain());
    promote(&again, selection()).await.unwrap();
    assert_eq!(again.traffic().writes, 0);
}
