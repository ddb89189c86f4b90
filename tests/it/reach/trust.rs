//! Whom we believe to be the API server.

use super::*;
use crate::servers::tls::Authority;

#[test]
fn a_server_whose_authority_only_the_bundle_knows_is_trusted() {
    let shop = cluster().namespace("shop");
    let corporate = Authority::new("corporate");
    let proxy = cluster().proxy_as(&corporate.server(&[], &[]));
    let workspace = workspace();
    workspace.write("corporate.pem", &corporate.certificate);
    let without_authority = kubeconfig(&shop, &proxy.url(), |at, _| drop(at.as_object_mut().unwrap().remove("certificate-authority-data")));
    let with_the_clusters_own = kubeconfig(&shop, &proxy.url(), same);

    let run = apply(&workspace).input("kubeconfig", &without_authority).run();
    run.exits(1).says("couldn't trust the certificate of the API server https://127.0.0.1:").says("`ca-bundle`");
    let run = apply(&workspace).input("kubeconfig", &with_the_clusters_own).run();
    run.exits(1).says("UnknownIssuer");
    assert!(proxy.requests().is_empty(), "nothing was sent to a server that isn't trusted");

    apply(&workspace).input("kubeconfig", &without_authority).input("ca-bundle", "corporate.pem").run().exits(0);
    has_settings(&shop);
    let again = apply(&workspace).input("kubeconfig", &with_the_clusters_own).input("ca-bundle", "corporate.pem").run();
    assert_eq!(again.exits(0).output("outcome"), "unchanged");
}

#[test]
fn a_bundle_takes_no_trust_away_from_the_clusters_own_authority() {
    let shop = cluster().namespace("shop");
    let workspace = workspace();
    workspace.write("corporate.pem", &Authority::new("corporate").certificate);
    let step = apply(&workspace).input("kubeconfig", &kubeconfig(&shop, &cluster().url(), same));
    step.clone().input("ca-bundle", "corporate.pem").run().exits(0);
    has_settings(&shop);

    workspace.write("corporate.pem", "not a certificate\n");
    step.input("ca-bundle", "corporate.pem").run().exits(2).says("couldn't read the certificates of the CA bundle: it has none");
}

#[test]
fn a_server_known_by_another_name_is_believed_with_tls_server_name() {
    let shop = cluster().namespace("shop");
    let proxy = cluster().proxy_as(&cluster().authority().server_by_name(&["api.shop.example"]));
    let workspace = workspace();
    let run = apply(&workspace).input("kubeconfig", &kubeconfig(&shop, &proxy.url(), same)).run();
    run.exits(1).says("couldn't trust the certificate").says("not valid for name");
    let named = kubeconfig(&shop, &proxy.url(), |at, _| at["tls-server-name"] = json!("api.shop.example"));
    apply(&workspace).input("kubeconfig", &named).run().exits(0);
    has_settings(&shop);
}

#[test]
fn a_certificate_that_is_not_to_be_checked_is_not_and_that_is_a_warning() {
    let shop = cluster().namespace("shop");
    let proxy = cluster().proxy_as(&Authority::new("nobody's").server_by_name(&["elsewhere.example"]));
    let workspace = workspace();
    let config = kubeconfig(&shop, &proxy.url(), |at, _| {
        at.as_object_mut().unwrap().remove("certificate-authority-data");
        at["insecure-skip-tls-verify"] = json!(true);
    });
    let run = apply(&workspace).input("kubeconfig", &config).run();
    run.exits(0).says("::warning title=tagboat::the certificate of https://127.0.0.1:").says("insecure-skip-tls-verify");
    run.sums_up("isn't checked");
    has_settings(&shop);
}

#[test]
fn an_authority_that_cannot_be_read_is_named() {
    let shop = cluster().namespace("shop");
    let workspace = workspace();
    let config = kubeconfig(&shop, &cluster().url(), |at, _| at["certificate-authority-data"] = json!("bm90IGEgY2VydGlmaWNhdGU="));
    let run = apply(&workspace).input("kubeconfig", &config).run();
    run.exits(2).says("couldn't read the certificates in the kubeconfig's certificate-authority-data: it has none");
}
