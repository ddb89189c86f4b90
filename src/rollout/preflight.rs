//! Finding out before the first write what the account may not do.

use std::collections::BTreeSet;

use super::error::Error;
use super::needs::{self, Gap, Need, Purposes};
use super::plan::Plan;
use crate::cluster::{Cluster, Permission};
use crate::error::Problems;

/// Asks for every permission that the plan needs and no rehearsal has proven, and for those in `besides`: one request for each
/// namespace, more where the server can't list all rules of the account. Gives what will be missed.
///
/// # Errors
/// The permissions without which it can't go well.
pub async fn preflight(cluster: &Cluster, plan: &Plan, purposes: Purposes, besides: Vec<Need>) -> Result<Vec<Gap>, Problems> {
    let mut needs = needs::of(plan, purposes);
    needs.extend(besides);
    let wanted: BTreeSet<Permission> = needs.iter().map(|need| need.permission.clone()).collect();
    let lacking = cluster.lacks(&wanted).await.map_err(Error::Cluster)?;
    let (errors, gaps) = needs::judge(&needs, &lacking);
    Problems::check(errors)?;
    Ok(gaps)
}
