//! The real servers the tests run against: a registry, a Kubernetes cluster, git over HTTP, a Docker engine, and a
//! proxy that counts, delays and breaks requests in front of any of them.
//!
//! Their commands are built by `./scripts/setup` into a cache outside the checkout. Every server listens on a free
//! loopback port and is stopped however the test process ends: each runs under a [supervisor](process) that holds
//! a pipe from this process and ends the server when the pipe closes.
//!
//! ```text
//! let registry = Registry::start();                          // one per test, ready in some ms
//! let digest = registry.push_image("acme/api", "latest", Platforms::Several);
//! registry.proxy().on(|r| r.method == "PUT").first(2).fault(Fault::reply(503, "busy"));
//! registry.requests()                                        // what went over the wire, through the proxy
//!
//! let shop = cluster().namespace("shop");                     // one cluster per run, one namespace per test
//! let kubeconfig = shop.service_account(json!([{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}]));
//!
//! let acme = gitea().organisation();                          // one Gitea per run (or forgejo()), one organisation per test
//! let infra = acme.create_repository("infra", &[("kustomization.yaml", "images: []\n")]);
//!
//! let git = GitServer::start();
//! let infra = git.create_repository("acme/infra", &[("kustomization.yaml", b"images: []\n")]);
//!
//! docker(&["image", "ls"])                                    // one engine per run
//! ```
#![allow(dead_code, unused_imports, unreachable_pub, reason = "a testbed serves tests that come and go")]

pub mod cluster;
pub mod cosign;
pub mod docker;
pub mod enterprise;
pub mod forward;
pub mod git;
pub mod gitea;
pub mod github;
pub mod http1;
pub mod image;
pub mod namespace;
pub mod openapi;
pub mod process;
pub mod proxy;
pub mod registry;
pub mod sshd;
pub mod tls;
pub mod token;

pub use cluster::{Cluster, cluster};
pub use docker::docker;
pub use enterprise::Enterprise;
pub use forward::Forward;
pub use git::{GitServer, RepositoryHandle};
pub use gitea::{forgejo, gitea};
pub use github::GitHub;
pub use image::{Image, Layout, Platforms};
pub use namespace::{Namespace, has_succeeded};
pub use proxy::{Fault, Proxy, Recorded};
pub use registry::Registry;
pub use sshd::Sshd;

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Mutex;

/// The folder in which `scripts/setup` keeps what it installs.
pub fn cache() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    from("TAGBOAT_CACHE")
        .or_else(|| from("XDG_CACHE_HOME").map(|cache| cache.join("tagboat")))
        .or_else(|| from("HOME").map(|home| home.join(".cache/tagboat")))
        .expect("neither TAGBOAT_CACHE nor XDG_CACHE_HOME nor HOME is set")
        .join("testbed")
}

/// A command that `scripts/setup PART` has installed.
///
/// # Panics
/// Panics with the command that installs it when it is missing.
pub fn command(part: &str, name: &str) -> PathBuf {
    let cached = cache().join("bin").join(name);
    if cached.exists() {
        return cached;
    }
    on_path(part, name)
}

/// A command of the system that `scripts/setup PART` makes sure of.
///
/// # Panics
/// Panics with the command that installs it when it is missing.
pub fn on_path(part: &str, name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: run ./scripts/setup {part}"))
}

/// A folder of the checkout with what the servers are made from.
pub fn testbed(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/testbed").join(file)
}

/// A loopback port that nobody listens on and that no other call of this process gets.
///
/// Below the range from which the kernel takes the ports of outgoing connections, so that none of those takes it
/// before the server does.
pub fn free_port() -> u16 {
    static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut taken = TAKEN.lock().unwrap_or_else(|e| e.into_inner());
    let taken = taken.get_or_insert_default();
    loop {
        let port = rand::random_range(20_000..32_000);
        if !taken.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            taken.insert(port);
            return port;
        }
    }
}
