//! Images of a Docker engine that keeps them in containerd: indexes with all their platforms, under digests that registries know.

use serde_json::json;
use tagboat::error::{Exit, Problems};
use tagboat::journal::Journal;
use tagboat::retag::{self, Overwrite, Summary};
use tagboat::store::Store;
use tagboat::store::docker::Daemon;
use tagboat::store::registry::Keychain;

use super::copy::is_whole;
use super::daemon::{Shop, uploads};
use super::{client, count, told};
use crate::servers::docker::{Built, moby};
use crate::servers::token::User;
use crate::servers::{Fault, Image, Platforms, Registry};

const TEMPLATES: [&str; 2] = ["latest", "{{tag}}"];

fn store(keychain: Keychain) -> Store {
    Store::Daemon(Daemon::new(moby().host().parse().unwrap(), client(keychain)))
}

async fn release(shop: &Shop<'_>, version: &str) -> Result<Summary, Problems> {
    release_as(Keychain::default(), shop, version).await
}

async fn release_as(keychain: Keychain, shop: &Shop<'_>, version: &str) -> Result<Summary, Problems> {
    let store = store(keychain);
    let ready = shop.plan(&store, &TEMPLATES, version, Overwrite::Refuse).await.ready()?;
    retag::run(&store, &ready, &Journal::default(), &|_| ()).await
}

/// An index of two platforms and an attestation, as buildx makes it.
fn several(content: &str) -> Image {
    Image::new(Platforms::Several).content(content)
}

fn full(name: &str) -> String {
    format!("docker.io/library/{name}:latest")
}

/// Trap: an index is pushed as one of its platforms, under another digest.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_pushed_once_with_the_digest_that_it_has_in_the_engine() {
    let registry = Registry::start();
    let shop = Shop::new(&registry, &["web"]);
    let (name, image) = (&shop.names[0], several("web"));
    moby().load(&full(name), &image, &[]);
    let summary = release(&shop, "1.2.3").await.unwrap_or_else(|problems| panic!("{}", told(&problems)));
    assert_eq!(summary.to_string(), "2 tags created, 0 moved, 0 already there");
    assert_eq!(summary.pushed[0].digest.as_str(), image.build().root().digest, "the digest of the push");
    let repository = format!("shop/{name}");
    for tag in ["latest", "v1.2.3"] {
        is_whole(&registry, &repository, tag, &image);
    }

    let before = registry.requests().len();
    let summary = release(&shop, "1.2.3").await.unwrap();
    assert_eq!(summary.to_string(), "nothing written: 2 tags already there");
    assert!(registry.requests()[before..].iter().all(|request| request.method == "GET" || request.method == "HEAD"));

    // The next release of the same image is a matter of the registry alone.
    let before = registry.requests().len();
    assert_eq!(release(&shop, "1.2.4").await.unwrap().created, 1);
    let requests = &registry.requests()[before..];
    assert_eq!((uploads(requests), count(requests, "PUT")), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_built_anew_is_a_conflict_and_what_was_built_is_pushed() {
    let registry = Registry::start();
    let shop = Shop::new(&registry, &["web"]);
    let (name, repository) = (&shop.names[0], format!("shop/{}", shop.names[0]));
    let _old = Built::by(moby(), name, "old", &[]);
    // containerd's store knows every image by a digest under its own name, pushed or not.
    let summary = release(&shop, "1.2.3").await.unwrap_or_else(|problems| panic!("{}", told(&problems)));
    assert_eq!(registry.digest(&repository, "v1.2.3").as_deref(), Some(summary.pushed[0].digest.as_str()));
    assert_eq!(release(&shop, "1.2.3").await.unwrap().to_string(), "nothing written: 2 tags already there");

    let _new = Built::by(moby(), name, "new", &[]);
    let before = registry.requests().len();
    let problems = release(&shop, "1.2.3").await.unwrap_err();
    assert_eq!(problems.exit(), Exit::Refused, "{}", told(&problems));
    assert_eq!(uploads(&registry.requests()[before..]), 0);
    assert_eq!(release(&shop, "1.2.4").await.unwrap().moved, 1, "latest goes on to the new build");
}

/// Trap: such an engine sends credentials only to the registry that they name.
#[tokio::test(flavor = "multi_thread")]
async fn the_engine_pushes_with_the_credentials_of_the_keychain_and_says_what_is_wrong_with_them() {
    let password = "sécret?>~ÿ";
    let ada = User::new("ada", password).may(&["pull", "push"], "shop/");
    let registry = Registry::with_token_service(vec![ada]);
    let shop = Shop::new(&registry, &["web"]);
    moby().load(&full(&shop.names[0]), &several("login"), &[]);
    let login = |password: &str| Keychain::default().login("registry-password", &registry.host(), "ada", password.into());
    let problems = release_as(login("wrong"), &shop, "1.2.3").await.unwrap_err();
    assert!(told(&problems).contains("it refused the credentials of registry-password"), "{}", told(&problems));
    let summary = release_as(login(password), &shop, "1.2.3").await.unwrap_or_else(|problems| panic!("{}", told(&problems)));
    assert_eq!(summary.created, 2);
    is_whole(&registry, &format!("shop/{}", shop.names[0]), "v1.2.3", &several("login"));
}

/// Trap: such an engine tells a refusal without its code.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_registry_refuses_the_engine_is_told_with_what_to_do() {
    let (right, make) = ("the right to push this repository", "create the repository");
    let table = [
        (401, "UNAUTHORIZED", "authentication required", right),
        (403, "DENIED", "requested access to the resource is denied", right),
        (403, "DENIED", "User: arn:aws:iam::1:user/ada is not authorized to perform: ecr:InitiateLayerUpload", right),
        (403, "", "", right),
        (404, "NAME_UNKNOWN", "The repository with name 'shop/web' does not exist in the registry with id '1'", make),
        (404, "NAME_UNKNOWN", "Repository 'shop' not found", make),
        (404, "NOT_FOUND", "project shop not found", make),
    ];
    for (status, code, message, expected) in table {
        let body = if code.is_empty() { String::new() } else { json!({"errors": [{"code": code, "message": message}]}).to_string() };
        let registry = Registry::start();
        let shop = Shop::new(&registry, &["web"]);
        moby().load(&full(&shop.names[0]), &several("refused"), &[]);
        registry.proxy().on(|request| request.method == "POST").fault(Fault::reply(status, &body));
        let (store, journal) = (store(Keychain::default()), Journal::default());
        let ready = shop.plan(&store, &TEMPLATES, "1.2.3", Overwrite::Refuse).await.ready().unwrap();
        let problems = retag::run(&store, &ready, &journal, &|_| ()).await.unwrap_err();
        let said = told(&problems);
        assert!(said.lines().any(|line| line.trim().starts_with("hint: ") && line.contains(expected)), "{status} {message}: {said}");
        assert_eq!(journal.changes(), [], "{status} {message}: nothing was changed");
    }
}

/// Trap: such an engine knows every image by a digest under its own name, as others know only what they have pushed.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_called_as_its_target_is_not_taken_for_pushed() {
    let registry = Registry::start();
    let mut shop = Shop::new(&registry, &["web"]);
    shop.names = vec![format!("{}/shop/web", registry.host())];
    moby().load(&format!("{}:latest", shop.names[0]), &several("named"), &[]);
    let summary = release(&shop, "1.2.3").await.unwrap_or_else(|problems| panic!("{}", told(&problems)));
    assert_eq!(summary.to_string(), "2 tags created, 0 moved, 0 already there");
    is_whole(&registry, "shop/web", "v1.2.3", &several("named"));
    assert_eq!(release(&shop, "1.2.3").await.unwrap().to_string(), "nothing written: 2 tags already there");
}

/// Trap: platforms that the engine lacks are dropped, and the push ends as if all were well.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_which_the_engine_lacks_a_platform_is_not_pushed() {
    let registry = Registry::start();
    let shop = Shop::new(&registry, &["web"]);
    let (image, built) = (several("half"), several("half").build());
    // What `docker pull` leaves of such an image: one platform, and an index that lists two.
    let absent: Vec<&str> = [&built.manifests[1], &built.blobs[2], &built.blobs[3]].map(|content| content.digest.as_str()).into();
    moby().load(&full(&shop.names[0]), &image, &absent);
    let problems = release(&shop, "1.2.3").await.unwrap_err();
    let said = told(&problems);
    assert!(said.contains("the Docker daemon lacks linux/arm64"), "{said}");
    assert!(said.contains("with `docker buildx build --push` and use `source: registry`"), "{said}");
    assert_eq!(uploads(&registry.requests()), 0);
}
