//! A run that is killed: after its first, second, … last request. Whatever it leaves behind, the next run ends in the right state.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::servers::{Fault, Image, Platforms, Registry};

const SERVICES: [&str; 2] = ["web", "api"];
const TAGS: &str = "{{tag}},{{major}}.{{minor}},latest";

/// The real binary, as the runner of a tag push starts it.
fn tagboat(workspace: &Path, registry: &Registry) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagboat"));
    command
        .args(["--mode", "retag", "--source-tag", "build", "--tags", TAGS])
        .current_dir(workspace)
        .env_clear()
        .env("GITHUB_WORKSPACE", workspace)
        .env("GITHUB_REF", "refs/tags/v1.2.3")
        .env("GITHUB_EVENT_NAME", "push")
        .env("REGISTRY", registry.host())
        .stdin(Stdio::null());
    command
}

/// The images of a release in repositories of their own, with a release before it; gives the folder with its compose file.
fn prepare(registry: &Registry, sweep: &str) -> tempfile::TempDir {
    let workspace = tempfile::tempdir().unwrap();
    let service = |name: &str| format!("  {name}:\n    build: .\n    image: ${{REGISTRY}}/{sweep}/{name}\n");
    let services: String = SERVICES.into_iter().map(service).collect();
    std::fs::write(workspace.path().join("compose.yaml"), format!("services:\n{services}")).unwrap();
    for name in SERVICES {
        let repository = format!("{sweep}/{name}");
        registry.push(&repository, "build", &Image::new(Platforms::Several).content(&format!("{name} new")));
        for tag in ["v1.2.2", "1.2", "latest"] {
            registry.push(&repository, tag, &Image::new(Platforms::Several).content(&format!("{name} old")));
        }
    }
    workspace
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A release tag for every image before the first float of any, every tag one of the two images.
fn is_consistent(registry: &Registry, sweep: &str) -> Result<(), String> {
    let digest = |name: &str, tag: &str| registry.digest(&format!("{sweep}/{name}"), tag);
    let new = |name: &str, tag: &str| digest(name, tag) == digest(name, "build");
    let released = SERVICES.iter().all(|name| new(name, "v1.2.3"));
    for name in SERVICES {
        for tag in ["1.2", "latest"] {
            if new(name, tag) && !released {
                return Err(format!("{name}:{tag} has moved, but not every image has its release tag"));
            }
            if !new(name, tag) && digest(name, tag) != digest(name, "v1.2.2") {
                return Err(format!("{name}:{tag} is neither the old nor the new image"));
            }
        }
        if new(name, "latest") && !SERVICES.iter().all(|name| new(name, "1.2")) {
            return Err(format!("{name}:latest has moved before 1.2 of all images"));
        }
    }
    Ok(())
}

/// Runs until the proxy has got `n` requests, and kills it then: the last one is still answered, to nobody. Gives whether it was killed.
fn killed_after(n: usize, registry: &Registry, workspace: &Path) -> bool {
    let child: Arc<Mutex<Option<Child>>> = Arc::default();
    let (victim, seen) = (child.clone(), AtomicUsize::new(0));
    registry
        .proxy()
        .on(move |_| {
            if seen.fetch_add(1, Ordering::Relaxed) + 1 == n {
                // Held while the child is started: it is there.
                let mut victim = victim.lock().unwrap();
                victim.as_mut().unwrap().kill().unwrap();
            }
            false
        })
        .fault(Fault::Reset);
    let mut held = child.lock().unwrap();
    let mut command = tagboat(workspace, registry);
    *held = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    drop(held);
    // Not waited for under the lock, which the killer needs.
    let status = loop {
        if let Some(status) = child.lock().unwrap().as_mut().unwrap().try_wait().unwrap() {
            break status;
        }
        std::thread::yield_now();
    };
    registry.proxy().heal();
    !status.success()
}

/// Trap: some images of a release have their tag and others haven't.
#[test]
fn a_run_killed_after_any_of_its_requests_is_finished_by_the_next_one() {
    let registry = Registry::start();
    let workspace = prepare(&registry, "whole");
    let whole = tagboat(workspace.path(), &registry).output().unwrap();
    assert!(whole.status.success(), "{}", text(&whole));
    let requests = registry.requests().len();
    // Sources, targets, lists, writes; more where floats were looked at again.
    assert!(requests >= 2 + 6 + 2 + 6, "{}", text(&whole));

    for n in 1..=requests {
        let sweep = format!("after-{n}");
        let workspace = prepare(&registry, &sweep);
        let killed = killed_after(n, &registry, workspace.path());
        assert!(killed || n == requests, "{n}: it was not killed");
        is_consistent(&registry, &sweep).unwrap_or_else(|reason| panic!("killed after {n} of {requests} requests: {reason}"));

        let next = tagboat(workspace.path(), &registry).output().unwrap();
        assert!(next.status.success(), "killed after {n}, then: {}", text(&next));
        for name in SERVICES {
            let repository = format!("{sweep}/{name}");
            let build = registry.digest(&repository, "build");
            for tag in ["v1.2.3", "1.2", "latest"] {
                assert_eq!(registry.digest(&repository, tag), build, "killed after {n}: {name}:{tag}");
            }
        }
    }
}
