//! The phases in their order. Everything is planned and checked before the first write.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Run;
use super::error::Error;
use super::images::Images;
use crate::action::values::Mode;
use crate::error::{Explain as _, Problems};
use crate::release::template::needs_release;
use crate::release::{self, Seen};

impl Run<'_> {
    pub(super) async fn phases(&mut self) -> Result<(), Problems> {
        self.phase("Release", Self::release)?;
        let project = self.phase("Images", Self::compose)?;
        let images = match project {
            Some(project) => self.timed("Registry", async |run| run.plan_images(project).await).await?,
            None => Images::default(),
        };
        match self.inputs.mode {
            Mode::Plan => self.plan_deployment(&images).await,
            Mode::Retag => self.retag(images).await.map(|_| ()),
            Mode::Apply => self.apply(images).await,
            Mode::PullRequest | Mode::Commit => self.pull_requests(images).await,
            Mode::Render => self.timed("Render", async |run| run.render(&images).await).await,
        }
    }

    /// A phase without I/O but files: its own group in the log and row in the summary.
    pub(super) fn phase<T>(&mut self, name: &'static str, work: impl FnOnce(&mut Self) -> Result<T, Problems>) -> Result<T, Problems> {
        self.begin_phase(name);
        let result = work(self);
        self.end_phase();
        result
    }

    /// A phase that talks to servers.
    pub(super) async fn timed<T>(
        &mut self,
        name: &'static str,
        work: impl AsyncFnOnce(&mut Self) -> Result<T, Problems>,
    ) -> Result<T, Problems> {
        self.begin_phase(name);
        let result = work(self).await;
        self.end_phase();
        result
    }

    fn begin_phase(&mut self, name: &'static str) {
        self.log.group(name);
        self.report.phases.push((name, Duration::ZERO));
        self.phase_begun = Some(Instant::now());
    }

    /// Ends the phase that is under way, if there is one: a signal may have ended the work itself.
    pub(super) fn end_phase(&mut self) {
        if let (Some(begun), Some((_, took))) = (self.phase_begun.take(), self.report.phases.last_mut()) {
            *took = begun.elapsed();
            self.log.end_group();
        }
    }

    fn release(&mut self) -> Result<(), Problems> {
        let seen = self.seen()?;
        match release::resolve(&seen, self.inputs.tag_pattern.as_ref(), &self.inputs.channels) {
            Ok(release) => {
                let environment = release.environment.as_deref().unwrap_or("none (its channel is not in `channels`)");
                self.log.say(format!("release {} ({})", release.tag, release.source));
                self.log.say(format!("version {} · channel {} · environment {environment}", release.version, release.channel));
                self.report.release = Some(release);
            }
            // What needs no release goes on without one; what needs it says so when it gets there.
            Err(error @ release::Error::NoTag(_)) if self.can_do_without_release() => {
                self.log.say(format!("no release: {error}"));
                self.log.say(format!("  {}", error.hint()));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// What the runner and the inputs say about a release.
    pub(super) fn seen(&self) -> Result<Seen, Error> {
        Ok(Seen {
            version: self.inputs.version.clone(),
            git_ref: self.environment.get("GITHUB_REF").map(str::to_owned),
            event_name: self.environment.get("GITHUB_EVENT_NAME").map(str::to_owned),
            sha: self.environment.get("GITHUB_SHA").map(str::to_owned),
            event: self.event()?,
        })
    }

    fn can_do_without_release(&self) -> bool {
        match self.inputs.mode {
            Mode::Plan | Mode::Apply | Mode::Render => true,
            Mode::Retag => !self.inputs.tags.iter().any(|tag| needs_release(tag)),
            Mode::PullRequest | Mode::Commit => false,
        }
    }

    fn event(&self) -> Result<Value, Error> {
        let Some(path) = self.environment.get("GITHUB_EVENT_PATH") else { return Ok(Value::Null) };
        let text = std::fs::read_to_string(path).map_err(|source| Error::Event { path: path.into(), source })?;
        serde_json::from_str(&text).map_err(|source| Error::Event { path: path.into(), source: source.into() })
    }
}
