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
    insta::assert_snapshot!(lines.join("\n"), @"
    no cloud
    to log in to Azure Container Registry, set AZURE_CLIENT_ID and AZURE_TENANT_ID and give the job `permissions: id-token: write`
    AZURE_CLIENT_ID is set, but AZURE_TENANT_ID is not
    AZURE_TENANT_ID is set, but AZURE_CLIENT_ID is not
    AZURE_CLIENT_ID and AZURE_TENANT_ID are set, but the runner gives no OIDC token (ACTIONS_ID_TOKEN_REQUEST_URL is not set): give the job `permissions: id-token: write`, or set AZURE_CLIENT_SECRET
    to log in to Amazon ECR, set AWS_ROLE_ARN and give the job `permissions: id-token: write`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set
    AWS_ROLE_ARN is set, but the runner gives no OIDC token (ACTIONS_ID_TOKEN_REQUEST_URL is not set): give the job `permissions: id-token: write`, or set AWS_WEB_IDENTITY_TOKEN_FILE
    AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not
    the name registry.acme.example doesn't tell the region of Amazon ECR: set AWS_REGION
    to log in to Google Artifact Registry, set GOOGLE_APPLICATION_CREDENTIALS (google-github-actions/auth does), or GOOGLE_WORKLOAD_IDENTITY_PROVIDER and give the job `permissions: id-token: write`
    GOOGLE_WORKLOAD_IDENTITY_PROVIDER is set, but the runner gives no OIDC token (ACTIONS_ID_TOKEN_REQUEST_URL is not set): give the job `permissions: id-token: write`
    ");
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
    insta::assert_snapshot!(lines.join("\n"), @"
    ready: AZURE_CLIENT_ID with the runner's OIDC token
    ready: AZURE_CLIENT_ID with AZURE_FEDERATED_TOKEN_FILE
    ready: AZURE_CLIENT_ID with AZURE_CLIENT_SECRET
    ready: AWS_ROLE_ARN with the runner's OIDC token
    ready: AWS_ROLE_ARN with AWS_WEB_IDENTITY_TOKEN_FILE
    ready: AWS_ACCESS_KEY_ID
    ready: GOOGLE_WORKLOAD_IDENTITY_PROVIDER with the runner's OIDC token
    ready: GOOGLE_APPLICATION_CREDENTIALS
    ready: GOOGLE_OAUTH_ACCESS_TOKEN or CLOUDSDK_AUTH_ACCESS_TOKEN
    ");
}
