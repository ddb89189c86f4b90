//! What registries and those between say that isn't so: every answer is checked, in bounded time and memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tagboat::image::manifest::MediaType;

use super::{anonymous, count, release, repository, told};
use crate::servers::http1::{Reply, Request, serve};
use crate::servers::{Fault, Image, Platforms, Proxy, Registry};

fn registry() -> Registry {
    let registry = Registry::start();
    registry.push_image("shop/web", "latest", Platforms::Several);
    registry
}

/// Releases through a fault and gives what is told, without hints.
async fn through(method: &'static str, path: &'static str, fault: Fault) -> String {
    let registry = registry();
    registry.proxy().on(move |request| request.method == method && request.path().contains(path)).fault(fault);
    let problems = release(&anonymous(), &registry.host(), &["web"], &["{{tag}}", "stable"], "1.2.3").await.unwrap_err();
    assert_eq!(registry.tags("shop/web"), ["latest"], "nothing is written");
    let told = told(&problems).replace(&registry.host(), "HOST");
    told.lines().filter(|line| !line.starts_with("  hint")).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_cannot_be_are_told() {
    let html = || Fault::Reply(Reply::new(200, "<html>please log in</html>").with("Content-Type", "text/html"));
    let digest = |value: &'static str| {
        Fault::tamper(move |reply| {
            reply.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("docker-content-digest"));
            reply.headers.push(("Docker-Content-Digest".into(), value.into()));
        })
    };
    let elsewhere = Reply::new(200, r#"{"tags":[]}"#).with("Link", r#"<https://evil.example/v2/shop/web/tags/list>; rel="next""#);
    let said = [
        through("GET", "/manifests/", Fault::Truncate(20)).await,
        through("GET", "/manifests/", digest("sha256:zz")).await,
        through("HEAD", "/manifests/v1.2.3", Fault::Reply(Reply::new(200, "").with("Docker-Content-Digest", "md5:1"))).await,
        through("HEAD", "/manifests/v1.2.3", html()).await,
        through("GET", "/tags/list", html()).await,
        through("GET", "/tags/list", Fault::Reply(elsewhere)).await,
        through("GET", "/manifests/", Fault::Reply(Reply::new(302, "").with("Location", "/v2/shop/web/manifests/latest"))).await,
    ];
    insta::assert_snapshot!(said.join("\n"), @r#"
    couldn't read HOST/shop/web:latest, the image of service web
      because couldn't use HOST/shop/web
      because couldn't reach the server: GET http://HOST/v2/shop/web/manifests/latest
      because error decoding response body
      because request or response body error
      because error reading a body from connection
      because end of file before message length reached
    couldn't read HOST/shop/web:latest, the image of service web
      because couldn't understand HOST's answer about HOST/shop/web:latest: "sha256:zz" is not a digest: the value has the wrong length
    couldn't look at HOST/shop/web:v1.2.3, which service web is to be released as
      because couldn't understand HOST's answer about HOST/shop/web:v1.2.3: "md5:1" is not a digest: the algorithm is neither sha256 nor sha512
    couldn't look at HOST/shop/web:v1.2.3, which service web is to be released as
      because couldn't find HOST/shop/web:v1.2.3
      because GET http://HOST/v2/shop/web/manifests/v1.2.3 answered 404 Not Found: MANIFEST_UNKNOWN: manifest unknown
    couldn't look at HOST/shop/web, which service web is to be released as
      because couldn't understand HOST's answer about the tags of HOST/shop/web: it isn't a list of tags (expected value at line 1 column 1)
    couldn't look at HOST/shop/web, which service web is to be released as
      because couldn't understand HOST's answer about the tags of HOST/shop/web: its link to the next page leads to another host
    couldn't read HOST/shop/web:latest, the image of service web
      because couldn't use HOST/shop/web
      because couldn't follow the redirect of GET http://HOST/v2/shop/web/manifests/latest: it goes in circles
    "#);
}

/// An endless list ends by the number of its pages, or by that of its tags.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_tags_without_end_is_given_up() {
    for (tags_a_page, expected) in [(1, "it has more than 1000 pages"), (100_000, "it has more than 500000 tags")] {
        let pages = AtomicUsize::new(0);
        let registry = serve(move |_: &Request| {
            let page = pages.fetch_add(1, Ordering::Relaxed);
            let tags: Vec<String> = (0..tags_a_page).map(|number| format!("t{page}-{number}")).collect();
            let next = format!("</v2/shop/web/tags/list?page={page}>; rel=\"next\"");
            Reply::json(200, &serde_json::json!({"name": "shop/web", "tags": tags})).with("Link", next)
        });
        let error = anonymous().tags(&repository(&registry.host(), "web")).await.unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}

/// Row 3: a registry that isn't told of indexes answers with one platform, or with nothing.
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_manifest_is_asked_for_and_the_old_one_too() {
    let registry = registry();
    release(&anonymous(), &registry.host(), &["web"], &[], "1.2.3").await.unwrap();
    for request in registry.requests().iter().filter(|request| request.method != "PUT") {
        let accept = request.header("accept").unwrap();
        for kind in [MediaType::OciIndex, MediaType::OciManifest, MediaType::DockerList, MediaType::DockerManifest] {
            assert!(accept.contains(kind.as_str()), "{accept}");
        }
        assert!(accept.contains("manifest.v1+prettyjws"), "schema 1 is recognised, not \"not found\": {accept}");
    }
}

/// Row 18: some registries send no place of what was written, and none is needed.
#[tokio::test(flavor = "multi_thread")]
async fn the_place_that_a_write_is_answered_with_is_ignored() {
    let place = |value: Option<&'static str>| {
        Fault::tamper(move |reply| {
            reply.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("location"));
            reply.headers.extend(value.map(|value| ("Location".into(), value.into())));
        })
    };
    for value in [None, Some("https://evil.example/"), Some("::")] {
        let registry = registry();
        registry.proxy().on(|request| request.method == "PUT").fault(place(value));
        release(&anonymous(), &registry.host(), &["web"], &[], "1.2.3").await.unwrap_or_else(|e| panic!("{value:?}: {}", told(&e)));
        assert_eq!(count(&registry.requests(), "PUT"), 1);
    }
}

/// Row 18: content may be kept elsewhere; the credentials stay with the registry.
#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_kept_elsewhere_is_fetched_without_the_credentials() {
    use crate::servers::http1::Upstream;
    use tagboat::store::registry::Keychain;

    let backing = Registry::start();
    let image = Image::new(Platforms::One).revision("0123456789abcdef");
    backing.push("shop/web", "latest", &image);
    let upstream = || Upstream::plain(backing.host().rsplit(':').next().unwrap().parse().unwrap());
    // The registry's front wants a password and sends whoever asks for a blob to the storage.
    let storage = Proxy::in_front_of(upstream());
    let (back, place) = (upstream(), storage.url());
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let asked = seen.clone();
    let front = serve(move |request: &Request| {
        asked.lock().unwrap().push(request.target.clone());
        if request.head.get("authorization").is_none() {
            return Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"shop\"");
        }
        match request.path().contains("/blobs/") {
            true => Reply::new(307, "").with("Location", format!("{place}{}", request.target)),
            false => back.send(&request.method, &request.target, &[("Accept", request.head.get("accept").unwrap_or("*/*"))], b"").unwrap(),
        }
    });
    let store = super::store(Keychain::default().login("registry-password", &front.host(), "ada", "secret".into()));
    let repository = repository(&front.host(), "web");
    let manifest = store.manifest(&repository, &tagboat::store::Pointer::latest()).await.unwrap();
    let tagboat::image::manifest::Kind::Image { config, .. } = &manifest.content().kind else { panic!("an index") };
    let bytes = store.config(&repository, config).await.unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains("0123456789abcdef"));
    let stored = storage.requests();
    assert_eq!((stored.len(), stored[0].authorization), (1, crate::servers::proxy::Authorization::None), "{:?}", seen.lock().unwrap());
}
