//! Gitea's registry: tokens that tell nothing of what they are good for, relative upload locations, no referrers API.

use tagboat::store::Store;
use tagboat::store::registry::Keychain;

use super::copy::{is_whole, promote, promotion};
use super::crash::{attach, attached, sbom};
use super::{SIX, anonymous, count, release, store, told};
use crate::servers::gitea::{Member, Organisation, PASSWORD};
use crate::servers::proxy::Authorization;
use crate::servers::{Image, Platforms, Registry, gitea};

const FOUR: [&str; 4] = ["{{version}}", "{{major}}.{{minor}}", "{{major}}", "stable"];

fn login(acme: &Organisation, user: &str, password: &str) -> Store {
    store(Keychain::default().login("registry-password", &acme.proxy().host(), user, password.into()))
}

fn writer(acme: &Organisation) -> (Member, Store) {
    let ada = acme.member("ada", "write");
    let store = login(acme, &ada.login, &ada.token);
    (ada, store)
}

fn image(name: &str) -> Image {
    Image::new(Platforms::Several).content(name).layers(3)
}

fn push_six(acme: &Organisation) -> Registry {
    let registry = acme.registry();
    for name in SIX {
        registry.push(&format!("{}/shop/{name}", acme.name()), "latest", &image(name));
    }
    registry
}

#[tokio::test(flavor = "multi_thread")]
async fn six_images_get_four_tags_with_one_token_and_a_second_run_writes_nothing() {
    let acme = gitea().organisation();
    let registry = push_six(&acme);
    let (ada, first) = writer(&acme);
    let summary = release(&first, &acme.images(), &SIX, &FOUR, "1.2.3").await.unwrap_or_else(|problems| panic!("{}", told(&problems)));
    assert_eq!(summary.created, 24);
    for name in SIX {
        let repository = format!("{}/shop/{name}", acme.name());
        assert_eq!(registry.tags(&repository), ["1", "1.2", "1.2.3", "latest", "stable"]);
        let (source, released) = (registry.manifest(&repository, "latest").unwrap(), registry.manifest(&repository, "1.2").unwrap());
        assert_eq!(source.body, released.body, "{name}: bytes are moved verbatim");
    }
    let requests = acme.requests();
    assert_eq!(requests.iter().filter(|request| request.path() == "/v2/token").count(), 1, "one token for all");
    assert_eq!(
        requests.iter().filter(|request| request.authorization == Authorization::Basic).count(),
        1,
        "the password goes nowhere else"
    );
    // As with any other registry (the challenge, the token, 6 sources, 24 targets, 6 lists, 24 tags), and an empty page behind each
    // list: Gitea links to a next page whenever there are tags on this one.
    assert_eq!((first.traffic().requests, first.traffic().writes), (62 + 6, 24));

    let second = login(&acme, &ada.login, PASSWORD);
    let summary = release(&second, &acme.images(), &SIX, &FOUR, "1.2.3").await.unwrap();
    assert_eq!(summary.to_string(), "nothing written: 24 tags already there");
    assert_eq!((second.traffic().requests, second.traffic().writes), (38 + 6, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn floats_move_to_the_newer_release_and_the_older_one_keeps_its_tag() {
    let acme = gitea().organisation();
    let (registry, repository) = (acme.registry(), format!("{}/shop/web", acme.name()));
    let (_, store) = writer(&acme);
    let older = registry.push(&repository, "latest", &image("older"));
    release(&store, &acme.images(), &["web"], &FOUR, "1.2.3").await.unwrap();
    let newer = registry.push(&repository, "latest", &image("newer"));
    let summary = release(&store, &acme.images(), &["web"], &FOUR, "1.2.4").await.unwrap();
    assert_eq!((summary.created, summary.moved), (1, 3));
    assert_eq!(registry.digest(&repository, "1.2.3"), Some(older));
    for tag in ["1.2.4", "1.2", "1", "stable"] {
        assert_eq!(registry.digest(&repository, tag), Some(newer.clone()), "{tag}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_inside_it_is_mounted_and_a_rerun_writes_nothing() {
    let acme = gitea().organisation();
    let registry = push_six(&acme);
    let (_, first) = writer(&acme);
    let target = format!("{}/prod", acme.images());
    let summary = promote(&first, promotion(&acme.images(), &SIX, &target)).await.unwrap_or_else(|problems| panic!("{}", told(&problems)));
    assert_eq!(summary.to_string(), "6 tags created, 0 moved, 0 already there, 6 images copied");
    for name in SIX {
        is_whole(&registry, &format!("{}/prod/{name}", acme.name()), "v1.2.3", &image(name));
    }
    let requests = acme.requests();
    let mounts = requests.iter().filter(|request| request.target.contains("mount="));
    assert!(mounts.clone().count() >= 60 && mounts.clone().all(|request| request.status == Some(201)), "each is mounted");
    assert!(!requests.iter().any(|request| request.method == "GET" && request.path().contains("/blobs/")), "no layer byte moves");

    let writes = first.traffic().writes;
    let summary = promote(&first, promotion(&acme.images(), &SIX, &target)).await.unwrap();
    assert_eq!(summary.to_string(), "nothing written: 6 tags already there");
    assert_eq!(first.traffic().writes, writes);
}

/// Trap: what refers to an image is looked for by an API that the registry hasn't got, or answers otherwise than others.
#[tokio::test(flavor = "multi_thread")]
async fn what_refers_to_an_image_comes_along_and_a_rerun_writes_nothing() {
    let (acme, outside) = (gitea().organisation(), Registry::start());
    let (registry, (_, store)) = (acme.registry(), writer(&acme));
    let ([list, signature], sbom) = (attached(&image("web")), sbom(&image("web")));
    let is_there = |registry: &Registry, repository: &str| {
        let listed = registry.manifest(repository, &list).unwrap_or_else(|| panic!("{repository} has no list"));
        assert!(listed.text().contains(&sbom.digest), "{}", listed.text());
        assert_eq!(registry.manifest(repository, &sbom.digest).map(|reply| reply.body), Some(sbom.bytes.clone()));
        assert!(registry.digest(repository, &signature).is_some(), "{repository} has no signature");
    };
    outside.push("shop/web", "latest", &image("web"));
    attach(&outside, "shop/web", &image("web"));
    let inward = || promotion(&outside.host(), &["web"], &format!("{}/shop", acme.images()));
    promote(&store, inward()).await.unwrap_or_else(|problems| panic!("{}", told(&problems)));
    is_there(&registry, &format!("{}/shop/web", acme.name()));

    registry.push(&format!("{}/shop/web", acme.name()), "latest", &image("web"));
    let outward = || promotion(&acme.images(), &["web"], &format!("{}/back", outside.host()));
    promote(&store, outward()).await.unwrap_or_else(|problems| panic!("{}", told(&problems)));
    is_there(&outside, "back/web");

    let writes = store.traffic().writes;
    for selection in [inward(), outward()] {
        assert_eq!(promote(&store, selection).await.unwrap().copied, 0);
    }
    assert_eq!(store.traffic().writes, writes);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_come_from_another_registry_and_go_to_another_one_byte_for_byte() {
    let (acme, outside) = (gitea().organisation(), Registry::start());
    let (_, store) = writer(&acme);
    outside.push("shop/web", "latest", &image("web"));
    promote(&store, promotion(&outside.host(), &["web"], &format!("{}/prod", acme.images())))
        .await
        .unwrap_or_else(|problems| panic!("{}", told(&problems)));
    let registry = acme.registry();
    is_whole(&registry, &format!("{}/prod/web", acme.name()), "v1.2.3", &image("web"));

    registry.push(&format!("{}/shop/api", acme.name()), "latest", &image("api"));
    promote(&store, promotion(&acme.images(), &["api"], &format!("{}/back", outside.host()))).await.unwrap();
    is_whole(&outside, "back/api", "v1.2.3", &image("api"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_login_is_told() {
    let acme = gitea().organisation();
    let repository = format!("{}/shop/web", acme.name());
    acme.registry().push(&repository, "latest", &image("web"));
    let reader = acme.member("reader", "read");
    let shown = |problems: &tagboat::error::Problems| told(problems).replace(&acme.proxy().host(), "HOST").replace(&acme.name(), "acme");

    let nobody = release(&anonymous(), &acme.images(), &["web"], &[], "1.2.3").await.unwrap_err();
    insta::assert_snapshot!(shown(&nobody), @"
    couldn't read HOST/acme/shop/web:latest, the image of service web
      because couldn't use HOST/acme/shop/web: HOST wants a login and there are no credentials for it
      because GET http://HOST/v2/acme/shop/web/manifests/latest answered 401 Unauthorized: reqPackageAccess
      hint: set `registry-username` and `registry-password`, or give `registry-auths` an entry for HOST
    ");
    let wrong = release(&login(&acme, &reader.login, "wrong"), &acme.images(), &["web"], &[], "1.2.3").await.unwrap_err();
    insta::assert_snapshot!(shown(&wrong), @"
    couldn't read HOST/acme/shop/web:latest, the image of service web
      because couldn't log in to HOST: it refused the credentials of registry-password, entry HOST
      because GET http://HOST/v2/token?service=container_registry&scope=repository:acme/shop/web:pull answered 401 Unauthorized: UNAUTHORIZED
      hint: check the user and the password or token of registry-password, entry HOST; a token may have expired
    ");
    let reads = release(&login(&acme, &reader.login, &reader.token), &acme.images(), &["web"], &[], "1.2.3").await.unwrap_err();
    insta::assert_snapshot!(shown(&reads), @"
    couldn't write HOST/acme/shop/web:v1.2.3
      because couldn't use HOST/acme/shop/web: access is denied
      because PUT http://HOST/v2/acme/shop/web/manifests/v1.2.3 answered 401 Unauthorized: reqPackageAccess
      hint: give the credentials the right to pull and push this repository (on GitHub: `permissions: packages: write`, and the package linked to this repository)
    ");
    assert_eq!(acme.registry().tags(&repository), ["latest"]);
    // With the shared token, with one of the repository's own, and with that one renewed.
    assert_eq!(count(&acme.requests(), "PUT"), 3, "a refused login isn't tried again and again");
}
