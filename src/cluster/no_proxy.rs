//! Which hosts are reached without a proxy.

/// Whether a host is this very machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether `NO_PROXY` exempts a host: `*`, the name itself, a parent domain (with or without a leading dot), an address, or a CIDR range.
pub(super) fn bypasses(no_proxy: &str, host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_lowercase();
    no_proxy.split(',').map(|entry| entry.trim().to_lowercase()).filter(|entry| !entry.is_empty()).any(|entry| {
        let domain = entry.trim_start_matches("*.").trim_start_matches('.');
        entry == "*" || host == domain || host.ends_with(&format!(".{domain}")) || in_range(&entry, &host)
    })
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
        for (no_proxy, host, expected) in [
            ("", "api.acme.io", false),
            ("*", "api.acme.io", true),
            ("acme.io", "api.acme.io", true),
            (".acme.io", "api.acme.io", true),
            ("acme.io", "notacme.io", false),
            ("a.b, 10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/16", "10.1.2.3", false),
            ("fd00::/8", "[fd12::1]", true),
            ("0.0.0.0/0", "10.1.2.3", true),
        ] {
            assert_eq!(bypasses(no_proxy, host), expected, "{no_proxy} {host}");
        }
    }
}
