//! The Docker engines of this test run.
//!
//! [`engine`] has the images that `scripts/setup images` has put into it. It runs in a process namespace of its own, so that its
//! containers end with it however it ends. Its images stay in the cache; a lock keeps two test runs from using them at once.
//! [`moby`] is newer, keeps its images in containerd, and has none to begin with.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

use super::process::{Folder, Privilege, Server, Start};
use super::{Image, cache, command, on_path, testbed};

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

/// The engine of this test run that keeps its images in containerd, started on first use.
pub fn moby() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(Engine::start_moby)
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

    fn start_moby() -> Engine {
        on_path("docker", "containerd");
        let folder = tempfile::Builder::new().prefix("tagboat-moby-").tempdir().expect("no temporary folder").keep();
        let socket = folder.join("docker.sock");
        let mut script = Command::new("sh");
        script.arg(testbed("moby.sh")).arg(command("moby", "moby")).arg(&folder).arg(group().to_string());
        let grace = Duration::from_secs(15);
        let start = Start { name: "moby", folder: &folder, afterwards: Folder::Remove, privilege: Privilege::Root, grace };
        let engine = Engine { _server: Server::start(&start, &script), socket };
        engine._server.wait_until("ready", || engine.docker(&["version"]).status.success());
        engine
    }

    /// Loads an image from an archive, without those of its contents that are `absent`.
    pub fn load(&self, name: &str, image: &Image, absent: &[&str]) {
        let (folder, built) = (tempfile::tempdir().unwrap(), image.build());
        let write = |file: &str, bytes: &[u8]| {
            let file = folder.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, bytes).unwrap();
        };
        for content in built.blobs.iter().chain(&built.manifests).filter(|content| !absent.contains(&content.digest.as_str())) {
            write(&format!("blobs/{}", content.digest.replace(':', "/")), &content.bytes);
        }
        let root = built.root();
        let named = serde_json::json!({"mediaType": root.media_type, "digest": root.digest, "size": root.bytes.len(),
            "annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": "latest"}});
        write("index.json", serde_json::json!({"schemaVersion": 2, "manifests": [named]}).to_string().as_bytes());
        write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        let archive = folder.path().join("image.tar");
        let tar =
            Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(folder.path()).args(["oci-layout", "index.json", "blobs"]).status();
        assert!(tar.expect("couldn't run tar").success());
        let loaded = self.docker(&["load".as_ref(), "--input".as_ref(), archive.as_os_str()]);
        assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
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
pub struct Built(&'static Engine, String);

impl Built {
    /// From a Dockerfile with one layer of this content.
    pub fn new(name: &str, content: &str) -> Built {
        Built::with(name, content, &[])
    }

    /// With options of `docker build`.
    pub fn with(name: &str, content: &str, options: &[&str]) -> Built {
        Built::by(engine(), name, content, options)
    }

    /// By one of the engines.
    pub fn by(engine: &'static Engine, name: &str, content: &str, options: &[&str]) -> Built {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("content"), content).unwrap();
        std::fs::write(folder.path().join("Dockerfile"), "FROM scratch\nCOPY content /\n").unwrap();
        let folder = folder.path().display().to_string();
        let built = engine.docker(&[&["build", "--quiet", "--tag", name], options, &[folder.as_str()]].concat());
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Built(engine, String::from_utf8(built.stdout).unwrap().trim().to_owned())
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        self.0.docker(&["image", "rm", "--force", &self.1]);
    }
}

/// The number of the group that this process belongs to.
fn group() -> u32 {
    std::fs::metadata("/proc/self").map(|proc| std::os::unix::fs::MetadataExt::gid(&proc)).expect("there is no /proc")
}
