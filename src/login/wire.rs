//! Requests to the services of clouds: forms and JSON, and no secret in what is told about them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderValue, Method, header};
use jiff::Timestamp;
use reqwest::Request;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::{Error, Mask, Service, Step};
use crate::http::{Peer, Refusal};

/// The largest answer that is read. Tokens of AWS have some kB.
const MAX_BYTES: usize = 256 * 1024;

/// The way to a cloud's services for one login.
#[derive(Debug)]
pub(super) struct Wire {
    service: Service,
    peer: Peer,
    mask: Mask,
    /// What was masked: services quote what they refuse.
    secrets: Mutex<Vec<SecretString>>,
}

impl Wire {
    pub(super) fn new(service: Service, peer: Peer, mask: Mask) -> Self {
        Self { service, peer, mask, secrets: Mutex::default() }
    }

    pub(super) fn requests(&self) -> u64 {
        self.peer.traffic().requests
    }

    /// Takes care that a secret is never shown, and hands it back.
    pub(super) fn hide(&self, secret: SecretString) -> SecretString {
        if !secret.expose_secret().trim().is_empty() {
            (self.mask.0)(secret.expose_secret());
            self.secrets.lock().unwrap_or_else(PoisonError::into_inner).push(secret.clone());
        }
        secret
    }

    /// Sends a request and gives the text of its successful answer.
    pub(super) async fn text(&self, step: Step, request: Request) -> Result<String, Error> {
        let answer = self.peer.ask(request, MAX_BYTES).await.map_err(|source| Error::Send { service: self.service, step, source })?;
        if !answer.status.is_success() {
            let mut refusal = answer.refusal();
            self.make_readable(&mut refusal, &answer.body);
            return Err(Error::Refused { service: self.service, step, source: refusal });
        }
        String::from_utf8(answer.body.to_vec()).map_err(|_| self.malformed(step, "its answer isn't text"))
    }

    /// Sends a request and reads its successful answer as JSON.
    pub(super) async fn json<T: DeserializeOwned>(&self, step: Step, request: Request) -> Result<T, Error> {
        let text = self.text(step, request).await?;
        // The parser's message could quote a token.
        serde_json::from_str(&text).map_err(|_| self.malformed(step, "its answer isn't the JSON that was expected"))
    }

    pub(super) fn malformed(&self, step: Step, reason: impl Into<String>) -> Error {
        Error::Malformed { service: self.service, step, reason: reason.into() }
    }

    pub(super) fn bad_value(&self, variable: &'static str, reason: impl Into<String>) -> Error {
        Error::Value { service: self.service, variable, reason: reason.into() }
    }

    /// A token from a file, which its owner may renew at any time.
    pub(super) async fn file(&self, variable: &'static str, path: &std::path::Path) -> Result<SecretString, Error> {
        let read = tokio::fs::read_to_string(path).await;
        let text = read.map_err(|source| Error::File { service: self.service, variable, path: path.to_owned(), source })?;
        Ok(text.trim().into())
    }

    fn make_readable(&self, refusal: &mut Refusal, body: &[u8]) {
        if let Some(said) = said(&String::from_utf8_lossy(body)) {
            refusal.message = said;
        }
        for secret in self.secrets.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            refusal.message = refusal.message.replace(secret.expose_secret(), "***");
        }
    }
}

/// A POST of a form.
pub(super) fn form(url: Url, fields: &[(&str, &str)]) -> Request {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let mut request = Request::new(Method::POST, url);
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    *request.body_mut() = Some(body.into());
    request
}

/// A header that shows in no debug output; `None` when the text can't be one.
pub(super) fn secret_header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// How long until then; what has passed is zero.
pub(super) fn remaining(until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default()
}

/// What the error documents of the clouds say, in one line of bounded length: OAuth 2.0 (RFC 6749 §5.2), Google's APIs, AWS's
/// JSON and XML.
fn said(body: &str) -> Option<String> {
    let value = serde_json::from_str::<Value>(body).unwrap_or_default();
    let field = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let nested = |name: &str| value.get("error")?.get(name)?.as_str().map(str::to_owned);
    let code = field("error").or_else(|| nested("status")).or_else(|| field("__type")).or_else(|| element(body, "Code"));
    let message = field("error_description")
        .or_else(|| nested("message"))
        .or_else(|| field("message"))
        .or_else(|| field("Message"))
        .or_else(|| element(body, "Message"));
    let parts: Vec<String> = [code, message].into_iter().flatten().collect();
    let text = parts.join(": ").split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.chars().filter(|c| !c.is_control()).take(500).collect::<String>();
    (!text.is_empty()).then_some(text)
}

/// The text of the first element of that name in an XML document of AWS, which has neither attributes nor nesting there.
pub(super) fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    Some(text.replace("&amp;", "&").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_all_clouds_are_told_in_one_line() {
        let table = [
            (
                r#"{"error":"invalid_client","error_description":"AADSTS700213: No match.\r\nTrace ID: x","error_codes":[1]}"#,
                "invalid_client: AADSTS700213: No match. Trace ID: x",
            ),
            (r#"{"error":{"code":403,"message":"denied","status":"PERMISSION_DENIED"}}"#, "PERMISSION_DENIED: denied"),
            (r#"{"__type":"UnrecognizedClientException","message":"bad token"}"#, "UnrecognizedClientException: bad token"),
            (
                "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>Not &lt;you&gt; &amp;amp;</Message></Error></ErrorResponse>",
                "AccessDenied: Not <you> &amp;",
            ),
        ];
        for (body, expected) in table {
            assert_eq!(said(body).as_deref(), Some(expected));
        }
        assert_eq!(said("<html>portal</html>"), None);
    }

    #[test]
    fn a_secret_that_a_service_quotes_is_not_repeated() {
        crate::http::install_tls_provider();
        let client = crate::http::client(&crate::http::Settings::default()).unwrap();
        let wire =
            Wire::new(Service::Registry(super::super::Cloud::Aws), Peer::new(client, 1, crate::http::Patience::default()), Mask::default());
        wire.hide("hunter2-session".into());
        wire.hide(" ".into());
        let mut refusal = Refusal {
            method: Method::POST,
            url: "https://x/".into(),
            status: http::StatusCode::FORBIDDEN,
            message: String::new(),
            wait: None,
        };
        wire.make_readable(
            &mut refusal,
            br#"{"__type":"InvalidSignatureException","message":"x-amz-security-token:hunter2-session\nhost"}"#,
        );
        assert_eq!(refusal.message, "InvalidSignatureException: x-amz-security-token:*** host");
    }
}
