//! A run that is killed: after its first, second, … last request. Whatever it leaves behind, the next run ends in the right state.

use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::copy::is_whole;
use crate::servers::image::Content;
use crate::servers::{Fault, Image, Platforms, Registry};

const SERVICES: [&str; 2] = ["web", "api"];
const TAGS: &str = "{{tag}},{{major}}.{{minor}},latest";
/// Runs that are killed at the same time, each at registries of its own.
const WORKERS: usize = 3;

/// The registries of one worker.
struct Site {
    source: Registry,
    target: Target,
}

/// Where images are released.
enum Target {
    Itself,
    AnotherRepository,
    AnotherRegistry(Box<Registry>),
}

/// One release, in repositories of its own.
struct Release<'a> {
    site: &'a Site,
    number: usize,
    workspace: tempfile::TempDir,
}

fn new(name: &str) -> Image {
    Image::new(if name == "web" { Platforms::Several } else { Platforms::One }).content(&format!("{name} new"))
}

impl Site {
    fn target(&self) -> &Registry {
        match &self.target {
            Target::Itself | Target::AnotherRepository => &self.source,
            Target::AnotherRegistry(target) => target,
        }
    }

    /// Those that a run asks.
    fn registries(&self) -> Vec<&Registry> {
        match &self.target {
            Target::Itself | Target::AnotherRepository => vec![&self.source],
            Target::AnotherRegistry(target) => vec![&self.source, target],
        }
    }

    /// The images of a release, the signed one with what refers to it, where an earlier release has gone.
    fn prepare(&self, number: usize) -> Release<'_> {
        let workspace = tempfile::tempdir().unwrap();
        let service = |name: &str| format!("  {name}:\n    build: .\n    image: ${{REGISTRY}}/{number}/{name}\n");
        let services: String = SERVICES.into_iter().map(service).collect();
        std::fs::write(workspace.path().join("compose.yaml"), format!("services:\n{services}")).unwrap();
        let release = Release { site: self, number, workspace };
        for name in SERVICES {
            self.source.push(&format!("{number}/{name}"), "build", &new(name));
            for tag in ["v1.2.2", "1.2", "latest"] {
                self.target().push(&release.repository(name), tag, &Image::new(Platforms::One).content(&format!("{name} old")));
            }
        }
        attach(&self.source, &format!("{number}/web"), &new("web"));
        release
    }
}

/// The tags by which what refers to an image is found: that of a list, that of a signature.
pub(super) fn attached(image: &Image) -> [String; 2] {
    let list = image.build().root().digest.replace(':', "-");
    [list.clone(), format!("{list}.sig")]
}

/// A manifest that has the image as its subject.
pub(super) fn sbom(image: &Image) -> Content {
    let (kind, built) = ("application/vnd.oci.image.manifest.v1+json", image.build());
    let described = |content: &Content| json!({"mediaType": content.media_type, "digest": content.digest, "size": content.bytes.len()});
    let manifest = json!({"schemaVersion": 2, "mediaType": kind, "artifactType": "application/vnd.acme.sbom", "subject": described(built.root()),
        "config": described(&built.blobs[1]), "layers": [described(&built.blobs[0])]});
    Content::new(kind, manifest.to_string().into_bytes())
}

/// Gives an image an SBOM, by a list as there is where registries keep none, and a signature, by a tag.
pub(super) fn attach(registry: &Registry, repository: &str, image: &Image) {
    let [list, signature] = attached(image);
    let sbom = sbom(image);
    registry.put_manifest(repository, &sbom.digest, &sbom.media_type, &sbom.bytes);
    let kind = "application/vnd.oci.image.index.v1+json";
    let descriptor = json!({"mediaType": sbom.media_type, "digest": sbom.digest, "size": sbom.bytes.len()});
    let index = json!({"schemaVersion": 2, "mediaType": kind, "manifests": [descriptor]});
    registry.put_manifest(repository, &list, kind, index.to_string().as_bytes());
    registry.push(repository, &signature, &Image::new(Platforms::One).content("signature"));
}

impl Release<'_> {
    /// Where an image is released.
    fn repository(&self, name: &str) -> String {
        match self.site.target {
            Target::Itself => format!("{}/{name}", self.number),
            Target::AnotherRepository | Target::AnotherRegistry(_) => format!("prod/{}/{name}", self.number),
        }
    }

    /// The real binary, as the runner of a tag push starts it.
    fn tagboat(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagboat"));
        command
            .args(["--mode", "retag", "--source-tag", "build", "--tags", TAGS])
            .current_dir(self.workspace.path())
            .env_clear()
            .env("GITHUB_WORKSPACE", self.workspace.path())
            .env("GITHUB_REF", "refs/tags/v1.2.3")
            .env("GITHUB_EVENT_NAME", "push")
            .env("REGISTRY", self.site.source.host())
            .stdin(Stdio::null());
        if !matches!(self.site.target, Target::Itself) {
            command.args(["--registry", &self.site.source.host()]);
            command.args(["--target-registry", &format!("{}/prod", self.site.target().host())]);
        }
        command
    }

    fn digest(&self, name: &str, tag: &str) -> Option<String> {
        self.site.target().digest(&self.repository(name), tag)
    }

    fn is_new(&self, name: &str, tag: &str) -> bool {
        self.digest(name, tag).as_ref() == Some(&new(name).build().root().digest)
    }

    /// A release tag for every image before the first float of any, every tag one of the two images, and no release without its signature.
    fn is_consistent(&self) -> Result<(), String> {
        let released = SERVICES.iter().all(|name| self.is_new(name, "v1.2.3"));
        for name in SERVICES {
            for tag in ["1.2", "latest"] {
                // Looked at once: the killed run's last request may be answered in between.
                let there = self.digest(name, tag);
                let is_new = there.as_ref() == Some(&new(name).build().root().digest);
                if is_new && !released {
                    return Err(format!("{name}:{tag} has moved, but not every image has its release tag"));
                }
                if !is_new && there != self.digest(name, "v1.2.2") {
                    return Err(format!("{name}:{tag} is neither the old nor the new image"));
                }
            }
            if self.is_new(name, "latest") && !SERVICES.iter().all(|name| self.is_new(name, "1.2")) {
                return Err(format!("{name}:latest has moved before 1.2 of all images"));
            }
        }
        match self.is_new("web", "v1.2.3") && !self.is_attached() {
            true => Err("web:v1.2.3 is there before what refers to it".to_owned()),
            false => Ok(()),
        }
    }

    /// Whether everything that refers to the image has come with it.
    fn is_attached(&self) -> bool {
        let ([list, signature], sbom) = (attached(&new("web")), sbom(&new("web")));
        let target = self.site.target();
        let repository = self.repository("web");
        let listed = target.manifest(&repository, &list).is_some_and(|list| list.text().contains(&sbom.digest));
        let signature = target.digest(&repository, &signature);
        listed && target.manifest(&repository, &sbom.digest).is_some_and(|reply| reply.body == sbom.bytes) && signature.is_some()
    }

    fn is_done(&self) {
        for name in SERVICES {
            for tag in ["v1.2.3", "1.2", "latest"] {
                is_whole(self.site.target(), &self.repository(name), tag, &new(name));
            }
        }
        assert!(self.is_attached(), "killed after {}: what refers to the image is not there", self.number);
    }

    /// Runs until the registries have got `n` requests, and kills it then: the last one is still answered, to nobody. Gives whether it was
    /// killed.
    fn killed_after(&self, n: usize) -> bool {
        let child: Arc<Mutex<Option<Child>>> = Arc::default();
        let seen = Arc::new(AtomicUsize::new(0));
        for registry in self.site.registries() {
            let (victim, seen) = (child.clone(), seen.clone());
            let kill = move || {
                if seen.fetch_add(1, Ordering::Relaxed) + 1 == n {
                    // Held while the child is started: it is there.
                    let mut victim = victim.lock().unwrap();
                    victim.as_mut().unwrap().kill().unwrap();
                }
                false
            };
            registry.proxy().on(move |_| kill()).fault(Fault::Reset);
        }
        let mut held = child.lock().unwrap();
        *held = Some(self.tagboat().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        drop(held);
        // Not waited for under the lock, which the killer needs.
        let status = loop {
            if let Some(status) = child.lock().unwrap().as_mut().unwrap().try_wait().unwrap() {
                break status;
            }
            std::thread::yield_now();
        };
        self.site.registries().iter().for_each(|registry| registry.proxy().heal());
        !status.success()
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Kills runs after every request that a whole run makes, and gives how many that are.
fn sweep(site: impl Fn() -> Site + Sync) -> usize {
    let next = AtomicUsize::new(1);
    let worker = || {
        let site = site();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let release = site.prepare(n);
            let killed = release.killed_after(n);
            release.is_consistent().unwrap_or_else(|reason| panic!("killed after {n} requests: {reason}"));
            let after = release.tagboat().output().unwrap();
            assert!(after.status.success(), "killed after {n}, then: {}", text(&after));
            release.is_done();
            if !killed {
                return n - 1;
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        // One that ended before the others may have needed fewer requests than they.
        workers.into_iter().map(|worker| worker.join().unwrap()).min().unwrap()
    })
}

/// Trap: some images of a release have their tag and others haven't.
#[test]
fn a_run_killed_after_any_of_its_requests_is_finished_by_the_next_one() {
    let requests = sweep(|| Site { source: Registry::start(), target: Target::Itself });
    // Sources, targets, lists, writes; more where floats were looked at again.
    assert!(requests >= 2 + 6 + 2 + 6, "{requests}");
}

/// Trap: an image, its signature or its tag is there without the others.
#[test]
fn a_promotion_killed_after_any_of_its_requests_is_finished_by_the_next_one() {
    // An index, its children and what refers to it, an image, 6 + 2 + 2 blobs mounted, 3 manifests, 3 that refer and the tags.
    let mounted = sweep(|| Site { source: Registry::start(), target: Target::AnotherRepository });
    assert!(mounted >= 2 + 6 + 2 + 3 + 10 + 3 + 3 + 6, "{mounted}");
    // Each blob is begun, read and sent.
    let streamed = sweep(|| Site { source: Registry::start(), target: Target::AnotherRegistry(Box::new(Registry::start())) });
    assert!(streamed >= mounted + 2 * 10, "{streamed}");
}
