//! The way to infrastructure repositories: through a proxy, over TLS with an authority of one's own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::app::NAMES;
use super::pull_request::Forge;
use super::registry;
use crate::harness::{Run, Workspace};
use crate::servers::enterprise::Enterprise;
use crate::servers::forward::Forward;
use crate::servers::http1::Upstream;
use crate::servers::proxy::Authorization;
use crate::servers::tls::{Authority, server_config};
use crate::servers::{Proxy, Recorded};

const FILE: &str = "overlays/shop/kustomization.yaml";

/// Nobody's name servers know it.
const HOST: &str = "github.acme.invalid";

/// An Enterprise server behind TLS, with a certificate for its name, and the proxy that knows the way to it.
struct Behind {
    server: Enterprise,
    tls: Proxy,
    proxy: Forward,
    authority: Authority,
}

impl Behind {
    fn start(shop: &Workspace) -> Behind {
        let server = Enterprise::start();
        let authority = Authority::new("acme");
        let port = server.url().rsplit(':').next().unwrap().parse().unwrap();
        let tls = Proxy::with_tls(Upstream::plain(port), server_config(&authority.server_by_name(&[HOST])));
        let files = [FILE, "base/kustomization.yaml", "base/deployments.yaml"].map(|file| (file, shop.read(&format!("infra/{file}"))));
        let files: Vec<(&str, &[u8])> = files.iter().map(|(file, text)| (*file, text.as_bytes())).collect();
        for slug in ["acme/infra-api", "acme/infra-git"] {
            server.github.add_repository(slug, &server.git.create_repository(slug, &files));
        }
        Behind { server, tls, proxy: Forward::start(), authority }
    }

    fn url(&self) -> String {
        format!("https://{HOST}:{}", self.tls.url().rsplit(':').next().unwrap())
    }

    fn run(&self, shop: &Workspace, registry: &crate::servers::Registry, ca_bundle: &str) -> Run {
        let infra = "- {repository: acme/infra-api, path: overlays/shop, environment: one, publish: api}\n\
                     - {repository: acme/infra-git, path: overlays/shop, environment: two, publish: git}\n";
        let step = shop.step("pull-request").releases_from(registry).input("image-names", NAMES).input("infra", infra);
        let step = step.input("infra-token", self.server.git.token()).input("ca-bundle", ca_bundle);
        step.env("GITHUB_SERVER_URL", &self.url())
            .env("GITHUB_API_URL", &format!("{}/api/v3", self.url()))
            .env("HTTPS_PROXY", &format!("http://{}", self.proxy.host()))
            .env("NO_PROXY", "127.0.0.1")
            .run()
    }
}

#[test]
fn a_server_behind_a_proxy_with_an_authority_of_its_own_gets_pull_requests_by_both_ways() {
    let (registry, shop) = (registry(), Workspace::shop());
    let behind = Behind::start(&shop);
    let distrusting = behind.run(&shop, &registry, "");
    distrusting.exits(1).says("ca-bundle");
    assert_eq!(behind.server.requests().len(), 0, "nothing is said to a server that nobody vouches for");

    shop.write("authority.pem", &behind.authority.certificate);
    behind.run(&shop, &registry, "authority.pem").exits(0);
    for slug in ["acme/infra-api", "acme/infra-git"] {
        assert_eq!(behind.server.github.pulls(slug).len(), 1, "{slug}");
    }
    assert_eq!(behind.proxy.asked(), [format!("CONNECT {}", behind.url().trim_start_matches("https://"))]);
    let pushed = |request: &Recorded| request.path() == "/acme/infra-git.git/git-receive-pack" && request.status == Some(200);
    assert!(behind.tls.requests().iter().any(pushed), "the push went there too");
}

#[test]
fn a_token_is_masked_in_the_form_that_git_sends_too() {
    let (registry, shop) = (registry(), Workspace::shop());
    let behind = Behind::start(&shop);
    shop.write("authority.pem", &behind.authority.certificate);
    let run = behind.run(&shop, &registry, "authority.pem");
    let token = behind.server.git.token();
    for form in [token.to_owned(), STANDARD.encode(format!("x-access-token:{token}"))] {
        assert!(run.transcript.lines().any(|line| line == format!("::add-mask::{form}")), "{form}: {}", run.transcript);
    }
}

#[test]
fn the_workflows_own_token_is_sent_nowhere() {
    let (registry, shop) = (registry(), Workspace::shop());
    let forge = Forge::start(&shop);
    for mode in ["pull-request", "commit", "plan"] {
        let step = forge.step(shop.step(mode).releases_from(&registry)).input("image-names", NAMES);
        // The runner gives it to whoever asks; some actions take it without being asked to.
        let step = step.env("GITHUB_TOKEN", forge.git.token()).env("GH_TOKEN", forge.git.token());
        let run = step.run();
        assert_eq!(run.exit == Some(0), mode == "plan", "{}", run.transcript);
    }
    let requests = [forge.github.requests(), forge.git.requests()].concat();
    assert!(requests.iter().all(|request| request.authorization == Authorization::None), "{requests:?}");
    assert_eq!((forge.pushes(), forge.github.writes()), (0, vec![]));
}
