//! Which services' images are ours, what each is released from, and where to. Pure.

use std::collections::BTreeMap;

use super::Error;
use crate::error::Location;
use crate::image::{NameError, Reference, Repository, Tag};
use crate::store::Pointer;
use crate::suggest::nearest;

/// A service of the compose file, as far as its image goes.
#[derive(Debug, Clone)]
pub struct Service {
    pub name: String,
    /// The reference as written, variables replaced.
    pub image: Option<String>,
    pub has_build: bool,
    /// `build.tags`: more names for what is built.
    pub build_tags: Vec<String>,
    /// `x-tagboat`: `skip`, `image`, `source`.
    pub skip: bool,
    pub image_override: Option<String>,
    pub source_override: Option<String>,
    pub location: Location,
}

/// What the inputs say about the choice.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// `registry`: a host or a prefix such as `ghcr.io/acme`.
    pub registry: Option<String>,
    /// `services`; empty means all that are ours.
    pub services: Vec<String>,
    /// `source-tag`, where it is set: goes before a tag (not a digest) in the compose file.
    pub source_tag: Option<Tag>,
    pub place: Place,
    /// `target-registry`, when it names a registry or a prefix.
    pub target_registry: Option<String>,
}

/// Where the images to release are looked for, which decides what they are called there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Place {
    /// `registry` goes before names that have none.
    #[default]
    Registry,
    /// `docker compose build` names images as the compose file does.
    Daemon,
}

impl std::fmt::Display for Place {
    /// What goes behind an image's digest in a sentence: a daemon has IDs, which are of another kind than a registry's digests.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Registry => "",
            Self::Daemon => " in the Docker daemon (the ID of the image)",
        })
    }
}

/// The images to release, and what isn't released and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// One for each repository, in the order of the compose file.
    pub images: Vec<Task>,
    pub skipped: Vec<Skipped>,
}

/// One image to release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The services that run it.
    pub services: Vec<String>,
    pub source: Source,
    pub target: Repository,
    pub location: Location,
}

/// The manifest that gets the release tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub repository: Repository,
    pub pointer: Pointer,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.pointer.of(&self.repository))
    }
}

/// A service whose image stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub service: String,
    pub image: Option<String>,
    pub reason: String,
}

impl Choice {
    /// The repository that an image is released as. In front of what follows `registry` in its name, or of its whole path when it
    /// doesn't lie under `registry`, comes `target-registry`; without that it stays where it is.
    fn target(&self, repository: &Repository) -> Result<Repository, NameError> {
        let Some(target) = &self.target_registry else { return Ok(repository.clone()) };
        let name = repository.to_string();
        let below = self.registry.as_deref().map(canonical).filter(|prefix| repository.is_under(prefix));
        let rest = below.and_then(|prefix| name.strip_prefix(prefix.as_str())).map(|rest| rest.trim_start_matches('/'));
        // An image may be called as the prefix itself is: then its last part is its name.
        let rest = match rest {
            Some("") => repository.path().rsplit('/').next().unwrap_or_default(),
            Some(rest) => rest,
            None => repository.path(),
        };
        Ok(format!("{}/{rest}", target.trim_end_matches('/')).parse::<Reference>()?.repository())
    }
}

/// Chooses the images: services with both `build` and `image` (what `docker compose push` pushes, `build.tags` included), and
/// those whose image lies under `registry`.
///
/// # Errors
/// All at once: unknown services, names that are none, two services that release different images as the same repository.
pub fn select(services: &[Service], choice: &Choice) -> Result<Selection, Vec<Error>> {
    let mut errors = unknown(services, choice);
    let mut selection = Selection::default();
    for service in services {
        let chosen = choice.services.contains(&service.name);
        let reason = match ours(service, choice) {
            Err(reason) if chosen => {
                let (service, location) = (service.name.clone(), service.location.clone());
                errors.push(Error::NotOurs { service, reason, location });
                continue;
            }
            Ok(_) if !chosen && !choice.services.is_empty() => "it is not among `services`".to_owned(),
            Err(reason) => reason,
            Ok(image) => {
                match tasks(service, image, choice) {
                    Ok(tasks) => tasks.into_iter().for_each(|task| merge(&mut selection.images, task, &mut errors)),
                    Err(error) => errors.push(error),
                }
                continue;
            }
        };
        selection.skipped.push(Skipped { service: service.name.clone(), image: service.image.clone(), reason });
    }
    if errors.is_empty() { Ok(selection) } else { Err(errors) }
}

fn unknown(services: &[Service], choice: &Choice) -> Vec<Error> {
    let known = || services.iter().map(|service| service.name.as_str());
    let missing = choice.services.iter().filter(|name| !known().any(|known| known == *name));
    missing.map(|name| Error::UnknownService { name: name.clone(), suggestion: nearest(name, known()).map(str::to_owned) }).collect()
}

/// The image's name when it is ours, else the reason why it isn't.
fn ours<'a>(service: &'a Service, choice: &Choice) -> Result<&'a str, String> {
    if service.skip {
        return Err("`x-tagboat` says `skip`".into());
    }
    if let Some(image) = &service.image_override {
        return Ok(image);
    }
    let Some(image) = &service.image else {
        return Err(match service.has_build {
            true => "it has `build` but no `image`, so there is no name to release it under".into(),
            false => "it has no image".into(),
        });
    };
    if service.has_build {
        return Ok(image);
    }
    let Some(registry) = &choice.registry else {
        return Err("it has no `build`, and `registry` isn't set".into());
    };
    match image.parse::<Reference>() {
        Ok(reference) if reference.registry().is_some() && reference.repository().is_under(&canonical(registry)) => Ok(image),
        _ => Err(format!("it has no `build` and doesn't lie under {registry}")),
    }
}

/// A prefix as repositories print theirs: Docker Hub has one name only.
fn canonical(prefix: &str) -> String {
    let prefix = prefix.trim_end_matches('/');
    match prefix.split_once('/') {
        Some(("index.docker.io" | "registry-1.docker.io", path)) => format!("docker.io/{path}"),
        None if matches!(prefix, "index.docker.io" | "registry-1.docker.io") => "docker.io".to_owned(),
        _ => prefix.to_owned(),
    }
}

/// The image itself, and one more task for each other repository that `build.tags` names.
fn tasks(service: &Service, image: &str, choice: &Choice) -> Result<Vec<Task>, Error> {
    let name = |source| Error::Name { service: service.name.clone(), source, location: service.location.clone() };
    let written = |text: &str| text.parse::<Reference>().map_err(name);
    let named = |text: &str| match &choice.registry {
        Some(registry) => written(text)?.qualified(registry).map_err(name),
        None => written(text),
    };
    let in_place = |text: &str| match choice.place {
        Place::Registry => named(text),
        Place::Daemon => written(text),
    };
    let mut tasks: Vec<Task> = Vec::new();
    let others = if service.image_override.is_some() { &[] } else { service.build_tags.as_slice() };
    for text in std::iter::once(image).chain(others.iter().map(String::as_str)) {
        let image = named(text)?;
        let repository = image.repository();
        let target = choice.target(&repository).map_err(name)?;
        if tasks.iter().any(|task| task.target == target) {
            continue;
        }
        // What the daemon has is called anything; what counts is where it goes.
        let ours = match choice.place {
            Place::Registry => &repository,
            Place::Daemon => &target,
        };
        if ours.is_docker_library() {
            let (service, location) = (service.name.clone(), service.location.clone());
            return Err(Error::DockerLibrary { service, repository, location });
        }
        let source = match &service.source_override {
            Some(other) => in_place(other)?,
            None => in_place(text)?,
        };
        let from_compose = service.source_override.is_none();
        let source =
            Source { repository: source.repository(), pointer: pointer(&source, choice.source_tag.as_ref().filter(|_| from_compose)) };
        tasks.push(Task { services: vec![service.name.clone()], source, target, location: service.location.clone() });
    }
    Ok(tasks)
}

/// A digest in the file is the most exact, then the input's tag, then the file's, then `latest`.
fn pointer(reference: &Reference, source_tag: Option<&Tag>) -> Pointer {
    if let Some(digest) = reference.digest() {
        return digest.into();
    }
    match source_tag.or(reference.tag()) {
        Some(tag) => tag.into(),
        None => Pointer::latest(),
    }
}

fn merge(tasks: &mut Vec<Task>, task: Task, errors: &mut Vec<Error>) {
    let Some(known) = tasks.iter_mut().find(|known| known.target == task.target) else {
        tasks.push(task);
        return;
    };
    if known.source == task.source {
        known.services.extend(task.services);
        return;
    }
    let said = |task: &Task| Box::new((task.services.join(", "), task.source.to_string()));
    errors.push(Error::SourcesDiffer { first: said(known), second: said(&task), repository: task.target, location: task.location });
}

impl Selection {
    /// The target repository of each service that is released.
    pub fn repositories(&self) -> BTreeMap<&str, &Repository> {
        self.images.iter().flat_map(|task| task.services.iter().map(|service| (service.as_str(), &task.target))).collect()
    }
}

#[cfg(test)]
mod tests;
