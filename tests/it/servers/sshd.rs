//! The real sshd on a loopback port, with a host key of its own and git's shell behind it, as forges serve repositories.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::process::{Folder, Privilege, Server, Start};
use super::{free_port, on_path};

/// A running server; gone with this value.
pub struct Sshd {
    port: u16,
    user: String,
    folder: TempDir,
    _server: Server,
}

impl Sshd {
    /// Serves the repositories below `root` to whoever has the key [`Sshd::key`].
    pub fn start(root: &Path) -> Sshd {
        Self::start_with(root, "AcceptEnv GIT_PROTOCOL")
    }

    /// As sshd is without configuration for git: the versions of its protocol are not known there.
    pub fn start_plain(root: &Path) -> Sshd {
        Self::start_with(root, "")
    }

    fn start_with(root: &Path, more: &str) -> Sshd {
        let sshd = on_path("sshd", "sshd");
        let folder = tempfile::Builder::new().prefix("tagboat-sshd-").tempdir().expect("no temporary folder");
        let at = |name: &str| folder.path().join(name);
        key_pair(&at("host"));
        key_pair(&at("key"));
        // A path is relative to the root whether it begins with a slash or not.
        let shell = "exec git shell -c \"$(printf %s \"$SSH_ORIGINAL_COMMAND\" | sed \"s|'/|'|\")\"";
        std::fs::write(at("serve"), format!("cd '{}' || exit 1\n{shell}\n", root.display())).unwrap();
        let public = std::fs::read_to_string(at("key.pub")).unwrap();
        std::fs::write(at("authorized_keys"), format!("restrict,command=\"sh '{}'\" {public}", at("serve").display())).unwrap();
        let port = free_port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nMaxStartups 100\n{more}\n",
            at("host").display(),
            at("authorized_keys").display(),
        );
        std::fs::write(at("config"), config).unwrap();
        let user = output(Command::new("id").arg("-un"));
        if user == "root" {
            // Where sshd, run by root, changes its root to; its package's service makes it.
            std::fs::create_dir_all("/run/sshd").expect("couldn't create /run/sshd");
        }
        let start = Start {
            name: "sshd",
            folder: folder.path(),
            afterwards: Folder::Keep,
            privilege: Privilege::User,
            grace: Duration::from_secs(2),
        };
        let server = Server::start(&start, Command::new(sshd).args(["-D", "-e", "-f"]).arg(at("config")));
        server.wait_for_port(port);
        Sshd { port, user, folder, _server: server }
    }

    /// The address of a repository: `ssh://USER@127.0.0.1:PORT/NAME.git`.
    pub fn url(&self, name: &str) -> String {
        format!("ssh://{}@127.0.0.1:{}/{name}.git", self.user, self.port)
    }

    /// The private key that may log in.
    pub fn key(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("key")).unwrap()
    }

    /// The line of a known_hosts file for this server.
    pub fn known_hosts(&self) -> String {
        format!("[127.0.0.1]:{} {}", self.port, std::fs::read_to_string(self.folder.path().join("host.pub")).unwrap())
    }

    pub fn log(&self) -> String {
        self._server.log()
    }
}

/// Makes an Ed25519 key and its public half in `FILE.pub`.
pub fn key_pair(file: &Path) -> PathBuf {
    let made = Command::new(on_path("sshd", "ssh-keygen"))
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "tagboat", "-f"])
        .arg(file)
        .output()
        .expect("couldn't run ssh-keygen");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    file.to_owned()
}

fn output(command: &mut Command) -> String {
    String::from_utf8(command.output().expect("couldn't run id").stdout).unwrap().trim().to_owned()
}
