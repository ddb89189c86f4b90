//! A token service for a registry: the Docker distribution token protocol, with tokens signed by Ed25519 and checked by
//! the registry against a key set.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{KeyPair, PublicKeyData, SigningKey};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::http1::{Listener, Reply, Request, serve};

const SERVICE: &str = "testbed registry";
const ISSUER: &str = "testbed";

/// Somebody who may ask for tokens.
#[derive(Clone, Debug)]
pub struct User {
    name: String,
    password: String,
    /// Repository prefixes and the actions granted there.
    grants: Vec<(String, Vec<String>)>,
}

impl User {
    pub fn new(name: &str, password: &str) -> User {
        User { name: name.to_owned(), password: password.to_owned(), grants: Vec::new() }
    }

    /// Anybody who comes without credentials.
    pub fn anonymous() -> User {
        User::new("", "")
    }

    /// Grants `pull`, `push`, `delete` on the repositories that begin with `prefix`.
    #[must_use]
    pub fn may(mut self, actions: &[&str], prefix: &str) -> User {
        self.grants.push((prefix.to_owned(), actions.iter().map(|action| (*action).to_owned()).collect()));
        self
    }

    fn granted(&self, repository: &str, asked: &[&str]) -> Vec<String> {
        let grants = self.grants.iter().filter(|(prefix, _)| repository.starts_with(prefix.as_str()));
        let allowed: Vec<&String> = grants.flat_map(|(_, actions)| actions).collect();
        asked.iter().filter(|a| allowed.iter().any(|b| b == *a)).map(|a| (*a).to_owned()).collect()
    }
}

/// A request for a token, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// The user, empty without credentials.
    pub user: String,
    pub scopes: Vec<String>,
    pub status: u16,
}

/// A running token service.
pub struct TokenService {
    listener: Listener,
    signer: Arc<Signer>,
    requests: Arc<Mutex<Vec<TokenRequest>>>,
}

impl TokenService {
    pub fn start(users: Vec<User>) -> TokenService {
        let signer = Arc::new(Signer::new());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (signs, log) = (signer.clone(), requests.clone());
        let listener = serve(move |request| {
            let (seen, reply) = answer(&users, &signs, request);
            log.lock().unwrap_or_else(|e| e.into_inner()).push(seen);
            reply
        });
        TokenService { listener, signer, requests }
    }

    /// Every request for a token so far.
    pub fn requests(&self) -> Vec<TokenRequest> {
        self.requests.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Where tokens are to be had.
    pub fn realm(&self) -> String {
        format!("http://{}/token", self.listener.host())
    }

    /// A token with all rights on a repository.
    pub(super) fn root_token(&self, repository: &str) -> String {
        self.signer.token(
            "root",
            &json!([{
                "type": "repository", "name": repository, "actions": ["pull", "push", "delete"],
            }]),
        )
    }

    /// The `auth` section of a registry's configuration; writes the key set into `folder`.
    pub(super) fn registry_config(&self, folder: &Path) -> String {
        let keys = folder.join("jwks.json");
        std::fs::write(&keys, self.signer.key_set().to_string()).expect("couldn't write the key set");
        format!(
            "auth:\n  token:\n    realm: {}\n    service: {SERVICE}\n    issuer: {ISSUER}\n    jwks: {}\n",
            self.realm(),
            keys.display()
        )
    }
}

/// The key of a token service.
struct Signer {
    key: KeyPair,
}

impl Signer {
    fn new() -> Signer {
        Signer { key: KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("couldn't generate a key") }
    }

    /// RFC 7517 and RFC 8037.
    fn key_set(&self) -> Value {
        let public = URL_SAFE_NO_PAD.encode(self.key.der_bytes());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "testbed", "x": public}]})
    }

    fn token(&self, user: &str, access: &Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_secs();
        let header = json!({"alg": "EdDSA", "typ": "JWT", "kid": "testbed"});
        let claims = json!({
            "iss": ISSUER, "sub": user, "aud": SERVICE, "iat": now, "nbf": now, "exp": now + 300,
            "jti": format!("{user}-{now}"), "access": access,
        });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.key.sign(signed.as_bytes()).expect("couldn't sign a token");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn answer(users: &[User], signer: &Signer, request: &Request) -> (TokenRequest, Reply) {
    let (name, password) = credentials(request);
    let scopes: Vec<String> = form_urlencoded::parse(request.query().as_bytes())
        .filter(|(key, _)| key == "scope")
        .flat_map(|(_, value)| value.split(' ').map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let seen = |status| TokenRequest { user: name.clone(), scopes: scopes.clone(), status };
    let error = |status: u16, code: &str| Reply::json(status, &json!({"errors": [{"code": code, "message": code}]}));
    if request.method != "GET" || request.path() != "/token" {
        // No OAuth2 endpoint: clients have to fall back to GET.
        return (seen(405), error(405, "UNSUPPORTED"));
    }
    let Some(user) = users.iter().find(|user| user.name == name && user.password == password) else {
        return match name.is_empty() {
            true => (seen(200), granted(signer, &User::anonymous(), &scopes)),
            false => (seen(401), error(401, "UNAUTHORIZED")),
        };
    };
    (seen(200), granted(signer, user, &scopes))
}

fn granted(signer: &Signer, user: &User, scopes: &[String]) -> Reply {
    let access: Vec<Value> = scopes
        .iter()
        .filter_map(|scope| {
            // repository:NAME:ACTION,ACTION – and a name may contain a colon.
            let (kind, rest) = scope.split_once(':')?;
            let (name, actions) = rest.rsplit_once(':')?;
            let actions = user.granted(name, &actions.split(',').collect::<Vec<_>>());
            Some(json!({"type": kind, "name": name, "actions": actions}))
        })
        .collect();
    let token = signer.token(&user.name, &Value::Array(access));
    Reply::json(200, &json!({"token": token, "access_token": token, "expires_in": 300}))
}

fn credentials(request: &Request) -> (String, String) {
    request
        .head
        .get("authorization")
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned())))
        .unwrap_or_default()
}
