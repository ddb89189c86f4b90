//! What manifests and infrastructure repositories are pinned to: released images under the names that are used for them.

use std::collections::BTreeMap;

use super::error::Error;
use super::images::Images;
use crate::action::inputs::Inputs;
use crate::action::values::Pin as PinBy;
use crate::error::{Location, Problems};
use crate::image::{Digest, Reference, Repository, Tag};
use crate::resource::images::{Name, Pin};
use crate::suggest::nearest;

/// A service's image under its release tag.
#[derive(Debug, Clone)]
pub(super) struct Released {
    pub(super) service: String,
    /// The name in the compose file, without tag.
    pub(super) written: Option<Reference>,
    /// The repository that this name means, wherever the image is released to.
    pub(super) home: Option<Repository>,
    pub(super) repository: Repository,
    pub(super) tag: Tag,
    pub(super) digest: Option<Digest>,
    pub(super) at: Location,
}

/// A pin with what an error about it needs.
pub(super) struct Target {
    pub(super) service: String,
    pub(super) pin: Pin,
    pub(super) at: Location,
}

impl Target {
    /// The names that were looked for, as people write them.
    pub(super) fn names(&self) -> Vec<String> {
        let name = |name: &Name| match name {
            Name::Alias(alias) => alias.clone(),
            Name::Repository(repository) => repository.to_string(),
        };
        self.pin.names.iter().map(name).collect()
    }
}

impl Images {
    /// What manifests are pinned to. A service with names in `image-names` is meant by these; others by their image's name, as the
    /// compose file writes it and as it is in the registry.
    ///
    /// # Errors
    /// When `image-names` maps to a service that isn't ours.
    pub(super) fn pins(&self, inputs: &Inputs) -> Result<Vec<Target>, Problems> {
        let aliases = self.aliases(&inputs.image_names)?;
        let target = |image: &Released| {
            let names = match aliases.get(image.service.as_str()) {
                Some(names) => names.iter().map(|name| Name::Alias((*name).to_owned())).collect(),
                None => image.names().into_iter().map(Name::Repository).collect(),
            };
            let digest = image.digest.clone().filter(|_| inputs.pin == PinBy::Digest);
            let reference = Reference::from(&image.repository).pinned(Some(image.tag.clone()), digest);
            Target { service: image.service.clone(), pin: Pin { names, reference }, at: image.at.clone() }
        };
        Ok(self.released.iter().map(target).collect())
    }

    /// Names of `image-names` by service.
    pub(super) fn aliases<'i>(&self, image_names: &'i BTreeMap<String, String>) -> Result<BTreeMap<&'i str, Vec<&'i str>>, Problems> {
        let mut aliases: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut problems = Vec::new();
        let known = || self.released.iter().map(|image| image.service.as_str());
        for (name, service) in image_names {
            if known().any(|known| known == service) {
                aliases.entry(service).or_default().push(name);
            } else if !self.released.is_empty() {
                let suggestion = nearest(service, known()).map(str::to_owned);
                problems.push(Error::UnknownService { name: name.clone(), service: service.clone(), suggestion });
            }
        }
        Problems::check(problems)?;
        Ok(aliases)
    }
}

impl Released {
    /// The repositories that manifests may mean this image by.
    fn names(&self) -> Vec<Repository> {
        let written = self.written.as_ref().map(Reference::repository);
        let mut names = vec![self.repository.clone()];
        for name in self.home.clone().into_iter().chain(written) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The name in manifests when `image-names` has none: as the compose file writes it.
    pub(super) fn written_name(&self) -> String {
        self.written.as_ref().map_or_else(|| self.repository.to_string(), Reference::name)
    }
}
