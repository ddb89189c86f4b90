//! How to get into a cluster: a kubeconfig in any of the forms in which workflows hand it over, or the service account of the pod we run in.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use kube::config::{AuthInfo, Cluster, Config, KubeConfigOptions, Kubeconfig, NamedContext};
use secrecy::{ExposeSecret as _, SecretString};

use super::bearer::{Bearer, Logins};
use super::error::Error;
use super::no_proxy::{bypasses, is_loopback};

/// Where the credentials come from, and which of them to take.
#[derive(Debug, Clone)]
pub struct Access {
    pub source: Source,
    /// The kubeconfig's context to use in place of its current one.
    pub context: Option<String>,
    /// Hosts that are reached without the proxy of the environment, as `NO_PROXY` lists them.
    pub no_proxy: Option<String>,
    /// How to log in where the kubeconfig leaves it to a program.
    pub logins: Logins,
}

/// Where the credentials come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A kubeconfig's content, the base64 of it, a path, or a list of paths as `KUBECONFIG` has it.
    Kubeconfig(SecretString),
    /// The service account that the pod was given.
    InCluster,
}

/// Everything that is needed to make a client, and what gives tokens where the configuration has none. Nothing has been sent yet.
///
/// # Errors
/// Whatever is wrong with the kubeconfig, found here and not at the first request.
pub(super) async fn config(access: &Access) -> Result<(Config, Option<Bearer>), Error> {
    let (mut config, bearer) = match &access.source {
        Source::InCluster => (Config::incluster().map_err(|cause| Error::NotInCluster(cause.into()))?, None),
        Source::Kubeconfig(given) => from_kubeconfig(read(given.expose_secret())?, access).await?,
    };
    // Retries are ours: they know the deadline, the operation, and more situations.
    config.default_retry = false;
    Ok((config, bearer))
}

async fn from_kubeconfig(mut kubeconfig: Kubeconfig, access: &Access) -> Result<(Config, Option<Bearer>), Error> {
    let chosen = choose(&kubeconfig, access.context.as_deref())?;
    check_files(&chosen)?;
    let bearer = bearer(&chosen, &access.logins)?;
    if let Some(bearer) = &bearer {
        let mut user = AuthInfo { exec: None, ..chosen.user.clone() };
        bearer.complete(&mut user).await?;
        let named = kubeconfig.auth_infos.iter_mut().find(|entry| entry.name == chosen.user_name);
        named.into_iter().for_each(|entry| entry.auth_info = Some(user.clone()));
    }
    let own_proxy = chosen.cluster.proxy_url.as_deref().is_some_and(|url| !url.is_empty());
    let server = chosen.cluster.server.clone().unwrap_or_default();
    let options = KubeConfigOptions { context: Some(chosen.context), cluster: None, user: None };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|cause| Error::Setup { server: server.clone(), source: cause.into() })?;
    let host = config.cluster_url.host().unwrap_or_default();
    // kube compares NO_PROXY with the proxy's own address; what it means is the server's.
    if !own_proxy && (is_loopback(host) || bypasses(access.no_proxy.as_deref().unwrap_or_default(), host)) {
        config.proxy_url = None;
    }
    Ok((config, bearer))
}

/// The entries of a kubeconfig that a context stands for.
struct Chosen {
    context: String,
    cluster: Cluster,
    user_name: String,
    user: AuthInfo,
}

fn choose(kubeconfig: &Kubeconfig, wanted: Option<&str>) -> Result<Chosen, Error> {
    let known = || kubeconfig.contexts.iter().map(|c| c.name.clone()).collect();
    let current = kubeconfig.current_context.as_deref().filter(|name| !name.is_empty());
    let context = wanted.or(current).ok_or_else(|| Error::NoCurrentContext { known: known() })?.to_owned();
    let entry = |c: &&NamedContext| c.name == context;
    let found = kubeconfig.contexts.iter().find(entry).and_then(|c| c.context.as_ref());
    let found = found.ok_or_else(|| Error::UnknownContext { context: context.clone(), known: known() })?;
    let cluster = kubeconfig.clusters.iter().find(|c| c.name == found.cluster).and_then(|c| c.cluster.clone());
    let incomplete = |missing, name: &str| Error::IncompleteContext { context: context.clone(), missing, name: name.to_owned() };
    let cluster = cluster.ok_or_else(|| incomplete("cluster", &found.cluster))?;
    let user_name = found.user.clone().unwrap_or_default();
    let user = kubeconfig.auth_infos.iter().find(|u| u.name == user_name).and_then(|u| u.auth_info.clone());
    let user = match user {
        Some(user) => user,
        None if user_name.is_empty() => AuthInfo::default(),
        None => return Err(incomplete("user", &user_name)),
    };
    Ok(Chosen { context, cluster, user_name, user })
}

/// What gives the tokens of a user that has no credential of its own.
fn bearer(chosen: &Chosen, logins: &Logins) -> Result<Option<Bearer>, Error> {
    let user = &chosen.user;
    if let Some(provider) = &user.auth_provider {
        return Err(Error::AuthProvider { user: chosen.user_name.clone(), provider: provider.name.clone() });
    }
    let Some(exec) = &user.exec else { return Ok(None) };
    let server = chosen.cluster.server.as_deref().unwrap_or_default();
    Bearer::of(&chosen.user_name, exec, server, logins).map(Some)
}

/// Files that the kubeconfig names must be there; what is inlined beside them wins, as in kubectl.
fn check_files(chosen: &Chosen) -> Result<(), Error> {
    let (cluster, user) = (&chosen.cluster, &chosen.user);
    let named = [
        ("certificate-authority", &cluster.certificate_authority, cluster.certificate_authority_data.is_some()),
        ("client-certificate", &user.client_certificate, user.client_certificate_data.is_some()),
        ("client-key", &user.client_key, user.client_key_data.is_some()),
        ("tokenFile", &user.token_file, false),
    ];
    for (field, path, inlined) in named {
        let Some(path) = path.as_ref().filter(|path| !inlined && !path.is_empty()) else { continue };
        std::fs::File::open(path).map_err(|source| Error::KubeconfigReference { field, path: path.clone(), source })?;
    }
    Ok(())
}

/// The kubeconfig that `given` is, encodes, or points to.
fn read(given: &str) -> Result<Kubeconfig, Error> {
    match form(given) {
        Form::Empty => Err(Error::KubeconfigEmpty),
        Form::Content(text) => parse(&text),
        Form::Paths(paths) => {
            let mut merged = Kubeconfig::default();
            for path in paths {
                let next = read_file(&path)?;
                merged = merged.merge(next).map_err(|_| Error::KubeconfigSyntax { line: 0, column: 0 })?;
            }
            Ok(merged)
        }
    }
}

enum Form {
    Empty,
    Content(String),
    Paths(Vec<PathBuf>),
}

fn form(given: &str) -> Form {
    let text = given.trim();
    if text.is_empty() {
        return Form::Empty;
    }
    if looks_like_a_kubeconfig(text) {
        return Form::Content(text.to_owned());
    }
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let decoded = STANDARD.decode(&compact).or_else(|_| STANDARD_NO_PAD.decode(&compact)).ok();
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    // A token or a damaged kubeconfig must not be quoted in an error as if it were a path.
    let no_path = text.contains('\n') || text.len() > 255 || !text.contains(['/', '\\', '.']) && !Path::new(text).exists();
    match decoded {
        Some(content) if no_path || looks_like_a_kubeconfig(&content) => return Form::Content(content),
        _ if no_path => return Form::Content(text.to_owned()),
        _ => {}
    }
    Form::Paths(std::env::split_paths(text).filter(|path| !path.as_os_str().is_empty()).collect())
}

fn looks_like_a_kubeconfig(text: &str) -> bool {
    text.contains("clusters") && text.contains("server") && text.contains(':')
}

fn parse(text: &str) -> Result<Kubeconfig, Error> {
    Kubeconfig::from_yaml(text).map_err(|cause| without_content(&cause))
}

/// Reads one file; relative paths in it are relative to it.
fn read_file(path: &Path) -> Result<Kubeconfig, Error> {
    use kube::config::KubeconfigError;
    Kubeconfig::read_from(path).map_err(|cause| match cause {
        KubeconfigError::ReadConfig(source, path) => Error::KubeconfigFile { path, source },
        other => without_content(&other),
    })
}

fn without_content(cause: &kube::config::KubeconfigError) -> Error {
    let location = match cause {
        kube::config::KubeconfigError::Parse(cause) => cause.location(),
        _ => None,
    };
    let (line, column) = location.map_or((0, 0), |at| (at.line(), at.column()));
    Error::KubeconfigSyntax { line, column }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Explain as _;

    const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
current-context: here
clusters:
- {name: c, cluster: {server: 'https://10.1.2.3:6443'}}
users:
- {name: token, user: {token: hunter2hunter2}}
- {name: exec, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: acme-login, args: [token]}}}
- {name: files, user: {client-certificate: /home/runner/.minikube/client.crt, client-key: /home/runner/.minikube/client.key}}
contexts:
- {name: here, context: {cluster: c, user: token, namespace: shop}}
- {name: exec, context: {cluster: c, user: exec}}
- {name: files, context: {cluster: c, user: files}}
- {name: broken, context: {cluster: c, user: gone}}
";

    async fn connect(kubeconfig: &str, context: Option<&str>) -> Result<Config, Error> {
        crate::http::install_tls_provider();
        let (source, context) = (Source::Kubeconfig(kubeconfig.into()), context.map(str::to_owned));
        let access = Access { source, context, no_proxy: None, logins: Logins::default() };
        config(&access).await.map(|(config, _)| config)
    }

    #[tokio::test]
    async fn takes_content_base64_and_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(&path, KUBECONFIG).unwrap();
        let wrapped = STANDARD
            .encode(KUBECONFIG)
            .as_bytes()
            .chunks(76)
            .map(|line| String::from_utf8_lossy(line).into_owned() + "\n")
            .collect::<String>();
        for given in [KUBECONFIG, &wrapped, path.to_str().unwrap(), &format!("{}:", path.display())] {
            let config = connect(given, None).await.unwrap();
            assert_eq!(config.cluster_url.host(), Some("10.1.2.3"));
            assert_eq!(config.default_namespace, "shop");
        }
    }

    #[tokio::test]
    async fn says_what_is_wrong_and_what_to_do() {
        let cases = [
            (" ", None),
            ("no/such/file", None),
            ("ghp_hunter2hunter2hunter2", None),
            ("clusters: [\nserver: hunter2hunter2: {", None),
            (KUBECONFIG, Some("staging")),
            (KUBECONFIG, Some("exec")),
            (KUBECONFIG, Some("files")),
            (KUBECONFIG, Some("broken")),
        ];
        let mut told = String::new();
        for (kubeconfig, context) in cases {
            let error = connect(kubeconfig, context).await.unwrap_err();
            told += &format!("{error}\n  {}\n", error.hint());
            assert_eq!(error.exit(), crate::error::Exit::BadInput);
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
        insta::assert_snapshot!(told, @r#"
        the kubeconfig is empty
          set `kubeconfig`; a secret that isn't there, or isn't in this environment, is an empty text
        couldn't read the kubeconfig file no/such/file
          set `kubeconfig` to the file's content, its base64, or a path that exists
        couldn't read the kubeconfig: line 1, column 1
          set `kubeconfig` to a kubeconfig's content, its base64, or a path
        couldn't read the kubeconfig: line 2, column 23
          set `kubeconfig` to a kubeconfig's content, its base64, or a path
        the kubeconfig has no context "staging"
          set `context` to one of: here, exec, files, broken
        the kubeconfig's user "exec" gets its credentials from the program "acme-login", which isn't here
          the action's container has no programs of the runner; EKS, AKS and GKE need none (`aws eks get-token`, `kubelogin`, `gke-gcloud-auth-plugin`); else use a kubeconfig with a token of a service account (`kubectl create token`)
        couldn't read the file "/home/runner/.minikube/client.crt" that the kubeconfig names as client-certificate
          put the content into the kubeconfig (`kubectl config view --flatten --raw`); the path is of the runner's host, the action's container sees only the workspace and the runner's temporary folder
        the kubeconfig's context "broken" names the user "gone", which isn't in it
          export the whole kubeconfig (`kubectl config view --minify --flatten --raw`)
        "#);
    }
}
