//! What registries and those between say that isn't so: every answer is checked, in bounded time and memory.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tagboat::error::{Exit, Problems};
use tagboat::http::{self, Patience};
use tagboat::image::manifest::MediaType;
use tagboat::retag::Route;
use tagboat::store::layout::Layout;
use tagboat::store::registry::{Client, Settings};
use tagboat::store::{Pointer, Store};

use super::copy::{promote, promotion};
use super::{anonymous, count, release, repository, told};
use crate::servers::http1::{Listener, Reply, Request, serve};
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

/// A store that waits a second for a body to move, and gives up a transfer after two tries.
fn hasty() -> Store {
    store(Patience { idle: Duration::from_secs(1), tries: 2, first_wait: Duration::from_millis(5), ..Patience::default() })
}

/// A store that has three seconds for everything.
fn brief() -> Store {
    store(Patience { until: Some(tokio::time::Instant::now() + Duration::from_secs(3)), ..Patience::default() })
}

fn store(patience: Patience) -> Store {
    http::install_tls_provider();
    let settings = http::Settings::default();
    let uploads = Some(http::upload_client(&settings).unwrap());
    Store::Registry(Client::new(http::client(&settings).unwrap(), Settings { patience, uploads, ..Settings::default() }))
}

/// A port that takes connections and does with them what it is told to.
fn socket(treat: impl Fn(TcpStream) + Send + Sync + 'static) -> Listener {
    Listener::start(treat)
}

/// Lets a registry send everybody who uploads a blob to another place.
fn uploads_go_to(target: &Registry, place: &Listener) {
    let location = format!("http://{}/upload", place.host());
    target.proxy().on(|r| r.method == "POST").fault(Fault::Reply(Reply::new(202, "").with("Location", location)));
}

/// More than the buffers of two sockets hold.
fn large() -> Image {
    Image::new(Platforms::One).content("web").weight(30_000_000)
}

async fn copied(store: &Store, source: &Registry, target: &Registry) -> Problems {
    let selection = promotion(&source.host(), &["web"], &format!("{}/prod", target.host()));
    let problems = promote(store, selection).await.unwrap_err();
    assert!(target.tags("prod/web").is_empty());
    problems
}

/// Trap: a target that stops taking bytes, or takes all and never answers.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_stands_still_is_given_up() {
    let source = Registry::start();
    source.push("shop/web", "latest", &large());
    let silent = socket(|mut stream| {
        std::io::copy(&mut stream, &mut std::io::sink()).ok();
    });
    // Holds its connections open, and reads nothing.
    let held = Mutex::new(Vec::new());
    let deaf = socket(move |stream| held.lock().unwrap().push(stream));
    for (name, place) in [("deaf", deaf), ("silent", silent)] {
        let target = Registry::start();
        uploads_go_to(&target, &place);
        let problems = copied(&hasty(), &source, &target).await;
        let said = told(&problems).replace(&place.host(), "PLACE");
        assert!(said.contains("couldn't go on with PUT http://PLACE/upload?digest="), "{name}: {said}");
        assert!(said.contains("nothing moved for 1 s"), "{name}: {said}");
    }
}

/// Trap: a transfer that never stands still and never ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_by_drops_ends_with_the_time_for_all() {
    let (source, target) = (Registry::start(), Registry::start());
    source.push("shop/web", "latest", &large());
    let blob = large().build().blobs[0].digest.clone();
    let drops = socket(|mut stream| {
        let mut drop = [0; 1000];
        while stream.read(&mut drop).is_ok_and(|read| read > 0) {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    uploads_go_to(&target, &drops);
    let problems = copied(&brief(), &source, &target).await;
    assert_eq!(problems.exit(), Exit::TimedOut, "{}", told(&problems));
    assert!(told(&problems).contains("before the time for all requests together was over"), "{}", told(&problems));

    // From a registry that drips to one that takes what comes, and to a folder.
    let target = Registry::start();
    source.proxy().on(move |r| r.path().ends_with(&blob)).fault(Fault::Drip(1000, Duration::from_millis(20)));
    let problems = copied(&brief(), &source, &target).await;
    assert_eq!(problems.exit(), Exit::TimedOut, "{}", told(&problems));
    let folder = tempfile::tempdir().unwrap();
    let (remote, layout) = (brief(), Store::Layout(Layout::prepare(folder.path()).unwrap()));
    let problems = promote(Route { source: &remote, target: &layout }, super::selection(&source.host(), &["web"])).await.unwrap_err();
    assert_eq!(problems.exit(), Exit::TimedOut, "{}", told(&problems));
}

/// Trap: a source that stops in the middle of a blob.
#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_stands_still_is_given_up() {
    let (source, target) = (Registry::start(), Registry::start());
    source.push("shop/web", "latest", &large());
    let blob = large().build().blobs[0].digest.clone();
    source.proxy().on(move |r| r.path().ends_with(&blob)).fault(Fault::Drip(1000, Duration::from_secs(20)));
    let problems = copied(&hasty(), &source, &target).await;
    assert!(told(&problems).contains("nothing moved for 1 s"), "{}", told(&problems));
}

/// Trap: an answer that never ends fills the memory.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_cut_off() {
    for (status, expected) in [(200, "is larger than 4194304 bytes"), (404, "answered 404")] {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = sent.clone();
        let registry = socket(move |mut stream| {
            let mut request = [0; 4096];
            if !stream.read(&mut request).is_ok_and(|read| read > 0) {
                return;
            }
            let head = format!("HTTP/1.1 {status} Testbed\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
            let mut written = stream.write_all(head.as_bytes());
            while written.is_ok() {
                written = stream.write_all(format!("10000\r\n{}\r\n", " ".repeat(0x10000)).as_bytes());
                count.fetch_add(0x10000, Ordering::Relaxed);
            }
        });
        let error = hasty().manifest(&repository(&registry.host(), "web"), &Pointer::latest()).await.unwrap_err();
        let said = format!("{error}: {}", std::error::Error::source(&error).unwrap());
        assert!(said.contains(expected), "{said}");
        assert!(sent.load(Ordering::Relaxed) < 64 << 20, "the rest isn't read");
    }
}

/// Trap: a registry that isn't told that isn't told of indexes answers with one platform, or with "not found".
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

/// Trap: some registries send no place of what was written, and none is needed.
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

/// Trap: content may be kept elsewhere; the credentials stay with the registry.
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
