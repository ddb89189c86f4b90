//! Manifests: read, put into their namespace, pinned to the release's images, ordered.

use std::collections::BTreeMap;

use super::Run;
use super::error::Error;
use super::images::Images;
use crate::action::values::Mode;
use crate::error::Problems;
use crate::render;
use crate::report::Waves;
use crate::resource::images::{Pin, pin};
use crate::resource::{self, Catalog, Resource};
use crate::rollout::order::{Order, Wave, order};

/// The variables that are there without being given.
const OF_A_RELEASE: [&str; 5] = ["VERSION", "TAG", "ENVIRONMENT", "COMMIT_HASH", "SHORT_HASH"];

/// The resources of a release, ready to be applied or written down.
pub(super) struct Manifests {
    pub(super) resources: Vec<Resource>,
    pub(super) catalog: Catalog,
    pub(super) order: Order,
}

impl Manifests {
    /// As files, one for each wave.
    pub(super) fn files(&self) -> Result<BTreeMap<String, String>, Error> {
        let resources = |wave: &Wave| wave.resources.iter().map(|index| &self.resources[*index]).collect::<Vec<_>>();
        Ok(render::files(self.order.waves.iter().map(|wave| (wave.name.as_str(), resources(wave))))?)
    }
}

impl Run<'_> {
    /// Reads and prepares the manifests; kinds that only the cluster knows stay unplaced until [`Run::order`] is called with them known.
    pub(super) fn manifests(&mut self, images: &Images) -> Result<(Vec<Resource>, Catalog), Problems> {
        let request =
            resource::Request { root: self.environment.workspace(), sources: self.inputs.manifests.clone(), variables: self.variables() };
        let mut resources = resource::load(&request)?;
        self.pin(&mut resources, images)?;
        let catalog = Catalog::of(&resources);
        Ok((resources, catalog))
    }

    /// Puts the resources into their namespace and orders them.
    pub(super) fn order(&mut self, mut resources: Vec<Resource>, catalog: Catalog) -> Result<Manifests, Problems> {
        if let Some(namespace) = &self.inputs.namespace {
            resource::apply_namespace(&mut resources, namespace, &catalog)?;
        }
        let order = order(&resources)?;
        self.report.waves = Some(Waves { text: order.to_string(), mermaid: order.mermaid() });
        Ok(Manifests { resources, catalog, order })
    }

    fn pin(&mut self, resources: &mut [Resource], images: &Images) -> Result<(), Problems> {
        let targets = images.pins(self.inputs)?;
        let pins: Vec<Pin> = targets.iter().map(|target| target.pin.clone()).collect();
        let report = pin(resources, &pins);
        for pinned in report.pinned.iter().filter(|pinned| pinned.old != pinned.new) {
            self.log.say(format!("{} {}: {} → {}", pinned.id, pinned.pointer, pinned.old, pinned.new));
        }
        let mut problems: Vec<Error> = Vec::new();
        for target in targets.iter().filter(|target| report.unused.contains(&target.pin)) {
            problems.push(Error::UnusedImage {
                service: target.service.clone(),
                image: target.pin.reference.to_string(),
                names: target.names(),
                at: target.at.clone(),
            });
        }
        for invalid in report.invalid {
            problems.push(Error::InvalidImage { object: invalid.id.to_string(), reason: invalid.reason, at: invalid.at });
        }
        Problems::check(problems)
    }

    /// The input `variables`, over what the release gives.
    pub(super) fn variables(&self) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        if let Some(release) = &self.report.release {
            variables.insert("VERSION".to_owned(), release.version.to_string());
            variables.insert("TAG".to_owned(), release.tag.clone());
            variables.extend(release.environment.clone().map(|environment| ("ENVIRONMENT".to_owned(), environment)));
            if let Some(commit) = &release.commit {
                variables.insert("COMMIT_HASH".to_owned(), commit.clone());
                variables.insert("SHORT_HASH".to_owned(), commit.chars().take(7).collect());
            }
        } else if self.inputs.mode == Mode::Plan {
            // What only a release gives stays as it is written.
            variables.extend(OF_A_RELEASE.map(|name| (name.to_owned(), format!("%%{name}%%"))));
        }
        variables.extend(self.inputs.variables.clone());
        variables
    }
}
