use super::{Outcome, Services, left_to, oauth, push_all, release, runner_token, set};
use crate::servers::cluster::ADMIN_TOKEN;
use crate::servers::http1::Reply;
use crate::servers::token::User;
use crate::servers::{Registry, cluster, testbed};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) const TOKEN: &str = "ya29.the-access-token";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// A registry whose token service knows nobody but Google's access token.
pub(super) fn gar() -> Registry {
    let registry = Registry::with_token_service(vec![User::new("oauth2accesstoken", TOKEN).may(&["pull", "push"], "shop/")]);
    push_all(&registry);
    registry
}

/// Releases with a file of GOOGLE_APPLICATION_CREDENTIALS, beside which a token lies.
pub(super) fn release_with(registry: &Registry, file: &Value, variables: &[(&'static str, String)]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gha-creds.json");
    std::fs::write(&path, file.to_string()).unwrap();
    std::fs::write(folder.path().join("subject"), "jwt-of-the-pod\n").unwrap();
    let google = [left_to("gcloud", &registry.host()), ("GOOGLE_APPLICATION_CREDENTIALS", path.display().to_string())];
    release(&registry.host(), &super::variables(&[&google, variables]))
}

fn private_key() -> String {
    let der = std::fs::read(testbed("google/key.p8")).unwrap();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der))
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The service that gives a token for a service account's claim, and the account's file.
pub(super) fn service_account() -> (Services, Value) {
    let services = Services::start(&[("/token", oauth(TOKEN))]);
    let file = json!({
        "type": "service_account", "client_email": "deploy@shop.example", "private_key": private_key(), "private_key_id": "key-1",
        "token_uri": services.url("/token"),
    });
    (services, file)
}

#[test]
fn a_service_accounts_key_signs_its_claim() {
    let registry = gar();
    let (services, file) = service_account();
    let outcome = release_with(&registry, &file, &[]);
    outcome.assert_released(&registry);
    let form = services.only("/token").form();
    assert_eq!(form[1..], ["grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer"]);
    let assertion = form[0].strip_prefix("assertion=").unwrap();
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let public = std::fs::read(testbed("google/key.pub")).unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public).verify(signed.as_bytes(), &signature).unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    assert_eq!(decoded(header), json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"}));
    let mut claims = decoded(claims);
    let (issued, expires) = (claims["iat"].take().as_u64().unwrap(), claims["exp"].take().as_u64().unwrap());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(issued <= now && now - issued < 60 && expires == issued + 3600);
    let expected = json!({"iss": "deploy@shop.example", "scope": SCOPE, "aud": services.url("/token"), "iat": null, "exp": null});
    assert_eq!(claims, expected);
    outcome.assert_masked(&[TOKEN, assertion]);
}

/// The file that google-github-actions/auth writes.
fn external(services: &Services, source: Value) -> Value {
    json!({
        "type": "external_account", "universe_domain": "googleapis.com",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/github/providers/shop",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": services.url("/v1/token"), "credential_source": source,
    })
}

fn exchange(subject: &str) -> [String; 6] {
    [
        "audience=//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/github/providers/shop".to_owned(),
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange".to_owned(),
        "requested_token_type=urn:ietf:params:oauth:token-type:access_token".to_owned(),
        format!("scope={SCOPE}"),
        format!("subject_token={subject}"),
        "subject_token_type=urn:ietf:params:oauth:token-type:jwt".to_owned(),
    ]
}

#[test]
fn a_federated_identity_acts_as_a_service_account() {
    let registry = gar();
    let generated = Reply::json(200, &json!({"accessToken": TOKEN, "expireTime": "2099-01-01T00:00:00Z"}));
    let services =
        Services::start(&[runner_token(), ("/v1/token", oauth("federated-token")), ("/v1/deploy:generateAccessToken", generated)]);
    let source = json!({
        "url": format!("{}&audience=https%3A%2F%2Fiam", services.runner()[0].1),
        "headers": {"Authorization": "Bearer the-right-to-ask", "X-Flavor": "Google"},
        "format": {"type": "json", "subject_token_field_name": "value"},
    });
    let mut file = external(&services, source);
    file["service_account_impersonation_url"] = services.url("/v1/deploy:generateAccessToken").into();
    let outcome = release_with(&registry, &file, &[]);
    outcome.assert_released(&registry);
    services.assert_runner_asked("https://iam");
    assert_eq!(services.only("/runner/token").header("x-flavor"), "Google");
    assert_eq!(services.only("/v1/token").form(), exchange("the-runners-jwt"));
    let acted = services.only("/v1/deploy:generateAccessToken");
    assert_eq!((acted.method.as_str(), acted.header("authorization")), ("POST", "Bearer federated-token"));
    assert_eq!(serde_json::from_slice::<Value>(&acted.body).unwrap(), json!({"scope": [SCOPE], "lifetime": "3600s"}));
    outcome.assert_masked(&["the-right-to-ask", "the-runners-jwt", "federated-token", TOKEN]);
    assert!(!outcome.log.contains("::add-mask::Google"), "{}", outcome.log);
}

#[test]
fn a_federated_token_opens_the_registry_itself() {
    let registry = gar();
    let services = Services::start(&[("/v1/token", oauth(TOKEN))]);
    let outcome = release_with(&registry, &external(&services, json!({"file": "subject"})), &[]);
    outcome.assert_released(&registry);
    assert_eq!(services.only("/v1/token").form(), exchange("jwt-of-the-pod"));
}

#[test]
fn a_persons_login_or_a_token_is_enough() {
    let registry = gar();
    let services = Services::start(&[("/token", oauth(TOKEN))]);
    let file = json!({
        "type": "authorized_user", "client_id": "id", "client_secret": "client-secret", "refresh_token": "refresh-token",
        "token_uri": services.url("/token"),
    });
    release_with(&registry, &file, &[]).assert_released(&registry);
    let fields = ["client_id=id", "client_secret=client-secret", "grant_type=refresh_token", "refresh_token=refresh-token"];
    assert_eq!(services.only("/token").form(), fields);

    let registry = gar();
    let given = [left_to("gcr", &registry.host()), set("CLOUDSDK_AUTH_ACCESS_TOKEN", TOKEN)];
    let outcome = release(&registry.host(), &given);
    outcome.assert_released(&registry);
    outcome.assert_masked(&[TOKEN]);
}

#[test]
fn a_file_that_is_not_there_or_of_no_use_is_named() {
    let registry = gar();
    let missing = [left_to("gcloud", &registry.host()), set("GOOGLE_APPLICATION_CREDENTIALS", "/runner/work/_temp/creds.json")];
    let outcome = release(&registry.host(), &missing);
    assert_eq!(outcome.code, 2, "{}", outcome.log);
    let told = outcome.told(&[(&registry.host(), "REGISTRY")]);
    insta::assert_snapshot!(told.lines().take(5).collect::<Vec<_>>().join("\n"), @"
    compose.yaml:6:12: couldn't read REGISTRY/shop/api:latest, the image of service api
    because: couldn't log in to REGISTRY
    because: couldn't read the file of GOOGLE_APPLICATION_CREDENTIALS for Google Artifact Registry, /runner/work/_temp/creds.json
    because: No such file or directory (os error 2)
    hint: the action runs in a container and sees files of the workspace, and of the runner's temporary folder with runner 2.331 or later; put the file there
    ");

    let services = Services::start(&[]);
    let outcome = release_with(&registry, &external(&services, json!({"executable": {"command": "gcloud"}})), &[]);
    assert!(outcome.log.contains("couldn't use GOOGLE_APPLICATION_CREDENTIALS for Google Artifact Registry"), "{}", outcome.log);
    assert!(outcome.log.contains("its credential_source has \"executable\""), "{}", outcome.log);
    assert!(services.seen().is_empty());
}

#[test]
fn gke_takes_an_access_token_that_tells_the_address_of_the_account() {
    let shop = cluster().namespace("shop");
    let services = Services::start(&[("/token", oauth(ADMIN_TOKEN))]);
    let key = json!({
        "type": "service_account", "client_email": "deploy@shop.example", "private_key": private_key(), "token_uri": services.url("/token"),
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, key.to_string()).unwrap();
    let google = [("GOOGLE_APPLICATION_CREDENTIALS", file.path().display().to_string())];
    let outcome = super::deploy(&cluster().url(), shop.name(), "gke-gcloud-auth-plugin", &[], &google);
    outcome.assert_deployed(&shop);
    let form = services.only("/token").form();
    let claims = decoded(form[0].split('.').nth(1).unwrap());
    assert_eq!(claims["scope"], format!("{SCOPE} https://www.googleapis.com/auth/userinfo.email"));
    outcome.assert_masked(&[ADMIN_TOKEN]);
}
