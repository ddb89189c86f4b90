//! Gitea and Forgejo: forges with an API of their own, and registries with a token service of their own. One of each for the test run; each
//! test has its own organisation there, behind its own proxy.

use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::http1::{Reply, Upstream};
use super::process::{Folder, Privilege, Server, Start};
use super::proxy::{Proxy, Recorded};
use super::registry::Registry;
use super::{command, free_port};

/// The password of everybody there.
pub const PASSWORD: &str = "correct-horse-battery";
const ADMIN: &str = "testbed-admin";

/// The Gitea of this test run, started on first use.
pub fn gitea() -> &'static Gitea {
    static GITEA: OnceLock<Gitea> = OnceLock::new();
    GITEA.get_or_init(|| Gitea::start("gitea"))
}

/// The Forgejo of this test run, started on first use: the same program, gone its own way since 2024.
pub fn forgejo() -> &'static Gitea {
    static FORGEJO: OnceLock<Gitea> = OnceLock::new();
    FORGEJO.get_or_init(|| Gitea::start("forgejo"))
}

/// A running server.
pub struct Gitea {
    /// `gitea` or `forgejo`.
    name: &'static str,
    upstream: Upstream,
    token: String,
    _server: Server,
}

impl Gitea {
    fn start(name: &'static str) -> Gitea {
        let gitea = command(name, name);
        let program = std::fs::canonicalize(&gitea).expect("couldn't find the program behind its link");
        let texts = program.parent().expect("a program is in a folder").join("static");
        assert!(texts.is_dir(), "templates are missing: run ./scripts/setup {name}");
        let folder = tempfile::Builder::new().prefix(&format!("tagboat-{name}-")).tempdir().expect("no temporary folder").keep();
        let (port, user) = (free_port(), Command::new("id").arg("-un").output().expect("couldn't run id"));
        let config = format!(
            "RUN_USER = {}\nRUN_MODE = prod\nWORK_PATH = {folder}\nI_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true\n\
             [server]\nHTTP_ADDR = 127.0.0.1\nHTTP_PORT = {port}\nROOT_URL = http://127.0.0.1:{port}/\nSTATIC_ROOT_PATH = {}\n\
             DISABLE_SSH = true\nOFFLINE_MODE = true\nPUBLIC_URL_DETECTION = auto\n\
             [database]\nDB_TYPE = sqlite3\nPATH = {folder}/gitea.db\nSQLITE_JOURNAL_MODE = WAL\nSQLITE_TIMEOUT = 60000\n\
             [security]\nINSTALL_LOCK = true\nPASSWORD_HASH_ALGO = pbkdf2$1$50\n[log]\nLEVEL = Warn\n\
             [cron]\nENABLED = false\n[actions]\nENABLED = false\n[service]\nDISABLE_REGISTRATION = true\n",
            String::from_utf8_lossy(&user.stdout).trim(),
            texts.display(),
            folder = folder.display(),
        );
        let file = folder.join("app.ini");
        std::fs::write(&file, config).expect("couldn't write the configuration");
        // Git's own configuration is kept below HOME.
        let run = |arguments: &[&str]| {
            let mut command = Command::new(&gitea);
            command.arg("--config").arg(&file).args(arguments).env("HOME", &folder).env_remove("GITEA_WORK_DIR");
            command
        };
        let finish = |arguments: &[&str]| {
            let output = run(arguments).output().expect("couldn't run the server's program");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{name} {arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
            said
        };
        finish(&["migrate"]);
        let mut create = vec!["admin", "user", "create", "--admin", "--username", ADMIN, "--password", PASSWORD];
        create.extend(["--email", "admin@example.org", "--must-change-password=false"]);
        finish(&create);
        let mut generate = vec!["admin", "user", "generate-access-token", "--raw", "--username", ADMIN];
        generate.extend(["--token-name", "testbed", "--scopes", "all"]);
        // Warnings, of the root user for one, come before or after it.
        let is_token = |word: &&str| word.len() == 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let token = finish(&generate).split_whitespace().find(is_token).expect("a new token is told").to_owned();
        let start = Start { name, folder: &folder, afterwards: Folder::Remove, privilege: Privilege::User, grace: Duration::from_secs(2) };
        let server = Server::start(&start, &run(&["web"]));
        server.wait_for_port(port);
        Gitea { name, upstream: Upstream::plain(port), token, _server: server }
    }

    /// An organisation for a test, with a proxy of its own in front of the server.
    pub fn organisation(&'static self) -> Organisation {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let organisation = Organisation { gitea: self, number, proxy: Proxy::in_front_of(self.upstream.clone()) };
        let name = organisation.name();
        organisation.ask("POST", "/orgs", Some(&json!({ "username": name, "visibility": "private" })));
        organisation
    }
}

/// An organisation on the server: its repositories, images and people.
pub struct Organisation {
    gitea: &'static Gitea,
    number: usize,
    proxy: Proxy,
}

impl Organisation {
    /// `acme-1`.
    pub fn name(&self) -> String {
        format!("acme-{}", self.number)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.proxy.url()
    }

    /// `127.0.0.1:PORT/acme-1`, as the beginning of image references.
    pub fn images(&self) -> String {
        format!("{}/{}", self.proxy.host(), self.name())
    }

    /// The proxy that everybody but this type goes through.
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// What went through the proxy so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.proxy.requests()
    }

    /// Method and path of each request to the API, and each push, that may change something.
    pub fn writes(&self) -> Vec<String> {
        let writes =
            |request: &&Recorded| request.method != "GET" && request.method != "HEAD" && !request.path().ends_with("/git-upload-pack");
        self.requests().iter().filter(writes).map(Recorded::line).collect()
    }

    /// The registry, whose repositories are `acme-1/…`; it pushes and looks past the proxy, with all rights.
    pub fn registry(&self) -> Registry {
        let login = format!("Basic {}", STANDARD.encode(format!("{ADMIN}:{PASSWORD}")));
        Registry::with_login(self.gitea.upstream.clone(), login)
    }

    /// Makes a person who may do with repositories and images of the organisation what `permission` says: `read`, `write`, `admin`.
    pub fn member(&self, name: &str, permission: &str) -> Member {
        let login = format!("{name}-{}", self.number);
        let person = json!({
            "username": login, "password": PASSWORD, "email": format!("{login}@example.org"), "must_change_password": false,
        });
        self.ask("POST", "/admin/users", Some(&person));
        let units: Value = ["repo.code", "repo.issues", "repo.pulls", "repo.packages"].map(|unit| (unit, permission)).into_iter().collect();
        let team = json!({
            "name": format!("{name}s"), "permission": permission, "includes_all_repositories": true, "units_map": units,
        });
        let team = self.ask("POST", &format!("/orgs/{}/teams", self.name()), Some(&team));
        self.ask("PUT", &format!("/teams/{}/members/{login}", team["id"]), None);
        let token = self.token(&login, &["write:repository", "write:issue", "read:organization", "write:package"]);
        Member { token, login }
    }

    /// A new token of a person's, with these scopes.
    pub fn token(&self, login: &str, scopes: &[&str]) -> String {
        let token = json!({ "name": scopes.join(" "), "scopes": scopes });
        let basic = format!("Basic {}", STANDARD.encode(format!("{login}:{PASSWORD}")));
        let token = self.send("POST", &format!("/users/{login}/tokens"), &basic, Some(&token)).value();
        token["sha1"].as_str().expect("a new token is told").to_owned()
    }

    /// Creates a repository with one commit of these files on `main`; returns `acme-1/NAME`.
    pub fn create_repository(&self, name: &str, files: &[(&str, &str)]) -> String {
        let slug = format!("{}/{name}", self.name());
        let repository = json!({ "name": name, "default_branch": "main", "auto_init": true, "private": true });
        self.ask("POST", &format!("/orgs/{}/repos", self.name()), Some(&repository));
        let create = |(path, text): &(&str, &str)| json!({ "operation": "create", "path": path, "content": STANDARD.encode(text) });
        let files: Vec<Value> = files.iter().map(create).collect();
        let commit = json!({ "branch": "main", "message": "First commit", "files": files });
        self.ask("POST", &format!("/repos/{slug}/contents"), Some(&commit));
        slug
    }

    /// A file on a branch.
    pub fn read(&self, slug: &str, branch: &str, path: &str) -> String {
        self.as_admin("GET", &format!("/repos/{slug}/raw/{path}?ref={branch}"), None).text()
    }

    /// The subjects of a branch's commits, newest first.
    pub fn log(&self, slug: &str, branch: &str) -> Vec<String> {
        let commits = self.ask("GET", &format!("/repos/{slug}/commits?sha={branch}&stat=false&files=false"), None);
        let subject =
            |commit: &Value| commit["commit"]["message"].as_str().unwrap_or_default().lines().next().unwrap_or_default().to_owned();
        commits.as_array().expect("a list of commits").iter().map(subject).collect()
    }

    /// All pull requests of a repository, the oldest first.
    pub fn pulls(&self, slug: &str) -> Vec<Value> {
        let pulls = self.ask("GET", &format!("/repos/{slug}/pulls?state=all&sort=oldest"), None);
        pulls.as_array().expect("a list of pull requests").clone()
    }

    /// Asks the API as the administrator, past the proxy.
    ///
    /// # Panics
    /// Panics with the answer when it isn't a good one.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let reply = self.as_admin(method, path, body);
        if reply.body.is_empty() { Value::Null } else { reply.value() }
    }

    fn as_admin(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.send(method, path, &format!("token {}", self.gitea.token), body)
    }

    fn send(&self, method: &str, path: &str, login: &str, body: Option<&Value>) -> Reply {
        let body = body.map(Value::to_string).unwrap_or_default();
        let headers = [("Content-Type", "application/json"), ("Authorization", login)];
        let reply = self.gitea.upstream.send(method, &format!("/api/v1{path}"), &headers, body.as_bytes());
        let reply = reply.unwrap_or_else(|e| panic!("{} didn't answer {method} {path}: {e}", self.gitea.name));
        let is_good = (200..300).contains(&reply.status);
        assert!(is_good, "{} answered {} to {method} {path}: {}", self.gitea.name, reply.status, reply.text());
        reply
    }
}

/// A person in an organisation.
pub struct Member {
    pub login: String,
    /// For repositories, pull requests and images.
    pub token: String,
}
