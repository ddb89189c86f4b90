//! The file of GOOGLE_APPLICATION_CREDENTIALS: which identity, and where it is exchanged for an access token
//! (google.aip.dev/auth 4110, 4112, 4117). Pure.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

/// The identities that can be used without other programs.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Identity {
    /// A key of a service account.
    ServiceAccount {
        client_email: String,
        private_key: SecretString,
        private_key_id: Option<String>,
        #[serde(default = "token_uri")]
        token_uri: String,
    },
    /// Workload identity federation.
    ExternalAccount(Box<External>),
    /// A person's login (`gcloud auth application-default login`).
    AuthorizedUser {
        client_id: String,
        client_secret: SecretString,
        refresh_token: SecretString,
        #[serde(default = "token_uri")]
        token_uri: String,
    },
}

#[derive(Debug, Deserialize)]
pub(super) struct External {
    pub(super) audience: String,
    pub(super) subject_token_type: String,
    pub(super) token_url: String,
    pub(super) service_account_impersonation_url: Option<String>,
    pub(super) credential_source: Source,
}

/// Where the subject token is.
#[derive(Debug, Deserialize)]
pub(super) struct Source {
    pub(super) file: Option<PathBuf>,
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, SecretString>,
    #[serde(default)]
    pub(super) format: Format,
}

/// What the file or answer holds: the token, or JSON with the token in a field.
#[derive(Debug, Deserialize, Default)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Format {
    #[default]
    Text,
    Json {
        subject_token_field_name: String,
    },
}

fn token_uri() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

/// Reads the file.
///
/// # Errors
/// The reason why it can't be used; it doesn't quote the file.
pub(super) fn read(text: &str) -> Result<Identity, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("line {} of the file isn't JSON", error.line()))?;
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    match kind.as_str() {
        "service_account" | "external_account" | "authorized_user" => {}
        "" => return Err("the file has no `type`".to_owned()),
        other => {
            return Err(format!(
                "credentials of type {other:?} can't be used here, only service_account, external_account and authorized_user"
            ));
        }
    }
    let source = value.get("credential_source");
    if let Some(other) =
        ["executable", "environment_id", "certificate"].into_iter().find(|key| source.is_some_and(|s| s.get(key).is_some()))
    {
        return Err(format!("its credential_source has {other:?}, which can't be used here, only `file` and `url`"));
    }
    serde_json::from_value(value).map_err(|_| format!("the file isn't complete for its type {kind}"))
}

impl Format {
    /// The token in what was read.
    pub(super) fn token(&self, text: &str) -> Option<SecretString> {
        match self {
            Self::Text => Some(text.trim().into()).filter(|_| !text.trim().is_empty()),
            Self::Json { subject_token_field_name: name } => {
                Some(serde_json::from_str::<Value>(text).ok()?.get(name)?.as_str().filter(|token| !token.is_empty())?.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn what_can_not_be_used_is_named_and_nothing_is_quoted() {
        let table = [
            ("{\n\"type\": hunter2", "line 2 of the file isn't JSON"),
            (r#"{"private_key": "hunter2"}"#, "the file has no `type`"),
            (r#"{"type": "service_account", "private_key": "hunter2"}"#, "the file isn't complete for its type service_account"),
            (
                r#"{"type": "gdch_service_account"}"#,
                "credentials of type \"gdch_service_account\" can't be used here, only service_account, external_account and authorized_user",
            ),
            (
                r#"{"type": "external_account", "credential_source": {"executable": {"command": "hunter2"}}}"#,
                "its credential_source has \"executable\", which can't be used here, only `file` and `url`",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(read(text).unwrap_err(), expected);
        }
    }

    #[test]
    fn the_subject_token_is_the_text_or_a_field_of_it() {
        let json = Format::Json { subject_token_field_name: "value".into() };
        assert_eq!(json.token(r#"{"count": 1, "value": "jwt"}"#).unwrap().expose_secret(), "jwt");
        assert!(json.token("jwt").is_none() && json.token(r#"{"value": ""}"#).is_none());
        assert_eq!(Format::Text.token(" jwt\n").unwrap().expose_secret(), "jwt");
        assert!(Format::Text.token("\n").is_none());
    }
}
