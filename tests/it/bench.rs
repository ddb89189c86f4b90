//! `bench/retag`: the release of images by Tagboat and by its peers, side by side, every request of the registry delayed by 40 ms.
//!
//! Not a test: it takes minutes, and its figures are read by people. Peers that aren't installed are left out, and said to be.

mod aims;
mod large;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::servers::http1::{Reply, Upstream};
use crate::servers::token::User;
use crate::servers::{Fault, Image, Platforms, Proxy, Recorded, Registry, cache};

const DELAY: Duration = Duration::from_millis(40);
const SIX: [&str; 6] = ["web", "api", "worker", "mail", "cron", "docs"];
const FOUR: [&str; 4] = ["1.2.3", "1.2", "1", "latest"];
/// Set for a run that shows that the benchmark works: fewer images, a small layer.
const SMALL: &str = "TAGBOAT_BENCH_SMALL";

const RETAG: &str = "6 images × 4 tags";
const AGAIN: &str = "the same again";
const ELSEWHERE: &str = "6 images to another repository";
const ATTACHED: &str = "6 images to another repository, with referrers";
const HUNDRED: &str = "100 images × 1 tag";
const STREAM: &str = "2 GB between two registries";

const TEMPLATES: &str = "{{version}},{{major}}.{{minor}},{{major}},latest";

/// What a task cost.
struct Row {
    work: &'static str,
    tool: &'static str,
    requests: usize,
    writes: usize,
    /// Bytes of blobs that went through the registry's proxy, up and down.
    blobs: u64,
    wall: Duration,
    /// The largest resident set of the process, where it is one process.
    memory: Option<u64>,
}

struct Bench {
    registry: Registry,
    /// In front of the token service, whose requests are delayed too.
    tokens: Proxy,
    /// Docker's configuration with the login, and regctl's with the registry.
    home: tempfile::TempDir,
    rows: Vec<Row>,
    is_small: bool,
}

/// A command of the testbed or of the system.
fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(cache().join("bin")).chain(std::env::split_paths(&path).collect::<Vec<_>>());
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

impl Bench {
    fn start() -> Bench {
        let registry = Registry::with_token_service(vec![User::new("ada", "secret").may(&["pull", "push"], "")]);
        let home = tempfile::tempdir().unwrap();
        let auth = serde_json::json!({"auths": {registry.host(): {"auth": STANDARD.encode("ada:secret")}}});
        std::fs::write(home.path().join("config.json"), auth.to_string()).unwrap();
        let hosts = serde_json::json!({"hosts": {registry.host(): {"tls": "disabled", "user": "ada", "pass": "secret"}}});
        std::fs::write(home.path().join("regctl.json"), hosts.to_string()).unwrap();
        let port = |url: &str| url::Url::parse(url).unwrap().port().unwrap();
        let tokens = Proxy::in_front_of(Upstream::plain(port(&registry.tokens().realm())));
        Bench { registry, tokens, home, rows: Vec::new(), is_small: std::env::var_os(SMALL).is_some() }
    }

    /// Images to release, of two platforms with three layers each and an attestation, in repositories of the tool's own.
    fn push(&self, prefix: &str, names: &[String]) {
        for name in names {
            self.registry.push(&format!("{prefix}/{name}"), "build", &Image::new(Platforms::Several).content(name).layers(3));
        }
    }

    fn six(&self) -> Vec<String> {
        SIX.iter().take(if self.is_small { 2 } else { 6 }).map(|&name| name.to_owned()).collect()
    }

    fn hundred(&self) -> Vec<String> {
        (0..if self.is_small { 5 } else { 100 }).map(|number| format!("service-{number}")).collect()
    }

    /// Runs work with delayed requests and notes what it cost.
    fn measure(&mut self, work: &'static str, tool: &'static str, run: impl FnOnce(&Bench) -> Option<u64>) {
        let (before, tokens) = (self.registry.requests().len(), self.tokens.requests().len());
        self.registry.proxy().delay(DELAY);
        self.tokens.delay(DELAY);
        let (from, to) = (self.registry.tokens().realm(), self.tokens.host());
        self.registry.proxy().on(|_| true).fault(Fault::tamper(move |reply| move_realm(reply, &from, &to)));
        let begun = Instant::now();
        let memory = run(self);
        let wall = begun.elapsed();
        self.registry.proxy().heal();
        let requests = self.registry.proxy().requests_since(before);
        let writes = requests.iter().filter(|request| !matches!(request.method.as_str(), "GET" | "HEAD")).count();
        let is_blob = |request: &&Recorded| request.path().contains("/blobs/");
        let blobs = requests.iter().filter(is_blob).map(|request| request.body.len() as u64 + blob_bytes(request)).sum();
        let requests = requests.len() + self.tokens.requests().len() - tokens;
        println!("{work}: {tool}: {requests} requests, {writes} writes, {blobs} bytes of blobs, {:.2} s", wall.as_secs_f64());
        self.rows.push(Row { work, tool, requests, writes, blobs, wall, memory });
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("DOCKER_CONFIG", self.home.path()).env("REGCTL_CONFIG", self.home.path().join("regctl.json"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Tagboat as the runner of a tag push starts it; gives its largest resident set.
    fn tagboat(&self, prefix: &str, names: &[String], tags: &str, more: &[&str]) -> Option<u64> {
        self.tagboat_at(&self.registry.host(), prefix, names, tags, more)
    }

    fn tagboat_at(&self, host: &str, prefix: &str, names: &[String], tags: &str, more: &[&str]) -> Option<u64> {
        let workspace = tempfile::tempdir().unwrap();
        let service = |name: &String| format!("  {name}:\n    build: .\n    image: {host}/{prefix}/{name}\n");
        let services: String = names.iter().map(service).collect();
        std::fs::write(workspace.path().join("compose.yaml"), format!("services:\n{services}")).unwrap();
        let binary = std::env::var_os("TAGBOAT").map_or_else(|| env!("CARGO_BIN_EXE_tagboat").into(), PathBuf::from);
        let mut command = self.command(&binary);
        command
            .args(["--mode", "retag", "--source-tag", "build", "--tags", tags])
            .args(more)
            .current_dir(workspace.path())
            .env("GITHUB_WORKSPACE", workspace.path())
            .env("GITHUB_REF", "refs/tags/v1.2.3")
            .env("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567");
        largest(command.spawn().unwrap())
    }

    /// A process for each tag, one after the other, as a shell loop does it: from `FOLDER/NAME:build` of one folder to `FOLDER/NAME:TAG` of another.
    fn each(
        &self,
        (from, to): (&str, &str),
        names: &[String],
        tags: &[&str],
        command: impl Fn(&Bench, &str, &str) -> Command,
    ) -> Option<u64> {
        let host = self.registry.host();
        for name in names {
            for tag in tags {
                let mut command = command(self, &format!("{host}/{from}/{name}:build"), &format!("{host}/{to}/{name}:{tag}"));
                let output = command.stderr(Stdio::piped()).output().unwrap();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            }
        }
        None
    }

    fn check(&self, from: &str, to: &str, names: &[String], tags: &[&str]) {
        for name in names {
            let source = self.registry.digest(&format!("{from}/{name}"), "build");
            for tag in tags {
                assert_eq!(self.registry.digest(&format!("{to}/{name}"), tag), source, "{to}/{name}:{tag}");
            }
        }
    }

    fn table(&self) -> String {
        let mut table =
            "| work | tool | requests | writes | bytes of blobs | wall | × Tagboat | memory |\n|---|---|---|---|---|---|---|---|\n"
                .to_owned();
        for row in &self.rows {
            let own = self.rows.iter().find(|own| own.work == row.work && own.tool == "tagboat").map_or(row.wall, |own| own.wall);
            let times = row.wall.as_secs_f64() / own.as_secs_f64();
            let memory = row.memory.map_or(String::new(), |bytes| format!("{:.1} MB", bytes as f64 / 1e6));
            let (wall, Row { work, tool, requests, writes, blobs, .. }) = (row.wall.as_secs_f64(), row);
            // Large streams go past the proxy, which would hold them in memory.
            let counts = match row.work == STREAM {
                true => "| |".to_owned(),
                false => format!("{requests} | {writes} | {blobs}"),
            };
            writeln!(table, "| {work} | {tool} | {counts} | {wall:.2} s | {times:.1} | {memory} |").unwrap();
        }
        table
    }
}

/// Waits for a process; the kernel keeps its largest resident set until it is waited for.
fn largest(mut child: Child) -> Option<u64> {
    let status = format!("/proc/{}/status", child.id());
    let mut largest = None;
    loop {
        if let Ok(text) = std::fs::read_to_string(&status) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
            largest = largest.max(kilobytes.map(|kilobytes| kilobytes * 1024));
        }
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success(), "it ended with {ended}");
            return largest;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sends clients to the token service through its proxy. crane takes no address of a private network for a token service, but it takes a name.
fn move_realm(reply: &mut Reply, from: &str, to: &str) {
    let from = from.split('/').nth(2).unwrap();
    for (_, value) in reply.headers.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("www-authenticate")) {
        *value = value.replace(from, &to.replace("127.0.0.1", "localhost"));
    }
}

/// Bytes of a blob in an answer. What a HEAD or a refusal has is none.
fn blob_bytes(request: &Recorded) -> u64 {
    if request.method == "GET" && request.status == Some(200) { request.received } else { 0 }
}

/// How a peer brings an image from one name to another.
type Peer = fn(&Bench, &Path, &str, &str) -> Command;

fn crane_tag(bench: &Bench, program: &Path, from: &str, to: &str) -> Command {
    let mut command = bench.command(program);
    command.args(["tag", from, to.rsplit(':').next().unwrap()]);
    command
}

fn crane_copy(bench: &Bench, program: &Path, from: &str, to: &str) -> Command {
    let mut command = bench.command(program);
    command.args(["copy", from, to]);
    command
}

fn regctl(bench: &Bench, program: &Path, from: &str, to: &str) -> Command {
    let mut command = bench.command(program);
    command.args(["image", "copy", from, to]);
    command
}

fn regctl_attached(bench: &Bench, program: &Path, from: &str, to: &str) -> Command {
    let mut command = bench.command(program);
    command.args(["image", "copy", "--referrers", "--digest-tags", from, to]);
    command
}

fn skopeo(bench: &Bench, program: &Path, from: &str, to: &str) -> Command {
    let mut command = bench.command(program);
    command.args(["copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false", "--authfile"]);
    command.arg(bench.home.path().join("config.json"));
    command.args([&format!("docker://{from}"), &format!("docker://{to}")]);
    command
}

/// Otherwise it compresses layers anew, and the image has another digest at the target.
fn skopeo_kept(bench: &Bench, program: &Path, from: &str, to: &str) -> Command {
    let mut command = skopeo(bench, program, from, to);
    command.arg("--preserve-digests");
    command
}

fn imagetools(bench: &Bench, program: &Path, from: &str, to: &str) -> Command {
    let mut command = bench.command(program);
    command.args(["imagetools", "create", "-t", to, from]);
    command
}

const CRANE_TAG: (&str, &str, Peer) = ("crane tag, loop", "crane", crane_tag);
const CRANE_COPY: (&str, &str, Peer) = ("crane copy, loop", "crane", crane_copy);
const REGCTL: (&str, &str, Peer) = ("regctl image copy, loop", "regctl", regctl);
const REGCTL_ATTACHED: (&str, &str, Peer) = ("regctl image copy --referrers, loop", "regctl", regctl_attached);
const SKOPEO: (&str, &str, Peer) = ("skopeo copy --all, loop", "skopeo", skopeo);
const SKOPEO_KEPT: (&str, &str, Peer) = ("skopeo copy --all --preserve-digests, loop", "skopeo", skopeo_kept);
const IMAGETOOLS: (&str, &str, Peer) = ("buildx imagetools create, loop", "docker-buildx", imagetools);

/// Peers that are installed, each with the folder of its own repositories.
fn installed_peers(peers: &[(&'static str, &str, Peer)]) -> Vec<(&'static str, PathBuf, Peer, String)> {
    let found = peers.iter().filter_map(|(tool, program, command)| match installed(program) {
        Some(path) => Some((*tool, path, *command, tool.split([' ', ',']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-"))),
        None => {
            println!("{tool}: not installed");
            None
        }
    });
    found.map(|(tool, path, command, folder)| (tool, path, command, folder.replace("--", ""))).collect()
}

#[test]
#[ignore = "a benchmark: run ./bench/retag"]
fn retag() {
    let mut bench = Bench::start();
    tags(&mut bench);
    elsewhere(&mut bench);
    hundred(&mut bench);
    large::between_registries(&mut bench);
    println!("\n{}\n{}", bench.table(), aims::table(&bench.rows));
    if bench.is_small {
        println!("This was the small run: two images for six, five for a hundred, 20 MB for 2 GB. Its figures mean nothing.");
    }
}

/// Tags in the repository itself, and the same once more.
fn tags(bench: &mut Bench) {
    let six = bench.six();
    bench.push("tagboat", &six);
    for work in [RETAG, AGAIN] {
        bench.measure(work, "tagboat", |bench| bench.tagboat("tagboat", &six, TEMPLATES, &[]));
    }
    bench.check("tagboat", "tagboat", &six, &FOUR);
    for (tool, program, command, prefix) in installed_peers(&[CRANE_TAG, REGCTL, SKOPEO]) {
        bench.push(&prefix, &six);
        for work in [RETAG, AGAIN] {
            bench.measure(work, tool, |bench| {
                bench.each((&prefix, &prefix), &six, &FOUR, |bench, from, to| command(bench, &program, from, to))
            });
        }
        bench.check(&prefix, &prefix, &six, &FOUR);
    }
    buildx(bench, &six);
}

/// buildx takes many tags for one image.
fn buildx(bench: &mut Bench, six: &[String]) {
    for (tool, program, _, prefix) in installed_peers(&[IMAGETOOLS]) {
        bench.push(&prefix, six);
        bench.measure(RETAG, tool, |bench| {
            bench.each((&prefix, &prefix), six, &["all"], |bench, from, _| {
                let mut command = bench.command(&program);
                command.args(["imagetools", "create"]);
                let repository = from.trim_end_matches(":build");
                command.args(FOUR.iter().flat_map(|tag| ["-t".to_owned(), format!("{repository}:{tag}")]));
                command.arg(from);
                command
            })
        });
        bench.check(&prefix, &prefix, six, &FOUR);
    }
}

/// Another repository of the same registry. Every tool has a source and a target of its own, so that none finds what another has brought.
fn elsewhere(bench: &mut Bench) {
    let six = bench.six();
    let host = bench.registry.host();
    for (work, referrers, prefix) in [(ELSEWHERE, "false", "promoted"), (ATTACHED, "true", "attached")] {
        bench.push(prefix, &six);
        let (registry, target) = (format!("{host}/{prefix}"), format!("{host}/{prefix}-prod"));
        let more = ["--registry", &registry, "--target-registry", &target, "--copy-referrers", referrers];
        bench.measure(work, "tagboat", |bench| bench.tagboat(prefix, &six, "{{version}}", &more));
        bench.check(prefix, &format!("{prefix}-prod"), &six, &FOUR[..1]);
    }
    for (work, peers) in [(ELSEWHERE, &[CRANE_COPY, REGCTL, SKOPEO_KEPT, IMAGETOOLS][..]), (ATTACHED, &[REGCTL_ATTACHED])] {
        for (tool, program, command, prefix) in installed_peers(peers) {
            let (from, to) = (format!("{prefix}-from"), format!("{prefix}-to"));
            bench.push(&from, &six);
            bench.measure(work, tool, |bench| {
                bench.each((&from, &to), &six, &FOUR[..1], |bench, from, to| command(bench, &program, from, to))
            });
            bench.check(&from, &to, &six, &FOUR[..1]);
        }
    }
}

fn hundred(bench: &mut Bench) {
    let hundred = bench.hundred();
    bench.push("hundred", &hundred);
    bench.measure(HUNDRED, "tagboat", |bench| bench.tagboat("hundred", &hundred, "{{version}}", &[]));
    bench.check("hundred", "hundred", &hundred, &FOUR[..1]);
    for (tool, program, command, _) in installed_peers(&[CRANE_TAG]) {
        let prefix = "hundred-crane";
        bench.push(prefix, &hundred);
        bench.measure(HUNDRED, tool, |bench| {
            bench.each((prefix, prefix), &hundred, &FOUR[..1], |bench, from, to| command(bench, &program, from, to))
        });
    }
}
