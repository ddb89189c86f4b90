use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The process's environment, read once. Everything else of the house gets values.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    current_directory: PathBuf,
}

impl Environment {
    /// Reads the environment variables (those that are not UTF-8 are left out) and the current directory.
    ///
    /// # Errors
    /// When the current directory is gone.
    pub fn of_process() -> std::io::Result<Self> {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect();
        Ok(Self { variables, current_directory: std::env::current_dir()? })
    }

    pub fn new(variables: BTreeMap<String, String>, current_directory: impl Into<PathBuf>) -> Self {
        Self { variables, current_directory: current_directory.into() }
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// All variables.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Whether a workflow runner started this process.
    pub fn on_runner(&self) -> bool {
        self.get("GITHUB_ACTIONS") == Some("true")
    }

    /// The folder that paths are relative to: `GITHUB_WORKSPACE`, else the current directory.
    pub fn workspace(&self) -> PathBuf {
        self.get("GITHUB_WORKSPACE").map_or_else(|| self.current_directory.clone(), PathBuf::from)
    }

    /// A path of the user's, made absolute against the workspace.
    pub fn path(&self, path: &Path) -> PathBuf {
        self.workspace().join(path)
    }

    /// `owner/name` of the repository that the workflow runs in.
    pub fn repository(&self) -> Option<&str> {
        self.get("GITHUB_REPOSITORY")
    }

    /// The file of the workflow, by the reference to it: `owner/name/.github/workflows/deploy.yml@refs/heads/main`.
    pub fn workflow_file(&self) -> Option<&str> {
        let path = self.get("GITHUB_WORKFLOW_REF")?.split('@').next()?;
        path.rsplit('/').next()
    }

    /// Where a person finds this run, when it is one of a workflow.
    pub fn run_url(&self) -> Option<String> {
        let server = self.get("GITHUB_SERVER_URL")?;
        Some(format!("{server}/{}/actions/runs/{}", self.repository()?, self.get("GITHUB_RUN_ID")?))
    }
}
