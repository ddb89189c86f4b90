//! A plan as a table for people.

use std::fmt;

use super::{Action, Image, Outcome, Plan, Step};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![["SERVICE", "IMAGE", "TAG", "DIGEST", "ACTION"].map(str::to_owned)];
        for image in &self.images {
            rows.extend(image.rows());
        }
        let widths: Vec<usize> = (0..4).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
        for row in &rows {
            for (cell, width) in row.iter().zip(&widths) {
                write!(f, "{cell:width$}  ")?;
            }
            writeln!(f, "{}", row[4])?;
        }
        for copy in self.images.iter().filter_map(|image| image.copy.as_ref()) {
            writeln!(f, "{copy}")?;
        }
        for note in self.notes.iter().filter(|note| !note.is_warning()) {
            writeln!(f, "{note}")?;
        }
        for error in &self.unfit {
            writeln!(f, "{error}")?;
        }
        for error in &self.forbidden {
            writeln!(f, "{}", std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string))?;
        }
        for skipped in &self.skipped {
            match &skipped.image {
                Some(image) => writeln!(f, "{} ({image}) is not released: {}", skipped.service, skipped.reason)?,
                None => writeln!(f, "{} is not released: {}", skipped.service, skipped.reason)?,
            }
        }
        Ok(())
    }
}

impl Image {
    fn rows(&self) -> Vec<[String; 5]> {
        let (services, image) = (self.task.services.join(", "), self.task.target.to_string());
        match &self.outcome {
            Outcome::Unknown(error) => {
                // The table names the image already; what the store said about it is the news.
                let reason = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
                vec![[services, image, String::new(), String::new(), format!("unknown: {reason}")]]
            }
            Outcome::Known { manifest, steps } => rows(&services, &image, manifest.digest().short(), steps),
            Outcome::Unpushed { steps, .. } => rows(&services, &image, "of the push", steps),
        }
    }
}

fn rows(services: &str, image: &str, new: &str, steps: &[Step]) -> Vec<[String; 5]> {
    let digests = |step: &Step| match (&step.action, &step.before) {
        (Action::Create, _) => format!("new → {new}"),
        (Action::Move | Action::Conflict, Some(before)) => format!("{} → {new}", before.short()),
        (Action::Withheld(_), _) => String::new(),
        _ => new.to_owned(),
    };
    let row = |step: &Step| [services.to_owned(), image.to_owned(), step.tag.to_string(), digests(step), step.action.to_string()];
    steps.iter().map(row).collect()
}
