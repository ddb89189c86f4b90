//! Whose keys sign: given in the environment, or temporary ones of a role that a token proves the right to.

use std::path::PathBuf;

use http::{HeaderMap, HeaderValue, Method, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::sign::{self, Keys, Parts, Scope};
use super::{Endpoint, Settings, endpoint};
use crate::login::oidc::{self, Oidc};
use crate::login::wire::{Wire, element, form};
use crate::login::{Error, Step};

/// The audience that GitHub's documentation and configure-aws-credentials use in trust policies.
const AUDIENCE: &str = "sts.amazonaws.com";

/// A proof of identity, and where it is turned into keys.
#[derive(Debug)]
pub(super) struct Identity {
    proof: Proof,
    session_name: Option<String>,
    sts: Option<Endpoint>,
}

#[derive(Debug)]
enum Proof {
    Keys(Keys),
    File { role: String, path: PathBuf },
    Runner { role: String, place: oidc::Place },
}

/// A role that keys are exchanged for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) session_name: String,
    pub(super) external_id: Option<String>,
}

impl Settings {
    /// The identity that the environment gives, or what is missing for a login to `service`.
    pub(super) fn identity(&self, service: &str, oidc: &Oidc) -> Result<Identity, String> {
        let proof = match (&self.keys, &self.role, &self.token_file, oidc.place()) {
            (Some(keys), ..) => Proof::Keys(keys.clone()),
            (None, Some(role), Some(path), _) => Proof::File { role: role.clone(), path: path.clone() },
            (None, Some(role), None, Some(place)) => Proof::Runner { role: role.clone(), place: place.clone() },
            (None, Some(_), None, None) => {
                return Err(format!(
                    "AWS_ROLE_ARN is set, but the runner gives no OIDC token (ACTIONS_ID_TOKEN_REQUEST_URL is not set): {}, or set \
                     AWS_WEB_IDENTITY_TOKEN_FILE",
                    oidc::PERMISSION
                ));
            }
            (None, None, ..) if self.half_a_key => {
                return Err("of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set".to_owned());
            }
            (None, None, Some(_), _) => return Err("AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not".to_owned()),
            (None, None, None, _) => {
                return Err(format!(
                    "to log in to {service}, set AWS_ROLE_ARN and {}, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
                    oidc::PERMISSION
                ));
            }
        };
        Ok(Identity { proof, session_name: self.session_name.clone(), sts: self.sts.clone() })
    }
}

impl Identity {
    pub(super) fn name(&self) -> &'static str {
        match self.proof {
            Proof::Keys(_) => "AWS_ACCESS_KEY_ID",
            Proof::File { .. } => "AWS_ROLE_ARN with AWS_WEB_IDENTITY_TOKEN_FILE",
            Proof::Runner { .. } => "AWS_ROLE_ARN with the runner's OIDC token",
        }
    }

    /// The keys, asked for at the STS of a region where a role is to be assumed.
    pub(super) async fn keys(&self, wire: &Wire, region: &str, domain: &str) -> Result<Keys, Error> {
        let (role, token) = match &self.proof {
            Proof::Keys(keys) => {
                wire.hide(keys.secret.clone());
                keys.session.clone().map(|session| wire.hide(session));
                return Ok(keys.clone());
            }
            Proof::File { role, path } => (role, wire.hide(wire.file("AWS_WEB_IDENTITY_TOKEN_FILE", path).await?)),
            Proof::Runner { role, place } => (role, place.token(wire, AUDIENCE).await?),
        };
        self.by_token(wire, &self.sts(wire, region, domain)?, role, &token).await
    }

    /// The address of STS in a region.
    pub(super) fn sts(&self, wire: &Wire, region: &str, domain: &str) -> Result<url::Url, Error> {
        endpoint(wire, self.sts.as_ref(), &format!("sts.{region}.{domain}"))
    }

    /// Temporary keys of a role (STS API reference, AssumeRoleWithWebIdentity); the token is the proof, nothing is signed.
    async fn by_token(&self, wire: &Wire, sts: &url::Url, role: &str, token: &SecretString) -> Result<Keys, Error> {
        let fields = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", role),
            ("RoleSessionName", self.session_name.as_deref().unwrap_or("tagboat")),
            ("WebIdentityToken", token.expose_secret()),
        ];
        let xml = wire.text(Step::AssumeRole, form(sts.clone(), &fields)).await?;
        temporary(wire, Step::AssumeRole, &xml)
    }

    /// Temporary keys of a further role (STS API reference, AssumeRole), signed with the keys that may assume it.
    pub(super) async fn further(&self, wire: &Wire, keys: &Keys, region: &str, domain: &str, role: &Role) -> Result<Keys, Error> {
        let url = self.sts(wire, region, domain)?;
        let mut fields = vec![
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", role.arn.as_str()),
            ("RoleSessionName", role.session_name.as_str()),
        ];
        fields.extend(role.external_id.as_deref().map(|id| ("ExternalId", id)));
        let mut request = form(url.clone(), &fields);
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default().to_vec();
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))]);
        let parts = Parts { method: &Method::POST, url: &url, headers: &headers, body: &body };
        let signed = sign::sign(&parts, keys, Scope { region, service: "sts" }, Timestamp::now());
        request.headers_mut().extend(signed.ok_or_else(|| sign::unusable(wire))?);
        let xml = wire.text(Step::AssumeFurther, request).await?;
        temporary(wire, Step::AssumeFurther, &xml)
    }
}

/// The keys in an answer of STS.
fn temporary(wire: &Wire, step: Step, xml: &str) -> Result<Keys, Error> {
    let part = |name: &str| {
        let text = element(xml, name).filter(|text| !text.is_empty());
        text.ok_or_else(|| wire.malformed(step, format!("its answer has no {name}")))
    };
    let (secret, session) = (wire.hide(part("SecretAccessKey")?.into()), wire.hide(part("SessionToken")?.into()));
    Ok(Keys { id: part("AccessKeyId")?, secret, session: Some(session) })
}
