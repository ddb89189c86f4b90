//! What annotations of other tools say about the order: Argo CD, Helm, kapp and cli-utils, read into one form. Pure.
//!
//! | annotation | meaning here |
//! | --- | --- |
//! | `config.kubernetes.io/depends-on` | after these objects are ready (cli-utils, `[GROUP/namespaces/NS/]KIND/NAME,…`) |
//! | `argocd.argoproj.io/sync-wave` | all of a lower wave is ready first |
//! | `argocd.argoproj.io/hook`, `helm.sh/hook` | before the workloads and waited for, or after everything is ready |
//! | `helm.sh/hook-weight` | order among hooks (Argo CD: the sync wave) |
//! | `kapp.k14s.io/change-group`, `change-rule` (and `….NAME`) | `upsert after upserting GROUP`: after the group's objects are ready |
//! | `helm.sh/resource-policy: keep` | never removed |

use serde_json::{Map, Value};

use super::{Error, Misread};
use crate::error::Problems;
use crate::resource::{Key, Purpose, Resource};

const DEPENDS_ON: &str = "config.kubernetes.io/depends-on";
const SYNC_WAVE: &str = "argocd.argoproj.io/sync-wave";
const ARGO_HOOK: &str = "argocd.argoproj.io/hook";
const ARGO_POLICY: &str = "argocd.argoproj.io/hook-delete-policy";
const HELM_HOOK: &str = "helm.sh/hook";
const HELM_WEIGHT: &str = "helm.sh/hook-weight";
const HELM_POLICY: &str = "helm.sh/hook-delete-policy";
const HELM_KEEP: &str = "helm.sh/resource-policy";
const CHANGE_GROUP: &str = "kapp.k14s.io/change-group";
const CHANGE_RULE: &str = "kapp.k14s.io/change-rule";

/// When an object is applied, as far as its annotations say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// A hook before the workloads.
    Before,
    Main,
    /// A hook after everything is ready.
    After,
    /// A check of the release, after all hooks.
    Check,
    /// Not in a release: a test, or a hook for removals and roll backs. The text says which.
    Never(&'static str),
}

/// What an object's annotations say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wishes {
    pub stage: Stage,
    /// The sync wave, or a hook's weight; `None` when nothing is said.
    pub wave: Option<i64>,
    pub depends_on: Vec<Key>,
    pub groups: Vec<String>,
    pub rules: Vec<Rule>,
}

/// The object's place relative to a group of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    After(String),
    Before(String),
}

/// Hooks and stages that Argo CD knows (docs: "Resource Hooks").
const ARGO_STAGES: [(&str, Stage); 7] = [
    ("PreSync", Stage::Before),
    ("Sync", Stage::Main),
    ("PostSync", Stage::After),
    ("Skip", Stage::Never("Argo CD skips it")),
    ("SyncFail", Stage::Never("it is a hook for failed syncs")),
    ("PreDelete", Stage::Never("it is a hook for removals")),
    ("PostDelete", Stage::Never("it is a hook for removals")),
];

/// Hooks that Helm knows (docs: "Chart Hooks"); `crd-install` and `test-success` are those of Helm 2.
const HELM_STAGES: [(&str, Stage); 12] = [
    ("pre-install", Stage::Before),
    ("pre-upgrade", Stage::Before),
    ("post-install", Stage::After),
    ("post-upgrade", Stage::After),
    ("crd-install", Stage::Main),
    ("test", Stage::Never("it is a test")),
    ("test-success", Stage::Never("it is a test")),
    ("test-failure", Stage::Never("it is a test")),
    ("pre-delete", Stage::Never("it is a hook for removals")),
    ("post-delete", Stage::Never("it is a hook for removals")),
    ("pre-rollback", Stage::Never("it is a hook for roll backs")),
    ("post-rollback", Stage::Never("it is a hook for roll backs")),
];

/// Takes out what is not part of a release, with the reason, and checks all annotations of the rest.
///
/// # Errors
/// Every annotation whose value can't be read.
pub fn set_aside(resources: Vec<Resource>) -> Result<Selection, Problems> {
    let (mut kept, mut aside, mut problems) = (Vec::with_capacity(resources.len()), Vec::new(), Vec::new());
    for resource in resources {
        match wishes(&resource).map(|wishes| wishes.stage) {
            Ok(Stage::Never(reason)) => aside.push((resource, reason)),
            Ok(_) => kept.push(resource),
            Err(error) => problems.push(error),
        }
    }
    Problems::check(problems)?;
    Ok(Selection { kept, aside })
}

/// What is part of a release, and what isn't.
#[derive(Debug, Clone)]
pub struct Selection {
    pub kept: Vec<Resource>,
    /// With the reason.
    pub aside: Vec<(Resource, &'static str)>,
}

/// Whether an object is a hook or a check that runs in every release: what is left of the last one gives way to it (`BeforeHookCreation`,
/// which is what Argo CD and Helm do where nothing is said). Only what runs to an end is a hook in this sense; a hook's settings are applied.
pub fn runs_again(resource: &Resource) -> bool {
    runs_to_an_end(resource) && wishes(resource).is_ok_and(|wishes| matches!(wishes.stage, Stage::Before | Stage::After | Stage::Check))
}

fn runs_to_an_end(resource: &Resource) -> bool {
    resource.id.is("batch", "Job") || resource.id.is("", "Pod")
}

/// Whether the release fails when this object doesn't come to a good end, whatever else is waited for.
pub fn is_check(resource: &Resource) -> bool {
    resource.purpose == Purpose::Check && runs_to_an_end(resource)
}

/// How a hook has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Succeeded,
    Failed,
}

/// Whether the annotations of a hook or a check want it deleted when it has ended so (Helm: `helm.sh/hook-delete-policy`, docs "Chart
/// Hooks"; Argo CD: `argocd.argoproj.io/hook-delete-policy`, docs "Resource Hooks").
pub fn is_deleted_after(resource: &Resource, ending: Ending) -> bool {
    let wanted = match ending {
        Ending::Succeeded => ["hook-succeeded", "HookSucceeded"],
        Ending::Failed => ["hook-failed", "HookFailed"],
    };
    let says = |annotation| {
        let policy = resource.value.pointer("/metadata/annotations").and_then(|all| all.get(annotation)).and_then(Value::as_str);
        policy.is_some_and(|text| text.split(',').any(|entry| wanted.contains(&entry.trim())))
    };
    runs_again(resource) && (says(HELM_POLICY) || says(ARGO_POLICY))
}

/// Whether a hook or a check that has succeeded is there no longer: deleted by us, or by the server (`ttlSecondsAfterFinished`).
pub fn vanishes(resource: &Resource) -> bool {
    let expires = resource.value.pointer("/spec/ttlSecondsAfterFinished").is_some();
    is_deleted_after(resource, Ending::Succeeded) || expires && runs_again(resource)
}

/// Reads the annotations of one object.
pub(super) fn wishes(resource: &Resource) -> Result<Wishes, Error> {
    let none = Map::new();
    let annotations = resource.value.pointer("/metadata/annotations").and_then(Value::as_object).unwrap_or(&none);
    Reader { resource, annotations }.read()
}

struct Reader<'r> {
    resource: &'r Resource,
    annotations: &'r Map<String, Value>,
}

impl Reader<'_> {
    fn read(&self) -> Result<Wishes, Error> {
        let argo = self.list(ARGO_HOOK).map(|hooks| self.stage(ARGO_HOOK, &hooks, &ARGO_STAGES)).transpose()?;
        let helm = self.list(HELM_HOOK).map(|hooks| self.stage(HELM_HOOK, &hooks, &HELM_STAGES)).transpose()?;
        self.known(ARGO_POLICY, &["HookSucceeded", "HookFailed", "BeforeHookCreation"])?;
        self.known(HELM_POLICY, &["hook-succeeded", "hook-failed", "before-hook-creation"])?;
        self.known(HELM_KEEP, &["keep"])?;
        let (wave, weight) = (self.number(SYNC_WAVE)?, self.number(HELM_WEIGHT)?);
        let stage = match self.resource.purpose {
            Purpose::Application => argo.or(helm).unwrap_or(Stage::Main),
            // Whatever it is to others (Helm's tests are natural checks), it is part of this release.
            Purpose::Check if is_check(self.resource) => Stage::Check,
            Purpose::Check => Stage::Main,
        };
        // A weight orders hooks only, as with Helm; Argo CD takes it for a wave where there is none.
        let wave = wave.or(weight.filter(|_| stage != Stage::Main));
        let depends_on = self.list(DEPENDS_ON).unwrap_or_default().iter().map(|text| self.reference(text)).collect::<Result<_, _>>()?;
        let groups = self.family(CHANGE_GROUP).map(|(_, text)| text.to_owned()).collect();
        let rules = self.family(CHANGE_RULE).filter_map(|(name, text)| self.rule(name, text).transpose()).collect::<Result<_, _>>()?;
        Ok(Wishes { stage, wave, depends_on, groups, rules })
    }

    fn text(&self, annotation: &str) -> Option<&str> {
        self.annotations.get(annotation).and_then(Value::as_str)
    }

    fn list(&self, annotation: &str) -> Option<Vec<&str>> {
        self.text(annotation).map(|text| text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect())
    }

    /// An annotation and those that differ from it by a suffix after a dot.
    fn family(&self, annotation: &'static str) -> impl Iterator<Item = (&str, &str)> {
        let belongs = move |name: &str| name.strip_prefix(annotation).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.annotations.iter().filter(move |(name, _)| belongs(name)).filter_map(|(name, text)| Some((name.as_str(), text.as_str()?)))
    }

    fn wrong(&self, annotation: &str, reason: String) -> Error {
        let value = self.text(annotation).unwrap_or_default().to_owned();
        let (id, at) = (self.resource.id.clone(), self.resource.at.clone());
        Error::Annotation(Box::new(Misread { id, annotation: annotation.to_owned(), value, reason, at }))
    }

    fn number(&self, annotation: &str) -> Result<Option<i64>, Error> {
        let number = |text: &str| text.trim().parse::<i32>().map_err(|_| self.wrong(annotation, "it must be a whole number".into()));
        Ok(self.text(annotation).map(number).transpose()?.map(i64::from))
    }

    fn known(&self, annotation: &str, values: &[&str]) -> Result<(), Error> {
        match self.list(annotation).unwrap_or_default().iter().all(|value| values.contains(value)) {
            true => Ok(()),
            false => Err(self.wrong(annotation, format!("it must be one of {}", values.join(", ")))),
        }
    }

    /// Of several stages the first one that takes part in a release, before and after the main one.
    fn stage(&self, annotation: &str, hooks: &[&str], known: &[(&str, Stage)]) -> Result<Stage, Error> {
        let names = || known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let find = |hook: &&str| known.iter().find(|(name, _)| name == hook).map(|(_, stage)| *stage);
        let stages: Option<Vec<Stage>> = hooks.iter().map(find).collect();
        let stages =
            stages.filter(|stages| !stages.is_empty()).ok_or_else(|| self.wrong(annotation, format!("it must be of {}", names())))?;
        let wanted = [Stage::Before, Stage::After, Stage::Main].into_iter().find(|stage| stages.contains(stage));
        Ok(wanted.unwrap_or(stages[0]))
    }

    /// `GROUP/KIND/NAME` or `GROUP/namespaces/NAMESPACE/KIND/NAME`; the core group is empty.
    fn reference(&self, text: &str) -> Result<Key, Error> {
        let key = |group: &str, namespace: Option<&str>, kind: &str, name: &str| Key {
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        };
        match text.split('/').collect::<Vec<_>>()[..] {
            [group, kind, name] if !kind.is_empty() && !name.is_empty() => Ok(key(group, None, kind, name)),
            [group, "namespaces", namespace, kind, name] if ![namespace, kind, name].contains(&"") => {
                Ok(key(group, Some(namespace), kind, name))
            }
            _ => Err(self.wrong(DEPENDS_ON, format!("{text:?} must be GROUP/KIND/NAME or GROUP/namespaces/NAMESPACE/KIND/NAME"))),
        }
    }

    /// `upsert after upserting GROUP`; rules about deletions say nothing here.
    fn rule(&self, annotation: &str, text: &str) -> Result<Option<Rule>, Error> {
        match text.split_whitespace().collect::<Vec<_>>()[..] {
            ["upsert", "after", "upserting", group] => Ok(Some(Rule::After(group.to_owned()))),
            ["upsert", "before", "upserting", group] => Ok(Some(Rule::Before(group.to_owned()))),
            ["upsert" | "delete", "after" | "before", "upserting" | "deleting", _] => Ok(None),
            _ => Err(self.wrong(annotation, "it must be like `upsert after upserting GROUP`".into())),
        }
    }
}
