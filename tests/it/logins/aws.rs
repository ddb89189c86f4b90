use super::{Outcome, Seen, Services, door, left_to, push_all, release, runner_token, set};
use crate::servers::http1::{Listener, Reply};
use crate::servers::{Registry, cluster};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::{SystemTime, UNIX_EPOCH};

const ROLE: &str = "arn:aws:iam::123456789012:role/release";
pub(super) const PASSWORD: &str = "the-password-of-ecr";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A registry that opens to AWS's password only, by Basic as ECR does.
pub(super) fn ecr() -> (Registry, Listener) {
    let registry = Registry::start();
    push_all(&registry);
    let expected = format!("Basic {}", STANDARD.encode(format!("AWS:{PASSWORD}")));
    let door = door(&registry, move |request, _| {
        let refusal = Reply::new(401, "Not Authorized").with("WWW-Authenticate", "Basic realm=\"https://ecr.example/\",service=\"ecr\"");
        (request.head.get("authorization") != Some(expected.as_str())).then_some(refusal)
    });
    (registry, door)
}

fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

fn password(expires_at: f64) -> (&'static str, Reply) {
    let data = json!({"authorizationToken": STANDARD.encode(format!("AWS:{PASSWORD}")), "expiresAt": expires_at, "proxyEndpoint": "x"});
    ("/ecr/", Reply::json(200, &json!({"authorizationData": [data]})))
}

fn assumed() -> (&'static str, Reply) {
    let xml = format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>\
         <Audience>sts.amazonaws.com</Audience><Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId>\
         <SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>the-session+token/==</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
         </AssumeRoleWithWebIdentityResponse>"
    );
    ("/sts/", Reply::new(200, xml))
}

pub(super) fn release_with(door: &Listener, services: &Services, variables: &[(&'static str, String)]) -> Outcome {
    let aws = [
        left_to("ecr-login", &door.host()),
        set("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL_STS", services.url("/sts/")),
        ("AWS_ENDPOINT_URL_ECR", services.url("/ecr/")),
    ];
    release(&door.host(), &super::variables(&[&aws, variables]))
}

/// HMAC-SHA256 by its definition (RFC 2104), not by the library that the action signs with.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    match key.len() > 64 {
        true => block[..32].copy_from_slice(&Sha256::digest(key)),
        false => block[..key.len()].copy_from_slice(key),
    }
    let pad = |byte: u8| block.iter().map(|b| b ^ byte).collect::<Vec<u8>>();
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Verifies a signature as AWS does: from the request as it arrived, the secret, and what `Authorization` says is signed.
fn assert_signed(seen: &Seen, key: &str, secret: &str) {
    let authorization = seen.header("authorization");
    let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 ").unwrap_or_else(|| panic!("{authorization}"));
    let part = |name: &str| rest.split(", ").find_map(|part| part.strip_prefix(&format!("{name}="))).unwrap().to_owned();
    let (credential, names, signature) = (part("Credential"), part("SignedHeaders"), part("Signature"));
    let date = seen.header("x-amz-date");
    let scope = format!("{}/eu-west-1/ecr/aws4_request", &date[..8]);
    assert_eq!(credential, format!("{key}/{scope}"));
    let mut expected = vec!["content-type", "host", "x-amz-date", "x-amz-target"];
    if !seen.header("x-amz-security-token").is_empty() {
        expected.insert(3, "x-amz-security-token");
    }
    assert_eq!(names, expected.join(";"));
    let lines: String = names.split(';').map(|name| format!("{name}:{}\n", seen.header(name))).collect();
    let body = hex(&Sha256::digest(&seen.body));
    let request = format!("{}\n{}\n\n{lines}\n{names}\n{body}", seen.method, seen.target);
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(request.as_bytes())));
    let key = ["eu-west-1", "ecr", "aws4_request"]
        .iter()
        .fold(hmac(format!("AWS4{secret}").as_bytes(), &date.as_bytes()[..8]), |key, part| hmac(&key, part.as_bytes()));
    assert_eq!(signature, hex(&hmac(&key, text.as_bytes())));
}

fn assert_asks_for_the_password(seen: &Seen) {
    assert_eq!(seen.line(), "POST /ecr/");
    assert_eq!(seen.header("x-amz-target"), "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken");
    assert_eq!(seen.header("content-type"), "application/x-amz-json-1.1");
    assert_eq!(serde_json::from_slice::<Value>(&seen.body).unwrap(), json!({}));
}

/// The runner, the service that lets a role be assumed, and the one that gives the password.
pub(super) fn services() -> Services {
    Services::start(&[runner_token(), assumed(), password(seconds() + 43_200.0)])
}

pub(super) fn role() -> [(&'static str, String); 1] {
    [set("AWS_ROLE_ARN", ROLE)]
}

#[test]
fn the_runners_token_assumes_the_role_that_gets_the_password() {
    let (registry, door) = ecr();
    let services = services();
    let outcome = release_with(&door, &services, &super::variables(&[&services.runner(), &role()]));
    outcome.assert_released(&registry);
    services.assert_runner_asked("sts.amazonaws.com");
    let assumed = services.only("/sts/");
    let role = format!("RoleArn={ROLE}");
    let fields =
        ["Action=AssumeRoleWithWebIdentity", &role, "RoleSessionName=tagboat", "Version=2011-06-15", "WebIdentityToken=the-runners-jwt"];
    assert_eq!(assumed.form(), fields);
    assert_eq!(assumed.header("authorization"), "", "the token is the proof");
    let asked = services.only("/ecr/");
    assert_asks_for_the_password(&asked);
    assert_eq!(asked.header("x-amz-security-token"), "the-session+token/==");
    assert_signed(&asked, "ASIAEXAMPLE", SECRET);
    outcome.assert_masked(&["the-runners-jwt", SECRET, "the-session+token/==", PASSWORD]);
}

#[test]
fn keys_of_the_environment_sign_without_a_role() {
    let (registry, door) = ecr();
    let services = Services::start(&[password(seconds() + 43_200.0)]);
    let keys = [set("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), set("AWS_SECRET_ACCESS_KEY", SECRET), set("AWS_ROLE_ARN", ROLE)];
    let outcome = release_with(&door, &services, &keys);
    outcome.assert_released(&registry);
    assert_eq!(services.seen().len(), 1, "one login for all images");
    assert_asks_for_the_password(&services.seen()[0]);
    assert_signed(&services.seen()[0], "AKIDEXAMPLE", SECRET);
    outcome.assert_masked(&[SECRET, PASSWORD]);
}

#[test]
fn a_token_file_assumes_the_role_and_what_has_expired_is_asked_for_again() {
    let (registry, door) = ecr();
    let services = Services::start(&[assumed(), password(seconds() - 1.0)]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "jwt-of-the-pod\n").unwrap();
    let role = [
        set("AWS_ROLE_ARN", ROLE),
        set("AWS_ROLE_SESSION_NAME", "release-7"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.path().display().to_string()),
    ];
    let outcome = release_with(&door, &services, &role);
    outcome.assert_released(&registry);
    let (assumed, asked): (Vec<Seen>, Vec<Seen>) = services.seen().into_iter().partition(|seen| seen.target == "/sts/");
    assert!(asked.len() > 1 && asked.len() == assumed.len(), "{} {}", assumed.len(), asked.len());
    assert!(assumed[0].form().contains(&"WebIdentityToken=jwt-of-the-pod".to_owned()));
    assert!(assumed[0].form().contains(&"RoleSessionName=release-7".to_owned()));
}

#[test]
fn a_role_that_does_not_trust_the_workflow_is_told_so() {
    let (registry, door) = ecr();
    let xml = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
               <Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>";
    let services = Services::start(&[runner_token(), ("/sts/", Reply::new(403, xml))]);
    let outcome = release_with(&door, &services, &super::variables(&[&services.runner(), &[set("AWS_ROLE_ARN", ROLE)]]));
    assert_eq!(outcome.code, 1, "{}", outcome.log);
    services.only("/sts/");
    assert_eq!(registry.tags("shop/web"), ["latest"]);
    let told = outcome.told(&[(&door.host(), "REGISTRY"), (&services.url(""), "AWS")]);
    insta::assert_snapshot!(told.lines().take(5).collect::<Vec<_>>().join("\n"), @"
    compose.yaml:6:12: couldn't read REGISTRY/shop/api:latest, the image of service api
    because: couldn't log in to REGISTRY
    because: couldn't assume the role of AWS_ROLE_ARN for Amazon ECR
    because: POST AWS/sts/ answered 403 Forbidden: AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity
    hint: check AWS_ROLE_ARN, and that the role's trust policy has GitHub's provider, the audience sts.amazonaws.com and the subject of this workflow, such as repo:OWNER/NAME:environment:production
    ");
}

const CLUSTER_ROLE: &str = "arn:aws:iam::123456789012:role/cluster";

/// Verifies a token as the authenticator of EKS and STS do together: from the URL in it, the cluster's name, and the secret.
fn admits(authorization: &str, key: &str) -> bool {
    let Some(token) = authorization.strip_prefix("Bearer k8s-aws-v1.") else { return false };
    let Some(url) = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok()) else { return false };
    let Some((place, query)) = url.split_once('?') else { return false };
    let Some((signed, signature)) = query.split_once("&X-Amz-Signature=") else { return false };
    let host = place.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/sts/")).unwrap_or_default();
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(signed.as_bytes()).into_owned().collect();
    let field = |name: &str| fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    let date = field("X-Amz-Date");
    let scope = format!("{}/eu-west-1/sts/aws4_request", date.get(..8).unwrap_or_default());
    let request =
        format!("GET\n/sts/\n{signed}\nhost:{host}\nx-k8s-aws-id:shop-cluster\n\nhost;x-k8s-aws-id\n{}", hex(&Sha256::digest(b"")));
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(request.as_bytes())));
    let start = format!("AWS4{SECRET}").into_bytes();
    let signing = scope.split('/').fold(start, |key, part| hmac(&key, part.as_bytes()));
    let expected = [
        ("Action", "GetCallerIdentity"),
        ("Version", "2011-06-15"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", &format!("{key}/{scope}")),
        ("X-Amz-Expires", "60"),
        ("X-Amz-SignedHeaders", "host;x-k8s-aws-id"),
    ];
    signature == hex(&hmac(&signing, text.as_bytes())) && expected.iter().all(|(name, value)| field(name) == *value)
}

/// The arguments that `aws eks update-kubeconfig` writes.
const GET_TOKEN: [&str; 8] = ["--region", "eu-west-1", "eks", "get-token", "--cluster-name", "shop-cluster", "--output", "json"];

#[test]
fn eks_takes_a_presigned_request_of_the_role_that_the_runners_token_assumes() {
    let shop = cluster().namespace("shop");
    let (door, _listener) = cluster().door(|authorization| admits(authorization, "ASIAEXAMPLE"));
    let services = Services::start(&[runner_token(), assumed()]);
    let aws = [set("AWS_ROLE_ARN", ROLE), ("AWS_ENDPOINT_URL_STS", services.url("/sts/"))];
    let outcome = super::deploy(&door.url(), shop.name(), "aws", &GET_TOKEN, &super::variables(&[&services.runner(), &aws]));
    outcome.assert_deployed(&shop);
    services.assert_runner_asked("sts.amazonaws.com");
    assert_eq!(services.only("/sts/").form()[0], "Action=AssumeRoleWithWebIdentity");
    outcome.assert_masked(&["the-runners-jwt", SECRET, "the-session+token/=="]);
    let token = outcome.log.lines().find_map(|line| line.strip_prefix("::add-mask::k8s-aws-v1.")).expect("the token is masked").to_owned();
    outcome.assert_hidden(&[&token]);
}

#[test]
fn eks_assumes_the_role_of_the_kubeconfig_with_signed_keys() {
    let shop = cluster().namespace("shop");
    let (door, _listener) = cluster().door(|authorization| admits(authorization, "ASIAEXAMPLE"));
    let services = Services::start(&[assumed()]);
    let aws =
        [set("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), set("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_ENDPOINT_URL_STS", services.url("/sts/"))];
    let args = [&GET_TOKEN[..], &["--role", CLUSTER_ROLE]].concat();
    super::deploy(&door.url(), shop.name(), "aws", &args, &aws).assert_deployed(&shop);
    let asked = services.only("/sts/");
    let role = format!("RoleArn={CLUSTER_ROLE}");
    assert_eq!(asked.form(), ["Action=AssumeRole", &role, "RoleSessionName=EKSGetTokenAuth", "Version=2011-06-15"]);
    let scope = format!("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{}/eu-west-1/sts/aws4_request, ", &asked.header("x-amz-date")[..8]);
    assert!(asked.header("authorization").starts_with(&scope), "{}", asked.header("authorization"));
}

#[test]
fn a_profile_of_the_runner_is_told_to_be_out_of_sight() {
    let args = [&GET_TOKEN[..], &["--profile", "production"]].concat();
    let outcome = super::deploy("https://127.0.0.1:1", "shop", "aws", &args, &[]);
    assert_eq!(outcome.code, 2, "{}", outcome.log);
    assert!(outcome.log.contains("`aws --profile` reads ~/.aws of the runner"), "{}", outcome.log);
}
