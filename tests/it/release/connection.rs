//! Inputs that say how the registry is reached, and by which tag the images of a commit are found there.

use std::net::{IpAddr, Ipv4Addr};

use crate::harness::{Run, Workspace};
use crate::servers::http1::Upstream;
use crate::servers::tls::{Authority, server_config};
use crate::servers::{Image, Platforms, Proxy, Registry};

use super::{SERVICES, registry};

/// This machine by an address that is not one of loopback, where nothing but TLS is expected.
const HERE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

fn port(host: &str) -> u16 {
    host.rsplit(':').next().unwrap().parse().unwrap()
}

fn release(proxy: &Proxy, inputs: &[(&str, &str)]) -> Run {
    let prefix = format!("{HERE}:{}/acme", port(&proxy.host()));
    let shop = Workspace::shop();
    let step = shop.step("retag").tag("v1.2.3").env("REGISTRY", &prefix).input("registry", &prefix);
    inputs.iter().fold(step, |step, (name, value)| step.input(name, value)).run()
}

/// Trap: TLS is left out, or any certificate taken, because it is a registry of one's own.
#[test]
fn a_registry_of_ones_own_needs_its_root_certificate_or_to_be_listed() {
    let registry = registry();
    let upstream = || Upstream::plain(port(&registry.upstream().address.to_string()));
    let authority = Authority::new("acme");
    let secure = Proxy::with_tls(upstream(), server_config(&authority.server(&[], &[IpAddr::V4(HERE)])));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roots.pem");
    std::fs::write(&file, &authority.certificate).unwrap();
    let roots = file.display().to_string();

    release(&secure, &[])
        .exits(1)
        .says("couldn't trust the server's certificate")
        .says("give the registry's root certificate in `ca-bundle`");
    release(&secure, &[("ca-bundle", &roots)]).exits(0).says("3 tags created");

    let plain = Proxy::in_front_of(upstream());
    let listed = format!("{HERE}:{}", port(&plain.host()));
    release(&plain, &[]).exits(1).says("a registry without TLS must be listed in `insecure-registries`");
    assert!(plain.requests().is_empty(), "nothing is said without TLS");
    release(&plain, &[("insecure-registries", &listed)]).exits(0).says("nothing written: 3 tags already there");
}

#[test]
fn images_of_the_released_commit_are_found_by_the_tag_that_names_it() {
    let registry = Registry::start();
    let commit = "5c0ffee5c0ffee5c0ffee5c0ffee5c0ffee5c0ff";
    let push = |tag: &str| {
        let push = |service: &str| {
            registry.push(&format!("acme/shop-{service}"), tag, &Image::new(Platforms::Several).content(&format!("{service} {tag}")))
        };
        SERVICES.map(push)
    };
    push("latest");
    for (template, tag) in [("{{sha}}", commit.to_owned()), ("sha-{{short_sha}}", format!("sha-{}", &commit[..7]))] {
        let built = push(&tag);
        let shop = Workspace::shop();
        let run = shop.step("retag").releases_from(&registry).input("source-tag", template).input("overwrite-tags", "true").run();
        run.exits(0);
        for (service, digest) in SERVICES.iter().zip(built) {
            assert_eq!(registry.digest(&format!("acme/shop-{service}"), "v1.2.3"), Some(digest), "{template}: {service}");
        }
    }
}
