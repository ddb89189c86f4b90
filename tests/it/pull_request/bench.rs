//! What one changed tag costs in a large repository; `bench/infra/run` runs it with the release binary.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::*;

const APP: &str = "apps/app-250/overlays/production";
const APPS: usize = 500;
const FILES_EACH: usize = 100;
const COMMITS: usize = 300;

/// 50,000 files in 500 folders, 300 commits, as `git fast-import` reads them.
fn history() -> Vec<u8> {
    let mut stream = Vec::new();
    let commit = |n: usize, stream: &mut Vec<u8>| {
        let message = format!("Change {n}");
        write!(stream, "commit refs/heads/main\ncommitter Ada <ada@example.org> {} +0000\n", 1_700_000_000 + n * 60).unwrap();
        write!(stream, "data {}\n{message}\n", message.len()).unwrap();
    };
    let file = |path: &str, text: &str, stream: &mut Vec<u8>| {
        write!(stream, "M 100644 inline {path}\ndata {}\n{text}\n", text.len()).unwrap();
    };
    stream.extend_from_slice(b"feature done\nreset refs/heads/main\n");
    commit(0, &mut stream);
    for app in 0..APPS {
        for n in 0..FILES_EACH - 1 {
            let text = format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings-{app}-{n}}}\ndata: {{key: '{:x}'}}\n",
                (app * 7919 + n) * 104_729
            );
            file(&format!("apps/app-{app:03}/base/settings-{n:02}.yaml"), &text, &mut stream);
        }
        let text = format!("# app {app}\nresources: [../../base]\nimages:\n  - name: web\n    newTag: '1.9'\n");
        file(&format!("apps/app-{app:03}/overlays/production/kustomization.yaml"), &text, &mut stream);
    }
    for n in 1..COMMITS {
        commit(n, &mut stream);
        let app = (n * 37) % APPS;
        file(&format!("apps/app-{app:03}/base/settings-00.yaml"), &format!("change: {n}\n"), &mut stream);
    }
    stream.extend_from_slice(b"done\n");
    stream
}

/// Runs a command, and prints what it sent, received and needed: wall time, and the largest resident set of it and its children.
struct Meter<'w>(&'w World);

impl Meter<'_> {
    fn run(&self, name: &str, command: &mut Command) {
        const PROGRAM: &str = "import resource, subprocess, sys\ncode = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode\n\
                               print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\nsys.exit(code)";
        let (github, git) = (self.0.github.requests().len(), self.0.git.requests().len());
        let mut measured = Command::new("python3");
        measured.args(["-c", PROGRAM]).arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
        measured.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(folder) = command.get_current_dir() {
            measured.current_dir(folder);
        }
        let started = Instant::now();
        let output = measured.output().unwrap();
        let took = started.elapsed();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let memory: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
        let requests = [&self.0.github.requests()[github..], &self.0.git.requests()[git..]].concat();
        let received: u64 = requests.iter().map(|request| request.received).sum();
        let by_git: u64 = self.0.git.requests()[git..].iter().map(|request| request.received).sum();
        println!(
            "| {name} | {} | {:.3} MB | {:.3} MB | {:.0} MiB | {:.2} s |",
            requests.len(),
            received as f64 / 1e6,
            by_git as f64 / 1e6,
            memory / 1024.0,
            took.as_secs_f64()
        );
    }
}

#[test]
#[ignore = "a measurement: bench/infra/run"]
fn one_tag_in_fifty_thousand_files() {
    let binary: PathBuf = std::env::var_os("TAGBOAT_BENCH").expect("TAGBOAT_BENCH names the binary to measure").into();
    let world = World::new();
    let repository = world.git.create_repository("acme/infra", &[("x", b"")]);
    repository.import(&history());
    let files = repository.git(&["ls-tree", "-r", "--name-only", "main"]).lines().count();
    assert_eq!((files, repository.log("main").len()), (APPS * FILES_EACH, COMMITS));
    world.github.add_repository("acme/infra", &repository);

    let workspace = tempfile::tempdir().unwrap();
    std::fs::write(workspace.path().join("compose.yaml"), "services: {web: {build: ., image: web}}\n").unwrap();
    let file = format!("{APP}/kustomization.yaml");
    let small = world.git.create_repository("acme/small", &[(&file, &repository.read("main", &file).unwrap())]);
    world.github.add_repository("acme/small", &small);
    let tagboat = |name: &str, way: &str, environment: &str| {
        let mut command = Command::new(&binary);
        let infra = format!("- {{repository: acme/{name}, path: {APP}, environment: {environment}, publish: {way}}}");
        command.args(["--mode=pull-request", "--source=none", "--registry=ghcr.io/acme", "--app=shop"]).arg(format!("--infra={infra}"));
        command.args(["--image-names=web: web"]);
        command.current_dir(workspace.path()).env("INPUT_INFRA-TOKEN", world.git.token());
        command.env("GITHUB_WORKSPACE", workspace.path()).env("GITHUB_REF", "refs/tags/v1.10.0").env("GITHUB_SHA", "0".repeat(40));
        command.env("GITHUB_SERVER_URL", world.git.url()).env("GITHUB_API_URL", world.github.url());
        command
    };
    let kustomize = crate::servers::command("kubernetes", "kustomize");
    let url = repository.url().replace("http://", &format!("http://x-access-token:{}@", world.git.token()));
    let folder = workspace.path().join("clone");
    let script = format!(
        "set -e; git clone --quiet '{url}' '{0}'; cd '{0}/{APP}'; git switch --quiet --create change; \
         '{1}' edit set image web=ghcr.io/acme/web:v1.10.0; \
         git -c user.name=a -c user.email=a@b commit --quiet --all --message Change; git push --quiet origin change",
        folder.display(),
        kustomize.display()
    );
    // A server has been running for a while: the stand-in reads GitHub's description of an operation when it is first asked for it.
    assert!(tagboat("small", "api", "one").output().unwrap().status.success());
    let meter = Meter(&world);
    println!(
        "| one tag, 50,000 files, 300 commits | requests | received | of it by git | peak memory | wall |\n| --- | --- | --- | --- | --- | --- |"
    );
    meter.run("tagboat, `publish: api`, to the open pull request", &mut tagboat("infra", "api", "one"));
    meter.run("the same again, nothing to do", &mut tagboat("infra", "api", "one"));
    meter.run("tagboat, `publish: git`, to the open pull request", &mut tagboat("infra", "git", "two"));
    meter.run("git clone, kustomize edit set image, commit, push; no pull request", Command::new("sh").args(["-c", &script]));
    meter.run(
        "the same with a clone of depth 1",
        Command::new("sh").args([
            "-c",
            &script.replace("clone --quiet", "clone --quiet --depth 1").replace("/clone", "/shallow").replace("change", "other"),
        ]),
    );
}
