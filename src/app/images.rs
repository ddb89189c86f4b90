//! The images of a release: compose file → what is ours → what the registry says.

use super::Run;
use super::clients::Stores;
use super::error::Error;
use super::pins::Released;
use super::tagging::{rows, skipped, unasked};
use crate::action::inputs::Inputs;
use crate::action::values::{self, Mode, Pin as PinBy, Source, VerifyRevision};
use crate::compose::{self, Project};
use crate::error::Problems;
use crate::image::Reference;
use crate::release::TagSource;
use crate::release::template::needs_release;
use crate::retag::select::Place;
use crate::retag::{self, Freshness, Intent, Overwrite, Published, Ready, Revision, Rules, Selection, Service, Values, Wanted, tags};

/// What is known about the images before anything is written.
#[derive(Default)]
pub(super) struct Images {
    /// One for each service that is ours.
    pub(super) released: Vec<Released>,
    /// The retag, when it can be carried out and there is a registry.
    pub(super) retag: Option<(Stores, Ready)>,
}

impl Run<'_> {
    /// Reads the compose files; `None` when there are none and none are needed.
    pub(super) fn compose(&mut self) -> Result<Option<Project>, Problems> {
        let workspace = self.environment.workspace();
        let request = compose::Request {
            project_directory: &workspace,
            files: &self.inputs.compose_files,
            env_file: self.inputs.compose_env_file.as_deref(),
            environment: self.environment.variables(),
        };
        if !compose::is_there(&request) {
            return match self.inputs.mode {
                Mode::Retag | Mode::PullRequest | Mode::Commit => Err(Error::NoCompose { mode: self.inputs.mode }.into()),
                Mode::Plan | Mode::Apply | Mode::Render => {
                    self.log.say("no compose file: no images are retagged, manifests keep their images");
                    Ok(None)
                }
            };
        }
        // In an infrastructure repository, where a merge starts the workflow, there is neither a tag nor anything to retag.
        if self.report.release.is_none() && self.inputs.compose_files.is_empty() && matches!(self.inputs.mode, Mode::Apply | Mode::Render) {
            self.log.say("no release: the compose file is left alone, manifests keep their images (name it in `compose-files` to use it)");
            return Ok(None);
        }
        let project = compose::load(&request)?;
        let files: Vec<String> = project.files.iter().map(|file| file.display().to_string()).collect();
        self.log.say(format!("read {}: {} services", files.join(", "), project.services.len()));
        for warning in &project.warnings {
            self.warn(warning.location(), &warning.to_string());
        }
        Ok(Some(project))
    }

    /// Chooses the images that are ours and asks the registry about them; nothing is written.
    pub(super) async fn plan_images(&mut self, project: Project) -> Result<Images, Problems> {
        let values = self.values();
        let selection = self.select(&project, &values)?;
        self.report.skipped = selection.skipped.iter().map(skipped).collect();
        if selection.images.is_empty() {
            self.say_skipped();
            return match self.inputs.mode {
                Mode::Retag | Mode::PullRequest | Mode::Commit => Err(Error::NoImages { mode: self.inputs.mode }.into()),
                _ => Ok(Images::default()),
            };
        }
        if self.report.release.is_none() && self.inputs.tags.iter().any(|tag| needs_release(tag)) {
            return self.images_without_release(&selection);
        }
        let wanted = tags::expand(&self.inputs.tags, &values).map_err(problems)?;
        let released = released(&project, &selection, &wanted, self.inputs.registry.as_deref());
        match self.stores()? {
            Some(stores) => self.ask_stores(stores, selection, &wanted, values, released).await,
            None => {
                self.report.images = released.iter().map(unasked).collect();
                self.log.say("source: none — no registry is asked, images are pinned by tag:");
                for image in &released {
                    self.log.say(format!("  {}: {}", image.service, image.repository.with_tag(&image.tag)));
                }
                self.say_skipped();
                Ok(Images { released, retag: None })
            }
        }
    }

    async fn ask_stores(
        &mut self,
        stores: Stores,
        selection: Selection,
        wanted: &[Wanted],
        values: Values,
        mut released: Vec<Released>,
    ) -> Result<Images, Problems> {
        // A dry run checks the right to push too.
        let writes = !matches!(self.inputs.mode, Mode::Plan | Mode::Render);
        let rules = Rules {
            overwrite: if self.inputs.overwrite_tags { Overwrite::Allow } else { Overwrite::Refuse },
            intent: if writes { Intent::Write } else { Intent::Look },
            // `version` names a release of which the images may be there for long: a roll back, or the same once more.
            published: match &self.report.release {
                Some(release) if release.source == TagSource::Input => Published::Keep,
                _ => Published::Compare,
            },
            referrers: match self.inputs.referrers {
                values::Referrers::Copy => retag::Referrers::Copy,
                values::Referrers::Leave => retag::Referrers::Leave,
            },
            values,
            revision: match self.inputs.verify_revision {
                VerifyRevision::Auto => Revision::Auto,
                VerifyRevision::Require => Revision::Require,
                VerifyRevision::Off => Revision::Off,
            },
            freshness: Freshness::default(),
        };
        let plan = retag::plan(stores.route(), selection, wanted, &rules).await;
        self.log.say(plan.to_string().trim_end());
        for note in plan.notes.iter().filter(|note| note.is_warning()) {
            self.warn(None, &note.to_string());
        }
        self.log.say(format!("({} requests to the registry)", stores.requests()));
        self.report.images = rows(&plan);
        for pin in plan.pins() {
            for image in released.iter_mut().filter(|image| image.service == pin.service && image.repository == pin.repository) {
                image.digest = Some(pin.digest.clone());
            }
        }
        match (plan.ready(), self.inputs.mode) {
            (Ok(ready), mode) if pins_digests(mode, self.inputs) && ready.unpushed().next().is_some() => {
                let unpushed =
                    |task: &retag::select::Task| Error::Unpushed { services: task.services.join(", "), at: task.location.clone() };
                Err(problems(ready.unpushed().map(unpushed).collect()))
            }
            (Ok(ready), _) => Ok(Images { released, retag: Some((stores, ready)) }),
            // A plan shows what it can see, whatever its credentials.
            (Err(problems), Mode::Plan | Mode::Render) => {
                for problem in problems.iter() {
                    self.warn(problem.location(), &crate::action::explain::text(problem));
                }
                Ok(Images { released, retag: None })
            }
            (Err(problems), _) => Err(problems),
        }
    }

    /// A plan without a release: what is ours, and where it would come from.
    fn images_without_release(&mut self, selection: &Selection) -> Result<Images, Problems> {
        if self.inputs.mode != Mode::Plan {
            let unnamed = crate::release::Error::NoTag(Box::new(self.seen()?));
            return Err(unnamed.into());
        }
        for task in &selection.images {
            self.log.say(format!("{}: {} would be released from {}", task.services.join(", "), task.target, task.source));
        }
        self.say_skipped();
        Ok(Images::default())
    }

    fn say_skipped(&self) {
        for skipped in &self.report.skipped {
            self.log.say(format!("{} ({}) is not released: {}", skipped.service, skipped.image, skipped.reason));
        }
    }

    fn select(&self, project: &Project, values: &Values) -> Result<Selection, Problems> {
        let source_tag = match &self.inputs.source_tag {
            Some(template) => tags::expand(std::slice::from_ref(template), values).map_err(problems)?.into_iter().next().map(|w| w.tag),
            None => None,
        };
        let place = match self.inputs.source {
            Source::Docker => Place::Daemon,
            Source::Registry | Source::Layout(_) | Source::None => Place::Registry,
        };
        let target_registry = match &self.inputs.target {
            Some(values::Target::Registry(prefix)) => Some(prefix.clone()),
            Some(values::Target::Layout(_)) | None => None,
        };
        let (registry, services) = (self.inputs.registry.clone(), self.inputs.services.clone());
        let choice = retag::select::Choice { registry, services, source_tag, place, target_registry };
        let services: Vec<Service> = project.services.iter().map(service).collect();
        retag::select(&services, &choice).map_err(problems)
    }

    fn values(&self) -> Values {
        match &self.report.release {
            Some(release) => Values::from(release),
            None => Values { commit: self.environment.get("GITHUB_SHA").map(str::to_owned), ..Values::default() },
        }
    }
}

/// Whether digests are written into manifests, which is planned before the first image is pushed.
fn pins_digests(mode: Mode, inputs: &Inputs) -> bool {
    inputs.pin == PinBy::Digest && matches!(mode, Mode::Apply | Mode::PullRequest)
}

fn problems<E: crate::error::Explain + Send + Sync + 'static>(errors: Vec<E>) -> Problems {
    Problems::check(errors).err().unwrap_or_else(|| unreachable!("an error has at least one cause"))
}

fn service(service: &compose::Service) -> Service {
    Service {
        name: service.name.clone(),
        image: service.image.clone(),
        has_build: service.build.is_some(),
        build_tags: service.build.as_ref().map(|build| build.tags.clone()).unwrap_or_default(),
        skip: service.extension.skip,
        image_override: service.extension.image.clone(),
        source_override: service.extension.source.clone(),
        location: service.at.clone(),
    }
}

/// One entry for each service; where `build.tags` give a service several repositories, the one of its `image`.
fn released(project: &Project, selection: &Selection, wanted: &[Wanted], registry: Option<&str>) -> Vec<Released> {
    let Some(first) = wanted.first() else { return Vec::new() };
    let mut released: Vec<Released> = Vec::new();
    for task in &selection.images {
        for name in &task.services {
            if released.iter().any(|known| known.service == *name) {
                continue;
            }
            let service = project.services.iter().find(|service| service.name == *name);
            let image = service.and_then(|service| service.extension.image.as_ref().or(service.image.as_ref()));
            let written: Option<Reference> = image.and_then(|image| image.parse().ok());
            let full = written.as_ref().and_then(|name| registry.map_or(Ok(name.clone()), |prefix| name.qualified(prefix)).ok());
            released.push(Released {
                service: name.clone(),
                written,
                home: full.map(|name| name.repository()),
                repository: task.target.clone(),
                tag: first.tag.clone(),
                digest: None,
                at: task.location.clone(),
            });
        }
    }
    released
}
