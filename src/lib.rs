//! Tagboat turns a release tag into a running deployment.
//!
//! Inputs are read once; plans are pure values that print; everything that touches the world is a thin loop over a printed plan.
//!
//! ```text
//! main → app → action                                   inputs, log, summary, outputs
//!          ├→ release, compose, resource, image, yaml   values, no I/O (compose and resource read files)
//!          └→ {retag, rollout, infra}::run → own plan → values
//!                                        └→ store (→ login) | cluster | forge (→ github) | git → http
//! ```

pub mod action;
pub mod app;
pub mod cluster;
pub mod compose;
pub mod error;
pub mod forge;
pub mod git;
pub mod github;
pub mod http;
pub mod image;
pub mod infra;
pub mod journal;
pub mod jwt;
pub mod kustomize;
pub mod login;
pub mod release;
pub mod render;
pub mod report;
pub mod resource;
pub mod retag;
pub mod rollout;
pub mod store;
pub mod suggest;
pub mod yaml;

use std::io::stdout;
use std::time::Duration;

use action::log::Reader;
use action::redact::Redactor;
use action::{Environment, Log};
use error::Exit;

/// The whole program: reads the inputs, does what they say, tells how it went.
pub fn run(environment: &Environment, arguments: &[String]) -> Exit {
    let reader = if environment.on_runner() { Reader::Runner } else { Reader::Person };
    let log = Log::new(Box::new(stdout()), reader, Redactor::default());
    match arguments {
        [flag] if flag == "--help" || flag == "-h" => log.say(action::reference::help()),
        [flag] if flag == "-V" => log.say(concat!("tagboat ", env!("CARGO_PKG_VERSION"))),
        _ => return start(environment, arguments, &log),
    }
    Exit::Done
}

fn start(environment: &Environment, arguments: &[String], log: &Log) -> Exit {
    http::install_tls_provider();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            log.annotate(action::log::Level::Error, None, "tagboat", &format!("couldn't start: {error}"));
            return Exit::Failed;
        }
    };
    let exit = runtime.block_on(app::run(environment, arguments, log));
    // A git transfer that a signal has interrupted runs on a thread of its own; the runner kills us after 7.5 s.
    runtime.shutdown_timeout(Duration::from_secs(1));
    exit
}
