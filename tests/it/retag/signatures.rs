//! Signatures and what is like them go along with an image: made and checked by cosign itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tagboat::journal::Journal;
use tagboat::retag::{self, Referrers, Route};
use tagboat::store::Store;
use tagboat::store::layout::Layout;

use super::anonymous;
use super::copy::{is_whole, plan_promotion, promote, promotion};
use super::races::late;
use crate::servers::cosign::{Cosign, Format};
use crate::servers::{Fault, Image, Platforms, Recorded, Registry};

/// What starts a registry of one kind.
type Kind = fn() -> Registry;

fn image() -> Image {
    Image::new(Platforms::Several).content("web")
}

/// An image with a signature of the index, one of a platform, and an attestation.
fn signed(registry: &Registry, cosign: &Cosign, format: Format) -> (String, String) {
    let root = registry.push("shop/web", "latest", &image());
    let child = image().build().manifests[0].digest.clone();
    let name = |digest: &str| format!("{}/shop/web@{digest}", registry.host());
    cosign.sign(&name(&root), format);
    cosign.sign(&name(&child), format);
    cosign.attest(&name(&root), format);
    assert!(cosign.verifies(&name(&root), format));
    (root, child)
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_are_good_at_the_target_whatever_the_two_registries_can_do() {
    let cosign = Cosign::new();
    // What is found by tags doesn't ask what a registry can do.
    let table: [(Kind, Kind, Format); 5] = [
        (Registry::start, Registry::start, Format::Bundle),
        (Registry::start, Registry::with_referrers, Format::Bundle),
        (Registry::with_referrers, Registry::start, Format::Bundle),
        (Registry::with_referrers, Registry::with_referrers, Format::Bundle),
        (Registry::start, Registry::with_referrers, Format::Tags),
    ];
    for (row, (source, target, format)) in table.into_iter().enumerate() {
        let (source, target) = (source(), target());
        let (root, child) = signed(&source, &cosign, format);
        let selection = || promotion(&source.host(), &["web"], &format!("{}/prod", target.host()));
        promote(&anonymous(), selection()).await.unwrap();
        is_whole(&target, "prod/web", "v1.2.3", &image());
        let name = |digest: &str| format!("{}/prod/web@{digest}", target.host());
        let what = format!("row {row}");
        assert!(cosign.verifies(&name(&root), format), "{what}: the index");
        assert!(cosign.verifies(&name(&child), format), "{what}: a platform");
        assert!(cosign.attests(&name(&root), format), "{what}: the attestation");
        if let Some(referrers) = target.referrers("prod/web", &root) {
            assert_eq!(referrers.len(), if format == Format::Bundle { 2 } else { 0 }, "{what}");
            assert!(target.tags("prod/web").iter().all(|tag| tag == "v1.2.3" || tag.contains('.')), "no tag where there is an API");
        }
        let again = anonymous();
        let summary = promote(&again, selection()).await.unwrap();
        assert_eq!((summary.copied, again.traffic().writes), (0, 0), "{what}: {summary}");
    }
}

/// Trap: what cosign keeps by tags is looked for at the index only, or as signatures only.
#[tokio::test(flavor = "multi_thread")]
async fn signatures_attestations_and_sboms_go_along_with_the_index_and_with_each_child() {
    for kind in [Registry::start as Kind, Registry::with_referrers] {
        let (source, target) = (Registry::start(), kind());
        source.push("shop/web", "latest", &image());
        let manifests = image().build().manifests;
        assert_eq!(manifests.len(), 4, "an index, two platforms, an attestation of buildx");
        let tags: Vec<String> = manifests
            .iter()
            .flat_map(|manifest| ["sig", "att", "sbom"].map(|kind| format!("{}.{kind}", manifest.digest.replace(':', "-"))))
            .collect();
        for tag in &tags {
            source.push("shop/web", tag, &Image::new(Platforms::One).content(tag));
        }
        // That of another image is none of ours.
        source.push("shop/web", &format!("sha256-{}.sig", "0".repeat(64)), &Image::new(Platforms::One).content("other"));
        let selection = || promotion(&source.host(), &["web"], &format!("{}/prod", target.host()));
        promote(&anonymous(), selection()).await.unwrap();
        for tag in &tags {
            assert_eq!(target.digest("prod/web", tag), source.digest("shop/web", tag), "{tag}");
        }
        assert_eq!(target.tags("prod/web").len(), tags.len() + 1);
        let again = anonymous();
        promote(&again, selection()).await.unwrap();
        assert_eq!(again.traffic().writes, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_made_after_the_promotion_is_brought_by_the_next_run() {
    let (source, target, cosign) = (Registry::start(), Registry::start(), Cosign::new());
    let root = source.push("shop/web", "latest", &image());
    let selection = || promotion(&source.host(), &["web"], &format!("{}/prod", target.host()));
    promote(&anonymous(), selection()).await.unwrap();
    let promoted = format!("{}/prod/web@{root}", target.host());
    assert!(!cosign.verifies(&promoted, Format::Bundle), "a test that can fail");
    cosign.sign(&format!("{}/shop/web@{root}", source.host()), Format::Bundle);
    let seen = target.requests().len();
    let store = anonymous();
    let journal = Journal::default();
    let ready = plan_promotion(Route::from(&store), selection(), Referrers::Copy).await.ready().unwrap();
    let summary = retag::run(&store, &ready, &journal, &|_| ()).await.unwrap();
    assert_eq!((summary.copied, summary.created, summary.already_there), (1, 0, 1));
    assert!(cosign.verifies(&promoted, Format::Bundle));
    assert_eq!(journal.changes().len(), 1, "the tag that stands for what refers to the image");
    assert!(target.proxy().requests_since(seen).iter().all(|r| r.method != "PUT" || !r.path().ends_with("v1.2.3")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_target_has_of_its_own_is_kept() {
    for format in [Format::Bundle, Format::Tags] {
        let (source, target) = (Registry::start(), Registry::start());
        let (ours, theirs) = (Cosign::new(), Cosign::new());
        let (root, _) = signed(&source, &ours, format);
        target.push("prod/web", "nightly", &image());
        let promoted = format!("{}/prod/web@{root}", target.host());
        theirs.sign(&promoted, format);
        let selection = || promotion(&source.host(), &["web"], &format!("{}/prod", target.host()));
        let store = anonymous();
        let plan = plan_promotion(Route::from(&store), selection(), Referrers::Copy).await;
        let printed = plan.to_string();
        retag::run(&store, &plan.ready().unwrap(), &Journal::default(), &|_| ()).await.unwrap();
        assert!(theirs.verifies(&promoted, format), "{format:?}: never overwritten");
        match format {
            Format::Bundle => assert!(ours.verifies(&promoted, format), "but merged"),
            // One tag holds all signatures, so that one of the two would be lost.
            Format::Tags => assert!(printed.contains(".sig stays as it is: it has content of its own"), "{printed}"),
        }
        let again = anonymous();
        promote(&again, selection()).await.unwrap();
        assert_eq!(again.traffic().writes, 0, "{format:?}");
    }
}

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An image that is signed in two places, by keys of their own. Its list at the target, with their signature only, is written by the
/// returned function, as somebody does who has read the list before we wrote it.
struct Rivals {
    source: Registry,
    target: Registry,
    ours: Cosign,
    theirs: Cosign,
    root: String,
    tag: String,
    list: Vec<u8>,
}

impl Rivals {
    fn new() -> Rivals {
        let (source, target) = (Registry::start(), Registry::start());
        let (ours, theirs) = (Cosign::new(), Cosign::new());
        let root = source.push("shop/web", "latest", &image());
        ours.sign(&format!("{}/shop/web@{root}", source.host()), Format::Bundle);
        target.push("prod/web", "nightly", &image());
        theirs.sign(&format!("{}/prod/web@{root}", target.host()), Format::Bundle);
        let tag = root.replace(':', "-");
        let list = target.manifest("prod/web", &tag).unwrap().body;
        // Their signature is there, but not in the list yet.
        target.put_manifest("prod/web", &tag, INDEX, format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[]}}"#).as_bytes());
        Rivals { source, target, ours, theirs, root, tag, list }
    }

    /// They write their list when a request matches, as often as `times` says, before that request arrives.
    fn interfere(&self, times: usize, matches: impl Fn(&Recorded, usize) -> bool + Send + 'static) {
        let (tag, list, written, seen) = (self.tag.clone(), self.list.clone(), AtomicUsize::new(0), AtomicUsize::new(0));
        let target = self.target.beside();
        self.target
            .proxy()
            .on(move |request| {
                if request.path().ends_with(&tag) && request.method == "PUT" {
                    seen.fetch_add(1, Ordering::SeqCst);
                }
                let is_ours = request.path().ends_with(&tag) && matches(request, seen.load(Ordering::SeqCst));
                if is_ours && written.fetch_add(1, Ordering::SeqCst) < times {
                    target(&format!("/v2/prod/web/manifests/{tag}"), INDEX, &list);
                }
                false
            })
            .fault(Fault::Reset);
    }

    async fn promote(&self) -> Result<retag::Summary, tagboat::error::Problems> {
        self.promote_with(&anonymous()).await
    }

    async fn promote_with(&self, store: &Store) -> Result<retag::Summary, tagboat::error::Problems> {
        promote(store, promotion(&self.source.host(), &["web"], &format!("{}/prod", self.target.host()))).await
    }

    fn both_verify(&self) -> [bool; 2] {
        let promoted = format!("{}/prod/web@{}", self.target.host(), self.root);
        [self.ours.verifies(&promoted, Format::Bundle), self.theirs.verifies(&promoted, Format::Bundle)]
    }
}

/// Trap: no registry has conditional writes, and where there is no referrers API several may write the list of what refers to an image.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_another_writer_replaces_is_merged_again() {
    // Before we read it to write it; and after we wrote it, by somebody who had read it earlier.
    for (when, writes) in [(0, 1), (1, 2)] {
        let rivals = Rivals::new();
        let reads = AtomicUsize::new(0);
        rivals.interfere(1, move |request, written| {
            let is_read = request.method == "GET" && written == when;
            is_read && reads.fetch_add(1, Ordering::SeqCst) == 0
        });
        let before = rivals.target.requests().len();
        rivals.promote().await.unwrap_or_else(|problems| panic!("{}", super::told(&problems)));
        assert_eq!(rivals.both_verify(), [true, true], "after {when} writes of ours");
        let requests = rivals.target.proxy().requests_since(before);
        let puts = requests.iter().filter(|request| request.method == "PUT" && request.path().ends_with(&rivals.tag)).count();
        assert_eq!(puts, writes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_others_never_stop_replacing_is_an_error() {
    let rivals = Rivals::new();
    rivals.interfere(usize::MAX, |request, written| request.method == "GET" && written > 0);
    let problems = rivals.promote().await.unwrap_err();
    let said = super::told(&problems).replace(&rivals.target.host(), "TARGET").replace(&rivals.root.replace("sha256:", ""), "HEX");
    assert!(
        said.contains("couldn't write TARGET/prod/web:sha256-HEX: others change it at TARGET at the same time, again and again"),
        "{said}"
    );
    assert!(rivals.target.tags("prod/web").iter().all(|tag| tag != "v1.2.3"), "no release tag is there");
}

/// Trap: a registry that shows its writes late has not lost them.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_shown_late_is_not_written_again() {
    let rivals = Rivals::new();
    let (tag, old) = (rivals.tag.clone(), rivals.target.manifest("prod/web", &rivals.tag).unwrap());
    let written = AtomicUsize::new(0);
    rivals
        .target
        .proxy()
        .on(move |request| {
            let is_list = request.path().ends_with(&tag);
            if is_list && request.method == "PUT" {
                written.fetch_add(1, Ordering::SeqCst);
            }
            is_list && request.method == "GET" && written.load(Ordering::SeqCst) > 0
        })
        .first(2)
        .fault(Fault::tamper(move |reply| *reply = old.clone()));
    let store = Store::Registry(late(&rivals.target, Duration::from_secs(60)));
    rivals.promote_with(&store).await.unwrap_or_else(|problems| panic!("{}", super::told(&problems)));
    let requests = rivals.target.requests();
    let puts = requests.iter().filter(|request| request.method == "PUT" && request.path().ends_with(&rivals.tag));
    // One is cosign's own.
    assert_eq!(puts.count(), 2);
    assert!(rivals.both_verify()[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_survive_a_folder_and_can_be_left_behind() {
    let (source, target, cosign) = (Registry::with_referrers(), Registry::with_referrers(), Cosign::new());
    let (root, child) = signed(&source, &cosign, Format::Bundle);
    let folder = tempfile::tempdir().unwrap();
    let (layout, remote) = (Store::Layout(Layout::prepare(folder.path()).unwrap()), anonymous());
    let outward = Route { source: &remote, target: &layout };
    promote(outward, super::selection(&source.host(), &["web"])).await.unwrap();
    assert_eq!(promote(outward, super::selection(&source.host(), &["web"])).await.unwrap().copied, 0);

    let layout = Store::Layout(Layout::open(folder.path()).unwrap());
    let inward = Route { source: &layout, target: &remote };
    let selection = |prefix: &str| {
        let mut selection = promotion(&source.host(), &["web"], &format!("{}/{prefix}", target.host()));
        selection.images[0].source.pointer = (&"v1.2.3".parse::<tagboat::image::Tag>().unwrap()).into();
        selection
    };
    promote(inward, selection("prod")).await.unwrap();
    for digest in [&root, &child] {
        assert!(cosign.verifies(&format!("{}/prod/web@{digest}", target.host()), Format::Bundle));
    }

    let ready = plan_promotion(inward, selection("bare"), Referrers::Leave).await.ready().unwrap();
    retag::run(inward, &ready, &Journal::default(), &|_| ()).await.unwrap();
    is_whole(&target, "bare/web", "v1.2.3", &image());
    assert!(!cosign.verifies(&format!("{}/bare/web@{root}", target.host()), Format::Bundle));
}
