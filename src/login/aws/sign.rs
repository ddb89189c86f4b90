//! AWS Signature Version 4 (IAM user guide, "Create a signed AWS API request"). Pure: the time comes in.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, Method, header};
use jiff::Timestamp;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::login::Error;
use crate::login::wire::{Wire, secret_header};

/// An access key; temporary ones have a session token.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: SecretString,
    pub(super) session: Option<SecretString>,
}

/// What a signature is good for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// A request's parts that are signed: all headers that are there, and `Host`.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) method: &'a Method,
    pub(super) url: &'a Url,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

/// The headers to add: `X-Amz-Date`, `X-Amz-Security-Token`, `Authorization`. `None` when a key can't stand in a header.
pub(super) fn sign(parts: &Parts<'_>, keys: &Keys, scope: Scope<'_>, now: Timestamp) -> Option<HeaderMap> {
    let time = moment(now);
    let mut added = HeaderMap::new();
    added.insert("x-amz-date", HeaderValue::from_str(&time).ok()?);
    if let Some(session) = &keys.session {
        added.insert("x-amz-security-token", secret_header(session.expose_secret())?);
    }
    let headers = canonical_headers(parts, &added)?;
    let names = names(&headers);
    let request = canonical_request(parts, &headers, &names);
    let signature = signature(&request, keys, scope, &time);
    let value = format!("{ALGORITHM} Credential={}/{}, SignedHeaders={names}, Signature={signature}", keys.id, scope.at(&time));
    added.insert(header::AUTHORIZATION, secret_header(&value)?);
    Some(added)
}

/// The URL with its signature in the query, for somebody else to send: good for so many seconds, and only together with the same
/// headers. `None` when a header isn't text.
pub(super) fn presign(parts: &Parts<'_>, keys: &Keys, scope: Scope<'_>, now: Timestamp, seconds: u32) -> Option<Url> {
    let time = moment(now);
    let headers = canonical_headers(parts, &HeaderMap::new())?;
    let names = names(&headers);
    let mut url = parts.url.clone();
    let credential = format!("{}/{}", keys.id, scope.at(&time));
    url.query_pairs_mut()
        .append_pair("X-Amz-Algorithm", ALGORITHM)
        .append_pair("X-Amz-Credential", &credential)
        .append_pair("X-Amz-Date", &time)
        .append_pair("X-Amz-Expires", &seconds.to_string())
        .append_pair("X-Amz-SignedHeaders", &names);
    if let Some(session) = &keys.session {
        url.query_pairs_mut().append_pair("X-Amz-Security-Token", session.expose_secret());
    }
    let request = canonical_request(&Parts { url: &url, ..*parts }, &headers, &names);
    let signature = signature(&request, keys, scope, &time);
    // As it was signed: verifiers encode it anew, but not all of them alike.
    let query = canonical_query(&url);
    url.set_query(Some(&format!("{query}&X-Amz-Signature={signature}")));
    Some(url)
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

impl Scope<'_> {
    /// What the signature is good for, at a moment.
    fn at(&self, time: &str) -> String {
        format!("{}/{}/{}/aws4_request", &time[..8], self.region, self.service)
    }
}

fn moment(now: Timestamp) -> String {
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn names(headers: &BTreeMap<String, String>) -> String {
    headers.keys().map(String::as_str).collect::<Vec<_>>().join(";")
}

fn signature(request: &str, keys: &Keys, scope: Scope<'_>, time: &str) -> String {
    let text = format!("{ALGORITHM}\n{time}\n{}\n{}", scope.at(time), hex(&Sha256::digest(request.as_bytes())));
    let mut key = format!("AWS4{}", keys.secret.expose_secret()).into_bytes();
    for part in [&time[..8], scope.region, scope.service, "aws4_request"] {
        key = hmac(&key, part);
    }
    hex(&hmac(&key, &text))
}

/// A key that can't sign.
pub(super) fn unusable(wire: &Wire) -> Error {
    wire.bad_value("AWS_ACCESS_KEY_ID", "a key holds characters that no header can carry")
}

fn canonical_request(parts: &Parts<'_>, headers: &BTreeMap<String, String>, names: &str) -> String {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    // Every service but S3 encodes the path as sent once more.
    let path = encode(parts.url.path(), b"/");
    let body = hex(&Sha256::digest(parts.body));
    format!("{}\n{path}\n{}\n{lines}\n{names}\n{body}", parts.method, canonical_query(parts.url))
}

fn canonical_query(url: &Url) -> String {
    let mut pairs: Vec<(String, String)> = url.query_pairs().map(|(key, value)| (encode(&key, b""), encode(&value, b""))).collect();
    pairs.sort();
    pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
}

fn canonical_headers(parts: &Parts<'_>, added: &HeaderMap) -> Option<BTreeMap<String, String>> {
    let host = parts.url.host_str()?;
    let host = parts.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let mut headers = BTreeMap::from([("host".to_owned(), host)]);
    for (name, value) in parts.headers.iter().chain(added) {
        let value = value.to_str().ok()?.split_whitespace().collect::<Vec<_>>().join(" ");
        headers.insert(name.as_str().to_owned(), value);
    }
    Some(headers)
}

/// RFC 3986 encoding with upper-case digits: all but unreserved characters, and `kept`.
fn encode(text: &str, kept: &[u8]) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte if kept.contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The access key of AWS's own examples and test suite.
    fn example() -> Keys {
        Keys { id: "AKIDEXAMPLE".into(), secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(), session: None }
    }

    fn signed(method: Method, url: &str, content_type: Option<&'static str>, service: &str) -> String {
        let headers = content_type.map(|value| (header::CONTENT_TYPE, HeaderValue::from_static(value))).into_iter().collect();
        let parts = Parts { method: &method, url: &url.parse().unwrap(), headers: &headers, body: b"" };
        let now = "2015-08-30T12:36:00Z".parse().unwrap();
        let added = sign(&parts, &example(), Scope { region: "us-east-1", service }, now).unwrap();
        assert_eq!(added["x-amz-date"], "20150830T123600Z");
        added[header::AUTHORIZATION].to_str().unwrap().to_owned()
    }

    #[test]
    fn the_documented_example_has_the_documented_signature() {
        let url = "https://iam.amazonaws.com/?Version=2010-05-08&Action=ListUsers";
        let value = signed(Method::GET, url, Some("application/x-www-form-urlencoded; charset=utf-8"), "iam");
        assert_eq!(
            value,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
    }

    #[test]
    fn the_vectors_of_the_test_suite_come_out() {
        let table = [
            (Method::GET, "https://example.amazonaws.com/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (Method::POST, "https://example.amazonaws.com/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            (
                Method::GET,
                "https://example.amazonaws.com/?Param2=value2&Param1=value1",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
        ];
        for (method, url, signature) in table {
            let value = signed(method, url, None, "service");
            assert!(value.ends_with(&format!("Signature={signature}")), "{url}: {value}");
        }
    }

    #[test]
    fn a_port_and_a_session_token_are_signed() {
        let keys = Keys { session: Some("session".into()), ..example() };
        let headers = HeaderMap::new();
        let url = "http://127.0.0.1:4566/a%20b".parse().unwrap();
        let parts = Parts { method: &Method::POST, url: &url, headers: &headers, body: b"{}" };
        let added = sign(&parts, &keys, Scope { region: "eu-west-1", service: "ecr" }, Timestamp::UNIX_EPOCH).unwrap();
        assert!(added[header::AUTHORIZATION].to_str().unwrap().contains("SignedHeaders=host;x-amz-date;x-amz-security-token, "));
        assert!(added["x-amz-security-token"].is_sensitive() && added[header::AUTHORIZATION].is_sensitive());
        let headers = canonical_headers(&parts, &HeaderMap::new()).unwrap();
        assert_eq!(headers["host"], "127.0.0.1:4566");
        assert!(canonical_request(&parts, &headers, "x").starts_with("POST\n/a%2520b\n\nhost:127.0.0.1:4566\n"));
    }

    #[test]
    fn a_presigned_url_carries_its_signature_in_the_query() {
        // AWS documents such a signature for S3 only, which leaves the payload unsigned. This one was computed a second time by
        // hand, step by step as the IAM user guide has it.
        let keys = Keys { session: Some("a+/=".into()), ..example() };
        let headers = HeaderMap::from_iter([(http::HeaderName::from_static("x-k8s-aws-id"), HeaderValue::from_static("shop"))]);
        let url = "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15".parse().unwrap();
        let parts = Parts { method: &Method::GET, url: &url, headers: &headers, body: b"" };
        let now = "2015-08-30T12:36:00Z".parse().unwrap();
        let url = presign(&parts, &keys, Scope { region: "us-east-1", service: "sts" }, now, 60).unwrap();
        insta::assert_snapshot!(url.as_str().replace('&', "\n&"), @"
        https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity
        &Version=2011-06-15
        &X-Amz-Algorithm=AWS4-HMAC-SHA256
        &X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fsts%2Faws4_request
        &X-Amz-Date=20150830T123600Z
        &X-Amz-Expires=60
        &X-Amz-Security-Token=a%2B%2F%3D
        &X-Amz-SignedHeaders=host%3Bx-k8s-aws-id
        &X-Amz-Signature=0e6eb546aadd85c9a7868822fddfd8fbb65a1804172f893149f1f491f13eb8c0
        ");
    }
}
