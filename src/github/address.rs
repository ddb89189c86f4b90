//! Where a server's APIs are (GitHub docs, "Getting started with the REST API", "Forming calls with GraphQL"). Pure.

use url::Url;

/// The base address of the REST API of the server that people know by this address: `https://api.github.com` for `https://github.com`,
/// `https://api.NAME.ghe.com` for `https://NAME.ghe.com`, else `https://HOST/api/v3`.
pub fn api_of(server: &Url) -> Url {
    let host = server.host_str().unwrap_or_default();
    let mut api = server.clone();
    if host == "github.com" || host.ends_with(".ghe.com") {
        // Both have a host that a label can be put before.
        let _ = api.set_host(Some(&format!("api.{host}")));
        api.set_path("");
    } else {
        api.set_path(&format!("{}/api/v3", server.path().trim_end_matches('/')));
    }
    api
}

/// What `/graphql` is added to: `https://HOST/api` beside the REST API's `https://HOST/api/v3`, else the same address.
pub(super) fn graphql_base(api: &Url) -> Url {
    let mut base = api.clone();
    if let Some(path) = api.path().trim_end_matches('/').strip_suffix("/v3") {
        base.set_path(path);
    }
    base
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_server_has_its_addresses() {
        let table = [
            ("https://github.com", "https://api.github.com/", "https://api.github.com/"),
            ("https://acme.ghe.com/", "https://api.acme.ghe.com/", "https://api.acme.ghe.com/"),
            ("https://git.acme.example", "https://git.acme.example/api/v3", "https://git.acme.example/api"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/api/v3", "http://127.0.0.1:8080/api"),
        ];
        for (server, rest, graphql) in table {
            let api = api_of(&server.parse().unwrap());
            assert_eq!((api.as_str(), graphql_base(&api).as_str()), (rest, graphql));
        }
    }
}
