//! Exec plugins of others: a program of this machine that prints a credential (Kubernetes docs, "client-go credential plugins").

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use kube::config::{AuthInfo, ExecAuthCluster, ExecConfig, ExecInteractiveMode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::sync::Mutex;

use super::error::Error;
use crate::login::Clouds;

/// How long a program may take; it may ask a slow service.
const LONGEST: Duration = Duration::from_secs(60);
/// What is read of its answer and of its complaints.
const LARGEST: u64 = 1 << 20;
/// How much of a complaint is shown: its end, where the cause stands.
const SHOWN: usize = 1000;
/// A credential is renewed this long before it expires, or when it has lived for three quarters of its time.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);

/// A program and the credential that it gave last.
#[derive(Debug)]
pub(super) struct Program {
    user: String,
    api_version: String,
    command: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    interactive: bool,
    /// What `provideClusterInfo` asks for.
    cluster: Option<ExecAuthCluster>,
    clouds: Clouds,
    held: Mutex<Option<Held>>,
}

/// What a program gave, and when.
#[derive(Debug)]
struct Held {
    status: Status,
    since: Timestamp,
}

/// `ExecCredential`, version v1 and v1beta1.
#[derive(Deserialize)]
struct Answer {
    status: Option<Status>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<Timestamp>,
    token: Option<SecretString>,
    client_certificate_data: Option<String>,
    client_key_data: Option<SecretString>,
}

impl Held {
    /// Whether it need not be renewed yet.
    fn holds(&self, now: Timestamp) -> bool {
        self.status.expiration_timestamp.is_none_or(|end| end.duration_since(now) > MARGIN.min(end.duration_since(self.since) / 4))
    }

    /// Whether the server takes it still, as far as can be told.
    fn lasts(&self, now: Timestamp) -> bool {
        self.status.expiration_timestamp.is_none_or(|end| end > now)
    }
}

impl Program {
    pub(super) fn new(user: &str, exec: &ExecConfig, args: Vec<String>, env: BTreeMap<String, String>, clouds: Clouds) -> Self {
        Self {
            user: user.to_owned(),
            api_version: exec.api_version.clone().unwrap_or_else(|| "client.authentication.k8s.io/v1beta1".to_owned()),
            command: exec.command.clone().unwrap_or_default(),
            args,
            env,
            cluster: exec.cluster.clone(),
            interactive: matches!(exec.interactive_mode, Some(ExecInteractiveMode::Always)),
            clouds,
            held: Mutex::default(),
        }
    }

    pub(super) async fn token(&self) -> Result<Option<SecretString>, Error> {
        Ok(self.credential().await?.token)
    }

    pub(super) async fn complete(&self, user: &mut AuthInfo) -> Result<(), Error> {
        let credential = self.credential().await?;
        if let (Some(certificate), Some(key)) = (credential.client_certificate_data, credential.client_key_data) {
            user.client_certificate_data = Some(STANDARD.encode(certificate));
            user.client_key_data = Some(STANDARD.encode(key.expose_secret()).into());
        }
        Ok(())
    }

    pub(super) async fn refused(&self, token: &SecretString) {
        let mut held = self.held.lock().await;
        if held.as_ref().and_then(|held| held.status.token.as_ref()).is_some_and(|held| held.expose_secret() == token.expose_secret()) {
            *held = None;
        }
    }

    /// Those who need it at the same time wait for a single run. Where one is held that couldn't be renewed, it is used to its end.
    async fn credential(&self) -> Result<Status, Error> {
        let mut held = self.held.lock().await;
        let since = Timestamp::now();
        if let Some(held) = held.as_ref().filter(|held| held.holds(since)) {
            return Ok(held.status.clone());
        }
        let status = match (self.run().await, held.as_ref()) {
            (Ok(status), _) => status,
            (Err(_), Some(old)) if old.lasts(Timestamp::now()) => return Ok(old.status.clone()),
            (Err(error), _) => return Err(error),
        };
        [&status.token, &status.client_key_data].into_iter().flatten().for_each(|secret| self.clouds.hide(secret));
        *held = Some(Held { status: status.clone(), since });
        Ok(status)
    }

    async fn run(&self) -> Result<Status, Error> {
        let failed = |reason: String| Error::Program { user: self.user.clone(), command: self.command.clone(), reason };
        if self.interactive {
            return Err(failed("it wants to ask a person (interactiveMode: Always)".to_owned()));
        }
        let mut info = json!({"apiVersion": self.api_version, "kind": "ExecCredential", "spec": {"interactive": false}});
        if let Some(cluster) = &self.cluster {
            info["spec"]["cluster"] = json!(cluster);
        }
        let mut command = Command::new(&self.command);
        command
            .args(&self.args)
            .env_clear()
            .envs(self.clouds.variables())
            .envs(&self.env)
            .env("KUBERNETES_EXEC_INFO", info.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::NoProgram { user: self.user.clone(), command: self.command.clone() },
            _ => failed(format!("it can't be run: {source}")),
        })?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let work = async {
            let (answer, complaint) = tokio::try_join!(read(stdout), read(stderr))?;
            Ok::<_, std::io::Error>((answer, complaint, child.wait().await?))
        };
        let ended = tokio::time::timeout(LONGEST, work).await;
        let ended = ended.map_err(|_| failed(format!("it has not ended within {} s", LONGEST.as_secs())))?;
        let (answer, complaint, status) = ended.map_err(|source| failed(source.to_string()))?;
        if !status.success() {
            return Err(failed(format!("{status}: {}", shown(&complaint))));
        }
        // The parser's message could quote a token.
        let answer: Answer =
            serde_json::from_slice(&answer).map_err(|_| failed("its answer isn't an ExecCredential in JSON".to_owned()))?;
        let status = answer.status.filter(|status| status.token.is_some() || status.client_certificate_data.is_some());
        status.ok_or_else(|| failed("its answer has neither a token nor a certificate".to_owned()))
    }
}

/// The beginning of what it prints; the rest is read and forgotten, so that it can end.
async fn read(stream: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        (&mut stream).take(LARGEST).read_to_end(&mut bytes).await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    }
    Ok(bytes)
}

fn shown(complaint: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaint);
    let text = text.trim();
    match text.char_indices().rev().nth(SHOWN) {
        Some((start, _)) => format!("…{}", &text[start..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(lifetime: i64) -> Held {
        let since = Timestamp::UNIX_EPOCH;
        let end = since + SignedDuration::from_secs(lifetime);
        let status = Status { expiration_timestamp: Some(end), token: None, client_certificate_data: None, client_key_data: None };
        Held { status, since }
    }

    #[test]
    fn a_credential_is_renewed_before_its_end_and_not_at_every_request() {
        let at = |second| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
        for (lifetime, last) in [(3600, 3539), (900, 839), (60, 44), (8, 5)] {
            assert!(held(lifetime).holds(at(last)), "{lifetime}");
            assert!(!held(lifetime).holds(at(last + 1)), "{lifetime}");
        }
        assert!(held(60).lasts(at(59)) && !held(60).lasts(at(60)));
        assert!(!held(-5).holds(at(0)), "one that was over when it came");
    }
}
