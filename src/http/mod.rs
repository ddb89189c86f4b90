//! The shared HTTP client: one TLS stack, proxies from the environment, extra roots, bounded bodies.

mod answer;
mod peer;
mod redact;
mod retry;

use std::time::Duration;

pub use answer::{Answer, Refusal};
pub use peer::{Incoming, Opened, Peer, SendError, Traffic};
pub use redact::redacted;
pub use retry::{Patience, is_passing, is_rate_limit};

/// How to reach servers; the same for every adapter.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Extra root certificates in PEM, beside the system's.
    pub ca_bundle: Option<Vec<u8>>,
}

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("couldn't read the certificates of the CA bundle")]
    CaBundle(#[source] reqwest::Error),
    #[error("couldn't set up the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// A client with connection pooling; proxies come from `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
///
/// It follows no redirects: adapters decide where a credential may go.
///
/// # Errors
/// When the CA bundle holds no certificates, or the system's roots can't be read.
pub fn client(settings: &Settings) -> Result<reqwest::Client, Error> {
    build(settings, |builder| builder.read_timeout(Duration::from_secs(60)))
}

/// A client for requests whose body takes long to send: reqwest counts that as waiting for the answer. Whoever uses it looks
/// after stalls himself, as [`Peer::upload`] does.
///
/// # Errors
/// As [`client`].
pub fn upload_client(settings: &Settings) -> Result<reqwest::Client, Error> {
    build(settings, |builder| builder)
}

fn build(settings: &Settings, timeouts: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder) -> Result<reqwest::Client, Error> {
    let mut builder = timeouts(reqwest::Client::builder())
        .user_agent(concat!("tagboat/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        .pool_max_idle_per_host(32)
        .redirect(reqwest::redirect::Policy::none());
    if let Some(pem) = &settings.ca_bundle {
        let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(Error::CaBundle)?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(Error::Client)
}

/// Makes ring the process's TLS provider. Called once at start, before any client is made; later calls change nothing.
pub fn install_tls_provider() {
    // An error means that a provider is there already, which is what we want.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Whether a URL leads to this machine: nobody else can read what goes there.
pub fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
