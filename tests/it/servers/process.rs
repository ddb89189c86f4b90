//! Child processes that end with the process that started them, however that one ends.
//!
//! A shell, the supervisor, starts the server in a session of its own and reads its standard input, a pipe whose
//! other end only this process holds. When the pipe closes – [`Server`] dropped, test panicked, process killed –
//! the supervisor sends SIGTERM to the server's process group, after the grace SIGKILL, and removes the folder.

use std::fs::File;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// `$0` is the file that gets the exit status, `$1` the grace in tenths of a second, `$2` the folder to remove (or
/// nothing), `$3` what gives the right to end it (or nothing), the rest the command.
const SUPERVISOR: &str = r#"
ended=$0 grace=$1 remove=$2 as=$3; shift 3
setsid sh -c 'trap : TERM; "$@"; echo $? >"$0"' "$ended" "$@" </dev/null &
group=$!
trap : INT TERM HUP
cat >/dev/null
$as kill -TERM -$group 2>/dev/null
while [ ! -e "$ended" ] && [ "$grace" -gt 0 ]; do sleep 0.1; grace=$((grace - 1)); done
$as kill -KILL -$group 2>/dev/null
[ -z "$remove" ] || $as rm -rf "$remove"
"#;

/// What remains of a server's folder when the server has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// Somebody else removes it.
    Keep,
    /// The supervisor removes it after the server.
    Remove,
}

/// As whom a server runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    User,
    /// As root, by sudo where the tests run as somebody else.
    Root,
}

/// How a server is started.
pub struct Start<'a> {
    /// Names the log file and the messages.
    pub name: &'a str,
    /// Where the log is written.
    pub folder: &'a Path,
    /// What becomes of the folder in the end.
    pub afterwards: Folder,
    pub privilege: Privilege,
    /// How long the server may take to end by itself after SIGTERM.
    pub grace: Duration,
}

/// A running server process, ended on drop.
pub struct Server {
    name: String,
    log: PathBuf,
    ended: PathBuf,
    supervisor: Child,
    pipe: Option<ChildStdin>,
}

impl Server {
    /// Starts `command` under a supervisor; its output goes to a log file in the folder.
    pub fn start(start: &Start, command: &Command) -> Server {
        let log = start.folder.join(format!("{}.log", start.name));
        let ended = start.folder.join(format!("{}.ended", start.name));
        let output = File::create(&log).unwrap_or_else(|e| panic!("couldn't create {}: {e}", log.display()));
        let sudo: &[&str] = match start.privilege {
            Privilege::Root if !is_root() => &["sudo", "-n"],
            _ => &[],
        };
        let mut supervisor = Command::new("sh");
        supervisor
            .args(["-c", SUPERVISOR])
            .arg(&ended)
            .arg((start.grace.as_millis() / 100).to_string())
            .arg(if start.afterwards == Folder::Remove { start.folder.as_os_str() } else { "".as_ref() })
            .arg(sudo.join(" "))
            .args(sudo)
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("couldn't share the log file"))
            .stderr(output);
        // Out of the terminal's process group: an interrupt there ends the test, and the pipe then ends the server.
        std::os::unix::process::CommandExt::process_group(&mut supervisor, 0);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => supervisor.env(name, value),
                None => supervisor.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            supervisor.current_dir(folder);
        }
        let mut supervisor = supervisor.spawn().unwrap_or_else(|e| panic!("couldn't start sh: {e}"));
        let pipe = supervisor.stdin.take();
        Server { name: start.name.to_owned(), log, ended, supervisor, pipe }
    }

    /// Waits until `ready` says yes.
    ///
    /// # Panics
    /// Panics with the end of the server's log when the server ends first, or isn't ready within a minute.
    pub fn wait_until(&self, what: &str, ready: impl FnMut() -> bool) {
        self.wait_within(Duration::from_secs(60), what, ready);
    }

    /// The same, with another patience.
    pub fn wait_within(&self, patience: Duration, what: &str, mut ready: impl FnMut() -> bool) {
        let deadline = Instant::now() + patience;
        loop {
            if ready() {
                return;
            }
            let name = &self.name;
            if let Ok(status) = std::fs::read_to_string(&self.ended) {
                panic!("{name} ended with status {} before it was {what}:\n{}", status.trim(), self.log_tail());
            }
            assert!(Instant::now() < deadline, "{name} wasn't {what} within {patience:?}:\n{}", self.log_tail());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the server accepts connections on a loopback port.
    pub fn wait_for_port(&self, port: u16) {
        self.wait_until("listening", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    }

    /// Everything the server has printed.
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

/// Whether this process is root's: its files in `/proc` are.
/// What has to stand before a command that only root may run, which keeps its environment.
pub fn as_root() -> &'static [&'static str] {
    if is_root() { &[] } else { &["sudo", "--non-interactive", "--preserve-env"] }
}

fn is_root() -> bool {
    let owner = std::fs::metadata("/proc/self").map(|proc| std::os::unix::fs::MetadataExt::uid(&proc));
    matches!(owner, Ok(0))
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // Fails only when somebody else has waited for it.
        let _ = self.supervisor.wait();
    }
}
