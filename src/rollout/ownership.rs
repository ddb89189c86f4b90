//! Whose field is it: who may be overruled when another manager holds what a manifest sets.

use std::fmt;

use serde_json::Value;

use super::owned::{Entry, Fields};
use crate::cluster::{Conflict, FIELD_MANAGER, HANDOVER_MANAGER};

/// What to do with fields that another manager holds with another value (input `field-conflicts`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FieldConflicts {
    /// Take them over from people's tools, refuse when a controller or another deployment tool holds them.
    #[default]
    Human,
    Force,
    Fail,
}

/// What a conflict leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Take,
    /// The conflicts that may not be overruled.
    Refuse(Vec<Conflict>),
}

impl FieldConflicts {
    /// Judges the conflicts of one object.
    pub fn judge(self, conflicts: &[Conflict]) -> Verdict {
        let held: Vec<Conflict> = match self {
            Self::Force => Vec::new(),
            Self::Human => conflicts
                .iter()
                .filter(|conflict| !is_a_persons_tool(&conflict.manager) && conflict.manager != HANDOVER_MANAGER)
                .cloned()
                .collect(),
            Self::Fail => conflicts.iter().filter(|conflict| conflict.manager != HANDOVER_MANAGER).cloned().collect(),
        };
        if held.is_empty() { Verdict::Take } else { Verdict::Refuse(held) }
    }
}

/// Managers through which people change objects by hand. A program that deploys or controls is not one of them.
fn is_a_persons_tool(manager: &str) -> bool {
    // `kubectl`, `kubectl-edit`, `kubectl-client-side-apply` …; `before-first-apply` is what the server calls managers before the first apply.
    manager == "kubectl"
        || manager.starts_with("kubectl-")
        || ["before-first-apply", "k9s", "lens", "node-fetch", "headlamp", "dashboard", "rancher", "oc"].contains(&manager)
}

/// Whether an apply that changes no value would still make fields ours: a later run can remove only what is ours.
pub fn adopts(live: &Value, next: &Value) -> bool {
    ours(live) != ours(next)
}

/// The fields that are ours by our applies.
pub fn ours(object: &Value) -> Option<&Fields> {
    Entry::all(object).find(|entry| entry.is_applied_by(FIELD_MANAGER))?.fields()
}

/// `.spec.replicas (held by argocd-controller)`.
pub(super) struct Held<'a>(pub(super) &'a [Conflict]);

impl fmt::Display for Held<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, conflict) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{} (held by {})", conflict.field, conflict.manager)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn overrules_people_but_not_controllers() {
        let conflict = |manager: &str| Conflict { field: ".spec.replicas".into(), manager: manager.into() };
        let both = [conflict("kubectl-edit"), conflict("keda-operator")];
        assert_eq!(FieldConflicts::Human.judge(&both[..1]), Verdict::Take);
        assert_eq!(FieldConflicts::Human.judge(&both), Verdict::Refuse(vec![conflict("keda-operator")]));
        assert_eq!(FieldConflicts::Force.judge(&both), Verdict::Take);
        assert_eq!(FieldConflicts::Fail.judge(&both), Verdict::Refuse(both.to_vec()));
        assert_eq!(FieldConflicts::Human.judge(&[conflict("kubectlish")]), Verdict::Refuse(vec![conflict("kubectlish")]));
    }

    #[test]
    fn notices_fields_that_would_become_ours() {
        let entry = |manager: &str, fields: Value| json!({"manager": manager, "operation": "Apply", "fieldsV1": fields, "time": "now"});
        let object = |entries: Vec<Value>| json!({"metadata": {"managedFields": entries}});
        let theirs = object(vec![entry("helm", json!({"f:data": {}}))]);
        let shared = object(vec![entry("helm", json!({"f:data": {}})), entry("tagboat", json!({"f:data": {}}))]);
        assert!(adopts(&theirs, &shared));
        assert!(!adopts(&shared, &shared));
    }
}
