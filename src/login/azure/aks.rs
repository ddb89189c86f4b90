//! Tokens of Azure Kubernetes Service: those of Microsoft Entra ID for the server application (Azure/kubelogin, `get-token`).

use secrecy::SecretString;

use super::Settings;
use super::entra::{Access, Entra};
use crate::login::oidc::Oidc;
use crate::login::plugin::{Exec, Flags};
use crate::login::wire::Wire;
use crate::login::{Credential, Error, Grant, Variables};

/// What works in a workflow.
const INSTEAD: &str = "set AAD_LOGIN_METHOD: workloadidentity (or run `kubelogin convert-kubeconfig -l workloadidentity`), AZURE_CLIENT_ID and \
                       AZURE_TENANT_ID, and give the job `permissions: id-token: write`";

/// A login that has all it needs.
#[derive(Debug)]
pub(in crate::login) struct Plan {
    entra: Entra,
    scope: String,
}

/// The login that `kubelogin get-token` would make, or what is missing for it. `None` for other commands of it.
pub(in crate::login) fn plan(exec: &Exec<'_>, variables: &Variables<'_>, oidc: &Oidc) -> Option<Result<Plan, String>> {
    let flags = Flags::of(exec.args);
    let is_it = exec.program() == "kubelogin" && flags.words == ["get-token"];
    is_it.then(|| checked(&flags, variables, oidc))
}

fn checked(flags: &Flags, variables: &Variables<'_>, oidc: &Oidc) -> Result<Plan, String> {
    let mode = variables.get("AAD_LOGIN_METHOD").or_else(|| flags.get(&["--login", "-l"])).unwrap_or_else(|| "devicecode".to_owned());
    if let Some(switch) = ["--legacy", "--pop-enabled"].into_iter().find(|switch| flags.has(switch)) {
        return Err(format!("`kubelogin {switch}` asks for tokens of a kind that isn't supported here: convert the kubeconfig without it"));
    }
    let server = flags.get(&["--server-id"]).ok_or("the arguments of kubelogin in the kubeconfig have no `--server-id`")?;
    let settings = settings(&mode, flags, variables)?;
    let entra = settings.entra("Azure Kubernetes Service", authority(flags)?, oidc)?;
    Ok(Plan { entra, scope: format!("{server}/.default") })
}

/// Variables count more than flags, and those of Azure's SDKs more than kubelogin's own (kubelogin, `UpdateFromEnv`).
fn settings(mode: &str, flags: &Flags, variables: &Variables<'_>) -> Result<Settings, String> {
    let get = |names: &[&str], flag: &[&str]| names.iter().find_map(|name| variables.get(name)).or_else(|| flags.get(flag));
    let terraform = flags.has("--use-azurerm-env-vars");
    let names: [&[&str]; 3] = match terraform {
        true => [&["ARM_CLIENT_ID"], &["ARM_TENANT_ID"], &["ARM_CLIENT_SECRET"]],
        false => [
            &["AZURE_CLIENT_ID", "AAD_SERVICE_PRINCIPAL_CLIENT_ID"],
            &["AZURE_TENANT_ID"],
            &["AZURE_CLIENT_SECRET", "AAD_SERVICE_PRINCIPAL_CLIENT_SECRET"],
        ],
    };
    let common = Settings {
        client: get(names[0], &["--client-id"]),
        tenant: get(names[1], &["--tenant-id", "-t"]),
        authority: get(&["AZURE_AUTHORITY_HOST"], &["--authority-host"]),
        ..Settings::default()
    };
    match mode {
        "workloadidentity" => {
            let file = flags.get(&["--federated-token-file"]).map(|path| variables.folder.join(path));
            Ok(Settings { token_file: variables.path("AZURE_FEDERATED_TOKEN_FILE").or(file), ..common })
        }
        "spn" => {
            let secret = get(names[2], &["--client-secret"]).map(SecretString::from);
            let secret = secret.ok_or("`kubelogin --login spn` needs AZURE_CLIENT_SECRET here; certificates can't be used")?;
            Ok(Settings { secret: Some(secret), ..common })
        }
        other => Err(format!("`kubelogin --login {other}` needs a person, or a login that can't be seen here: {INSTEAD}")),
    }
}

/// Where the identities of a cloud are, by kubelogin's names of clouds.
fn authority(flags: &Flags) -> Result<&'static str, String> {
    let environment = flags.get(&["--environment", "-e"]).unwrap_or_else(|| "AzurePublicCloud".to_owned());
    match environment.to_ascii_lowercase().as_str() {
        "azurepubliccloud" | "azurecloud" => Ok("https://login.microsoftonline.com"),
        "azureusgovernmentcloud" | "azureusgovernment" => Ok("https://login.microsoftonline.us"),
        "azurechinacloud" => Ok("https://login.chinacloudapi.cn"),
        _ => Err(format!("`kubelogin --environment {environment}` isn't known here: set AZURE_AUTHORITY_HOST and leave it out")),
    }
}

impl Plan {
    pub(in crate::login) fn identity(&self) -> &'static str {
        self.entra.identity()
    }

    pub(in crate::login) async fn login(&self, wire: &Wire) -> Result<Grant, Error> {
        let Access { token, lifetime } = self.entra.token(wire, &self.scope).await?;
        Ok(Grant { credential: Credential::Token(token), lifetime })
    }
}
