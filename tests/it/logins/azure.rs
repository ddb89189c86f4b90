use super::{Outcome, Services, door, left_to, oauth, push_all, release, runner_token, set, variables};
use crate::servers::cluster::ADMIN_TOKEN;
use crate::servers::http1::{Listener, Reply, Request, Upstream};
use crate::servers::token::User;
use crate::servers::{Namespace, Registry, cluster};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use url::form_urlencoded;

use super::{Seen, port};

const ENTRA: &str = "/tenant-1/oauth2/v2.0/token";

/// A registry of Azure: its realm takes nothing but the refresh token that its exchange gives for Entra's token.
pub(super) struct Acr {
    pub(super) registry: Registry,
    door: Listener,
    pub(super) refresh_token: String,
    exchanges: std::sync::Arc<std::sync::Mutex<Vec<Seen>>>,
}

impl Acr {
    pub(super) fn start() -> Acr {
        let registry = Registry::with_token_service(vec![User::new("acr", "internal").may(&["pull", "push"], "shop/")]);
        push_all(&registry);
        let claims = URL_SAFE_NO_PAD.encode(json!({"exp": 4_000_000_000_i64, "jti": "1"}).to_string());
        let refresh_token = format!("e30.{claims}.signature");
        let exchanges = std::sync::Arc::<std::sync::Mutex<Vec<Seen>>>::default();
        let (realm, token, log) = (registry.tokens().realm(), refresh_token.clone(), exchanges.clone());
        let door = door(&registry, move |request, upstream| match request.path() {
            "/oauth2/exchange" => {
                log.lock().unwrap().push(Seen::of(request));
                Some(Reply::json(200, &json!({"refresh_token": token})))
            }
            "/oauth2/token" => Some(access_token(request, &realm, &token)),
            _ => Some(with_realm(request, upstream, &realm)),
        });
        Acr { registry, door, refresh_token, exchanges }
    }

    pub(super) fn host(&self) -> String {
        self.door.host()
    }

    pub(super) fn exchange(&self) -> Vec<String> {
        let exchanges = self.exchanges.lock().unwrap();
        assert_eq!(exchanges.len(), 1, "one login for all images");
        exchanges[0].form()
    }

    pub(super) fn release(&self, services: &Services, variables: &[(&'static str, String)]) -> Outcome {
        let azure = [
            left_to("acr-env", &self.host()),
            set("AZURE_CLIENT_ID", "app-1"),
            set("AZURE_TENANT_ID", "tenant-1"),
            ("AZURE_AUTHORITY_HOST", services.url("/")),
        ];
        release(&self.host(), &super::variables(&[&azure, variables]))
    }
}

/// The registry's answer, with the token service of its front door.
fn with_realm(request: &Request, upstream: &Upstream, realm: &str) -> Reply {
    let mut reply = super::pass(request, upstream);
    let mine = format!("http://{}/oauth2/token", request.head.get("host").unwrap());
    for (name, value) in &mut reply.headers {
        if name.eq_ignore_ascii_case("www-authenticate") {
            *value = value.replace(realm, &mine);
        }
    }
    reply
}

/// The refresh token grant (distribution docs, spec/auth/oauth.md), fulfilled by the registry's real token service.
fn access_token(request: &Request, realm: &str, refresh_token: &str) -> Reply {
    let fields: Vec<(String, String)> = form_urlencoded::parse(&request.body).into_owned().collect();
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let known = field("refresh_token") == refresh_token && field("service") == "testbed registry" && !field("client_id").is_empty();
    if request.method != "POST" || field("grant_type") != "refresh_token" || !known {
        return Reply::new(401, "unauthorized: authentication required");
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("service", field("service"))
        .append_pair("scope", field("scope"))
        .finish();
    let basic = format!("Basic {}", STANDARD.encode("acr:internal"));
    Upstream::plain(port(realm)).send("GET", &format!("/token?{query}"), &[("Authorization", &basic)], b"").unwrap()
}

/// The runner and Entra.
pub(super) fn services() -> Services {
    Services::start(&[runner_token(), (ENTRA, oauth("entra-access-token"))])
}

#[test]
fn the_runners_token_becomes_the_registrys_refresh_token() {
    let acr = Acr::start();
    let services = services();
    let outcome = acr.release(&services, &services.runner());
    outcome.assert_released(&acr.registry);
    services.assert_runner_asked("api://AzureADTokenExchange");
    assert_eq!(
        services.only(ENTRA).form(),
        [
            "client_assertion=the-runners-jwt",
            "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_id=app-1",
            "grant_type=client_credentials",
            "scope=https://containerregistry.azure.net/.default",
        ]
    );
    let service = format!("service={}", acr.host());
    assert_eq!(acr.exchange(), ["access_token=entra-access-token", "grant_type=access_token", &service, "tenant=tenant-1"]);
    outcome.assert_masked(&["the-right-to-ask", "the-runners-jwt", "entra-access-token", &acr.refresh_token]);
}

#[test]
fn a_secret_or_a_token_file_is_proof_as_well() {
    let acr = Acr::start();
    let services = Services::start(&[(ENTRA, oauth("entra-access-token"))]);
    let outcome = acr.release(&services, &[set("AZURE_CLIENT_SECRET", "s3cret/+ value")]);
    outcome.assert_released(&acr.registry);
    let fields = services.only(ENTRA).form();
    assert_eq!(fields[..2], ["client_id=app-1", "client_secret=s3cret/+ value"]);
    assert_eq!(fields.len(), 4);
    outcome.assert_masked(&["s3cret/+ value", "entra-access-token"]);

    let (acr, services) = (Acr::start(), Services::start(&[(ENTRA, oauth("entra-access-token"))]));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "jwt-of-the-pod\n").unwrap();
    let outcome = acr.release(&services, &[("AZURE_FEDERATED_TOKEN_FILE", file.path().display().to_string())]);
    outcome.assert_released(&acr.registry);
    assert_eq!(services.only(ENTRA).form()[0], "client_assertion=jwt-of-the-pod");
    outcome.assert_masked(&["jwt-of-the-pod", "entra-access-token"]);
}

#[test]
fn what_entra_refuses_is_told_once_and_without_the_token() {
    let acr = Acr::start();
    let description = "AADSTS700213: No matching federated identity record found for the-runners-jwt.\r\nTrace ID: 1";
    let refusal = Reply::json(401, &json!({"error": "invalid_client", "error_description": description}));
    let services = Services::start(&[runner_token(), (ENTRA, refusal)]);
    let outcome = acr.release(&services, &services.runner());
    assert_eq!(outcome.code, 1, "{}", outcome.log);
    services.only(ENTRA);
    outcome.assert_hidden(&["the-runners-jwt"]);
    let told = outcome.told(&[(&acr.host(), "REGISTRY"), (&services.url(""), "ENTRA")]);
    insta::assert_snapshot!(told.lines().take(5).collect::<Vec<_>>().join("\n"), @"
    compose.yaml:6:12: couldn't read REGISTRY/shop/api:latest, the image of service api
    because: couldn't log in to REGISTRY
    because: couldn't get a token from Microsoft Entra ID for Azure Container Registry
    because: POST ENTRA/tenant-1/oauth2/v2.0/token answered 401 Unauthorized: invalid_client: AADSTS700213: No matching federated identity record found for ***. Trace ID: 1
    hint: check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; without a secret, the federated credential of the app must name the subject of this workflow, such as repo:OWNER/NAME:environment:production
    ");
}

#[test]
fn a_service_that_fails_for_a_moment_is_asked_again() {
    let acr = Acr::start();
    let services = Services::start(&[runner_token(), (ENTRA, Reply::new(502, "")), (ENTRA, oauth("entra-access-token"))]);
    acr.release(&services, &services.runner()).assert_released(&acr.registry);
    assert_eq!(services.seen().iter().filter(|seen| seen.target == ENTRA).count(), 2);
}

#[test]
fn a_job_without_the_permission_is_told_which_one() {
    let acr = Acr::start();
    let services = Services::start(&[]);
    let outcome = acr.release(&services, &[]);
    assert_eq!(outcome.code, 2, "{}", outcome.log);
    assert!(services.seen().is_empty());
    assert!(outcome.log.contains("docker-credential-acr-env, which can't run in this container"), "{}", outcome.log);
    assert!(outcome.log.contains("give the job `permissions: id-token: write`, or set AZURE_CLIENT_SECRET"), "{}", outcome.log);

    let refusing = Services::start(&[("/runner/token", Reply::new(403, "no"))]);
    let outcome = acr.release(&refusing, &refusing.runner());
    assert!(outcome.log.contains("couldn't get an OIDC token from the runner for Azure Container Registry"), "{}", outcome.log);
    assert!(outcome.log.contains("give the job `permissions: id-token: write`"), "{}", outcome.log);
}

#[test]
fn an_identity_token_of_az_acr_login_is_exchanged_at_the_realm() {
    let acr = Acr::start();
    let auth = STANDARD.encode("00000000-0000-0000-0000-000000000000:");
    let auths = json!({"auths": {acr.host(): {"auth": auth, "identitytoken": acr.refresh_token}}});
    let outcome = release(&acr.host(), &variables(&[&[("DOCKER_AUTH_CONFIG", auths.to_string())]]));
    outcome.assert_released(&acr.registry);
    assert!(acr.exchanges.lock().unwrap().is_empty());
    outcome.assert_masked(&[&acr.refresh_token]);
}

const SERVER: &str = "6dae42f8-4368-4678-94ff-3960e28e3630";

fn kubelogin(shop: &Namespace, mode: &[&str], variables: &[(&'static str, String)]) -> Outcome {
    let args = [&["get-token", "--environment", "AzurePublicCloud", "--server-id", SERVER], mode].concat();
    super::deploy(&cluster().url(), shop.name(), "kubelogin", &args, variables)
}

#[test]
fn aks_takes_entras_token_for_the_runners_and_a_refused_one_is_renewed() {
    let shop = cluster().namespace("shop");
    let services = Services::start(&[runner_token(), (ENTRA, oauth("an-outdated-token")), (ENTRA, oauth(ADMIN_TOKEN))]);
    let azure = [set("AZURE_CLIENT_ID", "app-1"), ("AZURE_AUTHORITY_HOST", services.url("/"))];
    let flags = ["--login=workloadidentity", "--client-id", "of-the-kubeconfig", "--tenant-id", "tenant-1"];
    let outcome = kubelogin(&shop, &flags, &variables(&[&azure, &services.runner()]));
    outcome.assert_deployed(&shop);
    let asked: Vec<Seen> = services.seen().into_iter().filter(|seen| seen.target == ENTRA).collect();
    assert_eq!(asked.len(), 2, "once at first, and once after the 401");
    assert_eq!(
        asked[1].form(),
        [
            "client_assertion=the-runners-jwt",
            "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_id=app-1",
            "grant_type=client_credentials",
            &format!("scope={SERVER}/.default"),
        ]
    );
    outcome.assert_masked(&["the-runners-jwt", "an-outdated-token", ADMIN_TOKEN]);
}

#[test]
fn aks_takes_the_secret_of_a_service_principal() {
    let shop = cluster().namespace("shop");
    let services = Services::start(&[(ENTRA, oauth(ADMIN_TOKEN))]);
    let azure = [
        set("AAD_SERVICE_PRINCIPAL_CLIENT_ID", "app-1"),
        set("AAD_SERVICE_PRINCIPAL_CLIENT_SECRET", "s3cret/+ value"),
        ("AZURE_AUTHORITY_HOST", services.url("/")),
    ];
    let outcome = kubelogin(&shop, &["-l", "spn", "-t", "tenant-1"], &azure);
    outcome.assert_deployed(&shop);
    assert_eq!(services.only(ENTRA).form()[..2], ["client_id=app-1", "client_secret=s3cret/+ value"]);
    outcome.assert_masked(&["s3cret/+ value", ADMIN_TOKEN]);
}

#[test]
fn modes_of_kubelogin_that_need_a_person_are_told_what_to_use() {
    let shop = cluster().namespace("shop");
    for mode in ["devicecode", "azurecli", "msi", "interactive"] {
        let outcome = kubelogin(&shop, &["--login", mode], &[]);
        assert_eq!(outcome.code, 2, "{}", outcome.log);
        assert!(outcome.log.contains(&format!("`kubelogin --login {mode}` needs a person")), "{}", outcome.log);
        assert!(outcome.log.contains("AAD_LOGIN_METHOD: workloadidentity"), "{}", outcome.log);
    }
}
