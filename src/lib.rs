//! Tagboat turns a release tag into a running deployment.
//!
//! Inputs are read once; plans are pure values that print; everything that touches the world is a thin loop over a printed plan.
//!
//! ```text
//! main → app → action                                   inputs, log, summary, outputs
//!          ├→ release, compose, resource, image, yaml   values, no I/O (compose and resource read files)
//!          └→ {retag, rollout, infra}::run → own plan → values
//!                                        └→ store | cluster | github | git → http
//! ```

pub mod action;
pub mod app;
pub mod cluster;
pub mod compose;
pub mod error;
pub mod git;
pub mod github;
pub mod http;
pub mod image;
pub mod infra;
pub mod journal;
pub mod release;
pub mod report;
pub mod resource;
pub mod retag;
pub mod rollout;
pub mod store;
pub mod yaml;
