//! Exec plugins of others: a program of this machine that prints a credential (Kubernetes docs, "client-go credential plugins").

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode};
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
/// A credential is renewed this long before it expires.
const MARGIN: Duration = Duration::from_secs(60);

/// A program and the credential that it gave last.
#[derive(Debug)]
pub(super) struct Program {
    user: String,
    api_version: String,
    command: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    interactive: bool,
    clouds: Clouds,
    held: Mutex<Option<Status>>,
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

impl Status {
    fn holds(&self) -> bool {
        self.expiration_timestamp
            .is_none_or(|end| end.duration_since(Timestamp::now()) > jiff::SignedDuration::try_from(MARGIN).unwrap_or_default())
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
        if held.as_ref().and_then(|held| held.token.as_ref()).is_some_and(|held| held.expose_secret() == token.expose_secret()) {
            *held = None;
        }
    }

    /// Those who need it at the same time wait for a single run.
    async fn credential(&self) -> Result<Status, Error> {
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|held| held.holds()) {
            return Ok(held.clone());
        }
        let status = self.run().await?;
        [&status.token, &status.client_key_data].into_iter().flatten().for_each(|secret| self.clouds.hide(secret));
        *held = Some(status.clone());
        Ok(status)
    }

    async fn run(&self) -> Result<Status, Error> {
        let failed = |reason: String| Error::Program { user: self.user.clone(), command: self.command.clone(), reason };
        if self.interactive {
            return Err(failed("it wants to ask a person (interactiveMode: Always)".to_owned()));
        }
        let info = json!({"apiVersion": self.api_version, "kind": "ExecCredential", "spec": {"interactive": false}});
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
