//! Where a registry is reached: the host behind its name, with or without TLS. Pure.

use std::net::IpAddr;

use url::{Host, Url};

use crate::http::is_loopback;

/// The base URL of a registry.
///
/// TLS is left out only for loopback addresses and hosts that the user has listed. Docker Hub's API has another host than its name.
pub(super) fn base(registry: &str, plain_http: &[String]) -> Result<Url, url::ParseError> {
    let host = match registry {
        "docker.io" => "registry-1.docker.io",
        other => other,
    };
    let secure = Url::parse(&format!("https://{host}/"))?;
    match is_loopback(&secure) || is_listed(&secure, plain_http) {
        // Parsed anew: the default port of the other scheme must not be taken over.
        true => Url::parse(&format!("http://{host}/")),
        false => Ok(secure),
    }
}

/// Whether a token service may be given this registry's credentials; the reason when not.
///
/// The registry names the place, so it must not be able to lead them out of TLS or to a private address that it isn't at itself.
pub(super) fn check_realm(base: &Url, realm: &Url, plain_http: &[String]) -> Result<(), &'static str> {
    match realm.scheme() {
        "https" => {}
        "http" if is_loopback(realm) || is_listed(realm, plain_http) => {}
        "http" => return Err("it has no TLS"),
        _ => return Err("it isn't a web address"),
    }
    if is_private(realm) && !is_private(base) && !is_listed(realm, plain_http) {
        return Err("it lies at a private address and the registry doesn't");
    }
    Ok(())
}

fn is_listed(url: &Url, hosts: &[String]) -> bool {
    let Some(name) = url.host_str() else { return false };
    hosts.iter().map(|entry| entry.trim().trim_end_matches('/')).any(|entry| {
        let entry = entry.strip_prefix("http://").unwrap_or(entry);
        match Url::parse(&format!("{}://{entry}/", url.scheme())) {
            Ok(listed) if has_port(entry) => {
                listed.host_str() == Some(name) && listed.port_or_known_default() == url.port_or_known_default()
            }
            Ok(listed) => listed.host_str() == Some(name),
            Err(_) => false,
        }
    })
}

fn has_port(entry: &str) -> bool {
    entry.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

fn is_private(url: &Url) -> bool {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        _ => return is_loopback(url),
    };
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trap: plain HTTP for whatever answers it; Docker Hub's API has another host than its name.
    #[test]
    fn tls_is_left_out_only_for_loopback_and_listed_hosts() {
        let listed = ["plain.example".to_owned(), "ported.example:5000".to_owned()];
        let table = [
            ("docker.io", "https://registry-1.docker.io/"),
            ("ghcr.io", "https://ghcr.io/"),
            ("localhost:5000", "http://localhost:5000/"),
            ("127.0.0.1:5000", "http://127.0.0.1:5000/"),
            ("127.8.8.8", "http://127.8.8.8/"),
            ("[::1]:5000", "http://[::1]:5000/"),
            ("localhost.example", "https://localhost.example/"),
            ("10.0.0.1:5000", "https://10.0.0.1:5000/"),
            ("plain.example", "http://plain.example/"),
            ("plain.example:443", "http://plain.example:443/"),
            ("ported.example:5000", "http://ported.example:5000/"),
            ("ported.example", "https://ported.example/"),
            ("REGISTRY", "https://registry/"),
        ];
        for (registry, expected) in table {
            assert_eq!(base(registry, &listed).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn credentials_go_to_no_realm_without_tls_or_inside_the_network() {
        let check = |base: &str, realm: &str| check_realm(&base.parse().unwrap(), &realm.parse().unwrap(), &["10.0.0.9".to_owned()]);
        assert_eq!(check("https://ghcr.io/", "https://ghcr.io/token"), Ok(()));
        assert_eq!(check("https://ghcr.io/", "http://ghcr.io/token"), Err("it has no TLS"));
        assert_eq!(check("https://ghcr.io/", "ftp://ghcr.io/token"), Err("it isn't a web address"));
        assert!(check("https://ghcr.io/", "https://169.254.169.254/latest").is_err());
        assert!(check("https://ghcr.io/", "http://127.0.0.1:8080/token").is_err());
        assert_eq!(check("https://10.0.0.1/", "https://10.0.0.2/token"), Ok(()));
        assert_eq!(check("https://ghcr.io/", "http://10.0.0.9/token"), Ok(()), "the user has listed it");
        assert_eq!(check("http://127.0.0.1:5000/", "http://127.0.0.1:5001/token"), Ok(()));
    }
}
