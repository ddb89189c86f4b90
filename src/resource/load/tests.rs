use std::path::Path;

use super::*;
use crate::resource::find;
use crate::resource::testing::explain_one;

/// A folder with these files, and what loading these sources from it gives, printed.
fn loaded(files: &[(&str, &str)], sources: &[&str]) -> String {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        write(root.path(), path, text.as_bytes());
    }
    print(root.path(), sources)
}

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn print(root: &Path, sources: &[&str]) -> String {
    let sources: Vec<String> = sources.iter().map(|s| (*s).to_owned()).collect();
    let loaded = find(root, &sources).and_then(|entries| {
        let kustomizations = entries.iter().filter_map(|entry| match entry {
            Entry::Kustomization(file) => Some(file.clone()),
            Entry::File(_) => None,
        });
        let built = kustomizations.map(|file| (file, BUILT.to_owned())).collect();
        load(&Request { root: root.to_owned(), entries, built, variables: [("VERSION".to_owned(), "1.10".to_owned())].into() })
    });
    match loaded {
        Ok(set) => set.iter().map(|r| format!("{} {} ({})\n", r.id.api_version(), r.id, r.at)).collect(),
        Err(problems) => problems.iter().map(|p| explain_one(p) + "\n").collect(),
    }
}

/// What every kustomization of these tests builds.
const BUILT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  labels:\n    v: '%%VERSION%%'\n  name: built\n";
const NS: &str = "{apiVersion: v1, kind: Namespace, metadata: {name: a}}\n";
const CM: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: b\n  namespace: shop\n";

/// The object of one text, as JSON.
fn value(text: &str) -> String {
    let set = parse(Path::new("a.yaml"), text, &[("VERSION".to_owned(), "1.10".to_owned())].into());
    set.map_or_else(|problems| crate::resource::testing::explain(&problems), |set| set[0].value.to_string())
}

#[test]
fn files_folders_and_globs_are_read_in_order_and_each_file_once() {
    let files = [
        ("k8s/z.yaml", NS),
        ("k8s/sub/a.yml", CM),
        ("k8s/.git/x.yaml", "no: object"),
        ("k8s/README.md", "# hello"),
        (
            "other/x.json",
            r#"{"apiVersion":"v1",
	"kind":"Secret", "metadata":{"name":"s"}}"#,
        ),
    ];
    insta::assert_snapshot!(loaded(&files, &["other/x.json", "k8s", "k8s/z.yaml", "*/*.yaml"]), @"
    v1 Secret s (other/x.json:1)
    v1 ConfigMap shop/b (k8s/sub/a.yml:1)
    v1 Namespace a (k8s/z.yaml:1)
    ");
    insta::assert_snapshot!(loaded(&files, &["k8s/**/*.yml", "oth*"]), @"
    v1 ConfigMap shop/b (k8s/sub/a.yml:1)
    v1 Secret s (other/x.json:1)
    ");
}

#[test]
fn sources_that_lead_nowhere_are_all_named() {
    let files = [("k8s/README.md", "# hello"), ("empty/a.yaml", "---\n# nothing\n---\n")];
    insta::assert_snapshot!(loaded(&files, &["kubernetes/", "k8s", "x/*.yaml", "a[", "k8s/README.md"]), @r#"
    couldn't find "kubernetes/", which `manifests` names
      → correct the path in `manifests`; paths are relative to the workspace
    no manifest matches "k8s"
      → correct `manifests`; files that end in .yaml, .yml or .json are read
    no manifest matches "x/*.yaml"
      → correct `manifests`; files that end in .yaml, .yml or .json are read
    "a[" is not a glob pattern: Pattern syntax error near position 17: invalid range pattern
      → correct the pattern in `manifests`: `*`, `?`, `[a-z]` and `**` are known
    "#);
    insta::assert_snapshot!(loaded(&files, &["empty"]), @"
    the manifests have no object in them
      → `manifests` must lead to at least one Kubernetes object
    ");
}

#[test]
fn many_documents_lists_byte_order_marks_and_crlf_are_read() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: one}\n- apiVersion: v1\n  kind: List\n  items:\n  - {apiVersion: v1, kind: Secret, metadata: {name: two}}\n";
    let typed = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleList\nitems:\n- metadata: {name: three}\n  rules: []\n";
    let dos = format!("\u{feff}---\r\n# nothing\r\n---\r\n{}---\r\n", CM.replace('\n', "\r\n"));
    let files = [("list.yaml", list), ("typed.yaml", typed), ("x/dos.yaml", dos.as_str()), ("x/empty.yaml", "")];
    insta::assert_snapshot!(loaded(&files, &["list.yaml", "typed.yaml", "x"]), @"
    v1 ConfigMap one (list.yaml:4)
    v1 Secret two (list.yaml:10)
    rbac.authorization.k8s.io/v1 Role three (typed.yaml:4)
    v1 ConfigMap shop/b (x/dos.yaml:4)
    ");
}

#[test]
fn items_of_a_typed_list_get_its_kind() {
    let text = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleList\nitems:\n- metadata: {name: three}\n  rules: []\n";
    insta::assert_snapshot!(value(text), @r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"three"},"rules":[]}"#);
}

#[test]
fn scalars_are_read_as_kubectl_reads_them() {
    let text = "
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {version: \"%%VERSION%%\"}}
spec:
  hostNetwork: yes
  priority: 1_000
  terminationGracePeriodSeconds: 30.0
  volumes:
  - {name: v, secret: {secretName: s, defaultMode: 0644}}
";
    insta::assert_snapshot!(value(text), @r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","labels":{"version":"1.10"}},"spec":{"hostNetwork":true,"priority":1000,"terminationGracePeriodSeconds":30,"volumes":[{"name":"v","secret":{"secretName":"s","defaultMode":420}}]}}"#);
}

#[test]
fn what_only_a_server_writes_is_left_out() {
    let text = "
apiVersion: apps/v1
kind: Deployment
metadata:
  creationTimestamp: null
  name: api
  namespace: ''
  resourceVersion: '7'
  uid: abc
  generation: 3
  managedFields: []
  annotations: {kubectl.kubernetes.io/last-applied-configuration: '{}'}
spec: {replicas: 2, template: {metadata: {creationTimestamp: null, labels: {a: b}}}}
status: {replicas: 1}
";
    insta::assert_snapshot!(value(text), @r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"api"},"spec":{"replicas":2,"template":{"metadata":{"labels":{"a":"b"}}}}}"#);
}

#[test]
fn objects_without_identity_are_errors_with_their_line() {
    let text = "
apiVersion: v1
metadata: {name: a}
---
kind: ConfigMap
metadata: {}
---
just text
---
- a
---
apiVersion: batch/v1
kind: Job
metadata:
  generateName: migrate-
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: 1234
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: ../secrets/x
---
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [a.yaml]
";
    insta::assert_snapshot!(loaded(&[("a.yaml", text)], &["a.yaml"]), @r#"
    a.yaml:2: the object has no `kind`
      → add `kind`, or leave the file out of `manifests` if it is not a Kubernetes manifest
    a.yaml:5: the object has no `apiVersion`
      → add `apiVersion`, or leave the file out of `manifests` if it is not a Kubernetes manifest
    a.yaml:5: the object has no `metadata.name`
      → add `metadata.name`, or leave the file out of `manifests` if it is not a Kubernetes manifest
    a.yaml:8:1: a Kubernetes object is a mapping, and this is text
      → every document of a manifest is one object with `apiVersion`, `kind` and `metadata`
    a.yaml:10:1: a Kubernetes object is a mapping, and this is a list
      → every document of a manifest is one object with `apiVersion`, `kind` and `metadata`
    a.yaml:15:3: Job has `generateName`, which can't be applied
      → give the object a `metadata.name`: a second run must find the same object again
    a.yaml:20:9: `metadata.name` must be text, and this is a number
      → put the value in quotes: YAML reads bare numbers, and words like yes, no, on, off, as something else than text
    a.yaml:25:9: "../secrets/x" can't be the name of an object
      → use lower-case letters, digits, `-` and `.`
    a.yaml:27:1: . is a kustomization, not a set of plain manifests
      → name the kustomization's folder itself in `manifests`, and it is built; next to it, name the plain manifests one by one
    "#);
}

#[test]
fn values_that_must_be_text_are_named_without_being_shown() {
    let text = "
apiVersion: v1
kind: Secret
metadata: {name: a, labels: {on: yes, version: %%VERSION%%}}
stringData:
  password: 12345678
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: b}
spec:
  template:
    spec:
      containers:
      - name: c
        env:
        - {name: DEBUG, value: on}
        - {name: EMPTY, value: }
";
    insta::assert_snapshot!(loaded(&[("a.yaml", text)], &["a.yaml"]), @"
    a.yaml:4:34: `metadata.labels.on` must be text, and this is true or false
      → put the value in quotes: YAML reads bare numbers, and words like yes, no, on, off, as something else than text
    a.yaml:4:48: `metadata.labels.version` must be text, and this is a number
      → put the value in quotes: YAML reads bare numbers, and words like yes, no, on, off, as something else than text
    a.yaml:6:13: `stringData.password` must be text, and this is a number
      → put the value in quotes: YAML reads bare numbers, and words like yes, no, on, off, as something else than text
    a.yaml:17:32: `env DEBUG` must be text, and this is true or false
      → put the value in quotes: YAML reads bare numbers, and words like yes, no, on, off, as something else than text
    ");
}

#[test]
fn list_items_that_server_side_apply_cannot_tell_apart_are_errors() {
    let text = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: b}
spec:
  template:
    spec:
      containers:
      - name: c
        env:
        - {name: A, value: '1'}
        - {name: B, value: '1'}
        - {name: A, value: '2'}
        ports:
        - {containerPort: 53}
        - {containerPort: 53, protocol: UDP}
        - {containerPort: 53, protocol: TCP}
---
{apiVersion: v1, kind: Service, metadata: {name: b}, spec: {ports: [{port: 80}, {port: 80, name: again}]}}
";
    insta::assert_snapshot!(loaded(&[("a.yaml", text)], &["a.yaml"]), @"
    a.yaml:13:11: `env` has A twice, in lines 11 and 13
      → remove one of the two; server-side apply tells the items of this list apart by it
    a.yaml:17:11: `ports` has 53/TCP twice, in lines 15 and 17
      → remove one of the two; server-side apply tells the items of this list apart by it
    a.yaml:19:81: `ports` has 80/TCP twice, in lines 19 and 19
      → remove one of the two; server-side apply tells the items of this list apart by it
    ");
}

#[test]
fn a_cluster_scoped_object_has_no_namespace() {
    let text = "{apiVersion: v1, kind: Namespace, metadata: {name: a, namespace: shop}}";
    insta::assert_snapshot!(value(text), @r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a"}}"#);
}

#[test]
fn duplicate_objects_and_keys_name_both_places() {
    let keys = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: k}\ndata:\n  a: '1'\n  a: '2'\n";
    let autoscaler = |version| format!("{{apiVersion: autoscaling/{version}, kind: HorizontalPodAutoscaler, metadata: {{name: h}}}}\n");
    let versions = format!("{}---\n{}", autoscaler("v1"), autoscaler("v2"));
    let files = [("k/a.yaml", CM), ("k/b.yaml", CM), ("k/c.yaml", keys), ("k/d.yaml", versions.as_str())];
    insta::assert_snapshot!(loaded(&files, &["k"]), @r#"
    k/c.yaml:6: couldn't read the manifest: the key "a" is there twice, in lines 5 and 6
      → remove one of the two; kubectl would silently take the last one
    k/b.yaml:1: ConfigMap shop/b is there twice: k/a.yaml:1 and k/b.yaml:1
      → remove or rename one of the two; which of them would win depends on the order of the files
    k/d.yaml:3: HorizontalPodAutoscaler h is there twice: k/d.yaml:1 and k/d.yaml:3
      → remove or rename one of the two; which of them would win depends on the order of the files
    "#);
}

#[test]
fn broken_yaml_is_reported_file_by_file() {
    let files = [("k/a.yaml", "a: [1\nb: 2\n"), ("k/b.yaml", "a: 'x\n"), ("k/c.yaml", CM)];
    insta::assert_snapshot!(loaded(&files, &["k"]), @"
    k/a.yaml:2:2: couldn't read the manifest: not YAML: illegal placement of ':' indicator
      → correct the YAML at this place
    k/b.yaml:2:1: couldn't read the manifest: not YAML: invalid indentation in multiline quoted scalar
      → correct the YAML at this place
    ");
}

#[test]
fn text_that_is_not_utf8_is_named_with_its_line() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "a.yaml", b"a: 1\nb: \xff\xfe\n");
    insta::assert_snapshot!(print(root.path(), &["a.yaml"]), @"
    a.yaml:2: a.yaml is not UTF-8 text
      → save the file as UTF-8
    ");
}

#[test]
fn kustomizations_and_charts_are_not_applied_as_objects() {
    let files = [
        ("k8s/base/kustomization.yaml", "resources: [a.yaml]\n"),
        ("k8s/base/a.yaml", CM),
        ("k8s/plain.yaml", NS),
        ("chart/Chart.yaml", "name: shop\n"),
        ("chart/templates/a.yaml", "{{ if }}"),
    ];
    insta::assert_snapshot!(loaded(&files, &["k8s", "chart"]), @"
    k8s/base/kustomization.yaml:1: k8s/base is a kustomization, not a set of plain manifests
      → name the kustomization's folder itself in `manifests`, and it is built; next to it, name the plain manifests one by one
    chart/Chart.yaml:1: chart is a Helm chart, not a set of plain manifests
      → give the output of `helm template` written to a file in `manifests`
    ");
}

#[test]
fn kustomizations_that_are_named_are_built_and_their_objects_lie_in_their_file() {
    let files = [("k8s/plain.yaml", NS), ("base/a.yaml", CM), ("base/Kustomization", ""), ("overlays/shop/kustomization.yml", "")];
    insta::assert_snapshot!(loaded(&files, &["overlays/shop", "k8s", "overlays/*/kustomization.yml"]), @r"
    v1 ConfigMap built (overlays/shop/kustomization.yml)
    v1 Namespace a (k8s/plain.yaml:1)
    ");
    insta::assert_snapshot!(loaded(&files, &["base/Kustomization"]), @"v1 ConfigMap built (base/Kustomization)");
    insta::assert_snapshot!(loaded(&files, &["base", "overlays/shop"]), @r"
    overlays/shop/kustomization.yml: ConfigMap built is there twice: base/Kustomization and overlays/shop/kustomization.yml
      → remove or rename one of the two; which of them would win depends on the order of the files
    ");
}

#[test]
fn what_is_wrong_in_a_built_text_is_told_with_the_kustomization() {
    let problems = parse_built(Path::new("shop/kustomization.yaml"), "kind: A\n---\nmetadata: {name: '%%NAME%%'}\n", &BTreeMap::new());
    insta::assert_snapshot!(crate::resource::testing::explain(&problems.unwrap_err()), @r"
    shop/kustomization.yaml: couldn't use line 3 of what kustomize has built of shop: the placeholder %%NAME%% has no value
      → add a line `NAME=…` to `variables`, or write %%%%NAME%%%% for the text itself
    ");
}

#[test]
fn a_link_to_a_folder_above_ends() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "k8s/a.yaml", CM.as_bytes());
    std::os::unix::fs::symlink(root.path().join("k8s"), root.path().join("k8s/again")).unwrap();
    insta::assert_snapshot!(print(root.path(), &["k8s"]), @"v1 ConfigMap shop/b (k8s/a.yaml:1)");
}

proptest::proptest! {
    #[test]
    fn reading_never_panics(text in "((apiVersion|kind|metadata|name|items|spec|containers|env|data|List|v1|- |: |\\{|\\}|\\[|\\]|%%|A|\n|  |---\n|&a|\\*a|!!binary|0|'|\"|#|é){0,40})") {
        let _ = parse(Path::new("a.yaml"), &text, &BTreeMap::new());
    }
}
