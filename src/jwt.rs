//! A signed claim to be somebody (RFC 7519, RFC 7515 with RS256), as clouds and forges take it for a token. Pure but for the blinding of
//! the signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// The compact form of the signed claims. The key is PEM, PKCS #8 or PKCS #1; `key_id` tells the verifier which key it is.
///
/// # Errors
/// The reason why the key can't sign, to follow "the private key"; it doesn't quote the key.
pub fn signed(claims: &Value, private_key: &SecretString, key_id: Option<&str>) -> Result<SecretString, &'static str> {
    let key = PrivateKeyDer::from_pem_slice(private_key.expose_secret().as_bytes()).map_err(|_| "isn't a PEM key")?;
    let key = match &key {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err("isn't an RSA key"),
    };
    let key = key.map_err(|_| "isn't an RSA key of 2048 bits or more")?;
    let mut header = json!({"alg": "RS256", "typ": "JWT"});
    if let Some(id) = key_id {
        header["kid"] = id.into();
    }
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).map_err(|_| "doesn't sign")?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
}
