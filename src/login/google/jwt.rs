//! A service account's signed claim to be itself (RFC 7523).

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;

/// How long the claim holds; Google takes an hour at most.
const SECONDS: i64 = 3600;

/// Who claims what to whom.
pub(super) struct Claim<'a> {
    pub(super) issuer: &'a str,
    pub(super) scope: &'a str,
    pub(super) audience: &'a str,
    /// `private_key_id`, which tells the verifier the key.
    pub(super) key_id: Option<&'a str>,
}

/// The compact form of the signed claim.
///
/// # Errors
/// The reason why the key can't sign; it doesn't quote the key.
pub(super) fn signed(claim: &Claim<'_>, private_key: &SecretString, now: Timestamp) -> Result<SecretString, String> {
    let issued = now.as_second();
    let claims = json!({
        "iss": claim.issuer, "scope": claim.scope, "aud": claim.audience, "iat": issued, "exp": issued + SECONDS,
    });
    crate::jwt::signed(&claims, private_key, claim.key_id).map_err(|reason| format!("its private_key {reason}"))
}
