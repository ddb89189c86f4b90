//! The comment in a pull request's text that tells whose it is; nobody sees it. Pure.

use semver::Version;
use url::form_urlencoded::{Serializer, parse};

const BEGIN: &str = "<!-- tagboat:";
const END: &str = " -->";

/// For which application and which place a pull request was opened, and what it brings there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) app: String,
    /// [`Entry::distinction`](super::Entry::distinction).
    pub(super) place: String,
    pub(super) version: Option<Version>,
}

impl Marker {
    /// The marker of a text, if it has one.
    pub(super) fn find(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(BEGIN)?;
        let (query, _) = rest.split_once(END)?;
        let value = |name: &str| parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let version = value("version").and_then(|text| Version::parse(&text).ok());
        Some(Self { app: value("app")?, place: value("for")?, version })
    }

    /// Whether both are for the same application and place.
    pub(super) fn is_for_the_same(&self, other: &Self) -> bool {
        self.app == other.app && self.place == other.place
    }
}

impl std::fmt::Display for Marker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut query = Serializer::new(String::new());
        query.append_pair("app", &self.app).append_pair("for", &self.place);
        if let Some(version) = &self.version {
            query.append_pair("version", &version.to_string());
        }
        // A comment ends at two dashes.
        write!(f, "{BEGIN}{}{END}", query.finish().replace('-', "%2D"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_without_marker_is_nobodys() {
        assert_eq!(Marker::find("<!-- tagboat:app=x"), None);
        assert_eq!(Marker::find("<!-- other:app=x&for=y -->"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_found_again(app in ".{0,20}", place in ".{0,20}", minor in proptest::option::of(0_u64..99)) {
            let version = minor.map(|minor| Version::parse(&format!("1.{minor}.0-rc.1+b-2")).unwrap());
            let marker = Marker { app, place, version };
            let text = format!("Deploy <!-- tagboat:app=a -->\n{marker}\n");
            prop_assert_eq!(Marker::find(&text), Some(marker));
        }
    }
}
