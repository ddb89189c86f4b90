//! The action as workflows call it: its image built from the Dockerfile, run by a workflow runner on a Docker engine,
//! as `uses: ./` and in the form in which it is released.
//!
//! Steps of a workflow reach the servers of the other tests at `127.0.0.1`: jobs and actions have the host's network.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use tempfile::TempDir;

use crate::servers::docker::{BASE_IMAGE, BUILD_IMAGE, KUSTOMIZE_IMAGE, RUNNER_IMAGE, engine};
use crate::servers::{GitServer, Platforms, Registry, cluster, command, docker};

/// What act calls the image that it builds for `uses: ./` (pkg/runner/action.go).
const BUILT_IMAGE: &str = "act-dockeraction:latest";
/// What [`action_image`] calls it.
const ACTION_IMAGE: &str = "localhost/tagboat:e2e";

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("couldn't run {command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}", transcript(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn transcript(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The files that the image is built from, with base images that the engine has.
fn sources(folder: &Path) {
    for name in ["Cargo.toml", "Cargo.lock", "src", "action.yml"] {
        succeeds(Command::new("cp").arg("-R").arg(checkout().join(name)).arg(folder));
    }
    let dockerfile = std::fs::read_to_string(checkout().join("Dockerfile")).expect("there is a Dockerfile");
    let base = |line: &str| match line.split_once('=') {
        Some(("ARG BUILD_IMAGE", _)) => format!("ARG BUILD_IMAGE={BUILD_IMAGE}\n"),
        Some(("ARG KUSTOMIZE_IMAGE", _)) => format!("ARG KUSTOMIZE_IMAGE={KUSTOMIZE_IMAGE}\n"),
        Some(("ARG BASE_IMAGE", _)) => format!("ARG BASE_IMAGE={BASE_IMAGE}\n"),
        _ => format!("{line}\n"),
    };
    let dockerfile: String = dockerfile.lines().map(base).collect();
    std::fs::write(folder.join("Dockerfile"), dockerfile).expect("couldn't write the Dockerfile");
}

/// The job of [`PLAN`] with `uses: ./`, run once in a test run: the runner builds the action's image. The layers of the last run are reused
/// as far as their files are the same.
fn planned_by_its_own_repository() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        for image in [BUILD_IMAGE, BASE_IMAGE, KUSTOMIZE_IMAGE, RUNNER_IMAGE] {
            assert!(engine().has_image(image), "{image} is missing: run ./scripts/setup images");
        }
        Workspace::at_tag("v1.2.3", Form::Dockerfile, &[("compose.yaml", COMPOSE)]).run(PLAN)
    })
}

/// The action's image, as the runner has built it.
fn action_image() -> &'static str {
    let run = planned_by_its_own_repository();
    assert!(run.succeeded, "{}", run.log);
    let tagged = docker(&["tag", BUILT_IMAGE, ACTION_IMAGE]);
    assert!(tagged.status.success(), "{}", transcript(&tagged));
    ACTION_IMAGE
}

/// How a workflow gets hold of the action.
#[derive(Clone, Copy)]
enum Form {
    /// `image: Dockerfile`, built by the runner.
    Dockerfile,
    /// `image: docker://…`, as `scripts/release-action` writes it.
    Released,
}

/// A repository with the action at its root, at the commit of a release tag.
struct Workspace {
    folder: TempDir,
}

impl Workspace {
    fn at_tag(tag: &str, form: Form, files: &[(&str, &str)]) -> Workspace {
        let workspace = Workspace { folder: tempfile::tempdir().expect("no temporary folder") };
        match form {
            Form::Dockerfile => sources(&workspace.path("")),
            Form::Released => {
                std::fs::copy(checkout().join("action.yml"), workspace.path("action.yml")).expect("no action.yml");
                let script = checkout().join("scripts/release-action");
                succeeds(Command::new(script).arg(action_image()).arg(workspace.path("action.yml")));
            }
        }
        for (name, text) in files {
            workspace.write(name, text);
        }
        workspace.git(&["init", "--quiet", "--initial-branch=main"]);
        workspace.git(&["add", "--all"]);
        workspace.git(&["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "-m", "Release"]);
        workspace.git(&["tag", tag]);
        workspace
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.path(name);
        std::fs::create_dir_all(file.parent().expect("a file is in a folder")).expect("couldn't create a folder");
        std::fs::write(&file, text).unwrap_or_else(|e| panic!("couldn't write {name}: {e}"));
    }

    fn git(&self, args: &[&str]) -> String {
        succeeds(Command::new("git").args(args).current_dir(self.folder.path()))
    }

    /// Runs the steps (YAML, a list) as a job on the push of the tag, after a checkout, which here is a copy of the folder.
    fn run(&self, steps: &str) -> Run {
        self.run_with(&[], steps)
    }

    /// The same with secrets.
    fn run_with(&self, secrets: &[(&str, &str)], steps: &str) -> Run {
        let indented: String = steps.lines().map(|line| format!("      {line}\n")).collect();
        // The runner names its containers by the workflow and the job.
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let name = format!("e2e-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let workflow = format!(
            "name: {name}\non: push\njobs:\n  release:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v5\n{indented}"
        );
        let home = tempfile::tempdir().expect("no temporary folder");
        let file = home.path().join("workflow.yml");
        std::fs::write(&file, workflow).expect("couldn't write the workflow");
        let mut act = Command::new(command("act", "act"));
        act.args(["push", "--pull=false", "--network=host", "--no-cache-server", "--rm"])
            .arg(format!("--platform=ubuntu-latest={RUNNER_IMAGE}"))
            .arg(format!("--container-daemon-socket={}", engine().host()))
            .arg("--workflows")
            .arg(&file)
            .args(secrets.iter().map(|(name, value)| format!("--secret={name}={value}")))
            .current_dir(self.folder.path())
            .env("DOCKER_HOST", engine().host())
            // The runner keeps its settings there and would ask for them.
            .env("HOME", home.path())
            .env("XDG_CONFIG_HOME", home.path())
            .env("XDG_CACHE_HOME", home.path());
        std::fs::create_dir_all(home.path().join("act")).expect("couldn't create a folder");
        std::fs::write(home.path().join("act/actrc"), "").expect("couldn't write the runner's settings");
        let output = act.output().expect("couldn't run act");
        Run { succeeded: output.status.success(), log: transcript(&output) }
    }
}

/// What became of a job.
struct Run {
    succeeded: bool,
    log: String,
}

/// Plans a release and prints what came back.
const PLAN: &str = r#"
- id: tagboat
  uses: ./
  with:
    mode: plan
    source: none
    compose-files: compose.yaml
- run: |
    echo "outcome is ${{ steps.tagboat.outputs.outcome }}, version is ${{ steps.tagboat.outputs.version }}"
    echo "images are ${{ toJSON(steps.tagboat.outputs.images) }}"
    cat "$GITHUB_STEP_SUMMARY"
"#;

const COMPOSE: &str = "services:\n  api:\n    image: registry.example/acme/api\n    build: .\n";

/// What the job of [`PLAN`] must have printed.
fn assert_planned(run: &Run) {
    assert!(run.succeeded, "{}", run.log);
    for expected in [
        "release v1.2.3 (from GITHUB_REF)",
        "outcome is planned, version is 1.2.3",
        "registry.example/acme/api",
        "## 📝 Tagboat plan: v1.2.3",
    ] {
        assert!(run.log.contains(expected), "{expected:?} is missing: {}", run.log);
    }
}

#[test]
fn image_is_small_and_has_what_the_runner_calls() {
    let image = action_image();
    let size = docker(&["image", "inspect", "--format={{.Size}}", image]);
    let size: u64 = String::from_utf8_lossy(&size.stdout).trim().parse().expect("a size is a number");
    assert!(size <= 60_000_000, "the image has {size} bytes");
    let inside = "id -u && command -v sh env tail mv rm && test -s /etc/ssl/certs/ca-certificates.crt && echo complete";
    let run = docker(&["run", "--rm", "--network=none", "--entrypoint=sh", image, "-c", inside]);
    let text = transcript(&run);
    assert!(run.status.success() && text.starts_with("0\n") && text.ends_with("complete\n"), "{text}");
}

#[test]
fn workflow_builds_and_runs_the_action_of_its_own_repository() {
    assert_planned(planned_by_its_own_repository());
}

#[test]
fn workflow_runs_the_released_action() {
    let run = Workspace::at_tag("v1.2.3", Form::Released, &[("compose.yaml", COMPOSE)]).run(PLAN);
    assert_planned(&run);
}

/// A whole release of the example shop: tags, cluster, infrastructure repository, and the same once more.
const RELEASE: &str = r#"
- id: rehearsal
  uses: ./
  env: { REGISTRY: HOST/acme }
  with: { <<: INPUTS, mode: apply, dry-run: true }
- id: apply
  uses: ./
  env: { REGISTRY: HOST/acme }
  with: { <<: INPUTS, mode: apply }
- id: again
  uses: ./
  env: { REGISTRY: HOST/acme }
  with: { <<: INPUTS, mode: apply }
- id: propose
  uses: ./
  env: { REGISTRY: HOST/acme }
  with: { <<: INPUTS, mode: pull-request }
- run: |
    echo "rehearsal: ${{ steps.rehearsal.outputs.outcome }}"
    echo "apply: ${{ steps.apply.outputs.outcome }}, changed ${{ steps.apply.outputs.changed }}"
    echo "again: ${{ steps.again.outputs.outcome }}, changed ${{ steps.again.outputs.changed }}"
    echo "propose: ${{ steps.propose.outputs.outcome }}"
    echo 'digests: ${{ steps.apply.outputs.digests }}'
    cat "$GITHUB_STEP_SUMMARY"
"#;

/// The inputs that the steps of [`RELEASE`] share; the runner knows no YAML anchors.
fn inputs(registry: &str, infra: &str) -> String {
    let inputs = [
        ("compose-files", "compose.yaml".to_owned()),
        ("registry", format!("{registry}/acme")),
        ("manifests", "kubernetes".to_owned()),
        ("image-names", r"ghcr.io/acme/shop-api: api, ghcr.io/acme/shop-worker: worker, shop-web: web".to_owned()),
        ("variables", "DATABASE_PASSWORD=${{ secrets.DATABASE_PASSWORD }}".to_owned()),
        ("kubeconfig", "${{ secrets.KUBECONFIG }}".to_owned()),
        ("infra", format!("[{{repository: '{infra}', path: overlays/shop, environment: production}}]")),
        ("infra-token", "${{ secrets.INFRA_TOKEN }}".to_owned()),
    ];
    inputs.map(|(name, value)| format!("{name}: \"{value}\"")).join(", ")
}

#[test]
fn the_released_action_releases_the_shop_to_cluster_and_infrastructure() {
    let registry = Registry::start();
    for service in ["api", "web", "worker"] {
        registry.push_image(&format!("acme/shop-{service}"), "latest", Platforms::Several);
    }
    let namespace = cluster().namespace("e2e");
    let git = GitServer::start();
    let overlay = std::fs::read(checkout().join("examples/shop/infra/overlays/shop/kustomization.yaml")).unwrap();
    let infra = git.create_repository("acme/infra", &[("overlays/shop/kustomization.yaml", overlay.as_slice())]);
    let files = shop(namespace.name());
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let kubeconfig = base64::engine::general_purpose::STANDARD.encode(cluster().kubeconfig());
    let secrets = [("KUBECONFIG", kubeconfig.as_str()), ("DATABASE_PASSWORD", "hunter2-hunter2"), ("INFRA_TOKEN", git.token())];
    let steps = RELEASE.replace("<<: INPUTS", &inputs(&registry.host(), infra.url())).replace("HOST", &registry.host());

    let run = Workspace::at_tag("v1.2.3", Form::Released, &files).run_with(&secrets, &steps);

    assert!(run.succeeded, "{}", run.log);
    for expected in ["rehearsal: planned", "apply: done, changed true", "again: unchanged, changed false", "propose: done", "```mermaid"] {
        assert!(run.log.contains(expected), "{expected:?} is missing: {}", run.log);
    }
    assert!(!run.log.contains("hunter2-hunter2"), "{}", run.log);
    for service in ["api", "web", "worker"] {
        let digest = registry.digest(&format!("acme/shop-{service}"), "v1.2.3").expect("the release tag is there");
        assert!(run.log.contains(&digest), "{digest}: {}", run.log);
        let live = namespace.kubectl_ok(&["get", "deployment", service, "-o", "jsonpath={.spec.template.spec.containers[0].image}"]);
        assert_eq!(live, format!("{}/acme/shop-{service}:v1.2.3@{digest}", registry.host()));
    }
    let branches = infra.branches();
    let branch = branches.iter().find(|branch| branch.starts_with("tagboat/")).unwrap_or_else(|| panic!("{branches:?}"));
    let proposed = infra.read(branch, "overlays/shop/kustomization.yaml").unwrap();
    assert!(String::from_utf8_lossy(&proposed).contains("newTag: \"v1.2.3\"   # keep in step with the worker"));
}

/// The example shop with a namespace of its own.
fn shop(namespace: &str) -> Vec<(String, String)> {
    let folder = checkout().join("examples/shop");
    let mut files = vec![("compose.yaml".to_owned(), std::fs::read_to_string(folder.join("compose.yaml")).unwrap())];
    for entry in std::fs::read_dir(folder.join("kubernetes")).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("kubernetes/{}", path.file_name().unwrap().to_string_lossy());
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace("namespace: shop", &format!("namespace: {namespace}"));
        files.push((
            name,
            text.replace("kind: Namespace\nmetadata:\n  name: shop", &format!("kind: Namespace\nmetadata:\n  name: {namespace}")),
        ));
    }
    files
}
