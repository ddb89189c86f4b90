//! What was aimed at, beside what came out.

use std::fmt::Write as _;

use super::{AGAIN, ATTACHED, ELSEWHERE, HUNDRED, RETAG, Row, STREAM};

const MEMORY: f64 = 64e6;

/// One aim: what is measured, what it may be, what it is.
struct Aim {
    what: String,
    most: f64,
    here: Option<f64>,
}

impl Aim {
    fn new(what: impl Into<String>, most: impl Into<f64>, here: Option<f64>) -> Aim {
        Aim { what: what.into(), most: most.into(), here }
    }
}

/// All aims of the benchmark as a table.
pub(super) fn table(rows: &[Row]) -> String {
    let find = |work: &str, tool: &str| rows.iter().find(|row| row.work == work && row.tool.starts_with(tool));
    let own = |work: &str| find(work, "tagboat");
    let requests = |work: &str| own(work).map(|row| row.requests as f64);
    let megabytes = |work: &str| own(work).and_then(|row| Some(row.memory? as f64 / 1e6));
    let times = |work: &str, peer: &str| Some(own(work)?.wall.as_secs_f64() / find(work, peer)?.wall.as_secs_f64());
    let aims = [
        Aim::new(format!("{RETAG}: requests"), 62, requests(RETAG)),
        Aim::new(format!("{RETAG}: time, crane tag is 1 (1/15)"), 1.0 / 15.0, times(RETAG, "crane tag")),
        Aim::new(format!("{RETAG}: time, skopeo copy --all is 1 (1/40)"), 1.0 / 40.0, times(RETAG, "skopeo")),
        Aim::new(format!("{AGAIN}: requests"), 38, requests(AGAIN)),
        Aim::new(format!("{AGAIN}: writes"), 0, own(AGAIN).map(|row| row.writes as f64)),
        Aim::new(format!("{ELSEWHERE}: requests"), 140, requests(ELSEWHERE)),
        Aim::new(format!("{ELSEWHERE}: bytes of blobs"), 0, own(ELSEWHERE).map(|row| row.blobs as f64)),
        Aim::new(format!("{ELSEWHERE}: time, crane copy is 1 (1/8)"), 1.0 / 8.0, times(ELSEWHERE, "crane copy")),
        Aim::new(format!("{ATTACHED}: bytes of blobs"), 0, own(ATTACHED).map(|row| row.blobs as f64)),
        Aim::new(format!("{HUNDRED}: requests, 3 an image and 4"), 304, requests(HUNDRED)),
        Aim::new(format!("{HUNDRED}: memory in MB"), MEMORY / 1e6, megabytes(HUNDRED)),
        Aim::new(format!("{STREAM}: memory in MB"), MEMORY / 1e6, megabytes(STREAM)),
        Aim::new(format!("{STREAM}: time, skopeo copy is 1"), 1.2, times(STREAM, "skopeo")),
    ];
    let mut table = "| aim | at most | here | |\n|---|---|---|---|\n".to_owned();
    for Aim { what, most, here } in aims {
        let (here, verdict) = match here {
            Some(here) => (number(here), if here <= most { "reached" } else { "**missed**" }),
            None => (String::new(), "not measured"),
        };
        writeln!(table, "| {what} | {} | {here} | {verdict} |", number(most)).unwrap();
    }
    table
}

/// Counts without, and ratios with, digits behind the point.
fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.3}") }
}
