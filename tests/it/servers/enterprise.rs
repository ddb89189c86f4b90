//! GitHub Enterprise Server: repositories, REST and GraphQL at one address, `http://HOST/OWNER/NAME.git`, `http://HOST/api/v3` and
//! `http://HOST/api/graphql`.

use super::git::GitServer;
use super::github::GitHub;
use super::http1::{Listener, Reply, Request, Upstream, serve};
use super::proxy::{Proxy, Recorded};

/// Both stand-ins behind one address.
pub struct Enterprise {
    pub git: GitServer,
    pub github: GitHub,
    proxy: Proxy,
    _listener: Listener,
}

impl Enterprise {
    pub fn start() -> Enterprise {
        let git = GitServer::start();
        let github = GitHub::start(git.token());
        let (repositories, api) = (upstream(&git.url()), upstream(&github.url()));
        let listener = serve(move |request| forward(if request.path().starts_with("/api/") { &api } else { &repositories }, request));
        let proxy = Proxy::in_front_of(Upstream::plain(listener.port));
        Enterprise { git, github, proxy, _listener: listener }
    }

    /// What `GITHUB_SERVER_URL` is.
    pub fn url(&self) -> String {
        self.proxy.url()
    }

    /// What went through this address.
    pub fn requests(&self) -> Vec<Recorded> {
        self.proxy.requests()
    }
}

fn upstream(url: &str) -> Upstream {
    let url = url::Url::parse(url).expect("a server has an address");
    Upstream::plain(url.port().expect("a server has a port"))
}

fn forward(upstream: &Upstream, request: &Request) -> Reply {
    let is_framing =
        |name: &str| ["host", "connection", "content-length", "transfer-encoding"].contains(&name.to_ascii_lowercase().as_str());
    let headers: Vec<(&str, &str)> =
        request.head.headers.iter().filter(|(name, _)| !is_framing(name)).map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let reply = upstream.send(&request.method, &request.target, &headers, &request.body).expect("the stand-in didn't answer");
    let kept = reply.headers.iter().filter(|(name, _)| !is_framing(name));
    kept.fold(Reply::new(reply.status, reply.body.clone()), |reply, (name, value)| reply.with(name, value.clone()))
}
