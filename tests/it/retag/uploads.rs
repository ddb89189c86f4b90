//! Mounts and uploads of blobs as registries answer them.

use std::time::Duration;

use tagboat::store::Store;
use tagboat::store::registry::{Client, Keychain, Settings};

use super::copy::{is_whole, moving, promote, promotion, web};
use super::{anonymous, count, store, told};
use crate::servers::http1::Upstream;
use crate::servers::tls::{Authority, server_config};
use crate::servers::token::User;
use crate::servers::{Fault, Proxy, Recorded, Registry};

/// Trap: the upload that a refused mount hands over is thrown away.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_a_refused_mount_hands_over_is_used() {
    let registry = Registry::start();
    let host = registry.host();
    registry.push("shop/web", "latest", &web());
    // A registry that finds no such blob at the source, or doesn't let it be seen, answers 202 and has begun an upload.
    let elsewhere = Fault::retarget(|target| target.replace("from=shop%2Fweb", "from=shop%2Fnobody"));
    registry.proxy().on(|r| r.target.contains("mount=")).fault(elsewhere);
    let summary = promote(&anonymous(), promotion(&host, &["web"], &format!("{host}/prod"))).await.unwrap();
    assert_eq!((summary.created, summary.copied), (1, 1));
    is_whole(&registry, "prod/web", "v1.2.3", &web());
    let requests = registry.requests();
    let blobs = web().build().blobs.len();
    assert_eq!(moving(&requests).len(), 2 * blobs, "each is fetched and sent");
    assert_eq!(count(&requests, "POST"), blobs, "no upload is begun a second time");
    assert!(requests.iter().filter(|r| r.method == "POST").all(|r| r.status == Some(202)));
    let sent = requests.iter().filter(|r| r.method == "PUT" && r.path().contains("/uploads/"));
    for put in sent {
        assert!(put.target.contains("_state=") && put.target.contains("digest=sha256"), "the query of the place is kept: {}", put.target);
        assert_eq!(put.header("content-length"), Some(put.body.len().to_string().as_str()));
        assert_eq!(put.header("transfer-encoding"), None, "the length is told");
    }
}

/// Trap: registries answer 400, 401, 403 or 500 to a mount that they could refuse with 202.
#[tokio::test(flavor = "multi_thread")]
async fn a_mount_that_fails_is_followed_by_a_plain_upload() {
    for status in [400, 401, 403, 404, 405, 500] {
        let registry = Registry::start();
        let host = registry.host();
        registry.push("shop/web", "latest", &web());
        registry.proxy().on(|r| r.target.contains("mount=")).fault(Fault::reply(status, ""));
        promote(&anonymous(), promotion(&host, &["web"], &format!("{host}/prod")))
            .await
            .unwrap_or_else(|e| panic!("{status}: {}", told(&e)));
        is_whole(&registry, "prod/web", "v1.2.3", &web());
    }
}

/// What GHCR says to those who ask too much.
fn limit() -> Fault {
    let body = r#"{"errors":[{"code":"DENIED","message":"You have exceeded a secondary rate limit"}]}"#;
    Fault::Reply(crate::servers::http1::Reply::new(403, body).with("Retry-After", "1"))
}

/// How long it took until the one request that was limited was sent again.
fn pause(requests: &[Recorded]) -> Duration {
    let limited = requests.iter().find(|r| r.status == Some(403)).unwrap();
    let digest = |r: &Recorded| r.target.split("sha256").nth(1).map(str::to_owned);
    let again = requests.iter().rfind(|r| r.method == limited.method && digest(r) == digest(limited)).unwrap();
    again.started - limited.finished.unwrap()
}

/// Trap: a rate limit is taken for a mount that is refused, and layers are moved for it; or what it asks for is not waited.
#[tokio::test(flavor = "multi_thread")]
async fn mounts_and_uploads_that_come_too_fast_are_repeated_when_the_registry_says() {
    let registry = Registry::start();
    let host = registry.host();
    registry.push("shop/web", "latest", &web());
    registry.proxy().on(|r| r.target.contains("mount=")).first(1).fault(limit());
    promote(&anonymous(), promotion(&host, &["web"], &format!("{host}/prod"))).await.unwrap();
    is_whole(&registry, "prod/web", "v1.2.3", &web());
    assert_eq!(moving(&registry.requests()), [""; 0], "no layer moves");
    assert!(pause(&registry.requests()) >= Duration::from_millis(990));

    let target = Registry::start();
    target.proxy().on(|r| r.method == "PUT" && r.path().contains("/blobs/")).first(1).fault(limit());
    promote(&anonymous(), promotion(&host, &["web"], &format!("{}/prod", target.host()))).await.unwrap();
    is_whole(&target, "prod/web", "v1.2.3", &web());
    assert!(pause(&target.requests()) >= Duration::from_millis(990));
}

/// Trap: a password is sent to the place that an upload is redirected to.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_on_another_host_gets_no_authorization() {
    let ada = User::new("ada", "secret").may(&["pull", "push"], "shop/").may(&["pull", "push"], "prod/");
    let (source, target, storage) =
        (Registry::with_token_service(vec![ada.clone()]), Registry::with_token_service(vec![ada]), Registry::start());
    source.push("shop/web", "latest", &web());
    // Blobs are to be sent to another host, which takes whatever it is told to; the image isn't whole then, but that isn't the question.
    let place = format!("http://{}/storage?signature=abc", storage.host());
    target.proxy().on(|r| r.method == "POST").fault(Fault::Reply(crate::servers::http1::Reply::new(202, "").with("Location", place)));
    storage.proxy().on(|_| true).fault(Fault::reply(201, ""));
    let login = |keychain: Keychain, registry: &Registry| keychain.login("registry-auths", &registry.host(), "ada", "secret".into());
    let store = store(login(login(Keychain::default(), &source), &target));
    promote(&store, promotion(&source.host(), &["web"], &format!("{}/prod", target.host()))).await.unwrap_err();
    let sent = storage.requests();
    assert_eq!(sent.len(), web().build().blobs.len());
    for put in sent {
        assert!(put.target.starts_with("/storage?signature=abc&digest=sha256"), "{}", put.target);
        assert_eq!(put.authorization, crate::servers::proxy::Authorization::None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_stays_on_tls_when_the_registry_does_not_know_of_it() {
    let (source, target) = (Registry::start(), Registry::start());
    source.push("shop/web", "latest", &web());
    let authority = Authority::new("acme");
    let port = target.host().rsplit(':').next().unwrap().parse().unwrap();
    let proxy = Proxy::with_tls(Upstream::plain(port), server_config(&authority.server(&["registry.test"], &[])));
    let proxy_port = proxy.host().rsplit(':').next().unwrap().to_owned();
    tagboat::http::install_tls_provider();
    let trusted = reqwest::Certificate::from_pem(authority.certificate.as_bytes()).unwrap();
    let address = format!("127.0.0.1:{proxy_port}").parse().unwrap();
    let client = reqwest::Client::builder().resolve("registry.test", address).no_proxy().tls_certs_only([trusted]).build().unwrap();
    let store = Store::Registry(Client::new(client, Settings::default()));
    promote(&store, promotion(&source.host(), &["web"], &format!("registry.test:{proxy_port}/prod"))).await.unwrap();
    is_whole(&target, "prod/web", "v1.2.3", &web());
    let uploads = proxy.requests().into_iter().filter(|r| r.method == "PUT" && r.path().contains("/uploads/")).count();
    assert_eq!(uploads, web().build().blobs.len(), "to where it said, though it said http");
}
