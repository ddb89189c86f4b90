//! A release by an account that knows one namespace, and what happens when one of its permissions is taken away: either nothing is written and
//! the permission is named, or the release goes well and one warning says what is missed.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::applies;
use crate::harness::{Run, Workspace};
use crate::servers::http1::Reply;
use crate::servers::{Fault, Namespace, Proxy, cluster};

/// What the account needs for a Deployment, a Service, a ConfigMap and a Secret: API group, resource, verbs.
const ROLE: &[(&str, &str, &[&str])] = &[
    ("apps", "deployments", &["get", "watch", "create", "patch", "delete"]),
    ("", "services", &["get", "create", "patch", "delete"]),
    ("", "configmaps", &["get", "create", "patch", "delete"]),
    ("", "secrets", &["get", "create", "patch", "delete"]),
    ("apps", "replicasets", &["watch"]),
    ("", "pods", &["watch"]),
    ("", "pods/log", &["get"]),
    ("", "events", &["list"]),
    ("coordination.k8s.io", "leases", &["get", "create", "update"]),
];

const COMPARED: &str = "what is live of it can't be compared, nor brought back after a failure";
const REMOVED: &str = "what this release creates stays when it fails and is rolled back";
const NOTICED: &str = "pods that can't start are noticed late, and their state isn't shown";
const UNLOCKED: &str = "nothing keeps another run from deploying the same at the same time";
const FORGOTTEN: &str = "only this very run can roll back: when it is killed, no later one knows what was live before";

enum Ends {
    /// Exit code 3 with nothing written.
    Refused,
    /// All is applied, with this one warning.
    Warned(&'static str),
}
use Ends::{Refused, Warned};

/// What is taken away, and how the release ends then. `bare` has no Secret in its manifests: what Tagboat needs Secrets for by itself.
const TABLE: &[(&str, &[&str], bool, Ends)] = &[
    ("deployments", &["get"], false, Warned(COMPARED)),
    ("deployments", &["watch"], false, Warned("its state is read every 2 s instead of being watched")),
    ("deployments", &["get", "watch"], false, Refused),
    ("deployments", &["create"], false, Refused),
    ("deployments", &["patch"], false, Refused),
    ("deployments", &["delete"], false, Warned(REMOVED)),
    ("services", &["get"], false, Warned(COMPARED)),
    ("services", &["create"], false, Refused),
    ("services", &["patch"], false, Refused),
    ("services", &["delete"], false, Warned(REMOVED)),
    ("configmaps", &["get"], false, Warned(COMPARED)),
    ("configmaps", &["create"], false, Refused),
    ("configmaps", &["patch"], false, Refused),
    ("configmaps", &["delete"], false, Warned(REMOVED)),
    ("secrets", &["get"], false, Warned(COMPARED)),
    ("secrets", &["create"], false, Refused),
    ("secrets", &["patch"], false, Refused),
    ("secrets", &["delete"], false, Warned(REMOVED)),
    ("secrets", &["get"], true, Warned(FORGOTTEN)),
    ("secrets", &["create"], true, Warned(FORGOTTEN)),
    ("secrets", &["patch"], true, Warned(FORGOTTEN)),
    ("secrets", &["delete"], true, Warned(FORGOTTEN)),
    ("replicasets", &["watch"], false, Warned(NOTICED)),
    ("pods", &["watch"], false, Warned(NOTICED)),
    ("pods/log", &["get"], false, Warned("the last log lines of pods that fail aren't shown")),
    ("events", &["list"], false, Warned("events of what fails aren't shown")),
    ("leases", &["get"], false, Warned(UNLOCKED)),
    ("leases", &["create"], false, Warned(UNLOCKED)),
    ("leases", &["update"], false, Warned(UNLOCKED)),
];

/// The rules of the role without what is taken away.
fn rules(resource: &str, verbs: &[&str]) -> Value {
    let left = |name: &str, all: &[&str]| -> Vec<String> {
        all.iter().filter(|verb| name != resource || !verbs.contains(verb)).map(|verb| (*verb).to_owned()).collect()
    };
    let rules = ROLE.iter().map(|(group, name, all)| json!({"apiGroups": [group], "resources": [name], "verbs": left(name, all)}));
    rules.filter(|rule| rule["verbs"] != json!([])).collect()
}

fn application(image: &str, with_secret: bool) -> String {
    let secret = "
---
{apiVersion: v1, kind: Secret, metadata: {name: database}, stringData: {PASSWORD: hunter2hunter2}}";
    format!(
        "
{{apiVersion: v1, kind: ConfigMap, metadata: {{name: settings}}, data: {{MODE: production}}}}
---
{{apiVersion: v1, kind: Service, metadata: {{name: api}}, spec: {{selector: {{app: api}}, ports: [{{port: 80}}]}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: api}}
spec:
  selector: {{matchLabels: {{app: api}}}}
  template:
    metadata: {{labels: {{app: api}}}}
    spec: {{containers: [{{name: api, image: registry.example/acme/{image}}}]}}{}
",
        if with_secret { secret } else { "" }
    )
}

/// Releases it by an account with these rules, through this proxy.
fn release(shop: &Namespace, proxy: &Proxy, rules: &Value, application: &str) -> Run {
    release_within("5m", shop, proxy, rules, application)
}

fn release_within(timeout: &str, shop: &Namespace, proxy: &Proxy, rules: &Value, application: &str) -> Run {
    let workspace = Workspace::empty();
    workspace.write("app.yaml", application);
    let step = workspace.step("apply").input("source", "none").input("manifests", "app.yaml").input("version", "v1.2.3");
    let step = step.input("timeout", timeout);
    step.input("kubeconfig", &shop.service_account_through(proxy, rules)).run()
}

fn warnings(run: &Run) -> Vec<&str> {
    run.transcript.lines().filter(|line| line.starts_with("::warning ")).collect()
}

fn check(resource: &str, verbs: &[&str], bare: bool, ends: &Ends) {
    let (shop, proxy) = (cluster().namespace("shop"), cluster().proxy());
    let run = release(&shop, &proxy, &rules(resource, verbs), &application("api:v1", !bare));
    let (group, ..) = ROLE.iter().find(|(_, name, _)| *name == resource).unwrap();
    let dotted = if group.is_empty() { String::new() } else { format!(".{group}") };
    // Where several are missing, the last one would do.
    let verb = verbs.last().unwrap();
    let permission = format!("the account may not {verb} {resource}{dotted} in namespace {}", shop.name());
    let (kind, part) = resource.split_once('/').map_or((resource, String::new()), |(kind, part)| (kind, format!(" --subresource={part}")));
    let question = format!("`kubectl auth can-i {verb} {kind}{dotted}{part} --namespace {}`", shop.name());
    let rule = format!("{{apiGroups: [{group:?}], resources: [{resource:?}], verbs: [{verb:?}]}}");
    let told = match ends {
        Refused => {
            run.exits(3);
            assert_eq!(applies(&proxy.requests()), Vec::<String>::new(), "{resource} {verbs:?}");
            assert!(cluster().get(&shop.path("configmaps/settings")).is_none());
            run.transcript.lines().find(|line| line.starts_with("::error ")).unwrap().to_owned()
        }
        Warned(missed) => {
            run.exits(0);
            assert_eq!(shop.deployment("api").unwrap()["status"]["readyReplicas"], 1, "{resource} {verbs:?}");
            let warnings = warnings(&run);
            assert_eq!(warnings.len(), 1, "{resource} {verbs:?}:\n{}", run.transcript);
            assert!(warnings[0].contains(missed), "{resource} {verbs:?}: {}", warnings[0]);
            warnings[0].to_owned()
        }
    };
    for text in [permission, question, rule] {
        assert!(told.contains(&text), "{resource} {verbs:?}: {text:?} isn't in {told}");
    }
}

#[test]
fn each_permission_that_is_missing_is_named_before_the_first_write_or_costs_one_warning() {
    for (_, resource, verbs) in ROLE {
        for verb in *verbs {
            let covered = TABLE.iter().any(|(of, taken, ..)| of == resource && *taken == [*verb]);
            assert!(covered, "nothing is known of {verb} {resource}");
        }
    }
    let rows = Mutex::new(TABLE.iter());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let row = rows.lock().unwrap().next();
                    let Some((resource, verbs, bare, ends)) = row else { return };
                    check(resource, verbs, *bare, ends);
                }
            });
        }
    });
}

/// As the authorizers of clouds answer, which can't list what they allow.
fn hide_rules(proxy: &Proxy) {
    let hide = |reply: &mut Reply| {
        let mut answer = reply.value();
        answer["status"] = json!({"resourceRules": [], "nonResourceRules": [], "incomplete": true});
        *reply = Reply::json(201, &answer);
    };
    proxy.on(|request| request.path().ends_with("/selfsubjectrulesreviews")).fault(Fault::tamper(hide));
}

#[test]
fn permissions_that_no_list_tells_are_asked_for_one_by_one() {
    let questions = |proxy: &Proxy| proxy.requests().iter().filter(|r| r.path().ends_with("/selfsubjectaccessreviews")).count();
    let (shop, proxy) = (cluster().namespace("shop"), cluster().proxy());
    hide_rules(&proxy);
    let run = release(&shop, &proxy, &rules("services", &["delete"]), &application("api:v1", true));
    run.exits(0);
    assert_eq!((warnings(&run).len(), questions(&proxy) > 10), (1, true), "{}", run.transcript);
    assert!(warnings(&run)[0].contains(&format!("the account may not delete services in namespace {}, so {REMOVED}", shop.name())));

    // A role that names objects.
    let mut named = rules("deployments", &["get", "patch", "delete"]);
    let names = json!({"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["api"], "verbs": ["get", "patch", "delete"]});
    named.as_array_mut().unwrap().push(names);
    for hidden in [false, true] {
        let (shop, proxy) = (cluster().namespace("shop"), cluster().proxy());
        if hidden {
            hide_rules(&proxy);
        }
        let run = release(&shop, &proxy, &named, &application("api:v1", true));
        run.exits(0);
        assert_eq!(warnings(&run), Vec::<&str>::new());
        assert_eq!(questions(&proxy) > 0, hidden, "a list that is whole answers everything");
    }
}

#[test]
fn an_account_of_one_namespace_deploys_fails_shows_why_and_goes_back_without_a_warning() {
    let (shop, proxy) = (cluster().namespace("shop"), cluster().proxy());
    let good = release(&shop, &proxy, &rules("", &[]), &application("api:v1", true));
    good.exits(0);
    assert_eq!(warnings(&good), Vec::<&str>::new());

    // The controller can't create the new pod, and says so in an event.
    let quota = json!({"metadata": {"name": "one-pod"}, "spec": {"hard": {"pods": "1"}}});
    cluster().create(&shop.path("resourcequotas"), &quota);
    let bad = release(&shop, &proxy, &rules("", &[]), &application("api:v2", true).replace("production", "panic"));
    bad.exits(4).says("exceeded quota: one-pod");
    assert_eq!(warnings(&bad), Vec::<&str>::new());
    let (applied, undone) = bad.transcript.split_once("::group::Rollback").unwrap();
    assert!(applied.contains("  warning: ReplicaSet FailedCreate: Error creating: pods"), "{applied}");
    assert!(undone.contains("2 restored, 0 removed"), "{undone}");
    assert_eq!(cluster().get(&shop.path("configmaps/settings")).unwrap()["data"]["MODE"], "production");
    assert_eq!(shop.deployment("api").unwrap()["status"]["readyReplicas"], 1);
    let again = release(&shop, &proxy, &rules("", &[]), &application("api:v1", true));
    assert_eq!(again.exits(0).output("outcome"), "unchanged");
}

/// What is shown of a pod that crashes, before anything is rolled back, by an account without one permission.
#[test]
fn what_may_not_be_seen_of_a_failure_is_named_and_the_rest_is_shown() {
    let state = "container api: CrashLoopBackOff: it ended with exit code 1 (Error)";
    let words = "    last lines of api, the run before:\n      connecting\n      panic: no database\n";
    let nothing_hidden = "couldn't read";
    let table: [(&str, &str, &[&str], &[&str]); 4] = [
        ("", "", &[state, words], &[nothing_hidden]),
        ("pods/log", "get", &[state, "couldn't read the log of container api of pod api-", "403 Forbidden"], &["panic: no database"]),
        ("events", "list", &[state, words, "couldn't read events: GET", "403 Forbidden"], &[]),
        ("pods", "watch", &["couldn't read pods: GET", "0 of 1 replica is available"], &[state, words]),
    ];
    std::thread::scope(|scope| {
        for (resource, verb, shown, hidden) in table {
            scope.spawn(move || {
                let (shop, proxy) = (cluster().namespace("shop"), cluster().proxy());
                shop.pod_logs(&[], &["connecting", "panic: no database"]);
                let timeout = if resource == "pods" { "5s" } else { "5m" };
                let application = application("crash:v1", false);
                let run = release_within(timeout, &shop, &proxy, &rules(resource, &[verb]), &application);
                run.exits(4);
                let (before, _) = run.transcript.split_once("::group::Rollback").unwrap_or_else(|| panic!("{}", run.transcript));
                let (_, evidence) = before.split_once("::group::Apply").unwrap();
                for text in shown {
                    assert!(evidence.contains(text), "{verb} {resource}: {text:?} isn't shown: {evidence}");
                }
                for text in hidden {
                    assert!(!evidence.contains(text), "{verb} {resource}: {text:?} is shown: {evidence}");
                }
                assert!(shop.deployment("api").is_none(), "and then it was rolled back");
            });
        }
    });
}
