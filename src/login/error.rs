use std::fmt;
use std::path::PathBuf;

use http::StatusCode;

use super::Service;
use crate::error::{Exit, Explain};
use crate::http::{Refusal, SendError};

/// What was being done for a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Getting an ID token from the workflow runner.
    RunnerToken,
    /// Getting a token of Microsoft Entra ID.
    EntraToken,
    /// Exchanging that for the registry's refresh token.
    AcrExchange,
    /// `AssumeRoleWithWebIdentity`.
    AssumeRole,
    /// `AssumeRole` of a role that the kubeconfig names.
    AssumeFurther,
    /// `GetAuthorizationToken`.
    EcrPassword,
    /// Getting the subject token that an external account's file points to.
    SubjectToken,
    /// Exchanging that for Google's token.
    Federation,
    /// Acting as a service account.
    Impersonation,
    /// Getting an access token for a key or a refresh token.
    GoogleToken,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RunnerToken => "get an OIDC token from the runner",
            Self::EntraToken => "get a token from Microsoft Entra ID",
            Self::AcrExchange => "exchange the token of Microsoft Entra ID for one of the registry",
            Self::AssumeRole => "assume the role of AWS_ROLE_ARN",
            Self::AssumeFurther => "assume the role that the kubeconfig names",
            Self::EcrPassword => "get the registry's password (ecr:GetAuthorizationToken)",
            Self::SubjectToken => "get the token that GOOGLE_APPLICATION_CREDENTIALS points to",
            Self::Federation => "exchange the OIDC token for one of Google",
            Self::Impersonation => "act as the service account",
            Self::GoogleToken => "get an access token from Google",
        })
    }
}

/// Why a login to a cloud failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("couldn't {step} for {service}")]
    Refused { service: Service, step: Step, source: Box<Refusal> },
    #[error("couldn't {step} for {service}")]
    Send { service: Service, step: Step, source: SendError },
    #[error("couldn't {step} for {service}: {reason}")]
    Malformed { service: Service, step: Step, reason: String },
    #[error("couldn't read the file of {variable} for {service}, {}", path.display())]
    File { service: Service, variable: &'static str, path: PathBuf, source: std::io::Error },
    #[error("couldn't use {variable} for {service}: {reason}")]
    Value { service: Service, variable: &'static str, reason: String },
}

impl Explain for Error {
    fn hint(&self) -> String {
        let text = match self {
            Self::Refused { step, source, .. } => return refused(*step, source.status),
            Self::Send { source: SendError::Certificate { .. }, .. } => "give the server's root certificate in `ca-bundle`",
            Self::Send { .. } => "check the network of the runner, and the variables that give the cloud's addresses",
            Self::Malformed { .. } => "check the variables that give the cloud's addresses, and that no proxy or portal answers for it",
            Self::File { .. } => {
                "the action runs in a container and sees files of the workspace, and of the runner's temporary folder with runner 2.331 or \
                 later; put the file there"
            }
            Self::Value { variable, service: Service::Registry(_), .. } => {
                return format!("correct {variable}, or give the login in `registry-auths`");
            }
            Self::Value { variable, service: Service::Cluster(_), .. } => {
                return format!("correct {variable}, or use a `kubeconfig` with a token of its own");
            }
        };
        text.to_owned()
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Send { source: SendError::TimedOut { .. }, .. } => Exit::TimedOut,
            Self::File { .. } | Self::Value { .. } => Exit::BadInput,
            Self::Refused { .. } | Self::Send { .. } | Self::Malformed { .. } => Exit::Failed,
        }
    }
}

fn refused(step: Step, status: StatusCode) -> String {
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return "the cloud has trouble of its own: run it again a little later".to_owned();
    }
    let text = match step {
        Step::RunnerToken => "give the job `permissions: id-token: write`; pull requests of forks never get it",
        Step::EntraToken => {
            "check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; without a secret, the federated credential of the app must \
             name the subject of this workflow, such as repo:OWNER/NAME:environment:production"
        }
        Step::AcrExchange => {
            "check that AZURE_TENANT_ID is the registry's tenant, and give the identity the role AcrPush (AcrPull to read)"
        }
        Step::AssumeRole => {
            "check AWS_ROLE_ARN, and that the role's trust policy has GitHub's provider, the audience sts.amazonaws.com and the subject of \
             this workflow, such as repo:OWNER/NAME:environment:production"
        }
        Step::AssumeFurther => "the trust policy of that role must allow sts:AssumeRole to the identity that asks",
        Step::EcrPassword => {
            "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the role; the identity needs the permission \
             ecr:GetAuthorizationToken"
        }
        Step::SubjectToken => "check `credential_source` in the file, and give the job `permissions: id-token: write`",
        Step::Federation => "check the workload identity provider: its audience, and the attribute condition for this workflow",
        Step::Impersonation => "give the federated identity the role roles/iam.workloadIdentityUser on the service account",
        Step::GoogleToken => "check that the key or refresh token of GOOGLE_APPLICATION_CREDENTIALS is still valid",
    };
    text.to_owned()
}
