use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::{docker, layout, registry};
use crate::error::{Exit, Explain};
use crate::http::{Refusal, SendError};
use crate::image::{Digest, manifest};
use crate::login;

/// What to do where a registry makes no repository by itself.
pub(super) const MAKE_REPOSITORY: &str =
    "create the repository (ECR: or a creation template; Harbor: its project), or check `registry` and `target-registry`";

/// Why a store didn't do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("couldn't find {what}")]
    NotFound { what: String, source: Option<Box<Refusal>> },
    #[error("couldn't use {what}: {registry} wants a login and there are no credentials for it")]
    LoginRequired {
        what: String,
        registry: String,
        /// What could have given credentials and didn't.
        missing: Vec<String>,
        source: Box<Refusal>,
    },
    #[error("couldn't log in to {registry}: it refused the credentials of {origin}")]
    LoginRefused { registry: String, origin: String, source: Box<Refusal> },
    #[error("couldn't log in to {registry}")]
    Cloud { registry: String, source: Arc<login::Error> },
    #[error("couldn't use {what}: access is denied")]
    Denied { what: String, source: Box<Refusal> },
    #[error("couldn't get the right to push {repository}: {registry} gives no such token {origin}")]
    MayNotPush { repository: String, registry: String, origin: String },
    #[error("couldn't use {what}: {registry} limits the rate of requests")]
    RateLimited { what: String, registry: String, source: Box<Refusal> },
    #[error("couldn't write {what}: {registry} doesn't let this tag change")]
    Locked { what: String, registry: String, source: Box<Refusal> },
    #[error("couldn't write {what}: others change it at {registry} at the same time, again and again")]
    Contended { what: String, registry: String },
    #[error("couldn't write {what}: {registry} misses something that the image is made of")]
    Incomplete { what: String, registry: String, source: Box<Refusal> },
    #[error("couldn't push to {repository}: {registry} has no such repository, and makes none by itself")]
    NoRepository { repository: String, registry: String, source: Box<Refusal> },
    #[error("couldn't use {what}: {registry} answered in an unexpected way")]
    Unexpected { what: String, registry: String, source: Box<Refusal> },
    #[error("couldn't use {what}")]
    Send { what: String, source: SendError },
    #[error("couldn't take {what} as an image")]
    Manifest { what: String, source: manifest::Error },
    #[error("couldn't trust {registry} with {what}: it confirmed {confirmed}, but {sent} was meant")]
    Confirmation { what: String, registry: String, sent: Digest, confirmed: String },
    #[error("couldn't trust {what}: its content is {actual}, but {promised} was promised")]
    Content { what: String, promised: Digest, actual: Digest },
    #[error("couldn't read {what}: it has {got} bytes, but {promised} were promised")]
    Length { what: String, promised: u64, got: u64 },
    #[error("couldn't understand {registry}'s answer about {what}: {reason}")]
    Malformed { what: String, registry: String, reason: String },
    #[error("couldn't use the token service of {registry} at {realm}: {reason}")]
    Realm { registry: String, realm: String, reason: &'static str },
    #[error(transparent)]
    Credentials(#[from] registry::credentials::Error),
    #[error(transparent)]
    Layout(#[from] layout::Error),
    #[error(transparent)]
    Docker(#[from] docker::Error),
}

impl Error {
    /// The error that a status stands for, when the answer is not what was hoped for.
    pub(super) fn of(what: String, registry: String, refusal: Box<Refusal>) -> Self {
        match refusal.status {
            StatusCode::NOT_FOUND => Self::NotFound { what, source: Some(refusal) },
            StatusCode::TOO_MANY_REQUESTS => Self::RateLimited { what, registry, source: refusal },
            StatusCode::FORBIDDEN if crate::http::is_rate_limit(refusal.message.as_bytes()) => {
                Self::RateLimited { what, registry, source: refusal }
            }
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Self::Denied { what, source: refusal },
            _ => Self::Unexpected { what, registry, source: refusal },
        }
    }

    /// Whether there is no such image, for all that the credentials can see.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::Docker(docker::Error::Missing { .. }))
    }

    /// Whether the store has refused for certain, so that nothing was changed. A broken connection or a server's fault leaves it open.
    pub fn nothing_happened(&self) -> bool {
        match self {
            Self::Send { source, .. } => matches!(source, SendError::Certificate { .. }),
            Self::Unexpected { source, .. } => source.status.is_client_error() || source.status.is_redirection(),
            Self::Confirmation { .. }
            | Self::Contended { .. }
            | Self::Malformed { .. }
            | Self::Layout(_)
            | Self::Content { .. }
            | Self::Length { .. } => false,
            Self::Docker(error) => error.nothing_happened(),
            Self::NotFound { .. }
            | Self::LoginRequired { .. }
            | Self::LoginRefused { .. }
            | Self::Cloud { .. }
            | Self::Denied { .. }
            | Self::MayNotPush { .. }
            | Self::RateLimited { .. }
            | Self::Locked { .. }
            | Self::Incomplete { .. }
            | Self::NoRepository { .. }
            | Self::Manifest { .. }
            | Self::Realm { .. }
            | Self::Credentials(_) => true,
        }
    }

    /// How long the registry asks to wait before the next try.
    pub(super) fn wait(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { source, .. } | Self::Unexpected { source, .. } => source.wait,
            _ => None,
        }
    }

    /// Whether moving a blob once more may succeed: the connection broke, the server is busy, or it has forgotten the upload.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Send { source, .. } => {
                !matches!(source, SendError::Certificate { .. } | SendError::TooLarge { .. } | SendError::OutOfTime { .. })
            }
            Self::Unexpected { source, .. } => matches!(source.status.as_u16(), 401 | 404 | 408 | 416 | 500..=599),
            Self::RateLimited { .. } => true,
            Self::Length { promised, got, .. } => got < promised,
            _ => false,
        }
    }
}

impl Explain for Error {
    fn hint(&self) -> String {
        let hint = match self {
            Self::NotFound { .. } => {
                "check the name and the tag, and that the image was pushed before this step; registries also answer this for private \
                 images that the credentials may not see"
            }
            Self::LoginRequired { registry, missing, .. } => {
                let inputs = format!("set `registry-username` and `registry-password`, or give `registry-auths` an entry for {registry}");
                return [inputs].into_iter().chain(missing.iter().cloned()).collect::<Vec<_>>().join("; ");
            }
            Self::Cloud { source, .. } => return source.hint(),
            Self::LoginRefused { origin, .. } => {
                return format!("check the user and the password or token of {origin}; a token may have expired");
            }
            Self::Denied { .. } | Self::MayNotPush { .. } => {
                "give the credentials the right to pull and push this repository (on GitHub: `permissions: packages: write`, and the \
                 package linked to this repository)"
            }
            Self::RateLimited { .. } => "wait and run it again: what was done already is not repeated; logging in often raises the limit",
            Self::Locked { .. } => {
                "its tags are immutable or locked: exclude those that move from the rule (ECR: mutable tag exclusion filters, Harbor: the \
                 rule's tags, ACR: unlock the tag), or take them out of `tags`"
            }
            Self::Incomplete { .. } => {
                "push the image again: a clean-up job may have deleted what has no tag of its own; let it keep what a tagged index lists"
            }
            Self::NoRepository { .. } => MAKE_REPOSITORY,
            Self::Contended { .. } => "run it again when what signs, attests or copies this image elsewhere is through",
            Self::Unexpected { .. } | Self::Malformed { .. } => {
                "run it again; if it stays, look at the registry's log, or at a proxy between the runner and it"
            }
            Self::Send { source: SendError::Certificate { .. }, .. } => "give the registry's root certificate in `ca-bundle`",
            Self::Send { source: SendError::OutOfTime { .. }, .. } => {
                "run it again: what was done already is not repeated; a longer `timeout` gives a slow registry more time"
            }
            Self::Send { .. } => {
                "check `registry` and the network of the runner; a registry without TLS must be listed in `insecure-registries`"
            }
            Self::Manifest { source: manifest::Error::Schema1, .. } => "push the image again with a current docker or buildx",
            Self::Manifest { source: manifest::Error::Digest { .. }, .. }
            | Self::Confirmation { .. }
            | Self::Content { .. }
            | Self::Length { .. } => "don't deploy this image: the registry, or a proxy before it, doesn't give what it promises",
            Self::Manifest { .. } => "check that the tag names an image, and that no proxy or portal answers for the registry",
            Self::Realm { .. } => {
                "the registry sends credentials to a place that can't be trusted with them; check `registry`, or list the host in \
                 `insecure-registries` if this is meant"
            }
            Self::Credentials(registry::credentials::Error::Helper { lack: Some(lack), .. }) => {
                return format!("{lack}; `registry-username` and `registry-password`, or `registry-auths`, do too");
            }
            Self::Credentials(registry::credentials::Error::Helper { lack: None, .. }) => {
                "set `registry-username` and `registry-password`, or put the login into `registry-auths`; docker/login-action writes \
                 one that can be used"
            }
            Self::Credentials(_) => "write it as in Docker's config.json: {\"ghcr.io\": {\"auth\": \"base64 of user:password\"}}",
            Self::Layout(error) => return error.hint(),
            Self::Docker(error) => return error.hint(),
        };
        hint.to_owned()
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Credentials(_) => Exit::BadInput,
            Self::Layout(error) => error.exit(),
            Self::Docker(error) => error.exit(),
            Self::Cloud { source, .. } => source.exit(),
            Self::Send { source: SendError::TimedOut { .. } | SendError::OutOfTime { .. }, .. } => Exit::TimedOut,
            _ => Exit::Failed,
        }
    }
}
