//! The action as a process: what a failed, kept or killed run leaves behind.

use std::process::{Command, Output, Stdio};

use super::*;

/// A repository with a compose file and manifests, and the action run in it.
pub(super) struct Workspace {
    folder: tempfile::TempDir,
    namespace: String,
    /// The workflow's run and its attempt, where there is one.
    attempt: Option<(u32, u32)>,
}

impl Workspace {
    /// A release whose pods have this image, and whose settings say this.
    pub(super) fn new(shop: &Namespace, image: &str, mode: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let compose = format!("services:\n  api:\n    image: registry.example/acme/{image}\n    build: .\n");
        let manifests = settings().replace("production", mode) + &deployment("api", image, 1);
        for (name, text) in [("compose.yaml", compose), ("app.yaml", manifests), ("kubeconfig", cluster().kubeconfig())] {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        Self { folder, namespace: shop.name().to_owned(), attempt: None }
    }

    /// As an attempt of a run of a workflow.
    pub(super) fn attempt(mut self, run: u32, attempt: u32) -> Self {
        self.attempt = Some((run, attempt));
        self
    }

    /// With another kubeconfig than the administrator's.
    pub(super) fn through(self, kubeconfig: &str) -> Self {
        std::fs::write(self.folder.path().join("kubeconfig"), kubeconfig).expect("a file");
        self
    }

    pub(super) fn command(&self, version: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagboat"));
        let fixed = ["--mode=apply", "--source=none", "--manifests=app.yaml", "--kubeconfig=kubeconfig", "--app=shop", "--timeout=60s"];
        command.args(fixed).args(more).arg(format!("--version={version}")).arg(format!("--namespace={}", self.namespace));
        command.current_dir(self.folder.path()).env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some((run, attempt)) = self.attempt {
            let place = [("GITHUB_SERVER_URL", "https://github.example"), ("GITHUB_REPOSITORY", "acme/shop")];
            command.envs(place).env("GITHUB_RUN_ID", run.to_string()).env("GITHUB_RUN_ATTEMPT", attempt.to_string());
        }
        command
    }

    pub(super) fn run(&self, version: &str, more: &[&str]) -> (Option<i32>, String) {
        let output: Output = self.command(version, more).output().expect("the binary runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

pub(super) fn mode(shop: &Namespace) -> Value {
    cluster().get(&shop.path("configmaps/settings")).unwrap_or_default()["data"]["MODE"].clone()
}

fn image(shop: &Namespace) -> Value {
    shop.deployment("api").unwrap_or_default()["spec"]["template"]["spec"]["containers"][0]["image"].clone()
}

fn record(shop: &Namespace) -> Option<Value> {
    cluster().get(&shop.path("secrets/tagboat-unfinished-shop"))
}

#[test]
fn a_failed_release_is_rolled_back_and_still_fails() {
    let shop = cluster().namespace("shop");
    let (code, log) = Workspace::new(&shop, "api", "one").run("v1.0.0", &[]);
    assert_eq!(code, Some(0), "{log}");
    assert!(record(&shop).is_none(), "a release that has ended leaves no record");
    let (code, log) = Workspace::new(&shop, "missing", "two").run("v1.1.0", &[]);
    assert_eq!(code, Some(4), "{log}");
    let evidence = log.find("ImagePullBackOff").unwrap_or_else(|| panic!("{log}"));
    let way_back = log.find("restore ConfigMap").unwrap_or_else(|| panic!("{log}"));
    assert!(evidence < way_back && log.contains("2 restored, 0 removed"), "{log}");
    assert_eq!((mode(&shop), image(&shop)), (json!("one"), json!("registry.example/acme/api:v1.0.0")));
    assert!(record(&shop).is_none(), "{log}");
}

#[test]
fn a_failed_release_is_left_as_it_is_when_told_so() {
    let shop = cluster().namespace("shop");
    assert_eq!(Workspace::new(&shop, "api", "one").run("v1.0.0", &[]).0, Some(0));
    let (code, log) = Workspace::new(&shop, "missing", "two").run("v1.1.0", &["--on-failure=keep"]);
    assert_eq!(code, Some(4), "{log}");
    assert_eq!((mode(&shop), image(&shop)), (json!("two"), json!("registry.example/acme/missing:v1.1.0")));

    // A later release that fails goes back to the last one that was well.
    let (code, log) = Workspace::new(&shop, "missing", "three").run("v1.2.0", &[]);
    assert_eq!(code, Some(4), "{log}");
    assert_eq!((mode(&shop), image(&shop)), (json!("one"), json!("registry.example/acme/api:v1.0.0")), "{log}");
    assert!(record(&shop).is_none(), "{log}");
}

#[test]
fn after_a_killed_run_the_next_one_goes_on_or_goes_back() {
    let shop = cluster().namespace("shop");
    assert_eq!(Workspace::new(&shop, "api", "one").run("v1.0.0", &[]).0, Some(0));
    let kill_midway = |attempt: u32, version: &str, mode: &str| {
        let workspace = Workspace::new(&shop, "unready", mode).attempt(7, attempt);
        let mut run = workspace.command(version, &[]).spawn().expect("the binary runs");
        let stdout = run.stdout.take().expect("it is piped");
        let waits = |line: &String| line.contains("is available") || line.contains("replica");
        let told = std::io::BufRead::lines(std::io::BufReader::new(stdout)).map_while(Result::ok).find(waits);
        run.kill().and_then(|()| run.wait()).expect("it can be killed");
        assert!(told.is_some(), "it ended before it waited");
    };
    kill_midway(1, "v1.1.0", "two");
    assert_eq!((mode(&shop), image(&shop)), (json!("two"), json!("registry.example/acme/unready:v1.1.0")));
    assert!(record(&shop).is_some());
    let (code, log) = Workspace::new(&shop, "missing", "two").attempt(7, 2).run("v1.2.0", &[]);
    assert_eq!(code, Some(4), "{log}");
    assert!(log.contains("from an earlier attempt of this run, 7-1-"), "{log}");
    assert!(log.contains("the release v1.1.0 was cut off"), "{log}");
    assert_eq!((mode(&shop), image(&shop)), (json!("one"), json!("registry.example/acme/api:v1.0.0")), "before both releases\n{log}");

    kill_midway(3, "v1.3.0", "three");
    let (code, log) = Workspace::new(&shop, "api", "four").attempt(7, 4).run("v1.4.0", &[]);
    assert_eq!(code, Some(0), "{log}");
    assert_eq!((mode(&shop), image(&shop)), (json!("four"), json!("registry.example/acme/api:v1.4.0")));
    assert!(record(&shop).is_none(), "what goes on well needs no way back");
}
