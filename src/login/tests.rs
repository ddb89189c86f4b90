use super::*;

fn way(registry: &str, helper: Option<&str>, variables: &[(&str, &str)]) -> String {
    crate::http::install_tls_provider();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let clouds = Clouds::read(&variables, Path::new("/"), Mask::default());
    let client = crate::http::client(&crate::http::Settings::default()).unwrap();
    let base = format!("https://{registry}/").parse().unwrap();
    match clouds.way(registry, &base, helper, client, Patience::default()) {
        Way::None => "no cloud".to_owned(),
        Way::Lacking(text) => text,
        Way::Ready(session) => format!("ready: {}", session.identity()),
    }
}

const OIDC: [(&str, &str); 2] = [("ACTIONS_ID_TOKEN_REQUEST_URL", "https://runner.example/?v=1"), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t")];
const ACR: &str = "acme.azurecr.io";
const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const GAR: &str = "europe-docker.pkg.dev";

#[test]
fn a_registry_belongs_to_a_cloud_by_its_name_else_by_its_helper() {
    let table = [
        (ACR, None, Some(Cloud::Azure)),
        ("acme.azurecr.cn", None, Some(Cloud::Azure)),
        ("azurecr.io", None, None),
        ("azurecr.io.evil.example", None, None),
        (ECR, Some("gcloud"), Some(Cloud::Aws)),
        ("public.ecr.aws", None, Some(Cloud::Aws)),
        (GAR, None, Some(Cloud::Google)),
        ("eu.gcr.io", None, Some(Cloud::Google)),
        ("evilgcr.io", None, None),
        ("registry.acme.example", Some("acr-env"), Some(Cloud::Azure)),
        ("registry.acme.example", Some("desktop"), None),
        ("ghcr.io", None, None),
    ];
    for (registry, helper, cloud) in table {
        assert_eq!(Cloud::of(registry, helper), cloud, "{registry} {helper:?}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let azure = [("AZURE_CLIENT_ID", "app"), ("AZURE_TENANT_ID", "tenant")];
    let lines = [
        way("ghcr.io", None, &OIDC),
        way(ACR, None, &OIDC),
        way(ACR, None, &azure[..1]),
        way(ACR, None, &azure[1..]),
        way(ACR, None, &azure),
        way(ECR, None, &[]),
        way(ECR, None, &[("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")]),
        way(ECR, None, &[("AWS_ROLE_ARN", "arn")]),
        way(ECR, None, &[("AWS_WEB_IDENTITY_TOKEN_FILE", "token")]),
        way("registry.acme.example", Some("ecr-login"), &[("AWS_ROLE_ARN", "arn")]),
        way(GAR, None, &OIDC),
        way(GAR, None, &[("GOOGLE_WORKLOAD_IDENTITY_PROVIDER", "projects/1/x")]),
    ];
    insta::assert_snapshot!(lines.join("\n"), @"");
}

#[test]
fn the_most_explicit_identity_is_used() {
    let with = |more: &[(&'static str, &'static str)]| [&OIDC[..], more].concat();
    let azure = [("AZURE_CLIENT_ID", "app"), ("AZURE_TENANT_ID", "tenant")];
    let lines = [
        way(ACR, None, &with(&azure)),
        way(ACR, None, &with(&[azure[0], azure[1], ("AZURE_FEDERATED_TOKEN_FILE", "token")])),
        way(ACR, None, &with(&[azure[0], azure[1], ("AZURE_CLIENT_SECRET", "s"), ("AZURE_FEDERATED_TOKEN_FILE", "token")])),
        way(ECR, None, &with(&[("AWS_ROLE_ARN", "arn")])),
        way(ECR, None, &with(&[("AWS_ROLE_ARN", "arn"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "token")])),
        way(ECR, None, &with(&[("AWS_ROLE_ARN", "arn"), ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s")])),
        way(GAR, None, &with(&[("GOOGLE_WORKLOAD_IDENTITY_PROVIDER", "projects/1/x")])),
        way(GAR, None, &with(&[("GOOGLE_APPLICATION_CREDENTIALS", "f"), ("GOOGLE_WORKLOAD_IDENTITY_PROVIDER", "projects/1/x")])),
        way(GAR, None, &[("CLOUDSDK_AUTH_ACCESS_TOKEN", "t")]),
    ];
    insta::assert_snapshot!(lines.join("\n"), @"");
}
