//! The composition root: inputs → clients → phases → report.

mod clients;
mod cluster;
mod error;
mod images;
mod manifests;
mod phases;
mod render;
mod repositories;
mod rollback;
mod signals;

use crate::action::log::Level;
use crate::action::{Environment, Given, Inputs, Log, explain, outputs};
use crate::error::{Exit, Problems};
use crate::journal::Journal;
use crate::report::{Problem, Report, seconds};

/// Everything one run works with.
struct Run<'a> {
    environment: &'a Environment,
    inputs: &'a Inputs,
    log: &'a Log,
    journal: Journal,
    report: Report,
}

/// Reads the inputs, goes through the phases, and reports, whichever way it ends.
pub async fn run(environment: &Environment, arguments: &[String], log: &Log) -> Exit {
    let inputs = match read_inputs(environment, arguments, log) {
        Ok(inputs) => inputs,
        Err(problems) => {
            explain::print(&problems, log);
            log.say("\nrefused; nothing was changed");
            return problems.exit();
        }
    };
    let journal = Journal::default();
    let report = Report::new(inputs.mode, inputs.dry_run);
    let mut run = Run { environment, inputs: &inputs, log, journal, report };
    let ended = tokio::select! {
        ended = run.phases() => ended,
        signal = signals::interrupted() => Err(Problems::one(error::Error::Cancelled { signal })),
    };
    run.finish(ended)
}

fn read_inputs(environment: &Environment, arguments: &[String], log: &Log) -> Result<Inputs, Problems> {
    let given = match Given::collect(environment, arguments) {
        Ok(given) => given,
        Err(errors) => return Problems::check(errors).map(|()| unreachable!("there is at least one")),
    };
    for secret in given.secrets() {
        log.mask(secret);
    }
    Inputs::read(&given)
}

impl Run<'_> {
    fn finish(mut self, ended: Result<(), Problems>) -> Exit {
        self.log.end_group();
        let exit = match &ended {
            Ok(()) => Exit::Done,
            Err(problems) => problems.exit(),
        };
        if let Err(problems) = &ended {
            explain::print(problems, self.log);
            let shown = problems.iter().map(|p| Problem { place: p.location().map(ToString::to_string), text: explain::text(p) });
            self.report.problems = shown.collect();
        }
        self.report.changes = self.journal.changes();
        self.print_ending(exit);
        self.write_files(exit);
        exit
    }

    fn print_ending(&self, exit: Exit) {
        let total: std::time::Duration = self.report.phases.iter().map(|(_, took)| *took).sum();
        let times: Vec<String> = self.report.phases.iter().map(|(name, took)| format!("{name} {}", seconds(*took))).collect();
        self.log.say("");
        if exit != Exit::Done && !self.report.changes.is_empty() {
            self.log.say("changed before it ended:");
            for change in &self.report.changes {
                self.log.say(format!("  {change}"));
            }
        }
        self.log.say(format!("{} ({}: {})", self.report.closing(exit), seconds(total), times.join(", ")));
        for step in &self.report.next {
            self.log.say(format!("next: {step}"));
        }
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
                    return warn("outputs", &error);
                }
            }
        }
        if let Some(file) = self.environment.get("GITHUB_STEP_SUMMARY")
            && let Err(error) = outputs::append_summary(file.as_ref(), &clean(&self.report.summary(exit)))
        {
            warn("step summary", &error);
        }
    }

    fn warn(&mut self, location: Option<&crate::error::Location>, text: &str) {
        self.log.annotate(Level::Warning, location, "tagboat", text);
        let place = location.map(|at| format!("{at}: ")).unwrap_or_default();
        self.report.warnings.push(format!("{place}{text}"));
    }
}
