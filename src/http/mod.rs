//! The shared HTTP client: one TLS stack, proxies from the environment, extra roots, bounded bodies.

mod answer;
mod peer;
mod redact;
mod retry;

use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

pub use answer::{Answer, Refusal};
pub use peer::{Incoming, Opened, Peer, SendError, Traffic, is_certificate_error};
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
    #[error("couldn't read the certificates of the CA bundle: {0}")]
    CaBundle(String),
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
        let certificates = certificates(pem).map_err(Error::CaBundle)?;
        let certificates: Result<Vec<_>, _> = certificates.iter().map(|der| reqwest::Certificate::from_der(der)).collect();
        builder = builder.tls_certs_merge(certificates.map_err(Error::Client)?);
    }
    builder.build().map_err(Error::Client)
}

/// The certificates of a text in PEM; what else is in it is passed over.
///
/// # Errors
/// Why there is none, or which of them is damaged: the reason in words.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|cause| cause.to_string())?;
    if found.is_empty() {
        return Err("it has none".to_owned());
    }
    for (at, certificate) in found.iter().enumerate() {
        let readable = rustls::RootCertStore::empty().add(certificate.clone());
        readable.map_err(|cause| format!("number {} of {}: {cause}", at + 1, found.len()))?;
    }
    Ok(found)
}

/// Makes ring the process's TLS provider. Called once at start, before any client is made; later calls change nothing.
pub fn install_tls_provider() {
    // An error means that a provider is there already, which is what we want.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Whether a URL leads to this machine: nobody else can read what goes there.
pub fn is_loopback(url: &url::Url) -> bool {
    url.host_str().is_some_and(is_loopback_host)
}

/// Whether a host is this very machine: an address of the loopback network (in brackets or not), `localhost`, or a name below it
/// (RFC 6761, section 6.3).
pub fn is_loopback_host(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let named = host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost");
    named || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_many_names() {
        for host in ["localhost", "LOCALHOST", "registry.localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"] {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in ["localhost.example", "notlocalhost", "10.0.0.1", "128.0.0.1", "::2", ""] {
            assert!(!is_loopback_host(host), "{host}");
        }
    }
}
