//! Which way into a repository, and why.

use std::fmt;

use crate::forge::{Forge, Hosted};
use crate::git::Remote;

use super::super::entry::Through;
use super::{Entry, Error};

/// The ways into a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::infra) enum Way {
    /// GitHub's API; another one when that does not do.
    Api,
    /// GitHub's API, and nothing else.
    OnlyApi,
    Git,
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::infra) struct Choice {
    pub(in crate::infra) way: Way,
    /// Why, when it was for us to choose.
    pub(in crate::infra) why: Option<String>,
}

/// What there is to work with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::infra) struct Means {
    pub(in crate::infra) has_token: bool,
    /// Commits are signed with a key of the user's, which no API takes.
    pub(in crate::infra) has_signing_key: bool,
}

impl Choice {
    /// Git after all.
    pub(in crate::infra) fn git(why: impl Into<String>) -> Self {
        Self { way: Way::Git, why: Some(why.into()) }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Api | Self::OnlyApi => "through GitHub's API",
            Self::Git => "through git",
        })
    }
}

/// Chooses by what is known before anything is asked: the API costs the same for repositories of any size, and its commits can be signed
/// by GitHub; git reaches everything else.
///
/// # Errors
/// When the entry wants the API and the repository has none.
pub(in crate::infra) fn choose(entry: &Entry, remote: &Remote, hosted: Option<&Hosted>, means: Means) -> Result<Choice, Error> {
    let obstacle = match (remote, hosted.map(|hosted| &hosted.forge)) {
        // What the user asks for in words of git's is git's to do.
        (Remote::Ssh(_), _) => Some("its address is one for SSH".to_owned()),
        _ if means.has_signing_key => Some("the commit is to be signed with `infra-signing-key`".to_owned()),
        (Remote::Folder(_), _) => Some("it is a folder".to_owned()),
        (_, None | Some(Forge::Gitea(_))) => Some("its server is not GitHub".to_owned()),
        (_, Some(Forge::GitHub(_))) if !means.has_token => Some("there is no token".to_owned()),
        _ => None,
    };
    match (entry.through, obstacle) {
        (Through::Git, _) => Ok(Choice { way: Way::Git, why: None }),
        (Through::Api, None) => Ok(Choice { way: Way::OnlyApi, why: None }),
        (Through::Api, Some(reason)) => Err(Error::NoApi { repository: entry.repository.to_string(), reason }),
        (Through::Auto, None) => Ok(Choice { way: Way::Api, why: Some("the server has one, and there is a token".into()) }),
        (Through::Auto, Some(reason)) => Ok(Choice::git(reason)),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::super::super::entry::entries;
    use super::*;
    use crate::error::Explain as _;

    #[test]
    fn the_api_is_chosen_where_there_is_one_and_the_reason_is_told() {
        crate::http::install_tls_provider();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _inside = runtime.enter();
        let client = crate::http::client(&crate::http::Settings::default()).unwrap();
        let api = "https://api.github.com".parse().unwrap();
        let github = crate::github::Client::new(client, &api, None).unwrap();
        let slug = crate::github::Slug { owner: "acme".into(), name: "infra".into() };
        let hosted = Hosted { forge: Forge::GitHub(github), slug };
        let http = Remote::Http { url: "https://github.com/acme/infra.git".parse().unwrap(), token: Some(SecretString::from("t")) };
        let ssh = Remote::Ssh(crate::git::SshAddress::parse("git@github.com:acme/infra.git").unwrap().unwrap());
        let folder = Remote::Folder("/srv/infra.git".into());
        let mut lines = Vec::new();
        for publish in ["auto", "api", "git"] {
            let entry = entries(&format!("- {{repository: acme/infra, publish: {publish}}}")).unwrap().remove(0);
            let (full, bare) = (Means { has_token: true, has_signing_key: false }, Means { has_token: false, has_signing_key: false });
            let signing = Means { has_signing_key: true, ..full };
            let cases = [
                (&http, Some(&hosted), full),
                (&http, Some(&hosted), bare),
                (&http, Some(&hosted), signing),
                (&ssh, Some(&hosted), full),
                (&http, None, full),
                (&folder, None, full),
            ];
            for (remote, hosted, means) in cases {
                lines.push(match choose(&entry, remote, hosted, means) {
                    Ok(choice) => format!("{publish}: {} {:?}", choice.way, choice.why),
                    Err(error) => format!("{publish}: {error} ({})", error.hint()),
                });
            }
        }
        insta::assert_snapshot!(lines.join("\n"), @r#"
        auto: through GitHub's API Some("the server has one, and there is a token")
        auto: through git Some("there is no token")
        auto: through git Some("the commit is to be signed with `infra-signing-key`")
        auto: through git Some("its address is one for SSH")
        auto: through git Some("its server is not GitHub")
        auto: through git Some("it is a folder")
        api: through GitHub's API None
        api: couldn't reach acme/infra through GitHub's API: there is no token (use `publish: auto` or `publish: git` in the input `infra`)
        api: couldn't reach acme/infra through GitHub's API: the commit is to be signed with `infra-signing-key` (use `publish: auto` or `publish: git` in the input `infra`)
        api: couldn't reach acme/infra through GitHub's API: its address is one for SSH (use `publish: auto` or `publish: git` in the input `infra`)
        api: couldn't reach acme/infra through GitHub's API: its server is not GitHub (use `publish: auto` or `publish: git` in the input `infra`)
        api: couldn't reach acme/infra through GitHub's API: it is a folder (use `publish: auto` or `publish: git` in the input `infra`)
        git: through git None
        git: through git None
        git: through git None
        git: through git None
        git: through git None
        git: through git None
        "#);
    }
}
