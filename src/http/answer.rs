use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use url::Url;

use super::redacted;
use super::retry::retry_after;

/// The largest part of an error's body that is kept.
pub(super) const MAX_ERROR_BYTES: usize = 64 * 1024;
/// The largest part of an error's body that is shown.
const SHOWN_CHARACTERS: usize = 500;

/// A whole answer: status, headers and the bounded body.
#[derive(Debug)]
pub struct Answer {
    pub method: Method,
    /// The URL that answered, behind any redirects.
    pub url: Url,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// A header's value, when it is there and is text.
    pub fn header(&self, name: impl Into<HeaderName>) -> Option<&str> {
        self.headers.get(name.into()).and_then(|value| value.to_str().ok())
    }

    /// What went wrong, for people.
    pub fn refusal(&self) -> Box<Refusal> {
        let (method, url) = (self.method.clone(), redacted(&self.url));
        Box::new(Refusal { method, url, status: self.status, message: message(&self.body), wait: self.wait() })
    }

    /// How long the server asks to wait before the next try.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.header(header::RETRY_AFTER).and_then(|value| retry_after(value, jiff::Timestamp::now()))
    }
}

/// A server's answer that isn't what was asked for: method, URL without secrets, status and what the server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub method: Method,
    pub url: String,
    pub status: StatusCode,
    /// One line, of bounded length; empty when the server said nothing.
    pub message: String,
    /// How long the server asks to wait before the next try.
    pub wait: Option<Duration>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} answered {}", self.method, self.url, self.status)?;
        match (self.message.as_str(), &self.method) {
            ("", &Method::HEAD) => f.write_str(" (answers to HEAD tell no reason)"),
            ("", _) => Ok(()),
            (message, _) => write!(f, ": {message}"),
        }
    }
}

impl std::error::Error for Refusal {}

/// The errors of an OCI body (distribution-spec §Error codes), else the text itself, on one line.
fn message(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Body {
        errors: Vec<Entry>,
    }
    #[derive(serde::Deserialize)]
    struct Entry {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let text = match serde_json::from_slice::<Body>(body) {
        Ok(body) if !body.errors.is_empty() => {
            let line = |e: &Entry| [e.code.as_str(), &e.message].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(": ");
            body.errors.iter().map(line).collect::<Vec<_>>().join("; ")
        }
        _ => String::from_utf8_lossy(body).into_owned(),
    };
    let line = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_shows_what_the_server_said_on_one_bounded_line() {
        let refusal = |method, body: &str| {
            let answer = Answer {
                method,
                url: "https://r.example/v2/a/manifests/1?token=x".parse().unwrap(),
                status: StatusCode::FORBIDDEN,
                headers: HeaderMap::new(),
                body: Bytes::copy_from_slice(body.as_bytes()),
            };
            answer.refusal().to_string()
        };
        let said = [
            refusal(Method::GET, r#"{"errors":[{"code":"DENIED","message":"not\nyours","detail":1},{"code":"X"}]}"#),
            refusal(Method::GET, "<html>\n  <b>no</b>\u{1b}[31m"),
            refusal(Method::HEAD, ""),
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        GET https://r.example/v2/a/manifests/1?token=… answered 403 Forbidden: DENIED: not yours; X
        GET https://r.example/v2/a/manifests/1?token=… answered 403 Forbidden: <html> <b>no</b> [31m
        HEAD https://r.example/v2/a/manifests/1?token=… answered 403 Forbidden (answers to HEAD tell no reason)
        ");
        assert!(refusal(Method::GET, &"x".repeat(100_000)).len() < 700);
    }
}
