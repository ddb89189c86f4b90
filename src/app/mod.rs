//! The composition root: inputs → clients → phases → report.

mod clients;
mod cluster;
mod credentials;
mod ending;
mod error;
mod images;
mod lock;
mod manifests;
mod phases;
mod pins;
mod proposals;
mod prune;
mod render;
mod repositories;
mod rollback;
mod signals;
mod tagging;
mod tokens;
mod trace;
mod versions;

use std::time::Instant;

use self::ending::Ending;
use crate::action::log::Level;
use crate::action::{Environment, Given, Inputs, Log};
use crate::error::{Exit, Problems};
use crate::journal::Journal;
use crate::report::Report;

/// Everything one run works with.
struct Run<'a> {
    environment: &'a Environment,
    inputs: &'a Inputs,
    log: &'a Log,
    journal: Journal,
    /// When the last phase of the report began; nothing when it has ended.
    phase_begun: Option<Instant>,
    /// Tokens of an App that are to be given back.
    installations: Vec<crate::github::Installation>,
    report: Report,
    /// What keeps other runs from deploying the same.
    lock: Option<lock::Lock>,
}

/// Reads the inputs, goes through the phases, and reports, whichever way it ends.
pub async fn run(environment: &Environment, arguments: &[String], log: &Log) -> Exit {
    let inputs = match read_inputs(environment, arguments, log) {
        Ok(inputs) => inputs,
        Err(problems) => return Ending { environment, log, report: Report::default() }.conclude(Err(problems)),
    };
    let report = Report::new(inputs.mode, inputs.dry_run);
    let journal = Journal::default();
    let mut run = Run { environment, inputs: &inputs, log, journal, phase_begun: None, installations: Vec::new(), report, lock: None };
    let ended = tokio::select! {
        ended = run.phases() => ended,
        signal = signals::interrupted() => Err(Problems::one(error::Error::Cancelled { signal })),
    };
    run.unlock().await;
    run.end_phase();
    run.give_tokens_back().await;
    run.report.changes = run.journal.changes();
    Ending { environment, log, report: run.report }.conclude(ended)
}

fn read_inputs(environment: &Environment, arguments: &[String], log: &Log) -> Result<Inputs, Problems> {
    let given = Given::collect(environment, arguments);
    for secret in given.secrets() {
        log.mask(secret);
    }
    let inputs = Inputs::read(given)?;
    if let Some(token) = &inputs.infra_token {
        tokens::mask(log, token);
    }
    Ok(inputs)
}

impl Run<'_> {
    fn warn(&mut self, location: Option<&crate::error::Location>, text: &str) {
        self.log.annotate(Level::Warning, location, "tagboat", text);
        let place = location.map(|at| format!("{at}: ")).unwrap_or_default();
        self.report.warnings.push(format!("{place}{text}"));
    }
}
