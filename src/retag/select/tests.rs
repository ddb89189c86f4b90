use super::*;
use crate::error::Explain as _;

fn service(name: &str, image: Option<&str>, line: u32) -> Service {
    Service {
        name: name.into(),
        image: image.map(Into::into),
        has_build: false,
        build_tags: Vec::new(),
        skip: false,
        image_override: None,
        source_override: None,
        location: Location::line("compose.yaml", line),
    }
}

fn built(name: &str, image: &str, line: u32) -> Service {
    Service { has_build: true, ..service(name, Some(image), line) }
}

fn under(registry: &str) -> Choice {
    Choice { registry: Some(registry.into()), ..Choice::default() }
}

fn printed(services: &[Service], choice: &Choice) -> String {
    match select(services, choice) {
        Ok(selection) => {
            let images = selection.images.iter().map(|t| format!("{}: {} → {}", t.services.join("+"), t.source, t.target));
            let skipped = selection.skipped.iter().map(|s| format!("{} ({:?}): {}", s.service, s.image, s.reason));
            images.chain(skipped).collect::<Vec<_>>().join("\n")
        }
        Err(errors) => {
            let line = |e: &Error| format!("{} {e}", e.location().map_or("-".into(), ToString::to_string));
            errors.iter().map(line).collect::<Vec<_>>().join("\n")
        }
    }
}

#[test]
fn ours_is_what_is_built_and_named_or_lies_under_the_registry() {
    let services = [
        built("web", "web", 1),
        built("api", "ghcr.io/acme/api:edge", 2),
        built("elsewhere", "quay.io/x/y", 3),
        service("worker", Some("ghcr.io/acme/worker"), 4),
        service("redis", Some("redis:7"), 5),
        service("postgres", Some("ghcr.io/acmeother/postgres"), 6),
        Service { has_build: true, ..service("unnamed", None, 7) },
        Service { skip: true, ..built("tools", "tools", 8) },
    ];
    insta::assert_snapshot!(printed(&services, &under("ghcr.io/acme")), @r#"
    web: ghcr.io/acme/web:latest → ghcr.io/acme/web
    api: ghcr.io/acme/api:edge → ghcr.io/acme/api
    elsewhere: quay.io/x/y:latest → quay.io/x/y
    worker: ghcr.io/acme/worker:latest → ghcr.io/acme/worker
    redis (Some("redis:7")): it has no `build` and doesn't lie under ghcr.io/acme
    postgres (Some("ghcr.io/acmeother/postgres")): it has no `build` and doesn't lie under ghcr.io/acme
    unnamed (None): it has `build` but no `image`, so there is no name to release it under
    tools (Some("tools")): `x-tagboat` says `skip`
    "#);
}

/// Trap: `name:tag@sha256:…` loses its digest, or its tag.
#[test]
fn the_source_is_a_digest_then_the_input_then_the_files_tag() {
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let services = [
        built("web", "r.example/web:1.0", 1),
        built("api", &format!("r.example/api:1.0@{digest}"), 2),
        Service { source_override: Some("r.example/ci/db:nightly".into()), ..built("db", "r.example/db", 3) },
        Service { image_override: Some("r.example/other".into()), ..service("proxy", Some("nginx"), 4) },
    ];
    insta::assert_snapshot!(printed(&services, &Choice { source_tag: Some("main".parse().unwrap()), ..Choice::default() }), @r"
    web: r.example/web:main → r.example/web
    api: r.example/api@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 → r.example/api
    db: r.example/ci/db:nightly → r.example/db
    proxy: r.example/other:main → r.example/other
    ");
}

#[test]
fn one_repository_is_one_task_and_other_names_of_a_build_are_more() {
    let tags = ["r.example/web:sha-1".to_owned(), "quay.io/acme/web:edge".to_owned()];
    let services = [Service { build_tags: tags.into(), ..built("web", "r.example/web", 1) }, built("worker", "r.example/web", 2)];
    insta::assert_snapshot!(printed(&services, &Choice::default()), @r"
    web+worker: r.example/web:latest → r.example/web
    web: quay.io/acme/web:edge → quay.io/acme/web
    ");
}

#[test]
fn all_mistakes_are_told_at_once_with_their_lines() {
    let services = [
        built("web", "r.example/web:1", 3),
        built("worker", "r.example/web:2", 6),
        built("api", "Acme/api:", 9),
        built("home", "home", 12),
        service("redis", Some("redis"), 15),
    ];
    let choice = Choice { services: ["web", "worker", "api", "home", "redis", "worke"].map(Into::into).into(), ..Choice::default() };
    insta::assert_snapshot!(printed(&services, &choice), @r#"
    - couldn't find the service "worke" in the compose file
    compose.yaml:6 couldn't decide what r.example/web is released from: service web says r.example/web:1, service worker says r.example/web:2
    compose.yaml:9 couldn't read the image of service "api"
    compose.yaml:12 couldn't retag service "home": docker.io/library/home belongs to Docker's own library
    compose.yaml:15 couldn't choose the service "redis": it has no `build`, and `registry` isn't set
    "#);
    let errors = select(&services, &choice).unwrap_err();
    assert_eq!(errors[0].hint(), "did you mean `services: worker`?");
}

#[test]
fn only_the_chosen_services_are_released() {
    let services = [built("web", "r.example/web", 1), built("api", "r.example/api", 2)];
    insta::assert_snapshot!(printed(&services, &Choice { services: vec!["api".into()], ..Choice::default() }), @r#"
    api: r.example/api:latest → r.example/api
    web (Some("r.example/web")): it is not among `services`
    "#);
}

#[test]
fn a_target_registry_takes_the_place_of_the_registry_or_of_the_host() {
    let table = [
        (Some("ghcr.io/acme"), "ghcr.io/acme/shop/api:1", "quay.io/prod", "quay.io/prod/shop/api"),
        (Some("ghcr.io/acme"), "api", "quay.io/prod", "quay.io/prod/api"),
        (Some("ghcr.io/acme/"), "ghcr.io/acme/api", "ghcr.io/acme-production/", "ghcr.io/acme-production/api"),
        (Some("ghcr.io/acme"), "ghcr.io/other/api", "quay.io", "quay.io/other/api"),
        (Some("ghcr.io/acme/api"), "ghcr.io/acme/api", "quay.io/prod", "quay.io/prod/api"),
        (None, "ghcr.io/acme/api", "127.0.0.1:5000", "127.0.0.1:5000/acme/api"),
        (None, "acme/api", "registry-1.docker.io/prod", "docker.io/prod/acme/api"),
    ];
    for (registry, image, target, expected) in table {
        let choice = Choice { registry: registry.map(str::to_owned), target_registry: Some(target.into()), ..Choice::default() };
        let selection = select(&[built("api", image, 1)], &choice).unwrap();
        assert_eq!(selection.images[0].target.to_string(), expected, "{image} to {target}");
        assert_ne!(selection.images[0].source.repository, selection.images[0].target);
    }
}

#[test]
fn two_images_that_would_become_one_repository_are_an_error() {
    let choice = Choice { target_registry: Some("quay.io/prod".into()), ..Choice::default() };
    let errors = select(&[built("a", "ghcr.io/acme/api", 1), built("b", "docker.io/acme/api", 2)], &choice).unwrap_err();
    assert!(matches!(errors.as_slice(), [Error::SourcesDiffer { .. }]), "{errors:?}");
}

#[test]
fn what_the_daemon_has_goes_to_the_target_registry_under_its_own_name() {
    let choice = |registry: Option<&str>| Choice {
        registry: registry.map(str::to_owned),
        place: Place::Daemon,
        target_registry: Some("quay.io/prod".into()),
        ..Choice::default()
    };
    for (registry, image, source, target) in [
        (None, "acme/api", "docker.io/acme/api:latest", "quay.io/prod/acme/api"),
        (Some("ghcr.io/acme"), "api", "docker.io/library/api:latest", "quay.io/prod/api"),
        (Some("ghcr.io/acme"), "ghcr.io/acme/api:dev", "ghcr.io/acme/api:dev", "quay.io/prod/api"),
    ] {
        let selection = select(&[built("api", image, 1)], &choice(registry)).unwrap();
        assert_eq!((selection.images[0].source.to_string(), selection.images[0].target.to_string()), (source.into(), target.into()));
    }
}
