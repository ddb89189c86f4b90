//! The integration tests: one binary, a file per behaviour, real servers.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a test says what is wrong by panicking")]

mod apply;
mod bench;
mod checklist;
mod compose;
mod corpus;
mod e2e;
mod edits;
mod git_http;
mod harness;
mod kustomization;
mod logins;
mod pull_request;
mod reach;
mod release;
mod retag;
mod rules;
mod servers;
mod testbed;
