//! `mode: retag`: the images of the compose file get the release's tag, all or none.

use crate::harness::Workspace;
use crate::servers::proxy::Authorization;
use crate::servers::token::User;
use crate::servers::{Fault, Image, Platforms, Registry};

use super::{SERVICES, count, push_images, registry};

#[test]
fn all_images_get_the_release_tag_byte_for_byte_and_the_second_run_writes_nothing() {
    let registry = registry();
    let shop = Workspace::shop();
    let run = shop.step("retag").releases_from(&registry).run();
    run.exits(0);
    insta::assert_snapshot!(sorted(&run.group("Retag")), @"
    3 tags created, 0 moved, 0 already there (3 requests)
    HOST/acme/shop-api:v1.2.3 is sha256:(12)
    HOST/acme/shop-web:v1.2.3 is sha256:(12)
    HOST/acme/shop-worker:v1.2.3 is sha256:(12)
    ");
    insta::assert_snapshot!(run.ending(), @"done; 3 things were changed ((n) s: Release (n) s, Images (n) s, Registry (n) s, Retag (n) s)");
    insta::assert_snapshot!(run.stable_summary(), @"
    ## ✅ Tagboat retag: v1.2.3

    Done; 3 things were changed.

    | version | tag | channel | environment | commit |
    | --- | --- | --- | --- | --- |
    | `1.2.3` | `v1.2.3` | stable | production | `5c0ffee5c0ff` |

    ### Images

    | service | image | old | new |  |
    | --- | --- | --- | --- | --- |
    | api | `HOST/acme/shop-api:v1.2.3` | — | `sha256:(12)` | created |
    | web | `HOST/acme/shop-web:v1.2.3` | — | `sha256:(12)` | created |
    | worker | `HOST/acme/shop-worker:v1.2.3` | — | `sha256:(12)` | created |

    Not ours: cache (`redis:7.4-alpine`: it has no `build` and doesn't lie under HOST/acme), db (`postgres:17-alpine`: it has no `build` and doesn't lie under HOST/acme).

    <details><summary>All 3 changes, in order</summary>

    ```text
    HOST/acme/shop-api:v1.2.3: new, sha256:(64)
    HOST/acme/shop-web:v1.2.3: new, sha256:(64)
    HOST/acme/shop-worker:v1.2.3: new, sha256:(64)
    ```

    </details>

    ### Time

    | phase | took |
    | --- | --- |
    | Release | (n) s |
    | Images | (n) s |
    | Registry | (n) s |
    | Retag | (n) s |
    ");
    assert_eq!((run.output("outcome"), run.output("changed")), ("done", "true"));
    for service in SERVICES {
        let repository = format!("acme/shop-{service}");
        let (source, released) = (registry.manifest(&repository, "latest").unwrap(), registry.manifest(&repository, "v1.2.3").unwrap());
        assert_eq!(source.body, released.body, "{service}");
        assert_eq!(source.get("content-type"), released.get("content-type"), "{service}");
        assert!(released.text().contains("attestation-manifest"), "an index stays whole");
        assert_eq!(Some(run.json("digests")[service].as_str().unwrap().to_owned()), registry.digest(&repository, "v1.2.3"));
    }
    let requests = registry.requests();
    assert!(requests.iter().all(|request| request.path().contains("/manifests/")), "only manifests are asked for: {requests:?}");
    assert_eq!(count(&requests, "PUT"), 3);

    let again = shop.step("retag").releases_from(&registry).run();
    again.exits(0);
    insta::assert_snapshot!(again.ending(), @"everything was in place already; nothing was changed ((n) s: Release (n) s, Images (n) s, Registry (n) s, Retag (n) s)");
    assert_eq!((again.output("outcome"), again.output("changed")), ("unchanged", "false"));
    assert_eq!(again.json("images"), run.json("images"));
    assert_eq!(count(&registry.requests(), "PUT"), 3);
}

/// Lines of what happens at the same time.
fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[test]
fn a_dry_run_of_a_retag_writes_nothing() {
    let registry = registry();
    let run = Workspace::shop().step("retag").releases_from(&registry).input("dry-run", "true").run();
    run.exits(0);
    insta::assert_snapshot!(run.ending(), @"dry run: planned to the last check; nothing was changed ((n) s: Release (n) s, Images (n) s, Registry (n) s)");
    assert_eq!((run.output("outcome"), count(&registry.requests(), "PUT")), ("planned", 0));
}

/// Traps: `+` is legal in a version and in no tag, and versions that differ behind it only have no order.
#[test]
fn a_version_with_build_metadata_says_what_its_tag_is_and_warns_of_its_like() {
    let (registry, shop) = (registry(), Workspace::shop());
    registry.push_image("acme/shop-api", "1.2.3-4", crate::servers::Platforms::One);
    let run =
        |version: &str| shop.step("retag").releases_from(&registry).input("version", version).input("tags", "{{version}}, latest").run();
    let first = run("v1.2.3+5");
    first.exits(0).says("1.2.3+5 is the tag 1.2.3-5: a tag may hold neither `+` nor `/`");
    let warning = "1.2.3+5 differs from the released 1.2.3-4 in its build metadata only, which has no rank";
    first.says(&format!("::warning title=tagboat::{warning}")).sums_up(warning);
    assert!(registry.digest("acme/shop-api", "1.2.3-5").is_some());
    let plain = run("v1.3.0");
    assert!(!plain.exits(0).transcript.contains("build metadata"), "{}", plain.transcript);
}

/// Trap: without a version there is nothing to release, and nothing is guessed.
#[test]
fn branches_and_pull_requests_are_no_release() {
    for git_ref in ["refs/heads/v1.2.3", "refs/pull/7/merge"] {
        let registry = registry();
        let run = Workspace::shop().step("retag").releases_from(&registry).git_ref(git_ref).run();
        run.exits(2).says(git_ref).says("nothing was changed").sums_up(&git_ref.replace('_', "\\_"));
        assert_eq!((run.output("outcome"), run.output("changed")), ("refused", "false"));
        assert!(registry.requests().is_empty());
        if git_ref.contains("pull") {
            insta::assert_snapshot!(run.log(), @r#"
            ::group::Release
            ::endgroup::
            ::error title=tagboat::this run is not for a release: no release tag in `version` (not set), GITHUB_REF ("refs/pull/7/merge"), the event ("pull_request")%0Ahint: start the workflow from a release or a `v*` tag (`on: release: types: [published]`), or set the input `version`; a pull request is not a release
            refused; nothing was changed ((n) s: Release (n) s)
            "#);
        }
    }
}

/// Trap: a release goes on though one of its images was never pushed.
#[test]
fn one_missing_image_and_nothing_is_written() {
    let registry = Registry::start();
    for service in ["api", "web"] {
        registry.push_image(&format!("acme/shop-{service}"), "latest", Platforms::Several);
    }
    let shop = Workspace::shop();
    let run = shop.step("retag").releases_from(&registry).run();
    run.exits(1);
    let line = 1 + shop.read("compose.yaml").lines().position(|line| line.contains("shop-worker:latest")).unwrap();
    run.says(&format!("::error file=compose.yaml,line={line},"));
    insta::assert_snapshot!(run.ending(), @"
    ::error file=compose.yaml,line=21,title=tagboat,col=12::compose.yaml:21:12: couldn't read HOST/acme/shop-worker:latest, the image of service worker%0Abecause: couldn't find HOST/acme/shop-worker:latest%0Abecause: GET http://HOST/v2/acme/shop-worker/manifests/latest answered 404 Not Found: MANIFEST_UNKNOWN: manifest unknown%0Ahint: push the image before this step, or set `source-tag` when it has another tag, or `source: docker` when this job has built it and pushed it nowhere; registries also answer this for private images that the credentials may not see
    failed; nothing was changed ((n) s: Release (n) s, Images (n) s, Registry (n) s)
    ");
    insta::assert_snapshot!(run.stable_summary(), @r"
    ## ❌ Tagboat retag: v1.2.3

    Failed; nothing was changed.

    > [!CAUTION]
    > `compose.yaml:21:12` couldn't read HOST/acme/shop-worker:latest, the image of service worker
    >
    > because: couldn't find HOST/acme/shop-worker:latest
    >
    > because: GET http://HOST/v2/acme/shop-worker/manifests/latest answered 404 Not Found: MANIFEST\_UNKNOWN: manifest unknown
    >
    > hint: push the image before this step, or set `source-tag` when it has another tag, or `source: docker` when this job has built it and pushed it nowhere; registries also answer this for private images that the credentials may not see

    | version | tag | channel | environment | commit |
    | --- | --- | --- | --- | --- |
    | `1.2.3` | `v1.2.3` | stable | production | `5c0ffee5c0ff` |

    ### Images

    | service | image | old | new |  |
    | --- | --- | --- | --- | --- |
    | api | `HOST/acme/shop-api:v1.2.3` | — | `sha256:(12)` | not reached |
    | web | `HOST/acme/shop-web:v1.2.3` | — | `sha256:(12)` | not reached |

    Not ours: cache (`redis:7.4-alpine`: it has no `build` and doesn't lie under HOST/acme), db (`postgres:17-alpine`: it has no `build` and doesn't lie under HOST/acme).

    ### Time

    | phase | took |
    | --- | --- |
    | Release | (n) s |
    | Images | (n) s |
    | Registry | (n) s |
    ");
    assert_eq!(count(&registry.requests(), "PUT"), 0);
    assert_eq!((run.output("outcome"), run.output("changed")), ("failed", "false"));
}

#[test]
fn a_release_tag_of_other_content_is_refused() {
    let registry = registry();
    let before = registry.push("acme/shop-api", "v1.2.3", &Image::new(Platforms::One).content("another build"));
    let run = Workspace::shop().step("retag").releases_from(&registry).run();
    run.exits(3);
    insta::assert_snapshot!(run.ending(), @"
    ::error file=compose.yaml,line=14,title=tagboat,col=12::compose.yaml:14:12: couldn't release service api: HOST/acme/shop-api:v1.2.3 exists and is sha256:(64), but HOST/acme/shop-api:latest is sha256:(64)%0Ahint: release tags don't move: to deploy what v1.2.3 names already, set `source-tag: v1.2.3`; to release the other image, choose a new version; to replace it after all, set `overwrite-tags: true`
    refused; nothing was changed ((n) s: Release (n) s, Images (n) s, Registry (n) s)
    ");
    assert_eq!(registry.digest("acme/shop-api", "v1.2.3"), Some(before));
    assert_eq!(count(&registry.requests(), "PUT"), 0);
    assert_eq!(run.output("outcome"), "refused");
}

#[test]
fn user_and_password_are_exchanged_for_a_token_and_seen_nowhere() {
    let user = User::new("ada", "pa55-w0rd-of-ada").may(&["pull", "push"], "acme/");
    let registry = Registry::with_token_service(vec![user]);
    push_images(&registry);
    let shop = Workspace::shop();
    let run = |password: &str| {
        shop.step("retag").releases_from(&registry).input("registry-username", "ada").input("registry-password", password).run()
    };
    let (right, wrong) = (run("pa55-w0rd-of-ada"), run("a-wrong-password"));
    right.exits(0);
    assert_eq!(count(&registry.requests(), "PUT"), 3);
    assert!(registry.requests().iter().all(|request| request.authorization != Authorization::Basic), "only the token service sees it");
    wrong.exits(1);
    insta::assert_snapshot!(wrong.ending(), @"
    ::error file=compose.yaml,line=14,title=tagboat,col=12::compose.yaml:14:12: couldn't read HOST/acme/shop-api:latest, the image of service api%0Abecause: couldn't log in to HOST: it refused the credentials of `registry-username` and `registry-password`, entry HOST/acme%0Abecause: GET http://HOST/token?service=testbed registry&scope=repository:acme/shop-api:pull answered 401 Unauthorized: UNAUTHORIZED: UNAUTHORIZED%0Ahint: check the user and the password or token of `registry-username` and `registry-password`, entry HOST/acme; a token may have expired
    ::error file=compose.yaml,line=30,title=tagboat,col=12::compose.yaml:30:12: couldn't read HOST/acme/shop-web:latest, the image of service web%0Abecause: couldn't log in to HOST: it refused the credentials of `registry-username` and `registry-password`, entry HOST/acme%0Abecause: GET http://HOST/token?service=testbed registry&scope=repository:acme/shop-web:pull answered 401 Unauthorized: UNAUTHORIZED: UNAUTHORIZED%0Ahint: check the user and the password or token of `registry-username` and `registry-password`, entry HOST/acme; a token may have expired
    ::error file=compose.yaml,line=21,title=tagboat,col=12::compose.yaml:21:12: couldn't read HOST/acme/shop-worker:latest, the image of service worker%0Abecause: couldn't log in to HOST: it refused the credentials of `registry-username` and `registry-password`, entry HOST/acme%0Abecause: GET http://HOST/token?service=testbed registry&scope=repository:acme/shop-worker:pull answered 401 Unauthorized: UNAUTHORIZED: UNAUTHORIZED%0Ahint: check the user and the password or token of `registry-username` and `registry-password`, entry HOST/acme; a token may have expired
    failed; nothing was changed ((n) s: Release (n) s, Images (n) s, Registry (n) s)
    ");
}

#[test]
fn a_killed_retag_is_finished_by_the_next_run() {
    let registry = registry();
    // The second tag never arrives at the registry.
    registry.proxy().on(|request| request.method == "PUT").nth(2).fault(Fault::Delay(std::time::Duration::from_secs(86_400)));
    let shop = Workspace::shop();
    let mut running = shop.step("retag").releases_from(&registry).start();
    running.until_it_says("v1.2.3 is sha256:");
    running.until_it_says("v1.2.3 is sha256:");
    running.signal("KILL");
    assert_eq!(running.end().exit, None);
    let tagged = || SERVICES.iter().filter(|service| registry.tags(&format!("acme/shop-{service}")).contains(&"v1.2.3".to_owned())).count();
    assert_eq!(tagged(), 2);

    registry.proxy().heal();
    let run = shop.step("retag").releases_from(&registry).run();
    run.exits(0).says("1 tag created, 0 moved, 2 already there");
    assert_eq!((run.output("outcome"), tagged()), ("done", 3));
}
