//! What the next step after a plan of infrastructure repositories would do. Pure.

use std::fmt;

use crate::infra::plan::{BranchStep, PullStep};
use crate::infra::{Plan, Target};

/// What `mode: pull-request` would do, counted over all entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Proposals {
    opened: usize,
    updated: usize,
    closed: usize,
    /// Branches that go where no forge takes pull requests.
    pushed: usize,
}

impl Proposals {
    pub(super) fn add(&mut self, plan: &Plan) {
        let is_pushed = matches!(plan.branch_step, BranchStep::Create | BranchStep::Rebuild { .. });
        match plan.pull_step {
            PullStep::Open => self.opened += 1,
            PullStep::Update { .. } => self.updated += 1,
            PullStep::Keep { .. } if is_pushed => self.updated += 1,
            PullStep::Unavailable if is_pushed => self.pushed += 1,
            PullStep::Nothing | PullStep::Keep { .. } | PullStep::Unavailable => {}
        }
        self.closed += plan.closes.len();
    }

    /// An entry that couldn't be planned, for want of images or of a token: most likely everything is still to be done.
    pub(super) fn expect(&mut self, target: &Target) {
        match target {
            Target::Folder(_) => self.pushed += 1,
            Target::Hosted(_) | Target::Url(_) | Target::Ssh(_) => self.opened += 1,
        }
    }
}

impl fmt::Display for Proposals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pulls = [("opens", self.opened), ("updates", self.updated), ("closes", self.closed)];
        let mut deeds: Vec<String> = pulls.into_iter().filter(|(_, n)| *n > 0).map(|(verb, n)| counted(verb, n, "pull request")).collect();
        if self.pushed > 0 {
            deeds.push(format!("{}, where no forge takes pull requests", counted("pushes", self.pushed, "branch")));
        }
        match deeds.split_last() {
            None => f.write_str("`mode: pull-request` has nothing to change in the infrastructure repositories"),
            Some((last, [])) => write!(f, "`mode: pull-request` {last}"),
            Some((last, others)) => write!(f, "`mode: pull-request` {} and {last}", others.join(", ")),
        }
    }
}

fn counted(verb: &str, n: usize, noun: &str) -> String {
    let plural = match (n, noun) {
        (1, _) => "",
        (_, "branch") => "es",
        _ => "s",
    };
    format!("{verb} {n} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Oid;

    fn plan(branch_step: BranchStep, pull_step: PullStep, closes: &[&str]) -> Plan {
        Plan {
            place: "acme/infra".into(),
            base: "main".into(),
            branch: "tagboat/shop".into(),
            changes: Vec::new(),
            notes: Vec::new(),
            way: None,
            branch_step,
            pull_step,
            closes: closes.iter().map(|url| (*url).to_owned()).collect(),
        }
    }

    fn told(plans: &[Plan]) -> String {
        let mut proposals = Proposals::default();
        plans.iter().for_each(|plan| proposals.add(plan));
        proposals.to_string()
    }

    #[test]
    fn what_is_told_is_what_the_plans_would_do() {
        let rebuild = BranchStep::Rebuild { from: Oid::ZERO_SHA1 };
        let open = plan(BranchStep::Create, PullStep::Open, &[]);
        let keep = PullStep::Keep { number: 1, url: String::new() };
        let push = plan(BranchStep::Create, PullStep::Unavailable, &[]);
        let lines = [
            told(&[open.clone(), open.clone()]),
            told(std::slice::from_ref(&push)),
            told(&[push.clone(), push.clone(), open.clone(), plan(rebuild, keep.clone(), &["a", "b"])]),
            told(&[plan(BranchStep::Keep, keep, &[]), plan(BranchStep::Keep, PullStep::Unavailable, &[])]),
            told(&[plan(BranchStep::Nothing, PullStep::Nothing, &["a"])]),
        ];
        insta::assert_snapshot!(lines.join("\n"), @"
        `mode: pull-request` opens 2 pull requests
        `mode: pull-request` pushes 1 branch, where no forge takes pull requests
        `mode: pull-request` opens 1 pull request, updates 1 pull request, closes 2 pull requests and pushes 2 branches, where no forge takes pull requests
        `mode: pull-request` has nothing to change in the infrastructure repositories
        `mode: pull-request` closes 1 pull request
        ");
    }

    #[test]
    fn what_could_not_be_planned_is_expected_to_be_done() {
        let mut proposals = Proposals::default();
        proposals.expect(&Target::Folder("../infra.git".into()));
        assert_eq!(proposals, Proposals { pushed: 1, ..Proposals::default() });
        proposals.expect(&Target::Url("https://git.example.org/acme/infra".parse().unwrap()));
        assert_eq!(proposals, Proposals { pushed: 1, opened: 1, ..Proposals::default() });
    }
}
