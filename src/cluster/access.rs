//! How to get into a cluster: a kubeconfig in any of the forms in which workflows hand it over, or the service account of the pod we run in.

use kube::config::{AuthInfo, Config, ExecAuthCluster};
use rustls::pki_types::CertificateDer;
use secrecy::{ExposeSecret as _, SecretString};

use super::bearer::{Bearer, Logins};
use super::error::Error;
use super::kubeconfig::{self, Chosen};
use super::proxy::Proxies;
use super::{Caveat, roots};

/// Where the credentials come from, and which of them to take.
#[derive(Debug, Clone)]
pub struct Access {
    pub source: Source,
    /// The kubeconfig's context to use in place of its current one.
    pub context: Option<String>,
    /// The proxies of the environment.
    pub proxies: Proxies,
    /// Authorities that may sign the server's certificate, beside the kubeconfig's, or the system's where it has none.
    pub roots: Vec<CertificateDer<'static>>,
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

/// Everything that is needed to make a client.
pub(super) struct Way {
    pub config: Config,
    /// What gives tokens where the configuration has none.
    pub bearer: Option<Bearer>,
    pub caveats: Vec<Caveat>,
}

/// Reads what there is to read; nothing has been sent yet.
///
/// # Errors
/// Whatever is wrong with the kubeconfig, found here and not at the first request.
pub(super) async fn way(access: &Access) -> Result<Way, Error> {
    let mut way = match &access.source {
        Source::InCluster => in_cluster(&access.roots)?,
        Source::Kubeconfig(given) => from_kubeconfig(given.expose_secret(), access).await?,
    };
    // Retries are ours: they know the deadline, the operation, and more situations.
    way.config.default_retry = false;
    Ok(way)
}

fn in_cluster(additional: &[CertificateDer<'static>]) -> Result<Way, Error> {
    let mut config = Config::incluster().map_err(|cause| Error::NotInCluster(cause.into()))?;
    if !additional.is_empty() {
        config.root_cert.get_or_insert_default().extend(roots::der(additional.to_vec()));
        // The file would be read again and again, and alone.
        config.root_cert_file = None;
    }
    Ok(Way { config, bearer: None, caveats: Vec::new() })
}

async fn from_kubeconfig(given: &str, access: &Access) -> Result<Way, Error> {
    let kubeconfig = kubeconfig::read(given)?;
    let mut chosen = kubeconfig.choose(access.context.as_deref())?;
    kubeconfig.check_files(&chosen)?;
    let server = address(&chosen)?;
    let bearer = bearer(&chosen, &server, &access.logins)?;
    if let Some(bearer) = &bearer {
        chosen.user.exec = None;
        bearer.complete(&mut chosen.user).await?;
    }
    let mut caveats: Vec<Caveat> = kubeconfig.skipped.into_iter().map(Caveat::NoFile).collect();
    if chosen.cluster.insecure_skip_tls_verify == Some(true) {
        caveats.push(Caveat::Unverified { server: server.clone() });
    }
    Ok(Way { config: config(&chosen, &server, access)?, bearer, caveats })
}

/// The server's address; one without a scheme has TLS.
fn address(chosen: &Chosen) -> Result<String, Error> {
    let server = chosen.cluster.server.as_deref().ok_or_else(|| Error::NoServer { cluster: chosen.cluster_name.clone() })?;
    Ok(if server.contains("://") { server.to_owned() } else { format!("https://{server}") })
}

/// kube's own way from a kubeconfig to this reads the environment's proxies, and ends at a `NO_PROXY` that it can't read.
fn config(chosen: &Chosen, server: &str, access: &Access) -> Result<Config, Error> {
    let Chosen { cluster, user, namespace, .. } = chosen;
    let url: http::Uri =
        server.parse().map_err(|cause: http::uri::InvalidUri| Error::Setup { server: server.to_owned(), source: cause.into() })?;
    let proxy_url = access.proxies.on_the_way_to(&url, cluster.proxy_url.as_deref())?;
    let mut config = Config::new(url);
    config.proxy_url = proxy_url;
    config.root_cert = roots::of(cluster, &access.roots)?;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.tls_server_name.clone_from(&cluster.tls_server_name);
    config.disable_compression = cluster.disable_compression.unwrap_or(false);
    config.auth_info = AuthInfo { exec: None, ..user.clone() };
    if let Some(namespace) = namespace {
        config.default_namespace.clone_from(namespace);
    }
    Ok(config)
}

/// What gives the tokens of a user that has no credential of its own.
fn bearer(chosen: &Chosen, server: &str, logins: &Logins) -> Result<Option<Bearer>, Error> {
    let user = &chosen.user;
    if let Some(provider) = &user.auth_provider {
        return Err(Error::AuthProvider { user: chosen.user_name.clone(), provider: provider.name.clone() });
    }
    let Some(exec) = &user.exec else { return Ok(None) };
    let mut exec = exec.clone();
    if exec.provide_cluster_info {
        let cause = |cause: kube::config::KubeconfigError| Error::Setup { server: server.to_owned(), source: cause.into() };
        exec.cluster = Some(ExecAuthCluster::try_from(&chosen.cluster).map_err(cause)?);
    }
    Bearer::of(&chosen.user_name, &exec, server, logins).map(Some)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

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
        let access = Access { source, context, proxies: Proxies::default(), roots: Vec::new(), logins: Logins::default() };
        way(&access).await.map(|way| way.config)
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
        couldn't read the file "/home/runner/.minikube/client.crt" that line 9 of the kubeconfig names as client-certificate
          put the content into the kubeconfig (`kubectl config view --flatten --raw`); the path is of the runner's host, the action's container sees only the workspace and the runner's temporary folder
        the kubeconfig's context "broken" names the user "gone", which isn't in it
          export the whole kubeconfig (`kubectl config view --minify --flatten --raw`)
        "#);
    }
}
