use super::revision::{self, KEY};
use super::select::Place;
use crate::error::{Exit, Explain, Location};
use crate::image::{Digest, NameError, Repository, Tag};
use crate::store::{self, docker};

/// Why images don't get their tags.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("couldn't find the service {name:?} in the compose file")]
    UnknownService { name: String, suggestion: Option<String> },
    #[error("couldn't choose the service {service:?}: {reason}")]
    NotOurs { service: String, reason: String, location: Location },
    #[error("couldn't read the image of service {service:?}")]
    Name { service: String, source: NameError, location: Location },
    #[error("couldn't retag service {service:?}: {repository} belongs to Docker's own library")]
    DockerLibrary { service: String, repository: Repository, location: Location },
    #[error("couldn't decide what {repository} is released from: service {} says {}, service {} says {}", first.0, first.1, second.0, second.1)]
    SourcesDiffer { repository: Repository, first: Box<(String, String)>, second: Box<(String, String)>, location: Location },
    #[error("couldn't make a tag of {template:?}: {reason}")]
    Template { template: String, reason: String, suggestion: Option<String> },
    #[error("couldn't read {image}, the image of service {services}")]
    Source { services: String, image: String, source: Box<store::Error>, location: Location },
    #[error("couldn't look at {image}, which service {services} is to be released as")]
    Target { services: String, image: String, source: Box<store::Error>, location: Location },
    #[error("couldn't release service {}: {}:{} exists and is {}, but {} is {}{}", .0.services, .0.repository, .0.tag, .0.existing, .0.source_image, .0.new, .0.place)]
    Conflict(Box<Conflict>),
    #[error("couldn't release service {}: {} was built from commit {}, but {} is commit {}", .0.services, .0.image, .0.built_from, .0.tag, .0.commit)]
    WrongCommit(Box<WrongCommit>),
    #[error("couldn't tell which commit {image}, the image of service {services}, was built from: {reason}")]
    NoCommit { services: String, image: String, reason: String, holder: Place, location: Location },
    #[error("couldn't release service {services}: {image} lists {child}, which isn't there")]
    Incomplete { services: String, image: String, child: String, location: Location },
    #[error("couldn't write {image}")]
    Write { image: String, source: Box<store::Error> },
    #[error("couldn't copy {from} to {to}")]
    Copy { from: String, to: String, source: Box<store::Error> },
}

/// A release tag that names another image than the one to release.
#[derive(Debug)]
pub struct Conflict {
    pub services: String,
    pub repository: Repository,
    pub tag: Tag,
    pub existing: Digest,
    pub source_image: String,
    /// The digest of its manifest; of an image that hasn't been pushed, its ID in the Docker daemon.
    pub new: Digest,
    pub place: Place,
    pub location: Location,
}

/// An image that was built from another commit than the one to release.
#[derive(Debug)]
pub struct WrongCommit {
    pub services: String,
    pub image: String,
    pub built_from: String,
    /// Where the image says so.
    pub place: revision::Place,
    /// Where the image is.
    pub holder: Place,
    /// The release's git tag.
    pub tag: String,
    pub commit: String,
    pub location: Location,
}

impl Explain for Error {
    fn hint(&self) -> String {
        match self {
            Self::UnknownService { suggestion: Some(name), .. } => format!("did you mean `services: {name}`?"),
            Self::UnknownService { suggestion: None, .. } => "check `services` and `compose-files`".into(),
            Self::NotOurs { .. } => {
                "take it out of `services`, or make it ours: give it `build`, set `registry`, or name its image in `x-tagboat`".into()
            }
            Self::Name { .. } => "write it as registry/repository:tag; a variable in it may be unset".into(),
            Self::DockerLibrary { .. } => "set `registry` to the place of your images, or write the image's name with its registry".into(),
            Self::SourcesDiffer { .. } => "give both services the same image, or choose one with `services`".into(),
            Self::Template { suggestion: Some(word), .. } => format!("did you mean `{word}`?"),
            Self::Template { suggestion: None, .. } => {
                "`tags` may hold {{tag}}, {{version}}, {{major}}, {{minor}}, {{patch}}, {{sha}}, {{short_sha}} and text".into()
            }
            Self::Source { source, .. } if matches!(**source, store::Error::NotFound { .. }) => {
                "push the image before this step, or set `source-tag` when it has another tag, or `source: docker` when this job has built it and \
                 pushed it nowhere; registries also answer this for private images that the credentials may not see"
                    .into()
            }
            Self::Source { services, source, .. } if matches!(**source, store::Error::Docker(docker::Error::Missing { .. })) => format!(
                "run `docker compose build {}` in a step of this job, before this one; set `source: registry` where another job has pushed \
                 it; services that aren't built here can be left out with `services`",
                services.replace(',', "")
            ),
            Self::Conflict(conflict) if conflict.place == Place::Daemon => format!(
                "release tags don't move, and this image was built anew: write other tags with `tags`; to replace what {tag} names, set \
                 `overwrite-tags: true`; to deploy it as it is, set `source: registry` and `source-tag: {tag}`",
                tag = conflict.tag
            ),
            Self::Conflict(conflict) => format!(
                "release tags don't move: to deploy what {tag} names already, set `source-tag: {tag}`; to release the other image, \
                 choose a new version; to replace it after all, set `overwrite-tags: true`",
                tag = conflict.tag
            ),
            Self::WrongCommit(wrong) => {
                let first = match wrong.holder {
                    Place::Daemon => format!(
                        "run `docker compose build {}` on the checkout of {} in a step of this job, before this one",
                        wrong.services.replace(',', ""),
                        wrong.tag
                    ),
                    Place::Registry => "push the image of the released commit before this step, or set `source-tag` to a tag that names the \
                                        commit (`{{sha}}`); where this job has built it and pushed it nowhere, set `source: docker`"
                        .to_owned(),
                };
                format!(
                    "{first}; the commit is what the image's {} {KEY} says: `verify-revision: off` releases it all the same",
                    wrong.place
                )
            }
            Self::NoCommit { holder: Place::Daemon, .. } => format!(
                "build the image with the label {KEY} (`build.labels` in the compose file), or set `verify-revision: auto`, which takes images that \
                 say nothing"
            ),
            Self::NoCommit { .. } => format!(
                "give the image the annotation or label {KEY} (docker/metadata-action makes both), or set `verify-revision: auto`, which takes \
                 images that say nothing"
            ),
            Self::Incomplete { .. } => {
                "push the image again: a clean-up job may have deleted what has no tag of its own; let it keep what a tagged index lists"
                    .into()
            }
            Self::Source { source, .. } | Self::Target { source, .. } | Self::Write { source, .. } | Self::Copy { source, .. } => {
                source.hint()
            }
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::UnknownService { .. }
            | Self::NotOurs { .. }
            | Self::Name { .. }
            | Self::DockerLibrary { .. }
            | Self::SourcesDiffer { .. }
            | Self::Template { .. } => Exit::BadInput,
            Self::Conflict(_) | Self::WrongCommit(_) | Self::NoCommit { .. } => Exit::Refused,
            Self::Incomplete { .. } => Exit::Failed,
            Self::Source { source, .. } | Self::Target { source, .. } | Self::Write { source, .. } | Self::Copy { source, .. } => {
                source.exit()
            }
        }
    }

    fn location(&self) -> Option<&Location> {
        match self {
            Self::NotOurs { location, .. }
            | Self::Name { location, .. }
            | Self::DockerLibrary { location, .. }
            | Self::SourcesDiffer { location, .. }
            | Self::Source { location, .. }
            | Self::Target { location, .. }
            | Self::NoCommit { location, .. }
            | Self::Incomplete { location, .. } => Some(location),
            Self::WrongCommit(wrong) => Some(&wrong.location),
            Self::Conflict(conflict) => Some(&conflict.location),
            Self::UnknownService { .. } | Self::Template { .. } | Self::Write { .. } | Self::Copy { .. } => None,
        }
    }
}
