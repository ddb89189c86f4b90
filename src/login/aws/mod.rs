//! Amazon's clouds: an access key, given or by assuming a role with a token (`AssumeRoleWithWebIdentity`), signs a request for the
//! password of ECR's registry (`GetAuthorizationToken`), or the token of an EKS cluster.

mod eks;
mod identity;
mod place;
mod sign;

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Method, header};
use jiff::Timestamp;
use reqwest::Request;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::oidc::Oidc;
use super::wire::{Wire, remaining};
use super::{Credential, Error, Grant, Step, Variables};
pub(super) use eks::Plan as ClusterPlan;
use identity::Identity;
pub(super) use place::Place;
use sign::{Keys, Parts, Scope};

/// How long an ECR password is valid when the answer doesn't tell.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// The variables of AWS's SDKs (SDKs and Tools reference guide, "Settings reference").
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    keys: Option<Keys>,
    half_a_key: bool,
    role: Option<String>,
    session_name: Option<String>,
    token_file: Option<PathBuf>,
    region: Option<String>,
    sts: Option<Endpoint>,
    ecr: Option<Endpoint>,
    ecr_public: Option<Endpoint>,
}

/// An address that replaces AWS's own, and the variable that gives it.
#[derive(Debug, Clone)]
struct Endpoint {
    variable: &'static str,
    url: String,
}

/// A login that has all it needs.
#[derive(Debug)]
pub(super) struct Plan {
    place: Place,
    identity: Identity,
    settings: Settings,
}

impl Settings {
    pub(super) fn read(variables: &Variables<'_>) -> Self {
        let (id, secret) = (variables.get("AWS_ACCESS_KEY_ID"), variables.secret("AWS_SECRET_ACCESS_KEY"));
        let half_a_key = id.is_some() != secret.is_some();
        let session = variables.secret("AWS_SESSION_TOKEN");
        let endpoint = |variable: &'static str| {
            [variable, "AWS_ENDPOINT_URL"].into_iter().find_map(|name| Some(Endpoint { variable: name, url: variables.get(name)? }))
        };
        Self {
            keys: id.zip(secret).map(|(id, secret)| Keys { id, secret, session }),
            half_a_key,
            role: variables.get("AWS_ROLE_ARN"),
            session_name: variables.get("AWS_ROLE_SESSION_NAME"),
            token_file: variables.path("AWS_WEB_IDENTITY_TOKEN_FILE"),
            region: variables.get("AWS_REGION").or_else(|| variables.get("AWS_DEFAULT_REGION")),
            sts: endpoint("AWS_ENDPOINT_URL_STS"),
            ecr: endpoint("AWS_ENDPOINT_URL_ECR"),
            ecr_public: endpoint("AWS_ENDPOINT_URL_ECR_PUBLIC"),
        }
    }

    /// The login to a registry, or what is missing for it.
    pub(super) fn plan(&self, registry: &str, oidc: &Oidc) -> Result<Plan, String> {
        let place = match (Place::of(&registry.to_ascii_lowercase()), &self.region) {
            (Some(place), _) => place,
            (None, Some(region)) => Place::Private { region: region.clone(), domain: domain(region), fips: false },
            (None, None) => return Err(format!("the name {registry} doesn't tell the region of Amazon ECR: set AWS_REGION")),
        };
        Ok(Plan { place, identity: self.identity("Amazon ECR", oidc)?, settings: self.clone() })
    }
}

/// The domain of a region's partition (AWS General Reference, "Service endpoints").
fn domain(region: &str) -> &'static str {
    match region.split('-').next() {
        Some("cn") => "amazonaws.com.cn",
        Some("eusc") => "amazonaws.eu",
        _ => "amazonaws.com",
    }
}

impl Plan {
    pub(super) fn identity(&self) -> &'static str {
        self.identity.name()
    }

    pub(super) fn is_public(&self) -> bool {
        self.place == Place::Public
    }

    pub(super) async fn login(&self, wire: &Wire) -> Result<Grant, Error> {
        let keys = self.identity.keys(wire, self.place.region(), self.place.domain()).await?;
        self.password(wire, &keys).await
    }

    /// ECR's password by AWS's JSON protocol 1.1 (ECR API reference, GetAuthorizationToken; the public one's API is named
    /// SpencerFrontendService).
    async fn password(&self, wire: &Wire, keys: &Keys) -> Result<Grant, Error> {
        let (given, host, service, target) = match &self.place {
            Place::Public => (
                &self.settings.ecr_public,
                "api.ecr-public.us-east-1.amazonaws.com".to_owned(),
                "ecr-public",
                "SpencerFrontendService.GetAuthorizationToken",
            ),
            Place::Private { region, domain, fips } => {
                let host = if *fips { format!("ecr-fips.{region}.{domain}") } else { format!("api.ecr.{region}.{domain}") };
                (&self.settings.ecr, host, "ecr", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken")
            }
        };
        let url = endpoint(wire, given.as_ref(), &host)?;
        let mut request = Request::new(Method::POST, url.clone());
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
        headers.insert("x-amz-target", HeaderValue::from_static(target));
        let body: &[u8] = b"{}";
        let parts = Parts { method: &Method::POST, url: &url, headers, body };
        let scope = Scope { region: self.place.region(), service };
        let signed = sign::sign(&parts, keys, scope, Timestamp::now()).ok_or_else(|| sign::unusable(wire))?;
        request.headers_mut().extend(signed);
        *request.body_mut() = Some(body.into());
        grant(wire, wire.json(Step::EcrPassword, request).await?)
    }
}

fn endpoint(wire: &Wire, given: Option<&Endpoint>, host: &str) -> Result<Url, Error> {
    match given {
        Some(Endpoint { variable, url }) => Url::parse(url).map_err(|_| wire.bad_value(variable, "it isn't a web address")),
        None => Url::parse(&format!("https://{host}/")).map_err(|_| wire.bad_value("AWS_REGION", format!("{host} isn't a host"))),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    authorization_data: OneOrMany,
}

/// A list for private registries, one object for the public one.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<Authorization>),
    One(Authorization),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authorization {
    authorization_token: SecretString,
    expires_at: Option<f64>,
}

fn grant(wire: &Wire, body: Body) -> Result<Grant, Error> {
    let malformed = |reason: &str| wire.malformed(Step::EcrPassword, reason);
    let first = match body.authorization_data {
        OneOrMany::Many(list) => list.into_iter().next(),
        OneOrMany::One(one) => Some(one),
    };
    let Authorization { authorization_token, expires_at } = first.ok_or_else(|| malformed("its answer has no token"))?;
    let token = wire.hide(authorization_token);
    let decoded = STANDARD.decode(token.expose_secret()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
    let (user, password) = pair.ok_or_else(|| malformed("its token isn't the base64 form of user:password"))?;
    #[expect(clippy::cast_possible_truncation, reason = "a date in seconds; what is too large is no date")]
    let expires = expires_at.and_then(|seconds| Timestamp::from_second(seconds as i64).ok());
    let password = wire.hide(password.into());
    Ok(Grant { credential: Credential::Password { user: user.to_owned(), password }, lifetime: expires.map_or(LIFETIME, remaining) })
}
