use serde_json::{Value, json};

use super::{Image, Report, Role};
use crate::error::Exit;

impl Report {
    /// The step's outputs, all of them, on failure too; what is not known is empty.
    pub fn outputs(&self, exit: Exit) -> Vec<(&'static str, String)> {
        let release = |field: fn(&crate::release::Release) -> String| self.release.as_ref().map(field).unwrap_or_default();
        vec![
            ("version", release(|r| r.version.to_string())),
            ("tag", release(|r| r.tag.clone())),
            ("channel", release(|r| r.channel.clone())),
            ("environment", release(|r| r.environment.clone().unwrap_or_default())),
            ("prerelease", release(|r| r.prerelease.to_string())),
            ("images", self.images_json().to_string()),
            ("digests", self.digests().to_string()),
            ("matrix", self.matrix().to_string()),
            ("plan", self.plan().to_string()),
            ("applied", if self.is_plan() { json!([]) } else { json!(self.objects) }.to_string()),
            ("pull-requests", json!(self.repositories).to_string()),
            ("changed", (!self.changes.is_empty()).to_string()),
            ("outcome", self.outcome(exit).to_string()),
        ]
    }

    /// The images under their release tags, by service.
    fn released(&self) -> impl Iterator<Item = (&str, &Image)> {
        let release = self.images.iter().filter(|image| image.role == Role::Release);
        release.flat_map(|image| image.services.iter().map(move |service| (service.as_str(), image)))
    }

    fn images_json(&self) -> Value {
        let row = |(service, image): (&str, &Image)| json!({"service": service, "repository": image.repository, "tag": image.tag, "digest": image.digest});
        self.released().map(row).collect()
    }

    /// No registry host: a job output that holds a masked text (a registry's name kept as a secret) is dropped by the runner.
    fn digests(&self) -> Value {
        Value::Object(self.released().filter_map(|(service, image)| Some((service.to_owned(), json!(image.digest.as_ref()?)))).collect())
    }

    /// `strategy.matrix` of a following job.
    fn matrix(&self) -> Value {
        let mut environments: Vec<&str> = self.repositories.iter().filter_map(|r| r.environment.as_deref()).collect();
        environments.extend(self.release.as_ref().and_then(|r| r.environment.as_deref()).filter(|_| self.repositories.is_empty()));
        let include: Vec<Value> = environments.iter().map(|environment| json!({ "environment": environment })).collect();
        json!({ "include": include })
    }

    fn plan(&self) -> Value {
        json!({
            "mode": self.mode,
            "release": self.release,
            "images": self.images,
            "skipped": self.skipped,
            "waves": self.waves.as_ref().map(|waves| &waves.text),
            "objects": self.objects,
            "repositories": self.repositories,
        })
    }
}
