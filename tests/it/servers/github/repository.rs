//! The bare repository behind the stand-in, through the real git.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The id that a reference has before it is there.
pub(super) const NONE: &str = "0000000000000000000000000000000000000000";

/// Runs git in a bare repository.
#[derive(Clone, Debug)]
pub(super) struct Git {
    folder: PathBuf,
}

impl Git {
    pub(super) fn new(folder: &Path) -> Git {
        Git { folder: folder.to_owned() }
    }

    /// What git prints, if it succeeds.
    pub(super) fn run(&self, args: &[&str]) -> Option<String> {
        self.bytes(args, &[], b"").ok().map(|output| String::from_utf8_lossy(&output).trim().to_owned())
    }

    /// What git prints, or its error.
    pub(super) fn bytes(&self, args: &[&str], env: &[(&str, &str)], input: &[u8]) -> Result<Vec<u8>, String> {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.folder).args(args).envs(env.iter().copied());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("couldn't run git");
        let mut pipe = child.stdin.take().expect("the standard input is a pipe");
        let output = std::thread::scope(|scope| {
            // Git that ends early has said why on its standard error.
            scope.spawn(move || drop(pipe.write_all(input)));
            child.wait_with_output().expect("couldn't wait for git")
        });
        output.status.success().then_some(output.stdout).ok_or_else(|| String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    /// The commit at a branch's head.
    pub(super) fn head(&self, branch: &str) -> Option<String> {
        self.run(&["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}")])
    }

    /// What kind of object an id or a path of one (`COMMIT:PATH`) is, and its id.
    pub(super) fn object(&self, name: &str) -> Option<(String, String)> {
        let id = self.run(&["rev-parse", "--verify", "--quiet", name])?;
        Some((self.run(&["cat-file", "-t", &id])?, id))
    }

    /// Mode, kind, id and path of a tree's lines.
    pub(super) fn tree(&self, tree: &str) -> Vec<[String; 4]> {
        self.listed(&["ls-tree", "-z", tree])
    }

    /// Those of the trees below it too.
    pub(super) fn whole_tree(&self, tree: &str) -> Vec<[String; 4]> {
        self.listed(&["ls-tree", "-z", "-r", "-t", tree])
    }

    /// The one line of a path.
    pub(super) fn line(&self, commit: &str, path: &str) -> Option<[String; 4]> {
        self.listed(&["ls-tree", "-z", commit, "--", path]).pop()
    }

    fn listed(&self, args: &[&str]) -> Vec<[String; 4]> {
        let output = self.bytes(args, &[], b"").expect("a tree can be listed");
        let lines = String::from_utf8_lossy(&output).into_owned();
        let line = |line: &str| {
            let (head, path) = line.split_once('\t').expect("git separates the path by a tab");
            let mut words = head.split(' ').map(str::to_owned);
            let mut word = || words.next().expect("a line has mode, kind and id");
            [word(), word(), word(), path.to_owned()]
        };
        lines.split('\0').filter(|line| !line.is_empty()).map(line).collect()
    }

    pub(super) fn blob(&self, id: &str) -> Vec<u8> {
        self.bytes(&["cat-file", "blob", id], &[], b"").expect("a blob can be read")
    }

    /// Moves a reference from one commit to another, if it is at the first.
    pub(super) fn move_reference(&self, name: &str, from: &str, to: &str) -> Result<(), String> {
        self.bytes(&["update-ref", name, to, from], &[], b"").map(drop)
    }

    pub(super) fn is_ancestor(&self, old: &str, new: &str) -> bool {
        self.run(&["merge-base", "--is-ancestor", old, new]).is_some()
    }
}
