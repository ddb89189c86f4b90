//! Reading an answer that isn't a success, without repeating a secret.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::error::{Body, Detail, Refusal};
use super::wire::{Call, Privacy};

/// Reads a refusal's `Status`, or bounds what there is in its place.
pub(super) fn read(call: &Call, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Refusal {
    let parsed: Option<Value> = serde_json::from_slice(body).ok().filter(|value: &Value| value["kind"] == "Status");
    let kind = if parsed.is_some() { Body::Status } else { Body::Text };
    let value = parsed.unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let causes = value.pointer("/details/causes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let causes: Vec<Detail> = causes
        .iter()
        .map(|cause| Detail { reason: text(&cause["reason"]), field: text(&cause["field"]), message: text(&cause["message"]) })
        .collect();
    let message = match kind {
        Body::Status => text(&value["message"]),
        Body::Text => String::from_utf8_lossy(body).trim().to_owned(),
    };
    let mut refusal = Refusal {
        method: call.method.clone(),
        path: call.path(),
        status: status.as_u16(),
        reason: text(&value["reason"]),
        message: bounded(&message),
        causes,
        retry_after: retry_after(headers, &value),
        kind,
    };
    if call.privacy == Privacy::Secret && !refusal.is_forbidden() && !refusal.is_not_found() {
        withhold(&mut refusal);
    }
    refusal
}

/// Keeps the fields of a refusal about a Secret, and drops the words, which may quote its values.
fn withhold(refusal: &mut Refusal) {
    for cause in refusal.causes.iter_mut().filter(|cause| cause.reason != "FieldManagerConflict") {
        cause.message.clear();
    }
    let fields: Vec<&str> = refusal.causes.iter().map(|cause| cause.field.as_str()).collect();
    refusal.message = match fields.is_empty() {
        true => "the message is withheld, it could quote values of the Secret".to_owned(),
        false => format!("about {}; the message is withheld, it could quote values of the Secret", fields.join(", ")),
    };
}

fn retry_after(headers: &HeaderMap, status: &Value) -> Option<Duration> {
    let header = headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let seconds: Option<u64> = header.or_else(|| status.pointer("/details/retryAfterSeconds").and_then(Value::as_u64));
    seconds.map(Duration::from_secs)
}

pub(super) fn bounded(message: &str) -> String {
    const MOST: usize = 2000;
    match message.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Conflict;

    fn answered(call: &Call, status: u16, body: &str) -> Refusal {
        read(call, StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn a_conflict_names_fields_and_managers() {
        let call = Call::get("/apis/apps/v1/namespaces/shop/deployments/api?fieldManager=tagboat".into());
        let body = r#"{"kind":"Status","status":"Failure","reason":"Conflict","code":409,
            "message":"Apply failed with 1 conflict: conflict with \"kubectl-edit\" using apps/v1: .spec.replicas",
            "details":{"causes":[{"reason":"FieldManagerConflict","message":"conflict with \"kubectl-edit\" using apps/v1","field":".spec.replicas"}]}}"#;
        let refusal = answered(&call, 409, body);
        assert_eq!(refusal.conflicts(), [Conflict { field: ".spec.replicas".into(), manager: "kubectl-edit".into() }]);
        insta::assert_snapshot!(refusal, @r#"GET /apis/apps/v1/namespaces/shop/deployments/api was answered with 409 Conflict: Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1: .spec.replicas"#);
    }

    #[test]
    fn words_about_a_secret_are_withheld_but_not_its_fields() {
        let call = Call { privacy: Privacy::Secret, ..Call::get("/api/v1/namespaces/shop/secrets/db".into()) };
        let body = r#"{"kind":"Status","reason":"Invalid","message":"data[a]: Invalid value: \"hunter2\"",
            "details":{"causes":[{"reason":"FieldValueInvalid","message":"Invalid value: \"hunter2\"","field":"data[a]"}]}}"#;
        let refusal = answered(&call, 422, body);
        assert!(!format!("{refusal:?}").contains("hunter2"));
        insta::assert_snapshot!(refusal, @"GET /api/v1/namespaces/shop/secrets/db was answered with 422 Invalid: about data[a]; the message is withheld, it could quote values of the Secret");
    }

    #[test]
    fn an_answer_that_is_no_status_is_text() {
        let refusal = answered(&Call::get("/apis/acme.io/v1/fleets".into()), 404, "404 page not found\n");
        assert_eq!(refusal.kind, Body::Text);
        insta::assert_snapshot!(refusal, @"GET /apis/acme.io/v1/fleets was answered with 404: 404 page not found");
    }
}
