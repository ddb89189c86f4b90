//! A service account's signed claim to be itself (RFC 7523, RFC 7515 with RS256). Pure but for the blinding of the signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret, SecretString};
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
pub(super) fn signed(claim: &Claim<'_>, private_key: &SecretString, now: Timestamp) -> Result<SecretString, &'static str> {
    let key = PrivateKeyDer::from_pem_slice(private_key.expose_secret().as_bytes()).map_err(|_| "its private_key isn't a PEM key")?;
    let key = match &key {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err("its private_key isn't an RSA key"),
    };
    let key = key.map_err(|_| "its private_key isn't an RSA key of 2048 bits or more")?;
    let mut header = json!({"alg": "RS256", "typ": "JWT"});
    if let Some(id) = claim.key_id {
        header["kid"] = id.into();
    }
    let issued = now.as_second();
    let claims = json!({
        "iss": claim.issuer, "scope": claim.scope, "aud": claim.audience, "iat": issued, "exp": issued + SECONDS,
    });
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).map_err(|_| "its private_key doesn't sign")?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
}
