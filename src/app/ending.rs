//! The end of a run, whichever way it came: log, outputs, step summary.

use crate::action::log::Level;
use crate::action::{Environment, Log, explain, outputs};
use crate::error::{Exit, Problems};
use crate::report::{Problem, Report, seconds};

/// What is left to tell when nothing is left to do.
pub(super) struct Ending<'a> {
    pub(super) environment: &'a Environment,
    pub(super) log: &'a Log,
    pub(super) report: Report,
}

impl Ending<'_> {
    pub(super) fn conclude(mut self, ended: Result<(), Problems>) -> Exit {
        self.log.end_group();
        let exit = match &ended {
            Ok(()) => Exit::Done,
            Err(problems) => problems.exit(),
        };
        if let Err(problems) = &ended {
            explain::print(problems, self.log);
            let shown = problems.iter().map(|p| Problem { place: p.location().map(ToString::to_string), text: explain::text(p) });
            self.report.problems = shown.collect();
            self.report.settle();
        }
        self.print(exit);
        self.write_files(exit);
        exit
    }

    fn print(&self, exit: Exit) {
        self.log.say("");
        if exit != Exit::Done && !self.report.changes.is_empty() {
            self.log.say("changed before it ended:");
            for change in &self.report.changes {
                self.log.say(format!("  {change}"));
            }
        }
        self.log.say(format!("{}{}", self.report.closing(exit), self.times()));
        for step in &self.report.next {
            self.log.say(format!("next: {step}"));
        }
    }

    fn times(&self) -> String {
        if self.report.phases.is_empty() {
            return String::new();
        }
        let total: std::time::Duration = self.report.phases.iter().map(|(_, took)| *took).sum();
        let times: Vec<String> = self.report.phases.iter().map(|(name, took)| format!("{name} {}", seconds(*took))).collect();
        format!(" ({}: {})", seconds(total), times.join(", "))
    }

    /// The files of the runner; that they can't be written doesn't change what was done, so it is a warning.
    fn write_files(&self, exit: Exit) {
        let clean = |text: &str| self.log.redactor().clean(text);
        let warn = |what: &str, error: &std::io::Error| {
            self.log.annotate(Level::Warning, None, "tagboat", &format!("couldn't write the {what}: {error}"));
        };
        if let Some(file) = self.environment.get("GITHUB_OUTPUT") {
            for (name, value) in self.report.outputs(exit) {
                if let Err(error) = outputs::append(file.as_ref(), name, &clean(&value)) {
                    warn("outputs", &error);
                    break;
                }
            }
        }
        if let Some(file) = self.environment.get("GITHUB_STEP_SUMMARY")
            && let Err(error) = outputs::append_summary(file.as_ref(), &clean(&self.report.summary(exit)))
        {
            warn("step summary", &error);
        }
    }
}
