//! Signatures and what is like them go along with an image: made and checked by cosign itself.

use tagboat::journal::Journal;
use tagboat::retag::{self, Referrers, Route};
use tagboat::store::Store;
use tagboat::store::layout::Layout;

use super::anonymous;
use super::copy::{is_whole, plan_promotion, promote, promotion};
use crate::servers::cosign::{Cosign, Format};
use crate::servers::{Image, Platforms, Registry};

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
