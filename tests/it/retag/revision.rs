//! The right commit: what an image says that it was built from, against what is released (`verify-revision`).

use tagboat::error::{Exit, Problems};
use tagboat::journal::Journal;
use tagboat::retag::{self, Intent, Revision, Rules, Summary, Values, tags};
use tagboat::store::layout::Layout;
use tagboat::store::{Pointer, Store};

use super::{anonymous, repository, selection, told, values};
use crate::servers::{Fault, Image, Platforms, Registry};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const OTHER: &str = "89abcdef0123456789abcdef0123456789abcdef";

async fn release(store: &Store, host: &str, revision: Revision) -> Result<Summary, Problems> {
    let values = Values { commit: Some(COMMIT.into()), ..values("1.2.3") };
    let wanted = tags::expand(&[], &values).unwrap();
    let rules = Rules { intent: Intent::Write, revision, values, ..Rules::default() };
    let ready = retag::plan(store, selection(host, &["web"]), &wanted, &rules).await.ready()?;
    retag::run(store, &ready, &Journal::default(), &|_| ()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_another_commit_is_not_released() {
    let mut said = Vec::new();
    let annotated = |platforms, commit: &str| Image::new(platforms).annotation("org.opencontainers.image.revision", commit);
    let images = [
        ("annotation", annotated(Platforms::Several, OTHER), Revision::Auto),
        ("abbreviated annotation", annotated(Platforms::One, &OTHER[..7]), Revision::Auto),
        ("label", Image::new(Platforms::One).revision(OTHER), Revision::Require),
        ("label of a platform", Image::new(Platforms::Several).revision(OTHER).docker(), Revision::Require),
        ("nothing", Image::new(Platforms::Several), Revision::Require),
        ("a branch", Image::new(Platforms::One).revision("main"), Revision::Require),
    ];
    for (name, image, revision) in images {
        let registry = Registry::start();
        registry.push("shop/web", "latest", &image);
        let problems = release(&anonymous(), &registry.host(), revision).await.unwrap_err();
        assert_eq!(problems.exit(), Exit::Refused, "{name}");
        assert_eq!(registry.tags("shop/web"), ["latest"], "{name}");
        said.push(format!("{name}: {}", told(&problems).replace(&registry.host(), "HOST")));
        assert!(release(&anonymous(), &registry.host(), Revision::Off).await.is_ok(), "{name}");
    }
    insta::assert_snapshot!(said.join("\n"), @r#"
    annotation: couldn't release service web: HOST/shop/web:latest was built from commit 89abcdef0123456789abcdef0123456789abcdef, but v1.2.3 is commit 0123456789abcdef0123456789abcdef01234567
      hint: push the image of the released commit before this step, or set `source-tag` to a tag that names the commit (`{{sha}}`); where this job has built it and pushed it nowhere, set `source: docker`; the commit is what the image's annotation org.opencontainers.image.revision says: `verify-revision: off` releases it all the same
    abbreviated annotation: couldn't release service web: HOST/shop/web:latest was built from commit 89abcde, but v1.2.3 is commit 0123456789abcdef0123456789abcdef01234567
      hint: push the image of the released commit before this step, or set `source-tag` to a tag that names the commit (`{{sha}}`); where this job has built it and pushed it nowhere, set `source: docker`; the commit is what the image's annotation org.opencontainers.image.revision says: `verify-revision: off` releases it all the same
    label: couldn't release service web: HOST/shop/web:latest was built from commit 89abcdef0123456789abcdef0123456789abcdef, but v1.2.3 is commit 0123456789abcdef0123456789abcdef01234567
      hint: push the image of the released commit before this step, or set `source-tag` to a tag that names the commit (`{{sha}}`); where this job has built it and pushed it nowhere, set `source: docker`; the commit is what the image's label org.opencontainers.image.revision says: `verify-revision: off` releases it all the same
    label of a platform: couldn't release service web: HOST/shop/web:latest was built from commit 89abcdef0123456789abcdef0123456789abcdef, but v1.2.3 is commit 0123456789abcdef0123456789abcdef01234567
      hint: push the image of the released commit before this step, or set `source-tag` to a tag that names the commit (`{{sha}}`); where this job has built it and pushed it nowhere, set `source: docker`; the commit is what the image's label org.opencontainers.image.revision says: `verify-revision: off` releases it all the same
    nothing: couldn't tell which commit HOST/shop/web:latest, the image of service web, was built from: it has neither an annotation nor a label org.opencontainers.image.revision
      hint: give the image the annotation or label org.opencontainers.image.revision (docker/metadata-action makes both), or set `verify-revision: auto`, which takes images that say nothing
    a branch: couldn't tell which commit HOST/shop/web:latest, the image of service web, was built from: its label org.opencontainers.image.revision is "main", which is no commit
      hint: give the image the annotation or label org.opencontainers.image.revision (docker/metadata-action makes both), or set `verify-revision: auto`, which takes images that say nothing
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_the_released_commit_is_released_and_auto_asks_for_nothing_more() {
    let table = [
        ("its label", Image::new(Platforms::Several).revision(COMMIT), Revision::Auto, 3),
        ("another label: auto reads annotations", Image::new(Platforms::One).revision(OTHER), Revision::Auto, 3),
        ("its annotation", Image::new(Platforms::One).annotation("org.opencontainers.image.revision", &COMMIT[..12]), Revision::Require, 3),
        // The configuration.
        ("its label, required", Image::new(Platforms::One).revision(COMMIT), Revision::Require, 4),
        // Both platforms' heads, the first platform's manifest, its configuration.
        ("its label, required of an index", Image::new(Platforms::Several).revision(&COMMIT.to_uppercase()), Revision::Require, 7),
    ];
    for (name, image, revision, requests) in table {
        let registry = Registry::start();
        registry.push("shop/web", "latest", &image);
        let store = anonymous();
        release(&store, &registry.host(), revision).await.unwrap_or_else(|e| panic!("{name}: {}", told(&e)));
        assert_eq!(store.traffic().requests, requests, "{name}: {:?}", registry.requests());
        let again = anonymous();
        release(&again, &registry.host(), revision).await.unwrap_or_else(|e| panic!("{name}: {}", told(&e)));
        assert_eq!(again.traffic().requests, 2, "{name}: what is released isn't looked into again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_tells_commits_too() {
    let (registry, folder) = (Registry::start(), tempfile::tempdir().unwrap());
    let image = Image::new(Platforms::One).revision(OTHER);
    registry.push("shop/web", "latest", &image);
    let layout = Store::Layout(Layout::create(folder.path()).unwrap());
    let repository = repository(&registry.host(), "web");
    let manifest = anonymous().manifest(&repository, &Pointer::latest()).await.unwrap();
    layout.put(&repository, &Pointer::latest(), &manifest).await.unwrap();
    for blob in image.build().blobs {
        std::fs::write(folder.path().join("blobs").join(blob.digest.replace(':', "/")), blob.bytes).unwrap();
    }
    let problems = release(&layout, &registry.host(), Revision::Require).await.unwrap_err();
    assert!(told(&problems).contains(&format!("was built from commit {OTHER}")), "{}", told(&problems));
}

/// Trap: clean-up jobs delete the children of an index, which have no tag.
#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_is_gone_is_found_before_the_release() {
    let registry = Registry::start();
    let image = Image::new(Platforms::Several).revision(COMMIT);
    let child = image.build().manifests[1].digest.clone();
    registry.push("shop/web", "latest", &image);
    registry.proxy().on(move |request| request.target.ends_with(&child)).fault(Fault::reply(404, ""));
    let problems = release(&anonymous(), &registry.host(), Revision::Require).await.unwrap_err();
    let said = told(&problems).replace(&registry.host(), "HOST");
    assert!(said.contains("HOST/shop/web:latest lists linux/arm64/v8 (sha256:"), "{said}");
    assert_eq!(registry.tags("shop/web"), ["latest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_lies_or_never_ends_is_an_error() {
    let lie = Fault::tamper(|reply| reply.body = b"{\"config\":{}}".to_vec());
    let huge = Fault::reply(200, &" ".repeat(5 << 20));
    for (fault, expected) in [(lie, "was promised"), (huge, "is larger than 4194304 bytes"), (Fault::reply(404, ""), "couldn't find")] {
        let registry = Registry::start();
        registry.push("shop/web", "latest", &Image::new(Platforms::One).revision(COMMIT));
        registry.proxy().on(|request| request.path().contains("/blobs/")).fault(fault);
        let problems = release(&anonymous(), &registry.host(), Revision::Require).await.unwrap_err();
        assert!(told(&problems).contains(expected), "{}", told(&problems));
        assert_eq!(registry.tags("shop/web"), ["latest"]);
    }
}
