//! The stream of a push: JSON objects, one a line (moby, api/types/jsonstream and auxprogress). Pure.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;

use crate::image::Digest;

/// The longest line that is read; real ones have a few hundred bytes.
const MAX_LINE: usize = 256 * 1024;
/// What a layer does while nothing happens to it.
const IDLE: [&str; 2] = ["Preparing", "Waiting"];

/// What has begun or ended with a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The layer's short ID.
    pub layer: String,
    pub status: String,
    /// Bytes of the layer, where they are on their way.
    pub size: Option<u64>,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "layer {}: {}", self.layer, self.status.to_lowercase())?;
        match self.size {
            #[expect(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
            Some(size) => write!(f, " {:.1} MB", size as f64 / 1e6),
            None => Ok(()),
        }
    }
}

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Progress(Progress),
    Pushed(Digest),
    /// The daemon took one platform's manifest instead of the index.
    Replaced {
        selected: String,
    },
    Failed(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    id: Option<String>,
    status: Option<String>,
    progress_detail: Option<Detail>,
    aux: Option<Aux>,
    error_detail: Option<ErrorDetail>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Detail {
    total: Option<u64>,
}

#[derive(Deserialize)]
struct ErrorDetail {
    message: Option<String>,
}

#[derive(Deserialize)]
struct Aux {
    #[serde(rename = "Digest")]
    digest: Option<String>,
    #[serde(rename = "manifestPushedInsteadOfIndex", default)]
    instead_of_index: bool,
    #[serde(rename = "selectedManifest")]
    selected: Option<Selected>,
    #[serde(rename = "contentMissing", default)]
    content_missing: bool,
}

#[derive(Deserialize)]
struct Selected {
    digest: String,
}

/// Puts chunks together to lines, and tells what is new in them.
#[derive(Debug, Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
    statuses: HashMap<String, String>,
}

impl Lines {
    /// What the next bytes complete.
    ///
    /// # Errors
    /// The reason why they are no such stream.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Line>, String> {
        self.rest.extend_from_slice(bytes);
        let mut said = Vec::new();
        while let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            said.extend(self.line(line.trim_ascii())?);
        }
        match self.rest.len() > MAX_LINE {
            true => Err(format!("a line has more than {MAX_LINE} bytes")),
            false => Ok(said),
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Line>, String> {
        if line.is_empty() {
            return Ok(None);
        }
        let message: Message = serde_json::from_slice(line).map_err(|error| format!("a line isn't such JSON ({error})"))?;
        let detail = message.error_detail.and_then(|detail| detail.message);
        if let Some(error) = detail.or(message.error) {
            return Ok(Some(Line::Failed(error.split_whitespace().collect::<Vec<_>>().join(" "))));
        }
        match (message.aux, message.id, message.status) {
            (Some(aux), ..) => aux.line(),
            (None, None, Some(status)) => Ok(pushed(&status).map(Line::Pushed)),
            (None, layer, status) => Ok(self.progress(layer, status, message.progress_detail)),
        }
    }

    fn progress(&mut self, layer: Option<String>, status: Option<String>, detail: Option<Detail>) -> Option<Line> {
        let (layer, status) = (layer?, status?);
        let known = self.statuses.insert(layer.clone(), status.clone());
        if known.as_ref() == Some(&status) || IDLE.contains(&status.as_str()) {
            return None;
        }
        Some(Line::Progress(Progress { layer, status, size: detail.and_then(|detail| detail.total) }))
    }
}

/// The digest in the last status of a push, `v1: digest: sha256:… size: 524`. An engine that keeps its images in containerd tells it nowhere
/// else (moby, daemon/containerd/image_push.go); others repeat it in `aux`.
fn pushed(status: &str) -> Option<Digest> {
    let (_, rest) = status.split_once(": digest: ")?;
    rest.split_once(" size: ")?.0.parse().ok()
}

impl Aux {
    fn line(self) -> Result<Option<Line>, String> {
        if self.instead_of_index {
            return Ok(Some(Line::Replaced { selected: self.selected.map_or_else(|| "one of its manifests".to_owned(), |s| s.digest) }));
        }
        if self.content_missing {
            return Ok(Some(Line::Failed("the daemon lacks a part of the image".to_owned())));
        }
        let digest = self.digest.map(|text| text.parse().map_err(|error: crate::image::NameError| error.to_string())).transpose()?;
        Ok(digest.map(Line::Pushed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(stream: &str, chunk: usize) -> String {
        let mut lines = Lines::default();
        let mut shown = Vec::new();
        for bytes in stream.as_bytes().chunks(chunk) {
            match lines.feed(bytes) {
                Ok(said) => shown.extend(said.into_iter().map(|line| match line {
                    Line::Progress(progress) => progress.to_string(),
                    other => format!("{other:?}"),
                })),
                Err(reason) => return format!("error: {reason}"),
            }
        }
        shown.join("\n")
    }

    #[test]
    fn a_layer_is_told_of_when_its_state_changes_and_the_digest_comes_at_the_end() {
        let stream = [
            r#"{"status":"The push refers to repository [127.0.0.1:5000/web]"}"#,
            r#"{"status":"Preparing","progressDetail":{},"id":"a1"}"#,
            r#"{"status":"Pushing","progressDetail":{"current":1,"total":2500000},"progress":"[>  ]","id":"a1"}"#,
            r#"{"status":"Pushing","progressDetail":{"current":9,"total":2500000},"progress":"[=> ]","id":"a1"}"#,
            r#"{"status":"Layer already exists","progressDetail":{},"id":"b2"}"#,
            r#"{"status":"Pushed","progressDetail":{},"id":"a1"}"#,
            "",
            r#"{"status":"v1: digest: sha256:… size: 524"}"#,
            &format!(r#"{{"progressDetail":{{}},"aux":{{"Tag":"v1","Digest":"{DIGEST}","Size":524}}}}"#),
            "",
        ]
        .join("\r\n");
        let whole = read(&stream, stream.len());
        insta::assert_snapshot!(whole, @"
        layer a1: pushing 2.5 MB
        layer b2: layer already exists
        layer a1: pushed
        Pushed(sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855)
        ");
        for chunk in [1, 7, 100] {
            assert_eq!(read(&stream, chunk), whole, "however the bytes come");
        }
    }

    /// Trap: an engine with containerd's store tells the digest for people only.
    #[test]
    fn a_digest_is_found_where_it_is_told_in_words_only() {
        let line = |status: &str| read(&format!("{{\"status\":\"{status}\"}}\n"), 4096);
        assert_eq!(line(&format!("v1: digest: {DIGEST} size: 524")), format!("Pushed({DIGEST})"));
        assert_eq!(line("v1: digest: md5:1 size: 524"), "");
        assert_eq!(line(&format!("Digest: {DIGEST}")), "");
        assert_eq!(line("The push refers to repository [127.0.0.1:5000/web]"), "");
    }

    #[test]
    fn what_goes_wrong_is_told_in_the_stream() {
        let table = [
            r#"{"errorDetail":{"code":401,"message":"unauthorized:\n authentication required"},"error":"unauthorized"}"#,
            r#"{"error":"denied"}"#,
            &format!(
                r#"{{"aux":{{"manifestPushedInsteadOfIndex":true,"originalIndex":{{}},"selectedManifest":{{"digest":"{DIGEST}"}}}}}}"#
            ),
            r#"{"aux":{"contentMissing":true,"desc":{}}}"#,
            r#"{"aux":{"Digest":"md5:1"}}"#,
            "<html>",
        ];
        insta::assert_snapshot!(table.map(|line| read(&format!("{line}\n"), 4096)).join("\n"), @r#"
        Failed("unauthorized: authentication required")
        Failed("denied")
        Replaced { selected: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" }
        Failed("the daemon lacks a part of the image")
        error: "md5:1" is not a digest: the algorithm is neither sha256 nor sha512
        error: a line isn't such JSON (expected value at line 1 column 1)
        "#);
        assert!(read(&"x".repeat(MAX_LINE + 1), 4096).contains("more than"));
    }
}
