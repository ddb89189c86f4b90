//! `bench/retag`: the release of images by Tagboat and by its peers, side by side, every request of the registry delayed by 40 ms.
//!
//! Not a test: it takes minutes, and its figures are read by people. Peers that aren't installed are left out.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::servers::http1::{Reply, Upstream};
use crate::servers::token::User;
use crate::servers::{Fault, Image, Platforms, Proxy, Registry, cache};

const DELAY: Duration = Duration::from_millis(40);
const SIX: [&str; 6] = ["web", "api", "worker", "mail", "cron", "docs"];
const FOUR: [&str; 4] = ["1.2.3", "1.2", "1", "latest"];
const TEMPLATES: &str = "{{version}},{{major}}.{{minor}},{{major}},latest";

/// What a task cost.
struct Row {
    work: &'static str,
    tool: &'static str,
    requests: usize,
    writes: usize,
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
        Bench { registry, tokens, home, rows: Vec::new() }
    }

    /// Images to release, of two platforms and an attestation, in repositories of the tool's own.
    fn push(&self, prefix: &str, names: &[String]) {
        for name in names {
            self.registry.push(&format!("{prefix}/{name}"), "build", &Image::new(Platforms::Several).content(name));
        }
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
        let requests = requests.len() + self.tokens.requests().len() - tokens;
        println!("{work}: {tool}: {requests} requests, {writes} writes, {:.2} s", wall.as_secs_f64());
        self.rows.push(Row { work, tool, requests, writes, wall, memory });
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("DOCKER_CONFIG", self.home.path()).env("REGCTL_CONFIG", self.home.path().join("regctl.json"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Tagboat as the runner of a tag push starts it; gives its largest resident set.
    fn tagboat(&self, prefix: &str, names: &[String], tags: &str) -> Option<u64> {
        let workspace = tempfile::tempdir().unwrap();
        let host = self.registry.host();
        let service = |name: &String| format!("  {name}:\n    build: .\n    image: {host}/{prefix}/{name}\n");
        let services: String = names.iter().map(service).collect();
        std::fs::write(workspace.path().join("compose.yaml"), format!("services:\n{services}")).unwrap();
        let binary = std::env::var_os("TAGBOAT").map_or_else(|| env!("CARGO_BIN_EXE_tagboat").into(), PathBuf::from);
        let mut command = self.command(&binary);
        command
            .args(["--mode", "retag", "--source-tag", "build", "--tags", tags])
            .current_dir(workspace.path())
            .env("GITHUB_WORKSPACE", workspace.path())
            .env("GITHUB_REF", "refs/tags/v1.2.3")
            .env("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567");
        largest(command.spawn().unwrap())
    }

    /// A process for each tag, one after the other, as a shell loop does it.
    fn each(&self, prefix: &str, names: &[String], tags: &[&str], command: impl Fn(&Bench, &str, &str) -> Command) {
        for name in names {
            for tag in tags {
                let repository = format!("{}/{prefix}/{name}", self.registry.host());
                let output = command(self, &repository, tag).stderr(Stdio::piped()).output().unwrap();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            }
        }
    }

    fn check(&self, prefix: &str, names: &[String], tags: &[&str]) {
        for name in names {
            let repository = format!("{prefix}/{name}");
            let source = self.registry.digest(&repository, "build");
            for tag in tags {
                assert_eq!(self.registry.digest(&repository, tag), source, "{repository}:{tag}");
            }
        }
    }

    fn table(&self) -> String {
        let mut table = "| work | tool | requests | writes | wall | × Tagboat | memory |\n|---|---|---|---|---|---|---|\n".to_owned();
        for row in &self.rows {
            let own = self.rows.iter().find(|own| own.work == row.work && own.tool == "tagboat").map_or(row.wall, |own| own.wall);
            let times = row.wall.as_secs_f64() / own.as_secs_f64();
            let memory = row.memory.map_or(String::new(), |bytes| format!("{:.1} MB", bytes as f64 / 1e6));
            let (wall, Row { work, tool, requests, writes, .. }) = (row.wall.as_secs_f64(), row);
            writeln!(table, "| {work} | {tool} | {requests} | {writes} | {wall:.2} s | {times:.1} | {memory} |").unwrap();
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
            assert!(ended.success(), "tagboat: {ended}");
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

fn crane(bench: &Bench, program: &Path, repository: &str, tag: &str) -> Command {
    let mut command = bench.command(program);
    command.args(["tag", &format!("{repository}:build"), tag]);
    command
}

fn regctl(bench: &Bench, program: &Path, repository: &str, tag: &str) -> Command {
    let mut command = bench.command(program);
    command.args(["image", "copy", &format!("{repository}:build"), &format!("{repository}:{tag}")]);
    command
}

fn skopeo(bench: &Bench, program: &Path, repository: &str, tag: &str) -> Command {
    let mut command = bench.command(program);
    command.args(["copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false", "--authfile"]);
    command.arg(bench.home.path().join("config.json"));
    command.args([&format!("docker://{repository}:build"), &format!("docker://{repository}:{tag}")]);
    command
}

#[test]
#[ignore = "a benchmark: run ./bench/retag"]
fn retag() {
    let mut bench = Bench::start();
    let six: Vec<String> = SIX.map(str::to_owned).into();
    let work = "6 images × 4 tags";
    bench.push("tagboat", &six);
    bench.measure(work, "tagboat", |bench| bench.tagboat("tagboat", &six, TEMPLATES));
    bench.check("tagboat", &six, &FOUR);
    bench.measure("the same again", "tagboat", |bench| bench.tagboat("tagboat", &six, TEMPLATES));

    type Peer = fn(&Bench, &Path, &str, &str) -> Command;
    let peers: [(&'static str, &str, Peer); 3] =
        [("crane tag, loop", "crane", crane), ("regctl image copy, loop", "regctl", regctl), ("skopeo copy --all, loop", "skopeo", skopeo)];
    for (tool, program, command) in peers {
        let Some(program) = installed(program) else {
            println!("{tool}: not installed");
            continue;
        };
        let prefix = tool.split(' ').next().unwrap();
        bench.push(prefix, &six);
        for work in [work, "the same again"] {
            bench.measure(work, tool, |bench| {
                bench.each(prefix, &six, &FOUR, |bench, repository, tag| command(bench, &program, repository, tag));
                None
            });
        }
        bench.check(prefix, &six, &FOUR);
    }
    buildx(&mut bench, &six);

    let hundred: Vec<String> = (0..100).map(|number| format!("service-{number}")).collect();
    let work = "100 images × 1 tag";
    bench.push("hundred", &hundred);
    bench.measure(work, "tagboat", |bench| bench.tagboat("hundred", &hundred, "{{version}}"));
    bench.check("hundred", &hundred, &FOUR[..1]);
    if let Some(program) = installed("crane") {
        bench.push("hundred-crane", &hundred);
        bench.measure(work, "crane tag, loop", |bench| {
            bench.each("hundred-crane", &hundred, &FOUR[..1], |bench, repository, tag| crane(bench, &program, repository, tag));
            None
        });
    }
    println!("\n{}", bench.table());
}

/// buildx takes many tags for one image.
fn buildx(bench: &mut Bench, six: &[String]) {
    let Some(program) = installed("buildx").or_else(|| installed("docker-buildx")) else {
        println!("buildx imagetools create: not installed");
        return;
    };
    bench.push("buildx", six);
    bench.measure("6 images × 4 tags", "buildx imagetools create, loop", |bench| {
        bench.each("buildx", six, &["all"], |bench, repository, _| {
            let mut command = bench.command(&program);
            command.args(["imagetools", "create"]);
            command.args(FOUR.iter().flat_map(|tag| ["-t".to_owned(), format!("{repository}:{tag}")]));
            command.arg(format!("{repository}:build"));
            command
        });
        None
    });
    bench.check("buildx", six, &FOUR);
}
