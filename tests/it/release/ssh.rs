//! Infrastructure repositories behind SSH, and signed commits, on the real sshd and with the real git as judge.

use std::path::Path;
use std::process::Command;

use crate::harness::{Run, Step, Workspace};
use crate::servers::sshd::key_pair;
use crate::servers::{GitHub, GitServer, Registry, RepositoryHandle, Sshd};

use super::registry;

const FILE: &str = "kustomization.yaml";
const BEFORE: &str = "images:\n- name: shop-api # ours\n  newName: HOST/acme/shop-api\n  newTag: v1.1.0\n";

struct World {
    registry: Registry,
    shop: Workspace,
    git: GitServer,
    repository: RepositoryHandle,
    sshd: Sshd,
}

impl World {
    fn start() -> World {
        Self::start_behind(Sshd::start)
    }

    fn start_behind(sshd: fn(&Path) -> Sshd) -> World {
        let (registry, git) = (registry(), GitServer::start());
        let repository = git.create_repository("acme/infra", &[(FILE, BEFORE.replace("HOST", &registry.host()).as_bytes())]);
        let sshd = sshd(repository.path().parent().and_then(|owner| owner.parent()).unwrap());
        World { registry, shop: Workspace::shop(), git, repository, sshd }
    }

    fn step(&self, mode: &str) -> Step<'_> {
        let infra = format!("- {{repository: '{}', services: [api]}}", self.sshd.url("acme/infra"));
        self.shop
            .step(mode)
            .releases_from(&self.registry)
            .input("image-names", "shop-api: api")
            .input("infra", &infra)
            .env("GITHUB_SERVER_URL", &self.git.url())
    }

    /// With a key, whose lines must not appear anywhere.
    fn with_key<'s>(&self, step: Step<'s>, input: &str, key: &str) -> Step<'s> {
        let lines = key.lines().filter(|line| !line.starts_with("-----"));
        lines.fold(step.input(input, key), Step::secret)
    }

    fn logging_in(&self, mode: &str) -> Step<'_> {
        self.with_key(self.step(mode), "infra-ssh-key", &self.sshd.key()).input("infra-ssh-known-hosts", &self.sshd.known_hosts())
    }

    fn read(&self, branch: &str) -> String {
        String::from_utf8(self.repository.read(branch, FILE).unwrap()).unwrap()
    }

    #[track_caller]
    fn is_untouched(&self, run: &Run) {
        run.exits(1);
        assert_eq!((self.repository.branches().len(), self.repository.log("main").len()), (1, 1));
        assert_eq!(self.registry.digest("acme/shop-api", "v1.2.3"), None, "no tag is written before every repository could be read");
    }
}

#[test]
fn a_repository_behind_ssh_gets_its_commit_and_the_second_run_writes_nothing() {
    gets_its_commit_once(&World::start());
}

#[test]
fn a_repository_behind_an_sshd_that_knows_nothing_of_git_gets_its_commit_too() {
    gets_its_commit_once(&World::start_behind(Sshd::start_plain));
}

fn gets_its_commit_once(world: &World) {
    // History that needn't be fetched, and that the push has to do without.
    world.repository.commit("main", &[("more", b"1")], "Second commit");
    world.logging_in("commit").run().exits(0);
    let digest = world.registry.digest("acme/shop-api", "v1.2.3").unwrap();
    let expected =
        BEFORE.replace("HOST", &world.registry.host()).replace("newTag: v1.1.0\n", &format!("newTag: v1.2.3\n  digest: {digest}\n"));
    assert_eq!(world.read("main"), expected);
    assert_eq!(world.repository.log("main").len(), 3);
    assert_eq!(world.git.requests().len(), 0, "nothing goes over HTTP");

    let again = world.logging_in("commit").run();
    again.exits(0);
    assert_eq!((again.output("outcome"), world.repository.log("main").len()), ("unchanged", 3));
}

#[test]
fn without_a_token_the_branch_is_pushed_and_a_person_is_told() {
    let world = World::start();
    let run = world.logging_in("pull-request").run();
    run.exits(0).says("no forge there to open a pull request on");
    assert_eq!(world.repository.branches(), ["main", "tagboat/shop/update"]);
    assert!(world.read("tagboat/shop/update").contains("newTag: v1.2.3"));
    // The branch is rebuilt when its base moves, by a push that must find it where it was.
    world.repository.commit("main", &[(FILE, format!("{}# more\n", world.read("main")).as_bytes())], "More");
    world.logging_in("pull-request").run().exits(0);
    assert!(world.read("tagboat/shop/update").contains("# more"));
}

#[test]
fn a_pull_request_for_a_repository_behind_ssh_is_opened_through_the_api() {
    let world = World::start();
    let github = GitHub::start(world.git.token());
    github.add_repository("acme/infra", &world.repository);
    let step = || world.logging_in("pull-request").env("GITHUB_API_URL", &github.url()).input("infra-token", world.git.token());
    step().run().exits(0).says("pull request opened");
    assert_eq!(github.pulls("acme/infra").len(), 1);
    assert_eq!(world.git.requests().len(), 0, "commits go over SSH");
    assert_eq!(step().run().output("outcome"), "unchanged");
}

#[test]
fn a_server_whose_host_key_is_not_known_gets_nothing() {
    let world = World::start();
    let login = || world.with_key(world.step("commit"), "infra-ssh-key", &world.sshd.key());
    let unknown = login().run();
    world.is_untouched(&unknown);
    unknown.says("couldn't trust the server [127.0.0.1]:").says("and none is known of it").says("`ssh-keyscan -p ");

    let scratch = tempfile::tempdir().unwrap();
    let other = std::fs::read_to_string(key_pair(&scratch.path().join("other")).with_extension("pub")).unwrap();
    let host = world.sshd.known_hosts();
    let host = host.split(' ').next().unwrap();
    let different = login().input("infra-ssh-known-hosts", &format!("{host} {other}")).run();
    world.is_untouched(&different);
    different.says("and other keys are known of it").says("somebody may be in between");
    assert!(!world.sshd.log().contains("Accepted publickey"), "{}", world.sshd.log());
}

#[test]
fn what_the_server_refuses_is_told() {
    let world = World::start();
    let scratch = tempfile::tempdir().unwrap();
    let stranger = std::fs::read_to_string(key_pair(&scratch.path().join("stranger"))).unwrap();
    let run =
        world.with_key(world.step("commit"), "infra-ssh-key", &stranger).input("infra-ssh-known-hosts", &world.sshd.known_hosts()).run();
    world.is_untouched(&run);
    run.says("the server did not accept the SSH key").says("deploy key with write access");

    let missing = format!("- {{repository: '{}'}}", world.sshd.url("acme/elsewhere"));
    let run = world.logging_in("commit").input("infra", &missing).run();
    world.is_untouched(&run);
    run.says("couldn't open ssh://").says("acme/elsewhere.git");

    world.step("commit").run().exits(2).says("there is no SSH key").says("infra-ssh-key");

    world.repository.reject_pushes("GH006: Protected branch update failed");
    world.logging_in("commit").run().exits(3).says("GH006").says("use `mode: pull-request`");
}

/// Who signed the newest commit of a branch, as git finds it by a file of allowed signers.
fn signer(repository: &RepositoryHandle, branch: &str, allowed: &str) -> String {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("allowed");
    std::fs::write(&file, allowed).unwrap();
    let verified = Command::new("git")
        .arg("-C")
        .arg(repository.path())
        .arg("-c")
        .arg(format!("gpg.ssh.allowedSignersFile={}", file.display()))
        .args(["verify-commit", branch])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success(), "{text}");
    text
}

#[test]
fn commits_are_signed_such_that_git_verifies_them_over_http_and_over_ssh() {
    let world = World::start();
    let scratch = tempfile::tempdir().unwrap();
    for kind in ["ed25519", "ecdsa"] {
        let file = scratch.path().join(kind);
        let made = Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-f"]).arg(&file).status().unwrap();
        assert!(made.success());
    }
    let read = |name: &str| std::fs::read_to_string(scratch.path().join(name)).unwrap();
    let allowed = |name: &str| format!("deploy@example.org namespaces=\"git\" {}", read(&format!("{name}.pub")));

    world.with_key(world.logging_in("commit"), "infra-signing-key", &read("ed25519")).run().exits(0);
    let good = signer(&world.repository, "main", &allowed("ed25519"));
    assert!(good.contains("Good \"git\" signature for deploy@example.org with ED25519 key"), "{good}");

    let github = GitHub::start(world.git.token());
    let other = world.git.create_repository("acme/other", &[(FILE, BEFORE.as_bytes())]);
    github.add_repository("acme/other", &other);
    let step = world.step("commit").input("infra", "- {repository: acme/other, services: [api]}").input("infra-token", world.git.token());
    let step = step.env("GITHUB_API_URL", &github.url());
    world.with_key(step, "infra-signing-key", &read("ecdsa")).run().exits(0);
    let good = signer(&other, "main", &allowed("ecdsa"));
    assert!(good.contains("Good \"git\" signature for deploy@example.org with ECDSA key"), "{good}");
}
