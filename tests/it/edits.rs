//! The results of edits, as `kubectl kustomize` and `helm template` render them.

use std::process::Command;

use tagboat::image::Reference;
use tagboat::infra::ImagePin;
use tagboat::infra::edit::helm::{Bump, Key, Options};
use tagboat::infra::edit::{self, Edits, File, helm};

use crate::servers::command;

const DIGEST: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn pins() -> Vec<ImagePin> {
    let pin = |name: &str, repository: &str, digest: Option<&str>| ImagePin {
        service: repository.rsplit('/').next().unwrap().into(),
        name: name.into(),
        repository: repository.parse::<Reference>().unwrap().repository(),
        tag: "1.10".parse().unwrap(),
        digest: digest.map(|digest| digest.parse().unwrap()),
    };
    vec![pin("shop-web", "ghcr.io/acme/web", None), pin("ghcr.io/acme/api", "ghcr.io/acme/api", Some(DIGEST))]
}

/// The files after the edits, in a folder.
fn folder(files: &[File], edits: &Edits) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, bytes: &[u8]| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    files.iter().for_each(|file| write(&file.path, &file.bytes));
    edits.writes.iter().for_each(|(path, bytes)| write(path, bytes.as_deref().unwrap()));
    folder
}

fn images(mut renderer: Command) -> Vec<String> {
    let output = renderer.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("image: "));
    lines.map(|image| image.trim_matches('"').to_owned()).collect()
}

fn file(path: &str, text: &str) -> File {
    File { path: path.into(), bytes: text.into() }
}

#[test]
fn kustomize_renders_manifests_after_their_edit() {
    let pod = |name: &str, image: &str| {
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  containers:\n  - name: c\n    image: {image}\n")
    };
    let two = format!(
        "{}---\n{}",
        pod("a", "&i shop-web:dev # ours"),
        pod("b", "'ghcr.io/acme/api@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'")
    );
    let files = [
        file("two.yaml", &two),
        file("deep/three.yaml", &pod("c", "redis:7")),
        file("kustomization.yaml", "resources: [two.yaml, deep/three.yaml]\n"),
    ];
    let edits = edit::manifests(&files, &[], &pins()).unwrap();
    let folder = folder(&files, &edits);
    let mut kubectl = Command::new(command("kubernetes", "kubectl"));
    kubectl.arg("kustomize").arg(folder.path());
    assert_eq!(images(kubectl), ["ghcr.io/acme/web:1.10".to_owned(), format!("ghcr.io/acme/api:1.10@{DIGEST}"), "redis:7".into()]);
}

/// kustomize refuses `newTag: 1.10`, and deploys the old image by a digest that was left.
#[test]
fn kustomize_takes_what_an_edit_of_a_kustomization_leaves() {
    let old = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: w, image: shop-web}\n  - {name: a, image: 'ghcr.io/acme/api:dev'}\n";
    let named = |entries: &str| format!("resources: [pod.yaml]\nimages:\n{entries}");
    let table = [
        named("- {name: shop-web, newName: ghcr.io/acme/web, newTag: 1.10}\n- {name: ghcr.io/acme/api, newTag: 20240101}\n"),
        named(&format!("- {{name: shop-web, digest: {old}}}\n- {{name: ghcr.io/acme/api, newTag: '1.9', digest: {old}}}\n")),
        // The same entry twice, and one that another one leads to.
        named("- {name: shop-web, newTag: '1'}\n- {name: shop-web, newTag: '2'}\n- {name: ghcr.io/acme/api, newTag: '3'}\n"),
        named("- {name: 'ghcr.io/acme/.*', newTag: '1'}\n"),
        "resources: [pod.yaml]\n".to_owned(),
    ];
    for text in table {
        let files = [file("pod.yaml", pod), file("kustomization.yaml", &text)];
        let edited = edit::kustomize::edit("kustomization.yaml", text.as_bytes(), &pins()).unwrap();
        let mut edits = Edits::default();
        edits.add(&files[1], edited);
        let folder = folder(&files, &edits);
        let mut kubectl = Command::new(command("kubernetes", "kubectl"));
        kubectl.arg("kustomize").arg(folder.path());
        assert_eq!(images(kubectl), ["ghcr.io/acme/web:1.10".to_owned(), format!("ghcr.io/acme/api:1.10@{DIGEST}")], "{text}");
    }
}

/// What is refused would not have been deployed, and what is not refused is.
#[test]
fn kustomize_deploys_another_image_where_an_edit_is_refused() {
    let pod = |image: &str| {
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  containers:\n  - {{name: a, image: '{image}'}}\n")
    };
    let (own, pins) = ("- {name: ghcr.io/acme/api, newTag: '1.9'}\n", pins().split_off(1));
    let ours = format!("- {{name: ghcr.io/acme/api, newTag: '1.10', digest: {DIGEST}}}\n");
    let deployed = format!("ghcr.io/acme/api:1.10@{DIGEST}");
    let table = [
        (format!("{own}- {{name: ghcr.io/acme/.*, newTag: old}}\n"), "ghcr.io/acme/api:old"),
        (format!("- {{name: ghcr.io/.*, newName: mirror.example/api}}\n{own}"), "mirror.example/api:dev"),
        ("- {name: api, newName: ghcr.io/acme/api}\n- {name: ghcr.io/acme/.*, newTag: old}\n".into(), "ghcr.io/acme/api:old"),
        (format!("- {{name: a/.*, newName: b}}\n- {{name: ghcr.io/.*, newTag: old}}\n{own}"), &deployed),
        (format!("{own}- {{name: ghcr.io/other/.*, newTag: old}}\n"), &deployed),
    ];
    for (entries, expected) in table {
        let text = format!("resources: [pod.yaml]\nimages:\n{entries}");
        let edited = edit::kustomize::edit("kustomization.yaml", text.as_bytes(), &pins);
        assert_eq!(edited.is_ok(), expected == deployed, "{entries}");
        let text = edited.map_or_else(|_| text.replace(own, &ours), |edited| String::from_utf8(edited.bytes).unwrap());
        let image = if entries.contains("name: api") { "api:dev" } else { "ghcr.io/acme/api:dev" };
        let files = [file("pod.yaml", &pod(image)), file("kustomization.yaml", &text)];
        let folder = folder(&files, &Edits::default());
        let mut kubectl = Command::new(command("kubernetes", "kubectl"));
        kubectl.arg("kustomize").arg(folder.path());
        assert_eq!(images(kubectl), [expected], "{text}");
    }
}

const TEMPLATE: &str = r#"apiVersion: v1
kind: Pod
metadata: {name: p, labels: {helm.sh/chart: "{{ .Chart.Name }}-{{ .Chart.Version }}"}}
spec:
  containers:
  - name: web
    image: "{{ .Values.web.image.registry }}/{{ .Values.web.image.repository }}:{{ .Values.web.image.tag }}"
  - name: api
    image: "{{ .Values.api.repository }}:{{ .Values.api.tag | default .Chart.AppVersion }}{{ with .Values.api.digest }}@{{ . }}{{ end }}"
  - name: sidecar
    image: {{ .Values.sidecarImage }}
  - name: redis
    image: "{{ .Values.redis.repository }}:{{ .Values.redis.tag }}"
  - name: version
    image: "x:{{ .Chart.AppVersion }}"
"#;

#[test]
fn helm_renders_a_chart_after_its_edit() {
    let chart = "apiVersion: v2\nname: shop\nversion: 0.3.9\nappVersion: \"1.9\"\n";
    let values = "web: {image: {registry: ghcr.io, repository: acme/web, tag: '1.9'}}\napi:\n  repository: ghcr.io/acme/api\n  tag:\n  digest: ''\nsidecarImage: ghcr.io/acme/web:1.9\nredis:\n  repository: redis\n  tag: 7-alpine\n";
    let files = [file("Chart.yaml", chart), file("values.yaml", values), file("templates/pod.yaml", TEMPLATE)];
    let expected = [
        "ghcr.io/acme/web:1.10".to_owned(),
        format!("ghcr.io/acme/api:1.10@{DIGEST}"),
        "ghcr.io/acme/web:1.10".into(),
        "redis:7-alpine".into(),
        "x:1.10".into(),
    ];
    let keys = [("web.image.tag", "web"), ("api.tag", "api"), ("sidecarImage", "web")];
    let keys = keys.map(|(key, service)| Key::new(key, service).unwrap()).to_vec();
    for keys in [Vec::new(), keys] {
        let edits = helm::edit(&files[..2], &pins(), &Options { keys, bump: Bump::Patch }).unwrap();
        let folder = folder(&files, &edits);
        let mut template = Command::new(command("helm", "helm"));
        template.args(["template", "x"]).arg(folder.path()).env("HOME", folder.path());
        assert_eq!(images(template), expected);
        let chart = std::fs::read_to_string(folder.path().join("Chart.yaml")).unwrap();
        assert_eq!(chart, "apiVersion: v2\nname: shop\nversion: 0.3.10\nappVersion: \"1.10\"\n");
    }
}
