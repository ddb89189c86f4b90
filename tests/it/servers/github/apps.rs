//! A GitHub App: its claim is checked with its public key, and its tokens reach what they were asked for and nothing else.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

use super::super::testbed;
use super::{GitHub, Operation, Reply, Request, State, openapi};

/// An App as the server knows it.
#[derive(Clone, Debug, Default)]
pub struct App {
    pub id: String,
    /// The tokens that installations get, by owner.
    pub tokens: BTreeMap<String, String>,
    /// What the owners have granted.
    pub permissions: BTreeMap<String, String>,
    /// Bodies of the requests for tokens, by owner.
    pub asked: Vec<(String, Value)>,
    /// Owners whose token is good now.
    pub valid: Vec<String>,
    pub revoked: Vec<String>,
}

impl GitHub {
    /// Registers an App whose key is the test bed's, installed for these owners.
    pub fn install_app(&self, app: App) {
        super::lock(&self.state).app = Some(app);
    }

    pub fn app(&self) -> App {
        super::lock(&self.state).app.clone().expect("there is no App")
    }
}

impl State {
    /// Whether a request's token may reach an owner's repositories.
    pub(super) fn knows(&self, request: &Request, owner: Option<&str>) -> bool {
        let Some(token) = request.head.get("authorization").and_then(|text| text.strip_prefix("Bearer ")) else { return false };
        let app = self.app.as_ref().zip(owner);
        let is_apps = app.is_some_and(|(app, owner)| {
            app.valid.iter().any(|valid| valid == owner) && app.tokens.get(owner).is_some_and(|known| known == token)
        });
        is_apps || token == self.token
    }
}

/// Answers requests that an App makes as itself, or about its token.
pub(super) fn answer(state: &mut State, request: &Request, operation: &Operation, parameters: &[String]) -> Option<Reply> {
    let app = state.app.as_mut()?;
    let bearer = request.head.get("authorization")?.strip_prefix("Bearer ")?;
    let (status, body) = match operation.name() {
        "DELETE /installation/token" => {
            let owner = app.valid.iter().position(|owner| app.tokens[owner] == bearer)?;
            app.revoked.push(app.valid.remove(owner));
            (204, Value::Null)
        }
        "GET /repos/{owner}/{repo}/installation" | "POST /app/installations/{installation_id}/access_tokens"
            if !is_signed_by(bearer, &app.id) =>
        {
            (401, json!({ "message": "A JSON web token could not be decoded" }))
        }
        "GET /repos/{owner}/{repo}/installation" => match app.tokens.keys().position(|owner| *owner == parameters[0]) {
            Some(index) => {
                let mut installation = openapi::example("installation");
                (installation["id"], installation["permissions"]) = (json!(index), json!(app.permissions));
                (200, installation)
            }
            None => (404, json!({ "message": "Not Found" })),
        },
        "POST /app/installations/{installation_id}/access_tokens" => {
            let (owner, token) = app.tokens.iter().nth(parameters[0].parse().ok()?)?;
            let asked: Value = serde_json::from_slice(&request.body).ok()?;
            app.asked.push((owner.clone(), asked.clone()));
            let wanted = asked["permissions"].as_object()?;
            if wanted.iter().any(|(name, level)| app.permissions.get(name).is_none_or(|granted| level != granted.as_str())) {
                (422, json!({ "message": "The permissions requested are not granted to this installation." }))
            } else {
                app.valid.push(owner.clone());
                let mut minted = openapi::example("installation-token");
                (minted["token"], minted["permissions"]) = (json!(token), asked["permissions"].clone());
                minted.as_object_mut()?.remove("repositories");
                (201, minted)
            }
        }
        "POST /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers" => {
            let body: Value = serde_json::from_slice(&request.body).ok()?;
            let is_apps = app.tokens.values().any(|token| token == bearer);
            let sees_teams = app.asked.last().is_some_and(|(_, asked)| asked["permissions"]["members"] == "read");
            if !is_apps || sees_teams || body["team_reviewers"].as_array().is_none_or(Vec::is_empty) {
                return None;
            }
            // Of a team that a token may not see GitHub only says this.
            (422, json!({ "message": "Validation Failed", "errors": ["Could not resolve to a node with the global id of 'T_kwDO'."] }))
        }
        _ => return None,
    };
    if ![401, 403, 404, 422].contains(&status) {
        let problems = operation.check_answer(status, &body);
        state.violations.extend(problems.iter().map(|problem| format!("{} answered {status}: {problem}", operation.name())));
    }
    Some(if status == 204 { Reply::new(204, "") } else { Reply::json(status, &body) })
}

fn is_signed_by(claim: &str, id: &str) -> bool {
    let public = std::fs::read(testbed("google/key.pub")).expect("the test bed has a key");
    let check = || {
        let (signed, signature) = claim.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public).verify(signed.as_bytes(), &signature).ok()?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(signed.split('.').nth(1)?).ok()?).ok()?;
        let (issued, expires) = (claims["iat"].as_u64()?, claims["exp"].as_u64()?);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
        (claims["iss"] == id && issued <= now && now < expires && expires - now <= 600).then_some(())
    };
    check().is_some()
}
