//! Volumes that grow, and those that can't become what a manifest says. Pure.
//!
//! A claim may grow where its StorageClass allows it, and never shrink. The templates of a StatefulSet can't be changed at all, so its claims
//! grow one by one, and then it is made anew around its pods, which keep running: deleted with `propagationPolicy: Orphan`, applied
//! again, and the pods become its own by their labels. Nothing restarts, because a revision is made of the pod template alone
//! (`pkg/controller/statefulset`, `getPatch`).
//! <https://kubernetes.io/docs/concepts/storage/persistent-volumes/#expanding-persistent-volumes-claims>

use std::fmt;

use serde_json::Value;

use crate::resource::Id;
use crate::resource::quantity::Quantity;

/// Where a claim says how much it wants.
const REQUEST: &str = "/spec/resources/requests/storage";

/// A claim template of a StatefulSet whose volumes grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    /// The template's name: its claims are called `TEMPLATE-SET-ORDINAL`.
    pub template: String,
    pub from: String,
    pub to: String,
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} → {}", self.template, self.from, self.to)
    }
}

/// A claim that grows with its template, in the namespace of its set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub name: String,
    pub to: String,
}

/// Why a volume can't become what the manifest says: a text that goes on after "couldn't plan X:".
pub(super) fn refusal(id: &Id, live: &Value, wanted: &Value) -> Option<String> {
    if id.is("", "PersistentVolumeClaim") {
        return claim_refusal("", live, wanted);
    }
    templates(wanted)
        .filter_map(|wanted| Some((template(live, name(wanted))?, wanted)))
        .find_map(|(live, wanted)| claim_refusal(&format!(" of the claim template {}", name(wanted)), live, wanted))
}

fn claim_refusal(of: &str, live: &Value, wanted: &Value) -> Option<String> {
    if let Some((from, to)) = sizes(live, wanted)
        && Quantity::parse(to)? < Quantity::parse(from)?
    {
        return Some(format!("the size{of} would shrink from {from} to {to}, and volumes don't shrink"));
    }
    let class = |claim: &Value| claim.pointer("/spec/storageClassName").and_then(Value::as_str).map(str::to_owned);
    match (class(live), class(wanted)) {
        (Some(from), Some(to)) if from != to => {
            Some(format!("the storage class{of} would change from {from} to {to}, and volumes don't move"))
        }
        _ => None,
    }
}

/// The claim templates of a StatefulSet that are larger in the manifest than in the cluster.
pub(super) fn growths(id: &Id, live: &Value, wanted: &Value) -> Vec<Growth> {
    if !id.is("apps", "StatefulSet") {
        return Vec::new();
    }
    let both = templates(wanted).filter_map(|wanted| Some((template(live, name(wanted))?, wanted)));
    both.filter_map(|(live, wanted)| {
        let (from, to) = sizes(live, wanted)?;
        let growth = || Growth { template: name(wanted).to_owned(), from: from.to_owned(), to: to.to_owned() };
        (Quantity::parse(to)? > Quantity::parse(from)?).then(growth)
    })
    .collect()
}

/// Whether a StatefulSet has other sizes in its templates than before.
pub(super) fn have_grown(before: &Value, now: &Value) -> bool {
    let mut both = templates(before).filter_map(|before| sizes(before, template(now, name(before))?));
    both.any(|(before, now)| Quantity::parse(before) != Quantity::parse(now))
}

/// Those of the claims that belong to the set and are smaller than they are to be.
pub(super) fn claims(set: &str, growths: &[Growth], live: &[Value]) -> Vec<Claim> {
    let grown = |claim: &Value| {
        let claim_name = name(claim);
        let growth = growths.iter().find(|growth| {
            let ordinal =
                claim_name.strip_prefix(&growth.template).and_then(|rest| rest.strip_prefix('-')?.strip_prefix(set)?.strip_prefix('-'));
            ordinal.is_some_and(|ordinal| !ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit()))
        })?;
        let now = Quantity::parse(claim.pointer(REQUEST)?.as_str()?)?;
        (now < Quantity::parse(&growth.to)?).then(|| Claim { name: claim_name.to_owned(), to: growth.to.clone() })
    };
    live.iter().filter_map(grown).collect()
}

/// The set with the sizes that another state of it has: all else can be compared, rehearsed or brought back.
pub(super) fn with_sizes_of(set: &Value, other: &Value) -> Value {
    let mut set = set.clone();
    for wanted in set.pointer_mut("/spec/volumeClaimTemplates").and_then(Value::as_array_mut).into_iter().flatten() {
        let size = template(other, name(wanted)).and_then(|template| template.pointer(REQUEST));
        if let (Some(size), Some(place)) = (size, wanted.pointer_mut(REQUEST)) {
            *place = size.clone();
        }
    }
    set
}

fn templates(set: &Value) -> impl Iterator<Item = &Value> {
    set.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array).into_iter().flatten()
}

fn template<'v>(set: &'v Value, wanted: &str) -> Option<&'v Value> {
    templates(set).find(|template| name(template) == wanted)
}

fn name(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

fn sizes<'v>(live: &'v Value, wanted: &'v Value) -> Option<(&'v str, &'v str)> {
    Some((live.pointer(REQUEST)?.as_str()?, wanted.pointer(REQUEST)?.as_str()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claim(name: &str, size: &str, class: &str) -> Value {
        json!({"metadata": {"name": name}, "spec": {"storageClassName": class, "resources": {"requests": {"storage": size}}}})
    }

    fn set(size: &str) -> Value {
        json!({"spec": {"replicas": 2, "volumeClaimTemplates": [claim("data", size, "fast"), claim("logs", "1Gi", "fast")]}})
    }

    fn id(group: &str, kind: &str) -> Id {
        Id { group: group.into(), version: "v1".into(), kind: kind.into(), namespace: Some("shop".into()), name: "db".into() }
    }

    #[test]
    fn a_template_that_is_larger_grows_and_the_same_size_in_other_words_does_not() {
        let set_id = id("apps", "StatefulSet");
        let growths = growths(&set_id, &set("10Gi"), &set("20Gi"));
        assert_eq!(growths.iter().map(ToString::to_string).collect::<Vec<_>>(), ["data 10Gi → 20Gi"]);
        assert!(super::growths(&set_id, &set("10Gi"), &set("10240Mi")).is_empty());
        assert!(super::growths(&id("apps", "Deployment"), &set("10Gi"), &set("20Gi")).is_empty());
    }

    #[test]
    fn only_claims_of_the_set_that_are_too_small_grow() {
        let growths = growths(&id("apps", "StatefulSet"), &set("10Gi"), &set("20Gi"));
        let live = ["data-db-0", "data-db-11", "data-db-x", "data-db-", "logs-db-0", "data-db2-0", "other-data-db-0"]
            .map(|name| claim(name, "10Gi", "fast"));
        let names: Vec<String> = claims("db", &growths, &live).into_iter().map(|claim| claim.name).collect();
        assert_eq!(names, ["data-db-0", "data-db-11"]);
        assert!(claims("db", &growths, &[claim("data-db-0", "20Gi", "fast"), claim("data-db-1", "1Ti", "fast")]).is_empty());
    }

    #[test]
    fn shrinking_and_moving_are_refused_in_words() {
        let told = |live, wanted| refusal(&id("", "PersistentVolumeClaim"), &live, &wanted).unwrap_or_default();
        insta::assert_snapshot!(told(claim("a", "10Gi", "fast"), claim("a", "5Gi", "fast")), @"the size would shrink from 10Gi to 5Gi, and volumes don't shrink");
        insta::assert_snapshot!(told(claim("a", "10Gi", "fast"), claim("a", "10Gi", "slow")), @"the storage class would change from fast to slow, and volumes don't move");
        assert_eq!(told(claim("a", "10Gi", "fast"), claim("a", "20Gi", "fast")), "");
        insta::assert_snapshot!(refusal(&id("apps", "StatefulSet"), &set("10Gi"), &set("5Gi")).unwrap_or_default(), @"the size of the claim template data would shrink from 10Gi to 5Gi, and volumes don't shrink");
    }

    #[test]
    fn everything_but_the_sizes_is_kept() {
        let mut wanted = set("20Gi");
        wanted["spec"]["replicas"] = 5.into();
        let rehearsed = with_sizes_of(&wanted, &set("10Gi"));
        assert_eq!(
            (rehearsed["spec"]["replicas"].as_i64(), &rehearsed["spec"]["volumeClaimTemplates"]),
            (Some(5), &set("10Gi")["spec"]["volumeClaimTemplates"])
        );
    }
}
