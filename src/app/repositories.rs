//! From images to pull requests and commits in infrastructure repositories.

use super::Run;
use super::error::Error;
use super::images::Images;
use super::proposals::Proposals;
use crate::action::values::{DryRun, Mode, Pin};
use crate::error::Problems;
use crate::infra::{self, Content, Edit, Entry, ImagePin, Infra, Plan, State, Target};
use crate::report::Repository;
use crate::resource::Resource;

impl Run<'_> {
    /// What would be proposed; a repository that can't be read is a warning.
    pub(super) async fn plan_repositories(&mut self, images: &Images) -> Result<Proposals, Problems> {
        let entries = self.entries()?;
        let pins = self.image_pins(images)?;
        let mut proposals = Proposals::default();
        if pins.is_empty() {
            self.warn(None, "no images are known, so nothing can be planned for the infrastructure repositories");
            entries.iter().for_each(|entry| proposals.expect(&entry.repository));
            return Ok(proposals);
        }
        self.timed("Infrastructure repositories", async |run| {
            let content = run.content(&entries, images).await?;
            let infra = run.infra(&entries, content).await?;
            for (entry, planned) in entries.iter().zip(infra.plan(&entries, &pins).await) {
                match planned {
                    Ok(prepared) => {
                        run.log.say(&prepared.plan);
                        run.report.repositories.push(planned_row(entry, &prepared.plan));
                        proposals.add(&prepared.plan);
                    }
                    Err(error) => {
                        run.warn(None, &format!("{entry}: {}", crate::action::explain::text(&error)));
                        proposals.expect(&entry.repository);
                    }
                }
            }
            Ok(proposals)
        })
        .await
    }

    /// Plans all repositories, writes the tags, then publishes; each repository is reported by itself.
    pub(super) async fn pull_requests(&mut self, images: Images) -> Result<(), Problems> {
        let entries = self.entries()?;
        self.check_token(&entries)?;
        let pins = self.image_pins(&images)?;
        let (infra, prepared) = self
            .timed("Plan", async |run| {
                let content = run.content(&entries, &images).await?;
                let infra = run.infra(&entries, content).await?;
                let mut prepared = Vec::new();
                let mut problems = Vec::new();
                for planned in infra.plan(&entries, &pins).await {
                    match planned {
                        Ok(one) => {
                            run.log.say(&one.plan);
                            prepared.push(one);
                        }
                        Err(error) => problems.push(error),
                    }
                }
                Problems::check(problems)?;
                Ok((infra, prepared))
            })
            .await?;
        self.report.repositories = entries.iter().zip(&prepared).map(|(entry, one)| planned_row(entry, &one.plan)).collect();
        self.retag(images).await?;
        if self.inputs.dry_run == DryRun::Yes {
            return Ok(());
        }
        let title = if self.inputs.mode == Mode::Commit { "Commits" } else { "Pull requests" };
        self.timed(title, async |run| run.publish(&infra, prepared, &entries, &pins).await).await
    }

    async fn publish(
        &mut self,
        infra: &Infra,
        prepared: Vec<infra::Prepared>,
        entries: &[Entry],
        pins: &[ImagePin],
    ) -> Result<(), Problems> {
        let outcomes = infra.publish(prepared, pins, &|event| self.log.say(event)).await;
        let mut problems = Vec::new();
        self.report.repositories.clear();
        for (entry, outcome) in entries.iter().zip(outcomes) {
            match outcome.result {
                Ok(done) => {
                    self.log.say(format!("{}: {done}", outcome.place));
                    for warning in &done.warnings {
                        self.warn(None, &format!("{}: {warning}", outcome.place));
                    }
                    self.next_step(entry, &done);
                    self.report.repositories.push(row(entry, &done));
                }
                Err(error) => {
                    self.report.repositories.push(failed_row(entry, &error));
                    problems.push(error);
                }
            }
        }
        Problems::check(problems)
    }

    fn next_step(&mut self, entry: &Entry, done: &infra::Done) {
        match (done.state, &done.url) {
            (State::Nothing | State::Committed | State::Closed | State::Merged, _) => {}
            (_, Some(url)) if done.automatic => {
                self.report.next.push(format!("{url} is merged by itself; a review may be asked for there"))
            }
            (_, Some(url)) => self.report.next.push(format!("review and merge {url}")),
            (_, None) => self.report.next.push(format!("merge the branch {} of {}", done.branch, entry.repository)),
        }
    }

    fn entries(&self) -> Result<Vec<Entry>, Problems> {
        let entries = infra::entries(self.inputs.infra.as_deref().unwrap_or_default())?;
        infra::distinct(&entries, &self.server()?)?;
        Ok(entries)
    }

    /// Repositories on servers need a token of their own; the workflow's reaches none of them.
    fn check_token(&self, entries: &[Entry]) -> Result<(), Problems> {
        if self.inputs.infra_token.is_some() {
            return Ok(());
        }
        let server = self.server()?;
        let has_app = self.inputs.infra_app_id.is_some();
        let remote = entries.iter().filter(|entry| matches!(entry.repository, Target::Hosted(_) | Target::Url(_)));
        // An App is one of this server, and gives no tokens for others.
        let remote = remote.filter(|entry| !(has_app && Infra::slug(entry, &server).is_some()));
        Problems::check(remote.map(|entry| Error::NoInfraToken { repository: entry.repository.to_string() }).collect())
    }

    /// The values of placeholders, and the rendered manifests where an entry wants them.
    async fn content(&mut self, entries: &[Entry], images: &Images) -> Result<Content, Problems> {
        let mut content = Content { variables: self.variables(), ..Content::default() };
        if !entries.iter().any(|entry| entry.edit == Edit::Render) {
            return Ok(content);
        }
        if self.inputs.manifests.is_empty() {
            return Err(Error::NoManifests.into());
        }
        let (resources, catalog) = self.manifests(images).await?;
        let manifests = self.order(resources, catalog)?;
        let unwilling = entries.iter().find(|entry| entry.edit == Edit::Render && !entry.plain_secrets);
        if let Some(entry) = unwilling {
            Problems::check(
                manifests.resources.iter().filter(|resource| has_secrets(resource)).map(|resource| plain(resource, entry)).collect(),
            )?;
        }
        content.rendered = manifests.files()?;
        Ok(content)
    }

    pub(super) fn infra_release(&self) -> infra::Release {
        let project = self.environment.repository().map(str::to_owned);
        let Some(release) = &self.report.release else {
            let commit = self.environment.get("GITHUB_SHA").map(str::to_owned);
            return infra::Release { project, commit, ..infra::Release::default() };
        };
        let repository = || {
            let server = self.environment.get("GITHUB_SERVER_URL")?;
            Some(format!("{server}/{}", self.environment.repository()?))
        };
        let page = || format!("{}/releases/tag/{}", repository()?, release.tag).parse().ok();
        infra::Release {
            name: release.tag.clone(),
            url: page(),
            version: Some(release.version.clone()),
            repository: repository().and_then(|page| page.parse().ok()),
            project,
            commit: release.commit.clone(),
        }
    }

    fn image_pins(&self, images: &Images) -> Result<Vec<ImagePin>, Problems> {
        let aliases = images.aliases(&self.inputs.image_names)?;
        let pins = images.released.iter().flat_map(|image| {
            let names = match aliases.get(image.service.as_str()) {
                Some(names) => names.iter().map(|name| (*name).to_owned()).collect(),
                None => vec![image.written_name()],
            };
            names.into_iter().map(|name| ImagePin {
                service: image.service.clone(),
                name,
                repository: image.repository.clone(),
                tag: image.tag.clone(),
                digest: image.digest.clone().filter(|_| self.inputs.pin == Pin::Digest),
            })
        });
        Ok(pins.collect())
    }
}

/// Whether an object is a Secret with values. What other kinds hold in their place is sealed, or only names them.
fn has_secrets(resource: &Resource) -> bool {
    let has = |field: &str| resource.value[field].as_object().is_some_and(|values| !values.is_empty());
    resource.id.is("", "Secret") && (has("data") || has("stringData"))
}

fn plain(secret: &Resource, entry: &Entry) -> Error {
    Error::PlainSecret { object: secret.id.to_string(), place: entry.to_string(), at: secret.at.clone() }
}

fn planned_row(entry: &Entry, plan: &Plan) -> Repository {
    Repository {
        repository: entry.repository.to_string(),
        environment: entry.environment.clone(),
        branch: plan.branch.clone(),
        number: None,
        url: None,
        operation: if plan.writes() { "planned" } else { "unchanged" }.to_owned(),
        changes: plan.changes.iter().map(ToString::to_string).collect(),
        error: None,
    }
}

fn row(entry: &Entry, done: &infra::Done) -> Repository {
    Repository {
        repository: entry.repository.to_string(),
        environment: entry.environment.clone(),
        branch: done.branch.clone(),
        number: done.number,
        url: done.url.clone(),
        operation: match done.state {
            State::Nothing | State::Proposed | State::Present => "unchanged",
            State::Closed => "closed",
            State::Merged => "merged",
            State::Opened => "created",
            State::Updated => "updated",
            State::Committed => "committed",
            State::Pushed => "pushed",
        }
        .to_owned(),
        changes: done.changes.iter().map(ToString::to_string).collect(),
        error: None,
    }
}

fn failed_row(entry: &Entry, error: &infra::Error) -> Repository {
    Repository {
        repository: entry.repository.to_string(),
        environment: entry.environment.clone(),
        branch: String::new(),
        number: None,
        url: None,
        operation: "failed".to_owned(),
        changes: Vec::new(),
        error: Some(crate::action::explain::text(error)),
    }
}
