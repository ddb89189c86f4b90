//! A git server: the real `git http-backend` behind a small HTTP server with Basic authentication, behind the proxy.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use super::http1::{Head, Listener, Reply, Request, Upstream, serve};
use super::on_path;
use super::proxy::{Proxy, Recorded};

/// The user name that goes with a token.
pub const USER: &str = "x-access-token";
const WRITER: &str = "testbed-writer";
const READER: &str = "testbed-reader";

/// A running git server, its repositories gone with it.
pub struct GitServer {
    root: Arc<TempDir>,
    proxy: Proxy,
    is_old: Arc<AtomicBool>,
    _listener: Listener,
}

impl GitServer {
    pub fn start() -> GitServer {
        on_path("git", "git");
        let root = Arc::new(tempfile::Builder::new().prefix("tagboat-git-").tempdir().expect("no temporary folder"));
        let (served, is_old) = (root.clone(), Arc::new(AtomicBool::new(false)));
        let old = is_old.clone();
        let listener = serve(move |request| answer(served.path(), request, old.load(Ordering::SeqCst)));
        let proxy = Proxy::in_front_of(Upstream::plain(listener.port));
        GitServer { root, proxy, is_old, _listener: listener }
    }

    /// The password of [`USER`], who may read and write.
    pub fn token(&self) -> &'static str {
        WRITER
    }

    /// The password of [`USER`], who may only read: a push is answered by 403.
    pub fn read_only_token(&self) -> &'static str {
        READER
    }

    /// `http://127.0.0.1:PORT`, without credentials.
    pub fn url(&self) -> String {
        self.proxy.url()
    }

    /// From now on it speaks as git did before there were versions of its protocol.
    pub fn forget_versions(&self) {
        self.is_old.store(true, Ordering::SeqCst);
    }

    /// The proxy that everybody goes through.
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// What went over the wire so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.proxy.requests()
    }

    /// Creates `OWNER/NAME` with one commit of these files on `main`.
    pub fn create_repository(&self, name: &str, files: &[(&str, &[u8])]) -> RepositoryHandle {
        let path = self.root.path().join(format!("{name}.git"));
        let handle = RepositoryHandle { path, url: format!("{}/{name}.git", self.url()), _root: self.root.clone() };
        let created = Command::new("git")
            .args(["init", "--quiet", "--bare", "--initial-branch=main"])
            .arg(&handle.path)
            .output()
            .expect("couldn't run git");
        assert!(created.status.success(), "git init: {}", String::from_utf8_lossy(&created.stderr));
        handle.git(&["config", "http.receivepack", "true"]);
        handle.commit("main", files, "First commit");
        handle
    }
}

/// A repository on the server, looked at from inside.
pub struct RepositoryHandle {
    path: PathBuf,
    url: String,
    _root: Arc<TempDir>,
}

impl RepositoryHandle {
    /// Where to clone it from.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The bare repository's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs git in the repository.
    ///
    /// # Panics
    /// Panics with git's error when it fails.
    pub fn git(&self, args: &[&str]) -> String {
        String::from_utf8_lossy(&self.git_bytes(args, &[], b"")).trim_end().to_owned()
    }

    fn git_bytes(&self, args: &[&str], env: &[(&str, &str)], input: &[u8]) -> Vec<u8> {
        let mut git = Command::new("git");
        git.arg("-C").arg(&self.path).args(args).envs(env.iter().copied());
        let output = run(git, input);
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Adds or replaces files on a branch by a commit of somebody else's; returns its hash. A new branch begins empty.
    pub fn commit(&self, branch: &str, files: &[(&str, &[u8])], message: &str) -> String {
        self.commit_with_modes(branch, files, &[], message)
    }

    /// The same with modes of some files: `100755` of one that can be run, `120000` of a link, whose content is where it leads.
    pub fn commit_with_modes(&self, branch: &str, files: &[(&str, &[u8])], modes: &[(&str, &str)], message: &str) -> String {
        let scratch = tempfile::tempdir().expect("no temporary folder");
        let index = scratch.path().join("index").display().to_string();
        let identity = [
            ("GIT_INDEX_FILE", index.as_str()),
            ("GIT_AUTHOR_NAME", "Ada"),
            ("GIT_AUTHOR_EMAIL", "ada@example.org"),
            ("GIT_COMMITTER_NAME", "Ada"),
            ("GIT_COMMITTER_EMAIL", "ada@example.org"),
        ];
        let git = |args: &[&str], input: &[u8]| -> String {
            String::from_utf8_lossy(&self.git_bytes(args, &identity, input)).trim_end().to_owned()
        };
        let parent = self.head(branch);
        if let Some(parent) = &parent {
            git(&["read-tree", parent], b"");
        }
        for (file, bytes) in files {
            let blob = git(&["hash-object", "-w", "--stdin"], bytes);
            let mode = modes.iter().find(|(_, path)| path == file).map_or("100644", |(mode, _)| mode);
            git(&["update-index", "--add", "--cacheinfo", &format!("{mode},{blob},{file}")], b"");
        }
        let tree = git(&["write-tree"], b"");
        let mut commit = vec!["commit-tree", &tree, "-m", message];
        if let Some(parent) = &parent {
            commit.extend(["-p", parent]);
        }
        let commit = git(&commit, b"");
        git(&["update-ref", &format!("refs/heads/{branch}"), &commit], b"");
        commit
    }

    /// Adds what a stream for `git fast-import` says, and packs it as a server would.
    pub fn import(&self, stream: &[u8]) {
        self.git_bytes(&["fast-import", "--quiet", "--force"], &[], stream);
        self.git(&["gc", "--quiet"]);
    }

    /// All branches, sorted.
    pub fn branches(&self) -> Vec<String> {
        let text = self.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
        text.lines().map(str::to_owned).collect()
    }

    /// The commit a branch is at, if there is such a branch.
    pub fn head(&self, branch: &str) -> Option<String> {
        let reference = format!("refs/heads/{branch}");
        let text = self.git(&["for-each-ref", "--format=%(objectname)", &reference]);
        (!text.is_empty()).then_some(text)
    }

    /// The bytes of a file on a branch, if it is there.
    pub fn read(&self, branch: &str, file: &str) -> Option<Vec<u8>> {
        let listed = self.git(&["ls-tree", "--name-only", branch, "--", file]);
        (!listed.is_empty()).then(|| self.git_bytes(&["show", &format!("{branch}:{file}")], &[], b""))
    }

    /// The subjects of a branch's commits, newest first.
    pub fn log(&self, branch: &str) -> Vec<String> {
        self.git(&["log", "--format=%s", branch]).lines().map(str::to_owned).collect()
    }

    /// From now on every push is rejected with this message, as by a protected branch.
    pub fn reject_pushes(&self, message: &str) {
        self.reject("exit 1", message);
    }

    /// From now on pushes to one branch are rejected with this message.
    pub fn reject_pushes_to(&self, branch: &str, message: &str) {
        self.reject(&format!("exit $(grep -c 'refs/heads/{branch}$')"), message);
    }

    fn reject(&self, end: &str, message: &str) {
        let hook = self.path.join("hooks/pre-receive");
        std::fs::create_dir_all(self.path.join("hooks")).expect("couldn't create the hooks folder");
        let quoted = message.replace('\'', r"'\''");
        std::fs::write(&hook, format!("#!/bin/sh\necho '{quoted}' >&2\n{end}\n")).expect("couldn't write the hook");
        let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
        std::fs::set_permissions(&hook, mode).expect("couldn't make the hook executable");
    }

    /// Lets pushes through again.
    pub fn accept_pushes(&self) {
        std::fs::remove_file(self.path.join("hooks/pre-receive")).expect("couldn't remove the hook");
    }
}

#[derive(PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

fn access(request: &Request) -> Option<Access> {
    let encoded = request.head.get("authorization")?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    match text.split_once(':')? {
        (USER, WRITER) => Some(Access::Write),
        (USER, READER) => Some(Access::Read),
        _ => None,
    }
}

fn answer(root: &Path, request: &Request, is_old: bool) -> Reply {
    let writes = request.path().ends_with("/git-receive-pack") || request.query().contains("service=git-receive-pack");
    match access(request) {
        None => Reply::new(401, "Bad credentials\n").with("WWW-Authenticate", "Basic realm=\"testbed\""),
        Some(Access::Read) if writes => Reply::new(403, "Permission to this repository denied\n"),
        Some(_) => backend(root, request, is_old),
    }
}

/// RFC 3875, as far as `git http-backend` needs it.
fn backend(root: &Path, request: &Request, is_old: bool) -> Reply {
    let mut git = Command::new("git");
    git.arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", USER)
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", on_disk(request.path()))
        .env("QUERY_STRING", request.query())
        .env("CONTENT_LENGTH", request.body.len().to_string());
    for (field, variable) in
        [("Content-Type", "CONTENT_TYPE"), ("Content-Encoding", "HTTP_CONTENT_ENCODING"), ("Git-Protocol", "GIT_PROTOCOL")]
    {
        if let Some(value) = request.head.get(field).filter(|_| !(is_old && variable == "GIT_PROTOCOL")) {
            git.env(variable, value);
        }
    }
    let output = run(git, &request.body);
    cgi_reply(&output.stdout).unwrap_or_else(|| Reply::new(500, format!("git http-backend: {}", String::from_utf8_lossy(&output.stderr))))
}

/// A repository is there with and without `.git`, and in letters of any case, as on GitHub.
fn on_disk(path: &str) -> String {
    let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
    parts.iter_mut().take(3).for_each(|part| part.make_ascii_lowercase());
    if let Some(name) = parts.get_mut(2)
        && !name.ends_with(".git")
    {
        name.push_str(".git");
    }
    parts.join("/")
}

fn cgi_reply(output: &[u8]) -> Option<Reply> {
    // A CGI head is an HTTP head without its start line.
    let message = [b"CGI\r\n", output].concat();
    let mut reader = message.as_slice();
    let mut head = Head::read(&mut reader).ok()??;
    let status = head.get("status").and_then(|s| s.split(' ').next()?.parse().ok()).unwrap_or(200);
    head.remove("status");
    Some(Reply { status, headers: head.headers, body: reader.to_vec() })
}

fn run(mut command: Command, input: &[u8]) -> std::process::Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("couldn't run git");
    let mut pipe = child.stdin.take().expect("the standard input is a pipe");
    std::thread::scope(|scope| {
        // On a thread of its own: git may answer before it has read everything.
        scope.spawn(move || {
            // Git that ends early has said why on its standard error.
            let _ = pipe.write_all(input);
        });
        child.wait_with_output().expect("couldn't wait for git")
    })
}
