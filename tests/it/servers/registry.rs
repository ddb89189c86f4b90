//! A distribution registry of its own for a test, behind the recording proxy.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::http1::{Reply, Upstream};
use super::image::{Image, Platforms};
use super::process::{Folder, Privilege, Server, Start};
use super::proxy::{Proxy, Recorded};
use super::token::{TokenService, User};
use super::{command, free_port};

/// A running registry. Tests and the code under test reach it through the proxy; what the methods here push and read
/// goes past the proxy and isn't recorded.
pub struct Registry {
    upstream: Upstream,
    proxy: Proxy,
    tokens: Option<TokenService>,
    /// The `Authorization` of a registry that is somebody else's.
    login: Option<String>,
    _server: Option<Server>,
}

impl Registry {
    /// An empty registry that anybody may use.
    pub fn start() -> Registry {
        Registry::run(None)
    }

    /// An empty registry that takes only tokens of a token service, which knows these users.
    pub fn with_token_service(users: Vec<User>) -> Registry {
        Registry::run(Some(TokenService::start(users)))
    }

    /// An empty registry that has the referrers API, go-containerregistry's, and that anybody may use.
    pub fn with_referrers() -> Registry {
        let registry = command("referrers", "referrers");
        let folder = tempfile::Builder::new().prefix("tagboat-referrers-").tempdir().expect("no temporary folder").keep();
        let port = free_port();
        let start =
            Start { name: "referrers", folder: &folder, afterwards: Folder::Remove, privilege: Privilege::User, grace: Duration::ZERO };
        let server = Server::start(&start, Command::new(registry).arg(port.to_string()));
        server.wait_for_port(port);
        let upstream = Upstream::plain(port);
        Registry { proxy: Proxy::in_front_of(upstream.clone()), upstream, tokens: None, login: None, _server: Some(server) }
    }

    /// A registry that runs already and lets this login do everything.
    pub fn with_login(upstream: Upstream, login: String) -> Registry {
        Registry { proxy: Proxy::in_front_of(upstream.clone()), upstream, tokens: None, login: Some(login), _server: None }
    }

    fn run(tokens: Option<TokenService>) -> Registry {
        let registry = command("registry", "registry");
        let folder = tempfile::Builder::new().prefix("tagboat-registry-").tempdir().expect("no temporary folder").keep();
        let port = free_port();
        let auth = tokens.as_ref().map_or(String::new(), |tokens| tokens.registry_config(&folder));
        let config = format!(
            "version: 0.1\nlog:\n  level: info\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    \
             rootdirectory: {}\n  delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:{port}\n  secret: testbed\n{auth}",
            folder.join("data").display()
        );
        let file = folder.join("config.yml");
        std::fs::write(&file, config).expect("couldn't write the registry's configuration");
        let start =
            Start { name: "registry", folder: &folder, afterwards: Folder::Remove, privilege: Privilege::User, grace: Duration::ZERO };
        let server = Server::start(&start, Command::new(registry).arg("serve").arg(&file).env("OTEL_TRACES_EXPORTER", "none"));
        server.wait_for_port(port);
        let upstream = Upstream::plain(port);
        Registry { proxy: Proxy::in_front_of(upstream.clone()), upstream, tokens, login: None, _server: Some(server) }
    }

    /// `127.0.0.1:PORT`, as it is written in image references.
    pub fn host(&self) -> String {
        self.proxy.host()
    }

    /// The proxy that everybody but this type goes through.
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// The registry itself, for what is too large for the proxy.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// What went through the proxy so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.proxy.requests()
    }

    /// The token service.
    ///
    /// # Panics
    /// Panics when the registry was started without one.
    pub fn tokens(&self) -> &TokenService {
        self.tokens.as_ref().expect("this registry has no token service")
    }

    /// Pushes a small image and returns its digest.
    pub fn push_image(&self, repository: &str, tag: &str, platforms: Platforms) -> String {
        self.push(repository, tag, &Image::new(platforms).content(repository))
    }

    /// Pushes an image and returns its digest.
    pub fn push(&self, repository: &str, tag: &str, image: &Image) -> String {
        let built = image.build();
        for blob in &built.blobs {
            let begun = self.ask(repository, "POST", &format!("/v2/{repository}/blobs/uploads/"), &[], b"");
            assert_eq!(begun.status, 202, "{}", begun.text());
            let location = begun.get("location").expect("an upload has a location");
            let path = location.find("/v2/").map_or(location, |at| &location[at..]);
            let target = format!("{path}{}digest={}", if path.contains('?') { '&' } else { '?' }, blob.digest);
            let octets = [("Content-Type", "application/octet-stream")];
            let done = self.ask(repository, "PUT", &target, &octets, &blob.bytes);
            assert_eq!(done.status, 201, "{}", done.text());
        }
        let root = &built.root().digest;
        for manifest in &built.manifests {
            let reference = if manifest.digest == *root { tag } else { &manifest.digest };
            let target = format!("/v2/{repository}/manifests/{reference}");
            let kind = [("Content-Type", manifest.media_type.as_str())];
            let done = self.ask(repository, "PUT", &target, &kind, &manifest.bytes);
            assert_eq!(done.status, 201, "{}", done.text());
        }
        root.clone()
    }

    /// Puts a manifest of any bytes under a tag or digest, and returns its digest.
    pub fn put_manifest(&self, repository: &str, reference: &str, media_type: &str, bytes: &[u8]) -> String {
        let target = format!("/v2/{repository}/manifests/{reference}");
        let done = self.ask(repository, "PUT", &target, &[("Content-Type", media_type)], bytes);
        assert_eq!(done.status, 201, "{}", done.text());
        done.get("docker-content-digest").expect("a manifest has a digest").to_owned()
    }

    /// Puts a manifest at a path of a registry without logins, past the proxy: for what happens while a request is in the proxy.
    pub fn beside(&self) -> impl Fn(&str, &str, &[u8]) + Send + use<> {
        let upstream = self.upstream.clone();
        move |target, media_type, bytes| {
            let done = upstream.send("PUT", target, &[("Content-Type", media_type)], bytes);
            assert_eq!(done.map(|done| done.status).ok(), Some(201), "PUT {target}");
        }
    }

    /// The digest that a tag names, if there is such a tag.
    pub fn digest(&self, repository: &str, tag: &str) -> Option<String> {
        let reply = self.manifest(repository, tag)?;
        reply.get("docker-content-digest").map(str::to_owned)
    }

    /// The manifest that a tag or digest names, as the registry answers it.
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<Reply> {
        let accept = [
            "application/vnd.oci.image.index.v1+json",
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.docker.distribution.manifest.list.v2+json",
            "application/vnd.docker.distribution.manifest.v2+json",
        ]
        .join(", ");
        let target = format!("/v2/{repository}/manifests/{reference}");
        let reply = self.ask(repository, "GET", &target, &[("Accept", accept.as_str())], b"");
        match reply.status {
            200 => Some(reply),
            404 => None,
            status => panic!("the registry answered {status} to GET {target}: {}", reply.text()),
        }
    }

    /// All tags of a repository, sorted; none when there is no such repository.
    pub fn tags(&self, repository: &str) -> Vec<String> {
        let reply = self.ask(repository, "GET", &format!("/v2/{repository}/tags/list"), &[], b"");
        if reply.status == 404 {
            return Vec::new();
        }
        let Value::Array(tags) = reply.value()["tags"].take() else {
            return Vec::new();
        };
        let mut tags: Vec<String> = tags.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        tags.sort();
        tags
    }

    /// What refers to a manifest, by the referrers API; `None` when the registry hasn't got it.
    pub fn referrers(&self, repository: &str, digest: &str) -> Option<Vec<Value>> {
        let reply = self.ask(repository, "GET", &format!("/v2/{repository}/referrers/{digest}"), &[], b"");
        match reply.status {
            200 => reply.value()["manifests"].as_array().cloned(),
            _ => None,
        }
    }

    /// Whether a repository has a blob.
    pub fn has_blob(&self, repository: &str, digest: &str) -> bool {
        self.ask(repository, "HEAD", &format!("/v2/{repository}/blobs/{digest}"), &[], b"").status == 200
    }

    /// Asks the registry itself, past the proxy, with all rights.
    fn ask(&self, repository: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let token = || self.tokens.as_ref().map(|tokens| format!("Bearer {}", tokens.root_token(repository)));
        let login = self.login.clone().or_else(token);
        let mut headers = headers.to_vec();
        if let Some(login) = &login {
            headers.push(("Authorization", login));
        }
        self.upstream.send(method, target, &headers, body).unwrap_or_else(|e| panic!("the registry didn't answer {method} {target}: {e}"))
    }
}
