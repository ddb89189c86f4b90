//! Images get their tags: what was planned is written, and told row by row.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::Run;
use super::images::Images;
use super::pins::Released;
use crate::action::values::DryRun;
use crate::error::Problems;
use crate::image::Digest;
use crate::{report, retag};

impl Run<'_> {
    /// Gives the images their tags; the first writes of a run.
    pub(super) async fn retag(&mut self, images: Images) -> Result<Vec<Released>, Problems> {
        let Some((stores, ready)) = images.retag else { return Ok(images.released) };
        if self.inputs.dry_run == DryRun::Yes {
            return Ok(images.released);
        }
        self.timed("Retag", async |run| {
            let before = stores.requests();
            let overtaken = Mutex::new(BTreeSet::new());
            let progress = |event: retag::Event| {
                if let retag::Event::LeftAlone { image, .. } = &event {
                    overtaken.lock().unwrap_or_else(PoisonError::into_inner).insert(image.clone());
                }
                run.log.say(event);
            };
            let summary = retag::run(stores.route(), &ready, &run.journal, &progress).await?;
            let overtaken = overtaken.into_inner().unwrap_or_else(PoisonError::into_inner);
            let requests = stores.requests() - before;
            run.log.say(format!("{summary} ({requests} requests)"));
            for pin in &summary.pushed {
                let repository = pin.repository.to_string();
                let written = |row: &&mut report::Image| row.repository == repository && matches!(row.action.as_str(), "create" | "move");
                for row in run.report.images.iter_mut().filter(written) {
                    let digest = Some(pin.digest.to_string());
                    // What a float names already shows only now.
                    if row.before == digest {
                        row.action = retag::Action::AlreadyThere.to_string();
                    }
                    row.digest = digest;
                }
            }
            for image in &mut run.report.images {
                image.action = match image.action.as_str() {
                    _ if overtaken.contains(&format!("{}:{}", image.repository, image.tag)) => {
                        "left alone: a newer release has come".to_owned()
                    }
                    "create" => "created".to_owned(),
                    "move" => "moved".to_owned(),
                    _ => continue,
                };
            }
            let mut released = images.released;
            for image in &mut released {
                let pushed = summary.pushed.iter().find(|pin| pin.service == image.service && pin.repository == image.repository);
                image.digest = image.digest.take().or_else(|| pushed.map(|pin| pin.digest.clone()));
            }
            Ok(released)
        })
        .await
    }
}

/// A service whose image stays as it is, as the report has it.
pub(super) fn skipped(skipped: &retag::select::Skipped) -> report::Skipped {
    report::Skipped {
        service: skipped.service.clone(),
        image: skipped.image.clone().unwrap_or_else(|| "no image".to_owned()),
        reason: skipped.reason.clone(),
    }
}

/// The row of an image that no registry was asked for.
pub(super) fn unasked(image: &Released) -> report::Image {
    report::Image {
        services: vec![image.service.clone()],
        repository: image.repository.to_string(),
        source: image.repository.with_tag(&image.tag),
        tag: image.tag.to_string(),
        digest: None,
        before: None,
        action: "not asked".to_owned(),
        role: report::Role::Release,
    }
}

/// The rows of the report: one for each tag of each image.
pub(super) fn rows(plan: &retag::Plan) -> Vec<report::Image> {
    plan.images.iter().flat_map(|image| image_rows(&image.task, &image.outcome)).collect()
}

fn image_rows(task: &retag::select::Task, outcome: &retag::Outcome) -> Vec<report::Image> {
    let digest = match outcome {
        retag::Outcome::Known { manifest, .. } => Some(manifest.digest()),
        retag::Outcome::Unpushed { .. } | retag::Outcome::Unknown(_) => None,
    };
    let row = |(position, step): (usize, &retag::Step)| report::Image {
        services: task.services.clone(),
        repository: task.target.to_string(),
        source: task.source.to_string(),
        tag: step.tag.to_string(),
        digest: match step.action {
            retag::Action::Withheld(_) => step.before.as_ref().map(Digest::to_string),
            _ => digest.map(Digest::to_string),
        },
        before: step.before.as_ref().map(Digest::to_string),
        action: step.action.to_string(),
        role: if position == 0 { report::Role::Release } else { report::Role::Float },
    };
    outcome.steps().iter().enumerate().map(row).collect()
}
