//! Which proxy a server is reached through. Pure.

use http::Uri;

use super::error::Error;
use crate::http::is_loopback_host;

/// What the environment says about proxies, each as its variable has it.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// `HTTPS_PROXY`, for servers with TLS.
    pub https: Option<String>,
    /// `HTTP_PROXY`, for those without.
    pub http: Option<String>,
    /// `NO_PROXY`: hosts that are reached directly.
    pub none: Option<String>,
}

impl Proxies {
    /// The proxy on the way to a server. `own` is the kubeconfig's `proxy-url`, which counts for every host; the environment's leave out
    /// this very machine and what `NO_PROXY` lists, as Go's `http.ProxyFromEnvironment` does, and so kubectl.
    pub(super) fn on_the_way_to(&self, server: &Uri, own: Option<&str>) -> Result<Option<Uri>, Error> {
        let plain = server.scheme_str() == Some("http");
        let (from, proxy) = match own.filter(|url| !url.is_empty()) {
            Some(own) => ("the kubeconfig's proxy-url", own),
            None if is_direct(self.none.as_deref().unwrap_or_default(), server) => return Ok(None),
            None if plain => ("HTTP_PROXY", self.http.as_deref().unwrap_or_default()),
            None => ("HTTPS_PROXY", self.https.as_deref().unwrap_or_default()),
        };
        if proxy.is_empty() { Ok(None) } else { address(proxy).map(Some).ok_or(Error::Proxy { from }) }
    }
}

/// The address of a proxy; one without a scheme speaks HTTP. Socks proxies look names up themselves, with either scheme.
fn address(proxy: &str) -> Option<Uri> {
    let proxy = proxy.trim();
    let text = match proxy.split_once("://") {
        None => format!("http://{proxy}"),
        Some(("socks5h", rest)) => format!("socks5://{rest}"),
        Some(_) => proxy.to_owned(),
    };
    let address: Uri = text.parse().ok()?;
    (matches!(address.scheme_str(), Some("http" | "https" | "socks5")) && address.host().is_some()).then_some(address)
}

/// Whether the environment's proxies are not for this server.
fn is_direct(no_proxy: &str, server: &Uri) -> bool {
    let host = server.host().unwrap_or_default();
    let port = server.port_u16().unwrap_or(if server.scheme_str() == Some("http") { 80 } else { 443 });
    is_loopback_host(host) || no_proxy.split(',').any(|entry| exempts(entry.trim(), host, port))
}

/// Whether an entry of `NO_PROXY` names a host: `*`, the name itself, a parent domain (with or without a leading dot), an address, a
/// CIDR range; name and address may have a port.
fn exempts(entry: &str, host: &str, port: u16) -> bool {
    let (entry, host) = (entry.to_lowercase(), bare(host).to_lowercase());
    let (name, only) = match entry.rsplit_once(':') {
        // What has more colons and no brackets is an address of IPv6 without a port.
        Some((name, only)) if !name.contains(':') || name.ends_with(']') => (name, only.parse::<u16>().ok()),
        _ => (entry.as_str(), None),
    };
    if only.is_some_and(|only| only != port) {
        return false;
    }
    let domain = bare(name).trim_start_matches("*.").trim_start_matches('.');
    !domain.is_empty() && (entry == "*" || host == domain || host.ends_with(&format!(".{domain}")) || in_range(&entry, &host))
}

fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn in_range(range: &str, host: &str) -> bool {
    use std::net::IpAddr;
    let Some((network, bits)) = range.split_once('/') else { return false };
    let (Ok(network), Ok(host), Ok(bits)) = (network.parse::<IpAddr>(), host.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    let (network, host, width) = match (network, host) {
        (IpAddr::V4(n), IpAddr::V4(h)) => (u128::from(n.to_bits()), u128::from(h.to_bits()), 32),
        (IpAddr::V6(n), IpAddr::V6(h)) => (n.to_bits(), h.to_bits(), 128),
        _ => return false,
    };
    bits == 0 || bits <= width && (network ^ host) >> (width - bits) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_names_hosts_domains_and_ranges() {
        for (no_proxy, server, expected) in [
            ("", "https://api.acme.io", false),
            ("*", "https://api.acme.io", true),
            ("acme.io", "https://api.acme.io", true),
            (".acme.io", "https://api.acme.io", true),
            ("*.acme.io", "https://api.acme.io", true),
            ("acme.io", "https://notacme.io", false),
            ("api.acme.io:6443", "https://api.acme.io:6443", true),
            ("api.acme.io:6443", "https://api.acme.io", false),
            ("a.b, 10.0.0.0/8", "https://10.1.2.3", true),
            ("10.0.0.0/16", "https://10.1.2.3", false),
            ("fd00::/8", "https://[fd12::1]", true),
            ("fd12::1", "https://[fd12::1]:6443", true),
            ("[fd12::1]:6443", "https://[fd12::1]:6443", true),
            ("[fd12::1]:443", "https://[fd12::1]:6443", false),
            ("0.0.0.0/0", "https://10.1.2.3", true),
            (",, ,.", "https://api.acme.io", false),
            ("", "https://127.0.0.1:6443", true),
            ("", "https://[::1]:6443", true),
            ("", "https://localhost:6443", true),
        ] {
            assert_eq!(is_direct(no_proxy, &server.parse().unwrap()), expected, "{no_proxy} {server}");
        }
    }

    #[test]
    fn the_kubeconfigs_proxy_is_for_every_host_and_the_environments_by_scheme() {
        let text = |text: &str| Some(text.to_owned());
        let proxies = Proxies { https: text("proxy.acme.io:3128"), http: text("http://plain:8080"), none: text("inside.io,*") };
        let over = |none: &str, server: &str, own: Option<&str>| {
            let proxies = Proxies { none: text(none), ..proxies.clone() };
            let found = proxies.on_the_way_to(&server.parse().unwrap(), own).unwrap();
            found.map(|proxy| proxy.to_string()).unwrap_or_default()
        };
        assert_eq!(over("", "https://api.acme.io", None), "http://proxy.acme.io:3128/");
        assert_eq!(over("", "http://api.acme.io", None), "http://plain:8080/");
        assert_eq!(over("acme.io", "https://api.acme.io", None), "");
        assert_eq!(over("*", "https://127.0.0.1:6443", Some("socks5h://bastion:1080")), "socks5://bastion:1080/");
        assert_eq!(over("*", "https://127.0.0.1:6443", Some("")), "");
        for wrong in ["ftp://proxy", "http://", "http://a b", "://"] {
            let error = Proxies::default().on_the_way_to(&"https://api.acme.io".parse().unwrap(), Some(wrong));
            assert!(matches!(error, Err(Error::Proxy { .. })), "{wrong}: {error:?}");
        }
    }
}
