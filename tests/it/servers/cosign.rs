//! cosign with a key pair of its own, without a transparency log.

use std::process::{Command, Output};

use tempfile::TempDir;

use super::command;

/// A key pair, and the tool that signs and verifies with it.
pub struct Cosign {
    folder: TempDir,
}

/// How signatures and attestations are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As OCI referrers, cosign 3's way.
    Bundle,
    /// As tags `sha256-….sig` and `.att`, cosign 2's way.
    Tags,
}

impl Cosign {
    pub fn new() -> Cosign {
        let folder = tempfile::Builder::new().prefix("tagboat-cosign-").tempdir().expect("no temporary folder");
        let cosign = Cosign { folder };
        cosign.succeeds(&["generate-key-pair"]);
        cosign
    }

    pub fn sign(&self, image: &str, format: Format) {
        self.succeeds(&[&["sign"], SIGNING, &[format.flag(), image]].concat());
    }

    pub fn attest(&self, image: &str, format: Format) {
        std::fs::write(self.folder.path().join("predicate.json"), "{}").expect("couldn't write the predicate");
        self.succeeds(&[&["attest", "--predicate=predicate.json", "--type=custom"], SIGNING, &[format.flag(), image]].concat());
    }

    /// Whether the image carries a signature by this key.
    pub fn verifies(&self, image: &str, format: Format) -> bool {
        self.run(&["verify", "--key=cosign.pub", "--insecure-ignore-tlog=true", format.flag(), image]).status.success()
    }

    /// Whether the image carries an attestation by this key.
    pub fn attests(&self, image: &str, format: Format) -> bool {
        let arguments = ["verify-attestation", "--key=cosign.pub", "--insecure-ignore-tlog=true", "--type=custom", format.flag(), image];
        self.run(&arguments).status.success()
    }

    fn succeeds(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        assert!(output.status.success(), "cosign {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut cosign = Command::new(command("cosign", "cosign"));
        cosign.args(arguments).current_dir(self.folder.path()).env("HOME", self.folder.path()).env("COSIGN_PASSWORD", "secret");
        cosign.output().unwrap_or_else(|e| panic!("couldn't run cosign: {e}"))
    }
}

const SIGNING: &[&str] = &["--key=cosign.key", "--yes", "--use-signing-config=false", "--tlog-upload=false"];

impl Format {
    fn flag(self) -> &'static str {
        match self {
            Format::Bundle => "--new-bundle-format=true",
            Format::Tags => "--new-bundle-format=false",
        }
    }
}
