//! Manifests: read, put into their namespace, pinned to the release's images, ordered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use futures::{StreamExt as _, stream};

use super::Run;
use super::error::Error;
use super::images::Images;
use crate::action::values::{ConfigUpdates, Mode};
use crate::error::Problems;
use crate::kustomize::Kustomize;
use crate::render;
use crate::report::Waves;
use crate::resource::config::{Version, versioned};
use crate::resource::images::{Pin, pin};
use crate::resource::{self, Catalog, Entry, Purpose, Resource};
use crate::rollout::order::{Order, Selection, Wave, is_check, order, set_aside};

/// Kustomizations built at the same time.
const PARALLEL: usize = 2;

/// The variables that are there without being given.
const OF_A_RELEASE: [&str; 5] = ["VERSION", "TAG", "ENVIRONMENT", "COMMIT_HASH", "SHORT_HASH"];

/// The resources of a release, ready to be applied or written down.
#[derive(Default)]
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
    pub(super) async fn manifests(&mut self, images: &Images) -> Result<(Vec<Resource>, Catalog), Problems> {
        let mut resources = self.sources().await?;
        let Selection { kept, aside } = set_aside(resources)?;
        for (resource, reason) in &aside {
            self.log.say(format!("{} ({}) is left out: {reason}", resource.id, resource.at));
        }
        resources = kept;
        resource::pull_secrets::add(&mut resources, &self.inputs.image_pull_secrets);
        self.pin(&mut resources, images)?;
        let catalog = Catalog::of(&resources);
        Ok((resources, catalog))
    }

    /// The objects of the inputs `manifests` and `checks`. What `checks` names is no part of the application, even where `manifests`
    /// names the folder around it.
    async fn sources(&self) -> Result<Vec<Resource>, Problems> {
        let root = self.environment.workspace();
        let checks = resource::find(&root, &self.inputs.checks)?;
        let mut entries = resource::find(&root, &self.inputs.manifests)?;
        entries.retain(|entry| !checks.contains(entry));
        let mut resources = self.load(&root, entries).await?;
        // Files that are written down for others to apply are no run of this release.
        if matches!(self.inputs.mode, Mode::Plan | Mode::Apply) && !checks.is_empty() {
            let mut loaded = self.load(&root, checks).await?;
            loaded.iter_mut().for_each(|resource| resource.purpose = Purpose::Check);
            if !loaded.iter().any(is_check) {
                return Err(Error::NoChecks.into());
            }
            resources.extend(loaded);
            Problems::check(resource::check_duplicates(&resources))?;
        }
        Ok(resources)
    }

    async fn load(&self, root: &Path, entries: Vec<Entry>) -> Result<Vec<Resource>, Problems> {
        let built = self.built(root, &entries).await?;
        resource::load(&resource::Request { root: root.to_owned(), entries, built, variables: self.variables() })
    }

    /// What the kustomizations build, by their files; some at a time.
    async fn built(&self, root: &Path, entries: &[Entry]) -> Result<BTreeMap<PathBuf, String>, Problems> {
        let kustomizations: Vec<&PathBuf> = entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Kustomization(file) => Some(file),
                Entry::File(_) => None,
            })
            .collect();
        let Some(first) = kustomizations.first() else { return Ok(BTreeMap::new()) };
        let kustomize = Kustomize::find(|name| self.environment.get(name), first)?;
        let builds = kustomizations.into_iter().map(|file| async { (file.clone(), kustomize.build(root, file).await) });
        let mut builds = stream::iter(builds.collect::<Vec<_>>()).buffered(PARALLEL);
        let (mut built, mut problems) = (BTreeMap::new(), Vec::new());
        while let Some((file, text)) = builds.next().await {
            match text {
                Ok(text) => drop(built.insert(file, text)),
                Err(problem) => problems.push(problem),
            }
        }
        Problems::check(problems)?;
        Ok(built)
    }

    /// Puts the resources into their namespace and orders them.
    pub(super) fn order(&mut self, mut resources: Vec<Resource>, catalog: Catalog) -> Result<Manifests, Problems> {
        if let Some(namespace) = &self.inputs.namespace {
            resource::apply_namespace(&mut resources, namespace, &catalog)?;
        }
        if self.inputs.config_updates == ConfigUpdates::Versioned {
            self.version(&mut resources);
        }
        let order = order(&resources)?;
        self.report.waves = Some(Waves { text: order.to_string(), mermaid: order.mermaid() });
        Ok(Manifests { resources, catalog, order })
    }

    /// Gives configuration that pods read its versions.
    fn version(&self, resources: &mut Vec<Resource>) {
        for Version { original, name, kept_for } in versioned(resources, &self.app_name()) {
            let kept = kept_for.map(|by| format!(", and stays beside it: {by} mentions it")).unwrap_or_default();
            self.log.say(format!("{original} is applied as {name}{kept}"));
        }
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
