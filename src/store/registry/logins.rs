//! Who a request is from: a known credential, the login of the registry's cloud, or nobody.

use url::Url;

use super::credentials::{self, Found, Keychain, Origin};
use super::{Access, Error, Settings};
use crate::http::Traffic;
use crate::image::Repository;
use crate::login::{Session, Way};

/// The logins of one registry.
#[derive(Debug)]
pub(super) struct Logins {
    registry: String,
    keychain: Keychain,
    way: Way,
}

/// One request's login, before anything is asked for it.
#[derive(Debug)]
pub(super) enum Login {
    Anonymous,
    Known(Found),
    /// That of the registry's cloud.
    Cloud(Origin),
}

impl Login {
    pub(super) fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Anonymous => None,
            Self::Known(found) => Some(&found.origin),
            Self::Cloud(origin) => Some(origin),
        }
    }
}

impl Logins {
    pub(super) fn new(registry: &str, base: &Url, http: reqwest::Client, settings: &Settings) -> Self {
        let keychain = settings.keychain.clone();
        let way = settings.clouds.way(registry, base, keychain.helper(registry), http, settings.patience.clone());
        Self { registry: registry.to_owned(), keychain, way }
    }

    /// The login for a repository. The cloud's own is for where no credential is known, or only a helper that can't run here.
    ///
    /// # Errors
    /// When nothing but a credential helper knows it.
    pub(super) fn of(&self, repository: &Repository, access: Access) -> Result<Login, Error> {
        let cloud = match &self.way {
            Way::Ready(session) if access == Access::Push || !session.only_to_push() => Some(session),
            Way::Ready(_) | Way::Lacking(_) | Way::None => None,
        };
        match (self.keychain.resolve(repository), cloud) {
            (Ok(Some(found)), _) => Ok(Login::Known(found)),
            (Ok(None) | Err(credentials::Error::Helper { .. }), Some(session)) => Ok(Login::Cloud(self.origin(session))),
            (Ok(None), None) => Ok(Login::Anonymous),
            (Err(credentials::Error::Helper { registry, origin, helper, .. }), None) => {
                Err(credentials::Error::Helper { registry, origin, helper, lack: self.lack() }.into())
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    /// The login's credential. That of a cloud is asked for now, unless there is one that still holds.
    pub(super) async fn credential(&self, login: &Login) -> Result<Option<Found>, Error> {
        match (login, &self.way) {
            (Login::Anonymous, _) | (Login::Cloud(_), Way::None | Way::Lacking(_)) => Ok(None),
            (Login::Known(found), _) => Ok(Some(found.clone())),
            (Login::Cloud(origin), Way::Ready(session)) => match session.credential().await {
                Ok(credential) => Ok(Some(Found { origin: origin.clone(), credential })),
                Err(source) => Err(Error::Cloud { registry: self.registry.clone(), source }),
            },
        }
    }

    /// What a login is missing: variables of the registry's cloud, files that were named.
    pub(super) fn missing(&self) -> Vec<String> {
        let absent = self.keychain.absentees().iter().map(|file| format!("{file} is not there"));
        self.lack().into_iter().chain(absent).collect()
    }

    fn lack(&self) -> Option<String> {
        match &self.way {
            Way::Lacking(text) => Some(text.clone()),
            Way::None | Way::Ready(_) => None,
        }
    }

    pub(super) fn traffic(&self) -> Traffic {
        match &self.way {
            Way::Ready(session) => session.traffic(),
            Way::None | Way::Lacking(_) => Traffic::default(),
        }
    }

    fn origin(&self, session: &Session) -> Origin {
        Origin { source: session.identity().to_owned(), entry: self.registry.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Reference;
    use crate::login::{Clouds, Mask};

    const VARIABLES: [(&str, &str); 3] =
        [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AZURE_CLIENT_ID", "app")];

    fn login(image: &str, access: Access, config: &str) -> String {
        crate::http::install_tls_provider();
        let variables = VARIABLES.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let clouds = Clouds::read(&variables, std::path::Path::new("/"), Mask::default());
        let keychain = Keychain::default().docker_config("config.json", config).unwrap();
        let settings = Settings { keychain, clouds, ..Settings::default() };
        let repository = image.parse::<Reference>().unwrap().repository();
        let base = format!("https://{}/", repository.registry()).parse().unwrap();
        let client = crate::http::client(&crate::http::Settings::default()).unwrap();
        let logins = Logins::new(repository.registry(), &base, client, &settings);
        match logins.of(&repository, access) {
            Ok(Login::Anonymous) => format!("nobody; {}", logins.missing().join("; ")),
            Ok(login) => login.origin().unwrap().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_clouds_login_is_for_what_nobody_else_knows() {
        let ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        let known = format!("{{\"auths\": {{\"{ecr}\": {{\"auth\": \"YTpi\"}}}}, \"credHelpers\": {{\"{ecr}\": \"ecr-login\"}}}}");
        let other = format!("{{\"credHelpers\": {{\"{ecr}\": \"desktop\"}}}}");
        let own = r#"{"credHelpers": {"own.example": "ecr-login", "acr.example": "acr-env"}}"#;
        let ours = format!("AWS_ACCESS_KEY_ID, entry {ecr}");
        let image = format!("{ecr}/shop/web");
        assert_eq!(login(&image, Access::Push, &known), format!("config.json, entry {ecr}"));
        assert_eq!(login(&image, Access::Push, "{}"), ours);
        assert_eq!(login(&image, Access::Pull, &other), ours, "no helper can run");
        assert_eq!(login("public.ecr.aws/shop/web", Access::Push, "{}"), "AWS_ACCESS_KEY_ID, entry public.ecr.aws");
        assert_eq!(login("public.ecr.aws/shop/web", Access::Pull, "{}"), "nobody; ", "everybody may");
        assert_eq!(login("ghcr.io/shop/web", Access::Push, "{}"), "nobody; ");
        assert_eq!(login("acme.azurecr.io/web", Access::Push, "{}"), "nobody; AZURE_CLIENT_ID is set, but AZURE_TENANT_ID is not");
        assert!(login("own.example/web", Access::Push, own).contains("docker-credential-ecr-login"), "its region is not known");
        assert!(login("acr.example/web", Access::Push, own).contains("docker-credential-acr-env"));
    }
}
