//! Promotion to another repository, registry or folder: what is copied, how, and what is there when it goes wrong.

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tagboat::error::Problems;
use tagboat::journal::Journal;
use tagboat::retag::{self, Event, Intent, Plan, Referrers, Route, Rules, Selection, Service, Summary, select, tags};
use tagboat::store::registry::Keychain;

use super::{SIX, anonymous, count, service, store, told, values};
use crate::servers::image::Content;
use crate::servers::token::User;
use crate::servers::{Fault, Image, Platforms, Recorded, Registry};

/// The images of `HOST/shop`, to be released below `target`.
pub(super) fn promotion(host: &str, names: &[&str], target: &str) -> Selection {
    let services: Vec<Service> = names.iter().map(|name| service(host, name)).collect();
    let choice =
        select::Choice { registry: Some(format!("{host}/shop")), target_registry: Some(target.to_owned()), ..select::Choice::default() };
    retag::select(&services, &choice).unwrap()
}

pub(super) async fn plan_promotion(route: Route<'_>, selection: Selection, referrers: Referrers) -> Plan {
    let wanted = tags::expand(&[], &values("1.2.3")).unwrap();
    let rules = Rules { intent: Intent::Write, values: values("1.2.3"), referrers, ..Rules::default() };
    retag::plan(route, selection, &wanted, &rules).await
}

pub(super) async fn promote(route: impl Into<Route<'_>>, selection: Selection) -> Result<Summary, Problems> {
    let route = route.into();
    let ready = plan_promotion(route, selection, Referrers::Copy).await.ready()?;
    retag::run(route, &ready, &Journal::default(), &|_| ()).await
}

/// Requests that carry or fetch the bytes of a blob.
pub(super) fn moving(requests: &[Recorded]) -> Vec<String> {
    let moves = |r: &&Recorded| r.path().contains("/blobs/") && ((r.method == "GET") || !r.body.is_empty());
    requests.iter().filter(moves).map(Recorded::line).collect()
}

/// Every manifest and blob of an image is in a repository, byte for byte.
pub(super) fn is_whole(registry: &Registry, repository: &str, tag: &str, image: &Image) {
    let built = image.build();
    let root = registry.manifest(repository, tag).unwrap_or_else(|| panic!("{repository}:{tag} is missing"));
    assert_eq!(root.body, built.root().bytes, "{repository}:{tag}");
    for manifest in &built.manifests {
        let reply =
            registry.manifest(repository, &manifest.digest).unwrap_or_else(|| panic!("{repository}@{} is missing", manifest.digest));
        assert_eq!(reply.body, manifest.bytes);
        assert_eq!(reply.get("content-type"), Some(manifest.media_type.as_str()));
    }
    for blob in &built.blobs {
        assert!(registry.has_blob(repository, &blob.digest), "{repository} lacks the blob {}", blob.digest);
    }
}

pub(super) fn web() -> Image {
    Image::new(Platforms::Several).content("web")
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_one_registry_no_layer_moves_and_a_rerun_writes_nothing() {
    let ada = User::new("ada", "secret").may(&["pull", "push"], "shop/").may(&["pull", "push"], "prod/");
    let registry = Registry::with_token_service(vec![ada]);
    let host = registry.host();
    // As many manifests and blobs as buildx makes of an image with three layers: 4 children, 10 blobs here.
    let image = |name: &str| Image::new(Platforms::Several).content(name).layers(3);
    for name in SIX {
        registry.push(&format!("shop/{name}"), "latest", &image(name));
    }
    let keychain = || Keychain::default().login("registry-password", &host, "ada", "secret".into());
    let first = store(keychain());
    let plan = plan_promotion(Route::from(&first), promotion(&host, &SIX, &format!("{host}/prod")), Referrers::Leave).await;
    assert!(plan.to_string().contains(&format!("{host}/prod/web comes from {host}/shop/web: 4 manifests, 10 blobs of ")), "{plan}");
    assert_eq!(count(&registry.requests(), "PUT") + count(&registry.requests(), "POST"), 0, "a plan writes nothing");
    let ready = plan.ready().unwrap();
    let (journal, events) = (Journal::default(), Mutex::new(Vec::new()));
    let summary = retag::run(&first, &ready, &journal, &|event| events.lock().unwrap().push(event.to_string())).await.unwrap();
    assert_eq!(summary.to_string(), "6 tags created, 0 moved, 0 already there, 6 images copied");
    assert!(
        events.lock().unwrap().contains(&format!("{host}/shop/web is copied to {host}/prod/web: 3 manifests, 10 blobs mounted")),
        "{events:?}"
    );
    assert_eq!(journal.changes().len(), 6, "tags, not every blob");
    for name in SIX {
        is_whole(&registry, &format!("prod/{name}"), "v1.2.3", &image(name));
    }

    let requests = registry.requests();
    assert_eq!(moving(&requests), [""; 0], "no layer byte moves");
    // For each image: the index, its three children, the release tag; ten mounts; three children and the tag. Besides, a challenge
    // and one token for both ends.
    assert_eq!(first.traffic().requests, 6 * (1 + 3 + 1 + 10 + 4) + 2);
    assert!(first.traffic().requests <= 140);
    let tokens = registry.tokens().requests();
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    assert_eq!(tokens[0].scopes.iter().filter(|scope| scope.ends_with(":pull")).count(), 6, "{tokens:?}");
    assert_eq!(tokens[0].scopes.iter().filter(|scope| scope.ends_with(":pull,push")).count(), 6, "{tokens:?}");

    let second = store(keychain());
    let summary = promote(&second, promotion(&host, &SIX, &format!("{host}/prod"))).await.unwrap();
    assert_eq!(summary.to_string(), "nothing written: 6 tags already there");
    // With a look for signatures: one to find out that there is no referrers API, and a list of tags for each image.
    assert_eq!((second.traffic().requests, second.traffic().writes), (2 + 12 + 1 + 6, 0));
}

/// Trap: an index is put before its children, or children under tags.
#[tokio::test(flavor = "multi_thread")]
async fn tags_are_written_last_and_children_before_their_index() {
    let registry = Registry::start();
    let host = registry.host();
    for name in ["web", "api"] {
        registry.push(&format!("shop/{name}"), "latest", &Image::new(Platforms::Several).content(name));
    }
    promote(&anonymous(), promotion(&host, &["web", "api"], &format!("{host}/prod"))).await.unwrap();
    let requests = registry.requests();
    let last_copy = requests.iter().rposition(|r| r.method == "POST" || (r.method == "PUT" && r.path().contains("sha256:"))).unwrap();
    let tags: Vec<usize> =
        (0..requests.len()).filter(|&at| requests[at].method == "PUT" && requests[at].path().ends_with("/v1.2.3")).collect();
    assert_eq!(tags.len(), 2);
    assert!(tags.iter().all(|&tag| tag > last_copy), "{:?}", requests.iter().map(Recorded::line).collect::<Vec<_>>());
}

/// Trap: a mount is asked for from a repository of another registry.
#[tokio::test(flavor = "multi_thread")]
async fn another_registry_gets_each_blob_once_and_mounts_what_images_share() {
    let (source, target) = (Registry::start(), Registry::start());
    let (host, other) = (source.host(), target.host());
    // Both services have the same content, as images on a common base have common layers.
    for name in ["web", "api"] {
        source.push(&format!("shop/{name}"), "latest", &web());
    }
    let store = anonymous();
    let summary = promote(&store, promotion(&host, &["web", "api"], &format!("{other}/prod"))).await.unwrap();
    assert_eq!((summary.created, summary.copied), (2, 2));
    for name in ["web", "api"] {
        is_whole(&target, &format!("prod/{name}"), "v1.2.3", &web());
    }
    let blobs = web().build().blobs.len();
    assert_eq!(moving(&source.requests()).len(), blobs, "each blob is fetched once");
    assert_eq!(moving(&target.requests()).len(), blobs, "and sent once");
    let mounts: Vec<Recorded> = target.requests().into_iter().filter(|r| r.target.contains("mount=")).collect();
    assert_eq!(mounts.len(), blobs);
    assert!(mounts.iter().all(|r| r.status == Some(201) && r.target.contains("from=prod%2F")), "from a repository of the same registry");
    assert!(source.requests().iter().all(|r| r.method == "GET"), "the source is only read");

    let again = anonymous();
    let summary = promote(&again, promotion(&host, &["web", "api"], &format!("{other}/prod"))).await.unwrap();
    assert_eq!(summary.to_string(), "nothing written: 2 tags already there");
    assert_eq!(again.traffic().writes, 0);
}

/// Trap: layers that only their owner may hand out, as those of Windows.
#[tokio::test(flavor = "multi_thread")]
async fn foreign_layers_stay_where_they_are() {
    // The other registry looks at the addresses of such layers and refuses most.
    let (source, target) = (Registry::with_referrers(), Registry::with_referrers());
    let image = Image::new(Platforms::One).content("web");
    source.push("shop/web", "plain", &image);
    let built = image.build();
    let foreign = Content::new("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", b"somebody else's".to_vec());
    let mut manifest: Value = serde_json::from_slice(&built.root().bytes).unwrap();
    manifest["layers"].as_array_mut().unwrap().insert(
        0,
        json!({"mediaType": foreign.media_type, "digest": foreign.digest,
        "size": foreign.bytes.len(), "urls": ["https://example.com/base"]}),
    );
    let digest = source.put_manifest("shop/web", "latest", &built.root().media_type, manifest.to_string().as_bytes());
    promote(&anonymous(), promotion(&source.host(), &["web"], &format!("{}/prod", target.host()))).await.unwrap();
    assert_eq!(target.digest("prod/web", "v1.2.3"), Some(digest), "the manifest still names them");
    assert!(built.blobs.iter().all(|blob| target.has_blob("prod/web", &blob.digest)));
    for registry in [&source, &target] {
        assert!(registry.requests().iter().all(|request| !request.target.contains(&foreign.digest)), "nobody asks for them");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_faults_on_the_way_are_waited_out() {
    let table = [
        ("source breaks off", true, "GET", Fault::Truncate(700)),
        ("source resets", true, "GET", Fault::Reset),
        ("source is busy", true, "GET", Fault::reply(503, "busy")),
        ("target resets", false, "PUT", Fault::Reset),
        ("target loses its answer", false, "PUT", Fault::LoseAnswer),
        ("target is busy", false, "PUT", Fault::reply(429, "")),
        ("target has forgotten the upload", false, "PUT", Fault::reply(404, r#"{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}"#)),
        ("target's token is over", false, "PUT", Fault::reply(401, "")),
        ("no upload", false, "POST", Fault::reply(502, "")),
    ];
    for (name, at_source, method, fault) in table {
        let (source, target) = (Registry::start(), Registry::start());
        source.push("shop/web", "latest", &web());
        let registry = if at_source { &source } else { &target };
        registry.proxy().on(move |r| r.method == method && r.path().contains("/blobs/")).first(2).fault(fault);
        let selection = promotion(&source.host(), &["web"], &format!("{}/prod", target.host()));
        promote(&anonymous(), selection).await.unwrap_or_else(|e| panic!("{name}: {}", told(&e)));
        is_whole(&target, "prod/web", "v1.2.3", &web());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_is_not_what_was_promised_leaves_no_tag() {
    let lie = |reply: &mut crate::servers::http1::Reply| {
        if let Some(byte) = reply.body.first_mut() {
            *byte ^= 1;
        }
    };
    let table = [("another byte", Fault::tamper(lie)), ("always broken off", Fault::Truncate(700)), ("never there", Fault::reply(404, ""))];
    let mut said = Vec::new();
    for (name, fault) in table {
        let (source, target) = (Registry::start(), Registry::start());
        let (host, other) = (source.host(), target.host());
        for service in ["web", "api"] {
            source.push(&format!("shop/{service}"), "latest", &Image::new(Platforms::One).content(service));
        }
        let bad = Image::new(Platforms::One).content("web").build().blobs[0].digest.clone();
        let hit = bad.clone();
        source.proxy().on(move |r| r.path().contains(&hit)).fault(fault);
        let problems = promote(&anonymous(), promotion(&host, &["web", "api"], &format!("{other}/prod"))).await.unwrap_err();
        for service in ["web", "api"] {
            assert_eq!(target.tags(&format!("prod/{service}")), [""; 0], "{name}: no image of the release is tagged");
        }
        assert!(!target.has_blob("prod/web", &bad), "{name}: nor is the bad blob there");
        let text = told(&problems).replace(&host, "SOURCE").replace(&other, "TARGET").replace(&bad, "BLOB");
        said.push(text.lines().filter(|line| !line.starts_with("  hint")).collect::<Vec<_>>().join("\n"));
    }
    insta::assert_snapshot!(said.join("\n"), @r"
    couldn't copy SOURCE/shop/web to TARGET/prod/web
      because couldn't trust the blob SOURCE/shop/web@BLOB: its content is sha256:0ca3822408cf4cb62ca9bbbf94a319e86b456e69e7100e315dace060e2ecac25, but BLOB was promised
    couldn't copy SOURCE/shop/web to TARGET/prod/web
      because couldn't use the blob SOURCE/shop/web@BLOB
      because couldn't reach the server: GET http://SOURCE/v2/shop/web/blobs/BLOB
      because error decoding response body
      because request or response body error
      because error reading a body from connection
      because end of file before message length reached
    couldn't copy SOURCE/shop/web to TARGET/prod/web
      because couldn't find the blob SOURCE/shop/web@BLOB
      because GET http://SOURCE/v2/shop/web/blobs/BLOB answered 404 Not Found
    ");
}

/// Trap: an index lists a platform that isn't there any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_child_is_found_before_anything_is_written() {
    let (source, target) = (Registry::start(), Registry::start());
    source.push("shop/web", "latest", &web());
    source.push("shop/api", "latest", &Image::new(Platforms::One).content("api"));
    let child = web().build().manifests[1].digest.clone();
    source.proxy().on(move |r| r.path().ends_with(&child)).fault(Fault::reply(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#));
    let selection = promotion(&source.host(), &["web", "api"], &format!("{}/prod", target.host()));
    let problems = promote(&anonymous(), selection).await.unwrap_err();
    assert_eq!(problems.iter().count(), 1, "{}", told(&problems));
    assert!(told(&problems).contains(&format!("couldn't find {}/shop/web@sha256:", source.host())), "{}", told(&problems));
    assert!(target.requests().iter().all(|r| matches!(r.method.as_str(), "GET" | "HEAD")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_tag_at_the_target_that_is_another_image_is_a_conflict() {
    let registry = Registry::start();
    let host = registry.host();
    registry.push("shop/web", "latest", &web());
    let old = registry.push("prod/web", "v1.2.3", &Image::new(Platforms::One).content("old"));
    let problems = promote(&anonymous(), promotion(&host, &["web"], &format!("{host}/prod"))).await.unwrap_err();
    assert!(told(&problems).contains(&format!("{host}/prod/web:v1.2.3 exists and is {old}")), "{}", told(&problems));
    assert_eq!(count(&registry.requests(), "PUT") + count(&registry.requests(), "POST"), 0);
}

/// Everything from the nth request to the target on fails, as if the run were killed there.
#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_run_is_cut_off_the_next_one_ends_right() {
    let source = Registry::start();
    source.push("shop/web", "latest", &web());
    let selection = |target: &Registry| promotion(&source.host(), &["web"], &format!("{}/prod", target.host()));
    let whole = Registry::start();
    promote(&anonymous(), selection(&whole)).await.unwrap();
    let requests = whole.requests().len();
    assert!(requests > 20, "{requests}");
    for cut in 1..=requests {
        let target = Registry::start();
        let seen = AtomicUsize::new(0);
        target.proxy().on(move |_| seen.fetch_add(1, Ordering::SeqCst) + 1 >= cut).fault(Fault::reply(403, ""));
        promote(&anonymous(), selection(&target)).await.unwrap_err();
        assert!(target.tags("prod/web").is_empty(), "after {cut} requests");
        target.proxy().heal();
        promote(&anonymous(), selection(&target)).await.unwrap_or_else(|e| panic!("after {cut} requests: {}", told(&e)));
        is_whole(&target, "prod/web", "v1.2.3", &web());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_layer_tells_how_far_it_is_and_never_is_in_memory() {
    let (source, target) = (Registry::start(), Registry::start());
    let image = Image::new(Platforms::One).content("web").weight(60_000_000);
    source.push("shop/web", "latest", &image);
    let events = Mutex::new(Vec::new());
    let store = anonymous();
    let selection = || promotion(&source.host(), &["web"], &format!("{}/prod", target.host()));
    let ready = plan_promotion(Route::from(&store), selection(), Referrers::Copy).await.ready().unwrap();
    let progress = |event: Event| events.lock().unwrap().push(event);
    retag::run(&store, &ready, &Journal::default(), &progress).await.unwrap();
    is_whole(&target, "prod/web", "v1.2.3", &image);
    let parts: Vec<u64> = events
        .lock()
        .unwrap()
        .iter()
        .filter_map(|e| if let Event::Streaming { sent, size, .. } = e { Some(sent * 10 / size) } else { None })
        .collect();
    assert!(parts.len() >= 2 && parts.len() <= 10 && parts.is_sorted(), "on change, not all the time: {parts:?}");

    // The real binary, measured from outside.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("compose.yaml"), format!("services:\n  web:\n    image: {}/shop/web\n    build: .\n", source.host()))
        .unwrap();
    let measured = "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); \
                    print('peak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)";
    let output = Command::new(crate::servers::on_path("zizmor", "python3"))
        .args(["-c", measured, env!("CARGO_BIN_EXE_tagboat"), "--mode=retag", "--version=v1.2.3"])
        .arg(format!("--target-registry={}/second", target.host()))
        .current_dir(folder.path())
        .env("GITHUB_WORKSPACE", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    is_whole(&target, "second/shop/web", "v1.2.3", &image);
    let peak: u64 = said.lines().find_map(|line| line.strip_prefix("peak ")?.parse().ok()).unwrap();
    assert!(peak < 48_000, "{peak} kB at most for a layer of 60 MB\n{said}");
}
