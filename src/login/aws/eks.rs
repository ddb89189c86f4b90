//! Tokens of Amazon EKS: a presigned request for the caller's identity, which the cluster sends to STS to learn who asks
//! (kubernetes-sigs/aws-iam-authenticator, "How does it work?"; aws-cli, `eks get-token`).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;

use super::identity::{Identity, Role};
use super::sign::{self, Parts, Scope};
use super::{Settings, domain};
use crate::login::oidc::Oidc;
use crate::login::plugin::{Exec, Flags};
use crate::login::wire::Wire;
use crate::login::{Credential, Error, Grant};

/// The signed header that binds a token to one cluster.
const CLUSTER: HeaderName = HeaderName::from_static("x-k8s-aws-id");
/// What the request says of its own age; STS takes it for 15 minutes all the same, which is what clusters go by.
const EXPIRES: u32 = 60;
/// As long as `aws eks get-token` promises.
const LIFETIME: Duration = Duration::from_secs(14 * 60);

/// A login that has all it needs.
#[derive(Debug)]
pub(in crate::login) struct Plan {
    cluster: HeaderValue,
    region: String,
    identity: Identity,
    role: Option<Role>,
}

impl Settings {
    /// The login that `aws eks get-token` or `aws-iam-authenticator token` would make, or what is missing for it. `None` for
    /// other commands of theirs.
    pub(in crate::login) fn plan_cluster(&self, exec: &Exec<'_>, oidc: &Oidc) -> Option<Result<Plan, String>> {
        let flags = Flags::of(exec.args);
        let words: Vec<&str> = flags.words.iter().map(String::as_str).collect();
        match (exec.program(), words.as_slice()) {
            ("aws", ["eks", "get-token"]) | ("aws-iam-authenticator" | "heptio-authenticator-aws", ["token"]) => {}
            _ => return None,
        }
        Some(self.cluster_plan(exec, &flags, oidc))
    }

    fn cluster_plan(&self, exec: &Exec<'_>, flags: &Flags, oidc: &Oidc) -> Result<Plan, String> {
        let program = exec.program();
        if flags.get(&["--profile"]).is_some() {
            return Err(format!(
                "`{program} --profile` reads ~/.aws of the runner, which can't be seen here: remove `--profile` from the kubeconfig, and set \
                 AWS_ROLE_ARN or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            ));
        }
        // `--cluster-id` of `aws` names clusters of Outposts; of the authenticator any.
        let cluster = flags.get(&["--cluster-name", "--cluster-id", "-i"]);
        let cluster = cluster.ok_or_else(|| format!("the arguments of {program} in the kubeconfig name no cluster"))?;
        let cluster = HeaderValue::from_str(&cluster).map_err(|_| format!("{cluster:?} can't be the name of a cluster"))?;
        let region = flags.get(&["--region"]).or_else(|| self.region.clone()).or_else(|| region_of(exec.server));
        let region = region.ok_or("the kubeconfig doesn't tell the region of the cluster: set AWS_REGION")?;
        // The command line takes abbreviations, and `aws eks update-kubeconfig --role-arn` writes one.
        let role = flags.get(&["--role-arn", "--role", "-r"]).map(|arn| Role {
            arn,
            session_name: flags.get(&["--session-name", "-s"]).unwrap_or_else(|| "EKSGetTokenAuth".to_owned()),
            external_id: flags.get(&["--external-id", "-e"]),
        });
        Ok(Plan { cluster, region, identity: self.identity("Amazon EKS", oidc)?, role })
    }
}

/// The region in `https://ID.gr7.eu-west-1.eks.amazonaws.com`.
fn region_of(server: &str) -> Option<String> {
    let (before, _) = server.split_once(".eks.amazonaws.")?;
    Some(before.rsplit('.').next()?.to_owned())
}

impl Plan {
    pub(in crate::login) fn identity(&self) -> &'static str {
        self.identity.name()
    }

    pub(in crate::login) async fn login(&self, wire: &Wire) -> Result<Grant, Error> {
        let domain = domain(&self.region);
        let mut keys = self.identity.keys(wire, &self.region, domain).await?;
        if let Some(role) = &self.role {
            keys = self.identity.further(wire, &keys, &self.region, domain, role).await?;
        }
        let mut url = self.identity.sts(wire, &self.region, domain)?;
        url.query_pairs_mut().append_pair("Action", "GetCallerIdentity").append_pair("Version", "2011-06-15");
        let headers = HeaderMap::from_iter([(CLUSTER, self.cluster.clone())]);
        let parts = Parts { method: &Method::GET, url: &url, headers: &headers, body: b"" };
        let scope = Scope { region: &self.region, service: "sts" };
        let presigned = sign::presign(&parts, &keys, scope, Timestamp::now(), EXPIRES).ok_or_else(|| sign::unusable(wire))?;
        let token = wire.hide(format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(presigned.as_str())).into());
        Ok(Grant { credential: Credential::Token(token), lifetime: LIFETIME })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_of_a_cluster_tells_its_region() {
        assert_eq!(region_of("https://0A1B.gr7.eu-west-1.eks.amazonaws.com").as_deref(), Some("eu-west-1"));
        assert_eq!(region_of("https://0A1B.yl4.cn-north-1.eks.amazonaws.com.cn").as_deref(), Some("cn-north-1"));
        assert_eq!(region_of("https://127.0.0.1:6443"), None);
    }
}
