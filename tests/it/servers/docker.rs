//! The Docker engine of this test run, and the images that `scripts/setup images` has put into it.
//!
//! The engine runs in a process namespace of its own, so that its containers end with it however it ends. Its images
//! stay in the cache; a lock keeps two test runs from using them at once.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

use super::process::{Folder, Privilege, Server, Start};
use super::{cache, on_path, testbed};

/// The image that a workflow's job runs in.
pub const RUNNER_IMAGE: &str = "localhost/tagboat-runner:1";
/// The base of the build stage of our Dockerfile: a Rust toolchain and the crates of `Cargo.lock`.
pub const BUILD_IMAGE: &str = "localhost/tagboat-build:1";
/// In place of the stage that builds kustomize: an image that has it.
pub const KUSTOMIZE_IMAGE: &str = "localhost/tagboat-kustomize:1";
/// The base of the last stage of our Dockerfile.
pub const BASE_IMAGE: &str = "localhost/tagboat-base:1";

/// The running engine.
pub struct Engine {
    socket: PathBuf,
    _server: Server,
}

/// The engine of this test run, started on first use.
pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(Engine::start)
}

/// Runs the docker command on the engine.
pub fn docker<S: AsRef<OsStr>>(args: &[S]) -> Output {
    engine().docker(args)
}

impl Engine {
    fn start() -> Engine {
        on_path("docker", "dockerd");
        let store = cache().join("engine");
        let folder = tempfile::Builder::new().prefix("tagboat-docker-").tempdir().expect("no temporary folder").keep();
        let socket = folder.join("docker.sock");
        let driver = std::fs::read_to_string(store.join("driver"))
            .unwrap_or_else(|_| panic!("the engine has no images: run ./scripts/setup images"));
        let mut command = Command::new("sh");
        command.arg(testbed("engine.sh")).arg(&store).arg(&folder).arg(driver.trim()).arg(group().to_string());
        let grace = Duration::from_secs(15);
        let start = Start { name: "dockerd", folder: &folder, afterwards: Folder::Remove, privilege: Privilege::Root, grace };
        let engine = Engine { _server: Server::start(&start, &command), socket };
        // Another test run may hold the lock, and build an image meanwhile.
        engine._server.wait_within(Duration::from_secs(1800), "ready", || engine.docker(&["version"]).status.success());
        engine
    }

    /// The value of `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Runs the docker command on this engine.
    pub fn docker<S: AsRef<OsStr>>(&self, args: &[S]) -> Output {
        let mut docker = Command::new(on_path("docker", "docker"));
        docker.args(args).env("DOCKER_HOST", self.host()).env_remove("DOCKER_CONTEXT");
        docker.output().unwrap_or_else(|e| panic!("couldn't run docker: {e}"))
    }

    /// Whether the engine has an image.
    pub fn has_image(&self, image: &str) -> bool {
        self.docker(&["image", "inspect", image]).status.success()
    }
}

/// An image of the engine, removed with all its names when the test ends.
pub struct Built(String);

impl Built {
    /// From a Dockerfile with one layer of this content.
    pub fn new(name: &str, content: &str) -> Built {
        Built::with(name, content, &[])
    }

    /// With options of `docker build`.
    pub fn with(name: &str, content: &str, options: &[&str]) -> Built {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("content"), content).unwrap();
        std::fs::write(folder.path().join("Dockerfile"), "FROM scratch\nCOPY content /\n").unwrap();
        let folder = folder.path().display().to_string();
        let built = docker(&[&["build", "--quiet", "--tag", name], options, &[folder.as_str()]].concat());
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Built(String::from_utf8(built.stdout).unwrap().trim().to_owned())
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        docker(&["image", "rm", "--force", &self.0]);
    }
}

/// The number of the group that this process belongs to.
fn group() -> u32 {
    std::fs::metadata("/proc/self").map(|proc| std::os::unix::fs::MetadataExt::gid(&proc)).expect("there is no /proc")
}
