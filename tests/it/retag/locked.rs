//! Registries whose tags don't move, and those that miss a part of an image.

use tagboat::error::Exit;
use tagboat::journal::Journal;
use tagboat::retag;

use super::copy::{promote, promotion};
use super::{anonymous, count, plan, release, told};
use crate::servers::{Fault, Image, Platforms, Registry};

/// What registries answer to a write to a tag that is there.
const LOCKED: [(&str, u16, &str); 5] = [
    (
        "ECR",
        400,
        r#"{"errors":[{"code":"TAG_INVALID","message":"The image tag 'latest' already exists in the 'web' repository and cannot be overwritten because the tag is immutable."}]}"#,
    ),
    (
        "ACR",
        405,
        r#"{"errors":[{"code":"REGISTRY_DISALLOWED_OPERATION","message":"The operation is disallowed on this registry, repository or image."}]}"#,
    ),
    (
        "Harbor",
        412,
        r#"{"errors":[{"code":"PRECONDITION","message":"Failed to process request due to 'web:latest' configured as immutable."}]}"#,
    ),
    ("Quay", 409, r#"{"errors":[{"code":"TAG_IMMUTABLE","message":"tag is immutable"}]}"#),
    ("Docker Hub", 403, r#"{"errors":[{"code":"DENIED","message":"immutable tag"}]}"#),
];

/// Trap: tags that don't move, told by every registry in words of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_float_that_is_locked_is_told_with_what_to_do_and_the_release_tags_are_there() {
    for (name, status, body) in LOCKED {
        let registry = Registry::start();
        let old = registry.push("shop/web", "stable", &Image::new(Platforms::One).content("old"));
        registry.push("shop/web", "latest", &Image::new(Platforms::One).content("new"));
        registry.proxy().on(|request| request.method == "PUT" && request.path().ends_with("/stable")).fault(Fault::reply(status, body));
        let host = registry.host();
        let ready = plan(&anonymous(), &host, &["web"], &["{{tag}}", "stable"], "1.2.3").await.ready().unwrap();
        let journal = Journal::default();
        let problems = retag::run(&anonymous(), &ready, &journal, &|_| ()).await.unwrap_err();
        assert_eq!(problems.exit(), Exit::Failed, "{name}");
        let said = told(&problems).replace(&host, "HOST");
        assert!(said.contains("couldn't write HOST/shop/web:stable: HOST doesn't let this tag change"), "{name}: {said}");
        assert!(said.contains("or take them out of `tags`"), "{name}: {said}");
        assert_eq!(registry.digest("shop/web", "stable"), Some(old), "{name}");
        assert!(registry.digest("shop/web", "v1.2.3").is_some(), "{name}");
        assert_eq!(journal.changes().len(), 1, "{name}: a refused write leaves no trace");
    }
}

/// Trap: pushing the same digest again is refused too.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_tag_that_is_right_already_is_no_error() {
    let registry = Registry::start();
    registry.push_image("shop/web", "latest", Platforms::Several);
    registry.push_image("shop/web", "v1.2.3", Platforms::Several);
    registry.proxy().on(|request| request.method == "PUT").fault(Fault::reply(412, ""));
    assert_eq!(release(&anonymous(), &registry.host(), &["web"], &[], "1.2.3").await.unwrap().already_there, 1);
    assert_eq!(count(&registry.requests(), "PUT"), 0, "equal digests cost no write");

    // Another run of the same release writes between our look and our write.
    let registry = Registry::start();
    registry.push_image("shop/web", "latest", Platforms::Several);
    let ready = plan(&anonymous(), &registry.host(), &["web"], &[], "1.2.3").await.ready().unwrap();
    registry.push_image("shop/web", "v1.2.3", Platforms::Several);
    registry.proxy().on(|request| request.method == "PUT").fault(Fault::reply(412, ""));
    retag::run(&anonymous(), &ready, &Journal::default(), &|_| ()).await.unwrap_or_else(|e| panic!("{}", told(&e)));
}

/// What registries answer that make no repository when something is pushed to it.
const UNKNOWN: [(&str, &str); 3] = [
    (
        "ECR",
        r#"{"errors":[{"code":"NAME_UNKNOWN","message":"The repository with name 'prod/web' does not exist in the registry with id '123456789012'"}]}"#,
    ),
    ("Artifact Registry", r#"{"errors":[{"code":"NAME_UNKNOWN","message":"Repository \"prod\" not found"}]}"#),
    ("Harbor", r#"{"errors":[{"code":"NOT_FOUND","message":"project prod not found"}]}"#),
];

/// Trap: a promotion to where nobody has made a repository yet is told as an image that is missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_nobody_has_made_is_told_with_who_makes_it() {
    for (name, body) in UNKNOWN {
        let (source, target) = (Registry::start(), Registry::start());
        source.push_image("shop/web", "latest", Platforms::Several);
        target.proxy().on(|request| request.path().starts_with("/v2/prod/")).fault(Fault::reply(404, body));
        let selection = promotion(&source.host(), &["web"], &format!("{}/prod", target.host()));
        let problems = promote(&anonymous(), selection).await.unwrap_err();
        let said = told(&problems).replace(&target.host(), "HOST");
        assert!(said.contains("couldn't push to HOST/prod/web: HOST has no such repository, and makes none by itself"), "{name}: {said}");
        assert!(said.contains("hint: create the repository"), "{name}: {said}");
        let puts = target.requests().iter().filter(|request| request.method == "PUT").count();
        assert_eq!(puts, 0, "{name}");
    }
}

/// Trap: an index is put before its children, or without them.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_whose_children_are_gone_is_refused_by_the_registry_and_told() {
    let registry = Registry::start();
    registry.push_image("shop/web", "latest", Platforms::Several);
    let unknown = r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry","detail":"sha256:1"}]}"#;
    registry.proxy().on(|request| request.method == "PUT").fault(Fault::reply(400, unknown));
    let problems = release(&anonymous(), &registry.host(), &["web"], &[], "1.2.3").await.unwrap_err();
    let said = told(&problems).replace(&registry.host(), "HOST");
    assert!(said.contains("couldn't write HOST/shop/web:v1.2.3: HOST misses something that the image is made of"), "{said}");
    assert!(said.contains("hint: push the image again: a clean-up job may have deleted"), "{said}");
}
