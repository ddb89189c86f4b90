//! The credential that goes with a push. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use http::HeaderValue;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::Error;
use crate::image::Repository;
use crate::store::registry::credentials::{Credential, Found};

/// The value of `X-Registry-Auth`: JSON in the alphabet of RFC 4648 §5, padded. The daemon takes no other (moby, api/types/registry/authconfig.go).
pub(super) fn header(login: Option<&Found>, repository: &Repository) -> Result<HeaderValue, Error> {
    let server = match repository.registry() {
        "docker.io" => "https://index.docker.io/v1/",
        host => host,
    };
    let json = match login.map(|found| &found.credential) {
        None => json!({}),
        Some(Credential::Password { user, password }) => {
            json!({"username": user, "password": password.expose_secret(), "serveraddress": server})
        }
        Some(Credential::Identity(token)) => json!({"identitytoken": token.expose_secret(), "serveraddress": server}),
        Some(Credential::Token(token)) => json!({"registrytoken": token.expose_secret(), "serveraddress": server}),
    };
    let text = URL_SAFE.encode(json.to_string());
    let unsendable = |_| Error::Login { origin: login.map(|found| found.origin.to_string()).unwrap_or_default() };
    let mut value = HeaderValue::from_str(&text).map_err(unsendable)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Reference;
    use crate::store::registry::Keychain;

    fn sent(keychain: &Keychain, image: &str) -> (String, String) {
        let repository = image.parse::<Reference>().unwrap().repository();
        let value = header(keychain.resolve(&repository).unwrap().as_ref(), &repository).unwrap();
        assert!(value.is_sensitive());
        let text = value.to_str().unwrap().to_owned();
        let json = String::from_utf8(URL_SAFE.decode(&text).unwrap()).unwrap();
        (text, json)
    }

    #[test]
    fn credentials_are_sent_as_the_daemon_reads_them() {
        let config = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "aHViOnB3OjE="},
            "acr.example": {"auth": "MDAwOg==", "identitytoken": "refresh"},
            "gitlab.example:5050": {"registrytoken": "jwt"}}}"#;
        let keychain = Keychain::default().docker_config("config.json", config).unwrap();
        let lines = ["acme/web", "acr.example/x", "gitlab.example:5050/g/p", "ghcr.io/x"].map(|image| sent(&keychain, image).1);
        insta::assert_snapshot!(lines.join("\n"), @r#"
        {"username":"hub","password":"pw:1","serveraddress":"https://index.docker.io/v1/"}
        {"identitytoken":"refresh","serveraddress":"acr.example"}
        {"registrytoken":"jwt","serveraddress":"gitlab.example:5050"}
        {}
        "#);
    }

    #[test]
    fn no_character_of_the_other_alphabet_is_sent() {
        let keychain = Keychain::default().login("inputs", "r.example", "ada", "ÿ?>~ÿ?>ûþ".into());
        let (text, json) = sent(&keychain, "r.example/x");
        assert!(text.contains(['-', '_']) && !text.contains(['+', '/']), "{text}");
        assert!(json.contains("ÿ?>~ÿ?>ûþ"));
    }
}
