//! Proxies of the environment and of the kubeconfig. The API server is asked for by a name that only the proxy can look up.

use super::*;
use crate::servers::Forward;

/// A name in the API server's certificate.
const NAME: &str = "kubernetes.default.svc";

fn server() -> String {
    format!("https://{NAME}:{}", cluster().port())
}

#[test]
fn the_proxy_of_the_environment_leads_to_the_api_server() {
    for (variable, with_scheme) in [("HTTPS_PROXY", true), ("https_proxy", true), ("HTTPS_PROXY", false)] {
        let (shop, proxy, workspace) = (cluster().namespace("shop"), Forward::start(), workspace());
        let address = if with_scheme { format!("http://ada:pass%40word@{}", proxy.host()) } else { proxy.host() };
        // What only kube's own reader of this variable minds.
        let step = apply(&workspace).env(variable, &address).env("NO_PROXY", "*.inside.example,");
        step.input("kubeconfig", &kubeconfig(&shop, &server(), same)).run().exits(0);
        has_settings(&shop);
        let user = if with_scheme { "ada:pass@word@" } else { "" };
        assert_eq!(proxy.asked(), [format!("CONNECT {user}{NAME}:{}", cluster().port())], "{variable}");
    }
}

#[test]
fn no_proxy_and_this_machine_are_reached_directly() {
    let (shop, proxy, workspace) = (cluster().namespace("shop"), Forward::start(), workspace());
    let step = apply(&workspace).env("HTTPS_PROXY", &format!("http://{}", proxy.host()));
    step.clone().input("kubeconfig", &kubeconfig(&shop, &cluster().url(), same)).run().exits(0);
    has_settings(&shop);
    for no_proxy in ["default.svc", ".default.svc", "*", "kubernetes.default.svc"] {
        let run = step.clone().env("NO_PROXY", no_proxy).input("kubeconfig", &kubeconfig(&shop, &server(), same)).run();
        run.exits(1).says(&format!("couldn't reach the API server {}", server()));
    }
    assert_eq!(proxy.asked(), Vec::<String>::new());
}

#[test]
fn the_proxy_of_the_kubeconfig_is_used_whatever_the_environment_says() {
    for scheme in ["http", "socks5"] {
        let (shop, proxy, workspace) = (cluster().namespace("shop"), Forward::start(), workspace());
        let config = kubeconfig(&shop, &server(), |at, _| at["proxy-url"] = json!(format!("{scheme}://{}", proxy.host())));
        let step = apply(&workspace).env("HTTPS_PROXY", "http://127.0.0.1:1").env("NO_PROXY", "*");
        step.input("kubeconfig", &config).run().exits(0);
        has_settings(&shop);
        let method = if scheme == "http" { "CONNECT" } else { "SOCKS" };
        assert_eq!(proxy.asked(), [format!("{method} {NAME}:{}", cluster().port())]);
    }
}

#[test]
fn what_is_no_address_of_a_proxy_is_told_without_its_password() {
    let (shop, workspace) = (cluster().namespace("shop"), workspace());
    let config = kubeconfig(&shop, &server(), |at, _| at["proxy-url"] = json!("ftp://ada:hunter2hunter2@proxy.example"));
    let run = apply(&workspace).secret("hunter2hunter2").input("kubeconfig", &config).run();
    run.exits(2).says("couldn't use the kubeconfig's proxy-url as the address of a proxy").says("http://HOST:PORT");
}
