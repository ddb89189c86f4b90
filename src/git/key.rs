use std::fmt;
use std::sync::Arc;

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, HashAlg, PrivateKey, decode_secret_key};
use secrecy::{ExposeSecret as _, SecretString};

use super::Error;

/// A private key of the user's: for logging in to a server, or for signing commits.
#[derive(Clone)]
pub struct Key(Arc<PrivateKey>);

/// Only what is public of it.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.algorithm(), self.0.fingerprint(HashAlg::Sha256))
    }
}

impl Key {
    /// Reads a key as `ssh-keygen` writes it, or PEM (PKCS #8). `input` is where it comes from, for errors.
    ///
    /// # Errors
    /// When it is no such key, has a passphrase, or is of another kind than Ed25519 and ECDSA.
    pub fn parse(input: &'static str, text: &SecretString) -> Result<Self, Error> {
        let refuse = |reason: &str| Error::Key { input, reason: reason.to_owned() };
        // Secrets are pasted: with blanks around the lines, and without the last line break.
        let lines: Vec<&str> = text.expose_secret().lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.first().is_some_and(|line| line.contains("RSA PRIVATE KEY")) {
            return Err(refuse("RSA keys are not supported"));
        }
        // The library's own errors may quote what they read.
        let key = decode_secret_key(&lines.join("\n"), None).map_err(|error| match error {
            russh::keys::Error::KeyIsEncrypted => refuse("it has a passphrase"),
            _ => refuse("it is no private key in OpenSSH or PEM format, or has a passphrase"),
        })?;
        match key.algorithm() {
            Algorithm::Ed25519 | Algorithm::Ecdsa { .. } => Ok(Self(Arc::new(key))),
            Algorithm::Rsa { .. } => Err(refuse("RSA keys are not supported")),
            other => Err(refuse(&format!("keys of the kind {other} are not supported"))),
        }
    }

    pub(super) fn private(&self) -> Arc<PrivateKey> {
        Arc::clone(&self.0)
    }

    /// The signature that git takes for a commit (OpenSSH's PROTOCOL.sshsig; gitformat-signature(5)).
    pub(super) fn sign(&self, message: &[u8]) -> Result<String, git2::Error> {
        let told = |error: russh::keys::ssh_key::Error| git2::Error::from_str(&format!("couldn't sign: {error}"));
        self.0.sign("git", HashAlg::Sha512, message).and_then(|signature| signature.to_pem(LineEnding::LF)).map_err(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Key::parse("infra-ssh-key", &SecretString::from(text)).unwrap_err().to_string()
    }

    #[test]
    fn a_key_that_cannot_be_used_is_refused_without_quoting_it() {
        let all = [
            "",
            "ghp_secret",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0",
        ];
        let told: Vec<String> = all.map(refused).into();
        insta::assert_snapshot!(told.join("\n"), @r"
        couldn't use the key in `infra-ssh-key`: it is no private key in OpenSSH or PEM format, or has a passphrase
        couldn't use the key in `infra-ssh-key`: it is no private key in OpenSSH or PEM format, or has a passphrase
        couldn't use the key in `infra-ssh-key`: it is no private key in OpenSSH or PEM format, or has a passphrase
        couldn't use the key in `infra-ssh-key`: RSA keys are not supported
        ");
    }
}
