use std::path::PathBuf;
use std::time::Duration;

use crate::action::values::Mode;
use crate::error::{Exit, Explain, Location};

/// What only shows when the parts are put together.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("cancelled by {signal}")]
    Cancelled { signal: &'static str },
    #[error("couldn't read the event that started the workflow, {}", path.display())]
    Event { path: PathBuf, source: std::io::Error },
    #[error("couldn't read the file of the input `ca-bundle`, {}", path.display())]
    CaBundle { path: PathBuf, source: std::io::Error },
    #[error("couldn't read the Docker configuration {}", path.display())]
    DockerConfig { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Http(#[from] crate::http::Error),
    #[error("`mode: {mode}` needs a compose file, and there is none")]
    NoCompose { mode: Mode },
    #[error("`mode: {mode}` needs images of ours, and the compose file names none")]
    NoImages { mode: Mode },
    #[error("the image of the service {service} ({image}) is used by no manifest")]
    UnusedImage { service: String, image: String, names: Vec<String>, at: Location },
    #[error("`image-names` maps {name:?} to the service {service:?}, which is none of the services of ours")]
    UnknownService { name: String, service: String, suggestion: Option<String> },
    #[error("{object} has an image that can't be pulled: {reason}")]
    InvalidImage { object: String, reason: String, at: Location },
    #[error("couldn't pin the image of service {services} by its digest: it has none before it is pushed")]
    Unpushed { services: String, at: Location },
    #[error("couldn't release images of the Docker daemon to a folder")]
    DaemonToFolder,
    #[error("`edit: render` in the input `infra` needs the input `manifests`")]
    NoManifests,
    #[error("couldn't render {object} into {place}: its values would lie there in plain text")]
    PlainSecret { object: String, place: String, at: Location },
    #[error("the input `checks` names no Job")]
    NoChecks,
    #[error("couldn't find a cluster: there is no kubeconfig")]
    NoCluster,
    #[error("another run deploys this application: {by} has held {place} for all of {} s", given.as_secs())]
    Locked { place: String, by: String, given: Duration },
    #[error("couldn't use {name} ({value:?}) as an address")]
    Address { name: &'static str, value: String, source: url::ParseError },
    #[error("`repository: {repository}` needs the input `infra-token`")]
    NoInfraToken { repository: String },
    #[error("couldn't write {}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Yaml(#[from] crate::render::Error),
    #[error("the folder {} holds files that Tagboat has not written, such as {}", folder.display(), file.display())]
    ForeignFiles { folder: PathBuf, file: PathBuf },
}

impl Explain for Error {
    fn hint(&self) -> String {
        match self {
            Self::Cancelled { .. } => "run it again: what is done already is not repeated, and the rest is finished".into(),
            Self::Event { .. } => "the runner names the file in GITHUB_EVENT_PATH; it must be JSON".into(),
            Self::CaBundle { .. } => "`ca-bundle` is the path of a PEM file in the workspace".into(),
            Self::DockerConfig { .. } => "correct DOCKER_CONFIG, or remove the file".into(),
            Self::Http(_) => "check `ca-bundle`, and that the machine has root certificates (package ca-certificates)".into(),
            Self::NoCompose { .. } => "check the repository out before this step, or name the file in `compose-files`".into(),
            Self::NoImages { .. } => {
                "services of ours have both `build` and `image`, or an image under `registry`; the log says why each was skipped".into()
            }
            Self::UnusedImage { service, names, .. } => format!(
                "looked for {}; map the name that the manifests use with `image-names: NAME: {service}`, or leave the service out with `services`",
                names.join(", ")
            ),
            Self::UnknownService { suggestion: Some(near), .. } => format!("did you mean `{near}`?"),
            Self::UnknownService { suggestion: None, .. } => "name a service of the compose file whose image is ours".into(),
            Self::InvalidImage { .. } => "correct the image, or map it to a service with `image-names`".into(),
            Self::Unpushed { .. } => "push it in a step before this one, with `mode: retag` and `source: docker`; or set `pin: tag`".into(),
            Self::DaemonToFolder => {
                "name a registry in `target-registry`, which the daemon can push to; `docker buildx build --output type=oci` writes folders"
                    .into()
            }
            Self::NoManifests => "add `manifests` under `with:`: the files, folders or globs to render".into(),
            Self::PlainSecret { .. } => {
                "leave it out of `manifests` and let the cluster have it another way (a sealed or an external secret), or set \
                 `plain-secrets: true` for this entry in the input `infra`"
                    .into()
            }
            Self::NoChecks => "a check is a Job (or a Pod that ends); name its manifest, or leave `checks` empty".into(),
            Self::NoCluster => "set `kubeconfig` to the content of one, base64 of it or its path; KUBECONFIG is looked at too".into(),
            Self::Locked { .. } => {
                "wait until that run has ended, or cancel it, and run this one again; one that was killed is taken over after a minute. \
                 `concurrency` in the workflow queues runs"
                    .into()
            }
            Self::Address { name, .. } => format!("correct {name}"),
            Self::NoInfraToken { .. } => {
                "give a personal or App installation token that may push to it, or an App of this server in `infra-app-id` and \
                 `infra-app-key`; the workflow's own token can't reach other repositories"
                    .into()
            }
            Self::Write { .. } => "check that the folder can be written to".into(),
            Self::Yaml(_) => "report this as a bug, with the manifest".into(),
            Self::ForeignFiles { .. } => "name an empty or new folder in `render-folder`".into(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Cancelled { .. } => Exit::Cancelled,
            Self::Locked { .. } => Exit::TimedOut,
            Self::PlainSecret { .. } => Exit::Refused,
            Self::Write { .. } | Self::Yaml(_) => Exit::Failed,
            _ => Exit::BadInput,
        }
    }

    fn location(&self) -> Option<&Location> {
        match self {
            Self::UnusedImage { at, .. } | Self::InvalidImage { at, .. } | Self::Unpushed { at, .. } | Self::PlainSecret { at, .. } => {
                Some(at)
            }
            _ => None,
        }
    }
}
