//! Runs the real binary as a workflow's runner does, and reads back what a person and a workflow would see.
//!
//! ```text
//! let shop = Workspace::shop();                                  // a copy of examples/shop
//! let run = shop.step("retag").tag("v1.2.3").env("REGISTRY", &registry.host()).run();
//! run.exits(0);
//! assert_eq!(run.output("outcome"), "done");                      // run.transcript, run.summary
//! ```
//!
//! Every run is held against what must hold for all of them: nothing on standard error, no secret in the log, the outputs or the
//! summary, secrets masked before anything else is said, only commands of ours for the runner, annotations of files that are there.
#![allow(unreachable_pub, reason = "the modules of a test binary are nobody's but its own")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::Value;
use tagboat::action::table::{INPUTS, Sensitivity};
use tempfile::TempDir;

/// How long the harness waits for something that should happen soon; far beyond what it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The repository that a workflow has checked out, kept from one step to the next.
pub struct Workspace {
    folder: TempDir,
    home: TempDir,
}

impl Workspace {
    /// A folder without files.
    pub fn empty() -> Workspace {
        let folder = |name| tempfile::Builder::new().prefix(name).tempdir().expect("no temporary folder");
        Workspace { folder: folder("tagboat-workspace-"), home: folder("tagboat-home-") }
    }

    /// A copy of `examples/shop`.
    pub fn shop() -> Workspace {
        let workspace = Workspace::empty();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop"), workspace.path());
        workspace
    }

    /// A copy of `examples/shop` whose manifests make a namespace of this name.
    pub fn shop_in(namespace: &str) -> Workspace {
        let shop = Workspace::shop();
        for file in ["10-workloads.yaml", "20-services.yaml", "30-settings.yaml"] {
            shop.edit(&format!("kubernetes/{file}"), "namespace: shop", &format!("namespace: {namespace}"));
        }
        shop.edit("kubernetes/40-namespace.yaml", "name: shop", &format!("name: {namespace}"));
        shop
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.path().join(file);
        std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("couldn't make the folder");
        std::fs::write(&path, text).unwrap_or_else(|e| panic!("couldn't write {file}: {e}"));
    }

    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path().join(file)).unwrap_or_else(|e| panic!("couldn't read {file}: {e}"))
    }

    /// Replaces a text that is there, everywhere in the file.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert!(text.contains(from), "{from:?} isn't in {file}");
        self.write(file, &text.replace(from, to));
    }

    /// Files below a folder with their texts; nothing when there is no such folder.
    pub fn files(&self, folder: &str) -> BTreeMap<String, String> {
        let Ok(entries) = std::fs::read_dir(self.path().join(folder)) else { return BTreeMap::new() };
        let names = entries.map(|entry| entry.expect("couldn't list the folder").file_name().to_string_lossy().into_owned());
        names.map(|name| (name.clone(), self.read(&format!("{folder}/{name}")))).collect()
    }

    /// A step with `mode: MODE`, and all other inputs as the runner gives them when the workflow leaves them out.
    pub fn step(&self, mode: &str) -> Step<'_> {
        let mut step = Step { workspace: self, variables: BTreeMap::new(), secrets: Vec::new(), prefix: Vec::new() };
        for spec in INPUTS {
            step.variables.insert(variable(spec.name), spec.default.to_owned());
        }
        step.env("GITHUB_ACTIONS", "true").env("GITHUB_REPOSITORY", "acme/shop").input("mode", mode)
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap_or_else(|e| panic!("couldn't read {}: {e}", from.display())) {
        let path = entry.expect("couldn't list a folder").path();
        let target = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            std::fs::create_dir_all(&target).expect("couldn't make a folder");
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("couldn't copy a file");
        }
    }
}

/// The runner upper-cases an input's name and replaces spaces only.
fn variable(input: &str) -> String {
    format!("INPUT_{}", input.to_ascii_uppercase())
}

/// A step that is about to run.
#[must_use = "run it"]
#[derive(Clone)]
pub struct Step<'w> {
    workspace: &'w Workspace,
    variables: BTreeMap<String, String>,
    secrets: Vec<String>,
    /// What stands before the binary.
    prefix: Vec<String>,
}

impl Step<'_> {
    /// An input, under `with:`. Secret ones must not be seen anywhere.
    pub fn input(mut self, name: &str, value: &str) -> Self {
        let is_secret = INPUTS.iter().any(|spec| spec.name == name && spec.sensitivity == Sensitivity::Secret);
        if is_secret && !value.is_empty() {
            self.secrets.push(value.to_owned());
            self.secrets.extend(credentials(value));
        }
        self.env(&variable(name), value)
    }

    /// A variable, under `env:` or of the runner.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The push of a tag started the workflow.
    pub fn tag(self, tag: &str) -> Self {
        self.git_ref(&format!("refs/tags/{tag}")).env("GITHUB_SHA", "5c0ffee5c0ffee5c0ffee5c0ffee5c0ffee5c0ff")
    }

    pub fn git_ref(self, git_ref: &str) -> Self {
        let event = if git_ref.starts_with("refs/pull/") { "pull_request" } else { "push" };
        self.env("GITHUB_REF", git_ref).env("GITHUB_EVENT_NAME", event)
    }

    /// Something else that must not be seen.
    pub fn secret(mut self, text: &str) -> Self {
        self.secrets.push(text.to_owned());
        self
    }

    /// Another command that runs it, as its last argument.
    pub fn behind(mut self, command: &[String]) -> Self {
        self.prefix = command.to_vec();
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Run {
        self.start().end()
    }

    pub fn start(self) -> Running {
        let files = tempfile::Builder::new().prefix("tagboat-runner-").tempdir().expect("no temporary folder");
        // The runner makes the files before the step.
        for name in ["outputs", "summary"] {
            std::fs::write(files.path().join(name), "").expect("couldn't make a file");
        }
        let words: Vec<&str> = self.prefix.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_tagboat")]).collect();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.workspace.home.path())
            .env("GITHUB_WORKSPACE", self.workspace.path())
            .env("GITHUB_OUTPUT", files.path().join("outputs"))
            .env("GITHUB_STEP_SUMMARY", files.path().join("summary"))
            .envs(&self.variables)
            .current_dir(self.workspace.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("couldn't start tagboat");
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
        let reader = std::thread::spawn(move || {
            for line in stdout.split(b'\n') {
                let line = line.expect("couldn't read standard output");
                // Nobody listens any more when the test has failed.
                let _ = sender.send(String::from_utf8(line).expect("the log is UTF-8"));
            }
        });
        let mut stderr = child.stderr.take().expect("standard error is a pipe");
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).expect("couldn't read standard error");
            text
        });
        Running {
            child,
            lines,
            transcript: String::new(),
            reader: Some(reader),
            errors: Some(errors),
            files,
            secrets: self.secrets,
            workspace: self.workspace.path().to_owned(),
        }
    }
}

/// What in a kubeconfig nobody may see.
fn credentials(kubeconfig: &str) -> Vec<String> {
    let Ok(config) = serde_json::from_str::<Value>(kubeconfig) else { return Vec::new() };
    let users = config["users"].as_array().cloned().unwrap_or_default();
    let values = users.iter().flat_map(|user| user["user"].as_object().cloned().unwrap_or_default());
    values.filter_map(|(_, value)| value.as_str().map(str::to_owned)).collect()
}

/// A step that runs.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    transcript: String,
    reader: Option<JoinHandle<()>>,
    errors: Option<JoinHandle<String>>,
    files: TempDir,
    secrets: Vec<String>,
    workspace: PathBuf,
}

impl Running {
    /// Waits until a line of the log holds this text.
    pub fn until_it_says(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.transcript += &format!("{line}\n");
            if line.contains(text) {
                return;
            }
        }
        panic!("it has not said {text:?}:\n{}", self.transcript);
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("couldn't ask for its end").is_some()
    }

    /// `INT`, `TERM`, `KILL`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "couldn't send SIG{name}");
    }

    /// Sends a signal and returns how long it took to end.
    pub fn ends_after(self, signal: &str) -> (Run, Duration) {
        let sent = Instant::now();
        self.signal(signal);
        let run = self.end();
        (run, sent.elapsed())
    }

    /// Waits for its end and checks what holds for every run.
    pub fn end(mut self) -> Run {
        let status = self.wait();
        // Its pipes are closed now; what was printed is read to the end.
        self.reader.take().map(JoinHandle::join).transpose().expect("the reader of standard output panicked");
        self.transcript.extend(self.lines.try_iter().map(|line| line + "\n"));
        let errors = self.errors.take().map(JoinHandle::join).transpose().expect("the reader of standard error panicked");
        let read = |name: &str| std::fs::read_to_string(self.files.path().join(name)).expect("couldn't read a file of the runner");
        let run = Run {
            exit: status.code(),
            transcript: std::mem::take(&mut self.transcript),
            outputs: parse_outputs(&read("outputs")),
            raw_outputs: read("outputs"),
            summary: read("summary"),
            workspace: self.workspace.clone(),
        };
        assert_eq!(errors.unwrap_or_default(), "", "everything belongs into one stream\n{}", run.transcript);
        run.keeps_secrets(&self.secrets);
        run.issues_only_its_own_commands();
        run
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("couldn't wait for tagboat") {
                return status;
            }
            self.transcript.extend(self.lines.try_iter().map(|line| line + "\n"));
            assert!(Instant::now() < deadline, "it has not ended:\n{}", self.transcript);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, unless the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A step that has ended.
pub struct Run {
    /// Nothing when a signal killed it.
    pub exit: Option<i32>,
    pub transcript: String,
    pub outputs: BTreeMap<String, String>,
    pub summary: String,
    raw_outputs: String,
    workspace: PathBuf,
}

impl Run {
    /// # Panics
    /// Panics with the log when it ended in another way.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.exit, Some(code), "{}", self.transcript);
        self
    }

    /// # Panics
    /// Panics with the log when it isn't said there.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.transcript.contains(text), "it doesn't say {text:?}:\n{}", self.transcript);
        self
    }

    /// # Panics
    /// Panics with the summary when it isn't there.
    #[track_caller]
    pub fn sums_up(&self, text: &str) -> &Self {
        assert!(self.summary.contains(text), "{text:?} isn't in the summary:\n{}", self.summary);
        self
    }

    #[track_caller]
    pub fn output(&self, name: &str) -> &str {
        self.outputs.get(name).unwrap_or_else(|| panic!("there is no output {name}: {:?}\n{}", self.outputs, self.transcript))
    }

    #[track_caller]
    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(self.output(name)).unwrap_or_else(|e| panic!("the output {name} isn't JSON: {e}: {}", self.output(name)))
    }

    /// The log without what differs from run to run.
    pub fn log(&self) -> String {
        self.stable(&self.transcript)
    }

    /// A group of the log, without what differs from run to run.
    #[track_caller]
    pub fn group(&self, title: &str) -> String {
        let begin = format!("::group::{title}\n");
        let (_, rest) = self.transcript.split_once(&begin).unwrap_or_else(|| panic!("there is no group {title}:\n{}", self.transcript));
        self.stable(rest.split("::endgroup::").next().unwrap_or_default())
    }

    /// What is said after the last group.
    pub fn ending(&self) -> String {
        let end = self.transcript.rsplit("::endgroup::").next().unwrap_or_default();
        self.stable(end.trim())
    }

    pub fn stable_summary(&self) -> String {
        self.stable(&self.summary)
    }

    /// Hides ports, durations, digests, folders and the random ends of pods' names.
    fn stable(&self, text: &str) -> String {
        let text = text.replace(&self.workspace.display().to_string(), "WORKSPACE");
        let rules = [
            (r"127\.0\.0\.1(:|%3A)\d+", "HOST"),
            (r"sha256:[0-9a-f]{64}", "sha256:(64)"),
            (r"sha256:[0-9a-f]{12}\b", "sha256:(12)"),
            (r"\b\d+\.\d+ s\b", "(n) s"),
            (r"\bshop-\d+-release\b", "NAMESPACE"),
            (r"(pod [a-z]+)(-[a-z0-9]{6,10})?-[a-z0-9]{5}\b", "$1-(id)"),
            (r"tagboat_[0-9a-f]{32}", "DELIMITER"),
        ];
        rules.iter().fold(text, |text, (pattern, with)| Regex::new(pattern).expect("a constant").replace_all(&text, *with).into_owned())
    }

    /// A secret, and base64 of it, are in nothing that leaves the process; and the runner was told of it first.
    #[track_caller]
    fn keeps_secrets(&self, secrets: &[String]) {
        let (masks, said): (Vec<&str>, Vec<&str>) = self.transcript.lines().partition(|line| line.starts_with("::add-mask::"));
        let said = said.join("\n");
        for secret in secrets {
            for (what, text) in [("log", &said), ("outputs", &self.raw_outputs), ("summary", &self.summary)] {
                assert!(!text.contains(secret.as_str()), "the secret {secret:?} is in the {what}:\n{text}");
                assert!(!text.contains(&STANDARD.encode(secret)), "base64 of the secret {secret:?} is in the {what}:\n{text}");
            }
        }
        let first = self.transcript.lines().take_while(|line| line.starts_with("::add-mask::")).count();
        assert!(
            masks[first..].iter().all(|mask| !secrets.iter().any(|s| mask.ends_with(s.as_str()))),
            "secrets are masked before anything is said:\n{}",
            self.transcript
        );
        // What a server gives out while the run goes on is masked before it can be said.
        for (index, line) in self.transcript.lines().enumerate() {
            let Some(value) = line.strip_prefix("::add-mask::") else { continue };
            let said_before =
                self.transcript.lines().take(index).any(|before| !before.starts_with("::add-mask::") && before.contains(value));
            assert!(!said_before, "{value:?} is said before it is masked:\n{}", self.transcript);
        }
        let refused_unread = self.transcript.contains("there is no input");
        assert!(secrets.is_empty() || first > 0 || refused_unread, "nothing is masked:\n{}", self.transcript);
    }

    /// No text from outside has become a command, and what is annotated is there.
    #[track_caller]
    fn issues_only_its_own_commands(&self) {
        let ours = Regex::new(
            r"^::(group::[A-Z][a-z ]+|endgroup::|add-mask::.+|(error|warning|notice) (file=(?<file>[^,]+),line=\d+,)?title=tagboat(,col=\d+)?::.+)$",
        )
        .expect("a constant");
        for line in self.transcript.lines() {
            assert!(!line.contains("##["), "a command of the old form: {line}");
            if !line.trim_start().starts_with("::") {
                continue;
            }
            let command = ours.captures(line).unwrap_or_else(|| panic!("not a command of ours: {line:?}\n{}", self.transcript));
            if let Some(file) = command.name("file") {
                let file = file.as_str().replace("%3A", ":").replace("%2C", ",");
                assert!(Path::new(&file).is_relative() && self.workspace.join(&file).exists(), "an annotation of no file: {line}");
            }
        }
    }
}

/// The heredocs of `GITHUB_OUTPUT`.
fn parse_outputs(text: &str) -> BTreeMap<String, String> {
    let mut outputs = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (name, delimiter) = line.split_once("<<").unwrap_or_else(|| panic!("not a heredoc: {line:?}"));
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
        assert!(outputs.insert(name.to_owned(), value.join("\n")).is_none(), "the output {name} is there twice");
    }
    outputs
}
