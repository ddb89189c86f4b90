//! Adapter for the program kustomize: builds a kustomization and gives what it prints.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use crate::error::{Exit, Explain, Location};

/// Where the action's image has it.
const IN_IMAGE: &str = "/usr/local/bin/kustomize";
/// What a build may print: ten times what a cluster of a thousand workloads needs.
const LARGEST_OUTPUT: u64 = 128 << 20;
/// What is read of its complaints, and what is shown of them.
const LARGEST_COMPLAINT: u64 = 64 << 10;
const SHOWN: usize = 2000;
/// A build of 5,000 objects takes half a minute.
const LONGEST: Duration = Duration::from_secs(300);

/// The installed program.
#[derive(Debug, Clone)]
pub struct Kustomize {
    program: PathBuf,
    /// All that it gets to see of our environment: bases in git repositories are fetched by git, which looks at these.
    environment: Vec<(&'static str, String)>,
}

/// Why a kustomization was not built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("couldn't find kustomize, which {} needs", folder.display())]
    NotInstalled { folder: PathBuf, at: Location },
    #[error("couldn't run {}", program.display())]
    Run { program: PathBuf, at: Location, source: io::Error },
    #[error("couldn't build {} with kustomize ({status}): {complaint}", folder.display())]
    Failed { folder: PathBuf, status: ExitStatus, complaint: String, at: Location },
    #[error("couldn't build {} with kustomize within {} s", folder.display(), LONGEST.as_secs())]
    TimedOut { folder: PathBuf, at: Location },
    #[error("couldn't take what kustomize has built of {}: it is more than {} MiB", folder.display(), LARGEST_OUTPUT >> 20)]
    TooLarge { folder: PathBuf, at: Location },
    #[error("couldn't take what kustomize has built of {}: it is not UTF-8 text", folder.display())]
    Encoding { folder: PathBuf, at: Location },
}

impl Kustomize {
    /// The one of the action's image, else the first in the folders of `path` (as in the variable PATH). `get` reads the environment.
    ///
    /// # Errors
    /// [`Error::NotInstalled`], about the kustomization (its file) that is to be built.
    pub fn find<'e>(get: impl Fn(&str) -> Option<&'e str>, kustomization: &Path) -> Result<Self, Error> {
        let on_path = get("PATH").unwrap_or_default().split(':').map(|folder| Path::new(folder).join("kustomize"));
        let program = std::iter::once(PathBuf::from(IN_IMAGE)).chain(on_path).find(|file| file.is_absolute() && file.is_file());
        let not_installed = || Error::NotInstalled { folder: folder(kustomization), at: Location::file(kustomization) };
        let program = program.ok_or_else(not_installed)?;
        let environment = ["PATH", "HOME", "TMPDIR"].into_iter().filter_map(|name| Some((name, get(name)?.to_owned()))).collect();
        Ok(Self { program, environment })
    }

    /// What a kustomization builds. Its file is given relative to `root`. Files outside of its folder and its bases are not read.
    ///
    /// Dropping it ends the program.
    ///
    /// # Errors
    /// What kustomize says, or that it couldn't be run, said too much or took too long.
    pub async fn build(&self, root: &Path, kustomization: &Path) -> Result<String, Error> {
        let (folder, at) = (folder(kustomization), Location::file(kustomization));
        let run = |source| Error::Run { program: self.program.clone(), at: at.clone(), source };
        let mut command = Command::new(&self.program);
        command
            .arg("build")
            // A folder whose name begins with a hyphen is no option.
            .arg(Path::new(".").join(&folder))
            .args(["--load-restrictor", "LoadRestrictionsRootOnly"])
            .current_dir(root)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(run)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let work = async {
            let (output, complaint) = tokio::try_join!(read(stdout, LARGEST_OUTPUT), read(stderr, LARGEST_COMPLAINT))?;
            // More than that isn't read, and the program would wait for a reader.
            if output.len() as u64 > LARGEST_OUTPUT {
                child.start_kill()?;
            }
            Ok((output, complaint, child.wait().await?))
        };
        let ended = tokio::time::timeout(LONGEST, work).await.map_err(|_| Error::TimedOut { folder: folder.clone(), at: at.clone() })?;
        let (output, complaint, status) = ended.map_err(run)?;
        if output.len() as u64 > LARGEST_OUTPUT {
            return Err(Error::TooLarge { folder, at });
        }
        if !status.success() {
            return Err(Error::Failed { folder, status, complaint: shown(&complaint), at });
        }
        String::from_utf8(output).map_err(|_| Error::Encoding { folder, at })
    }
}

fn folder(kustomization: &Path) -> PathBuf {
    kustomization.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new(".")).to_owned()
}

/// At most one byte more than the limit; what comes after is read and forgotten only for complaints, which are small.
async fn read(stream: Option<impl AsyncRead + Unpin>, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        (&mut stream).take(limit + 1).read_to_end(&mut bytes).await?;
        if limit == LARGEST_COMPLAINT {
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
        }
    }
    Ok(bytes)
}

/// The end of what it said, where the cause stands.
fn shown(complaint: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaint);
    let text = text.trim().trim_start_matches("Error: ");
    match text.char_indices().rev().nth(SHOWN) {
        Some((start, _)) => format!("…{}", &text[start..]),
        None => text.to_owned(),
    }
}

impl Explain for Error {
    fn hint(&self) -> String {
        match self {
            Self::NotInstalled { .. } => {
                "the action's image has it; elsewhere install kustomize 5 (`go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.1`) on PATH"
                    .into()
            }
            Self::Run { .. } => "check that the program can be run: `kustomize version`".into(),
            Self::Failed { folder, .. } => format!("see what `kustomize build {}` says in the workspace", folder.display()),
            Self::TimedOut { .. } => "bases that are fetched over the network are best vendored into the repository".into(),
            Self::TooLarge { .. } => "name smaller kustomizations in `manifests`, one a line".into(),
            Self::Encoding { .. } => "save the kustomization's files as UTF-8".into(),
        }
    }

    fn exit(&self) -> Exit {
        Exit::BadInput
    }

    fn location(&self) -> Option<&Location> {
        match self {
            Self::NotInstalled { at, .. }
            | Self::Run { at, .. }
            | Self::Failed { at, .. }
            | Self::TimedOut { at, .. }
            | Self::TooLarge { at, .. }
            | Self::Encoding { at, .. } => Some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that stands for kustomize.
    fn program(script: &str) -> (tempfile::TempDir, Kustomize) {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("kustomize");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let environment = vec![("PATH", "/usr/bin:/bin".to_owned())];
        (folder, Kustomize { program, environment })
    }

    async fn built(script: &str) -> String {
        let (root, kustomize) = program(script);
        match kustomize.build(root.path(), Path::new("overlays/shop/kustomization.yaml")).await {
            Ok(text) => text,
            Err(error) => crate::resource::testing::explain_one(&error),
        }
    }

    #[tokio::test]
    async fn the_program_sees_the_folder_and_little_of_the_environment() {
        let text = built("echo \"$@\"; env | grep -vE '^(PWD|SHLVL|_)='").await;
        assert_eq!(text, "build ./overlays/shop --load-restrictor LoadRestrictionsRootOnly\nPATH=/usr/bin:/bin\n");
    }

    #[tokio::test]
    async fn what_it_complains_of_is_shown_with_the_place() {
        insta::assert_snapshot!(built("echo half; echo 'Error: no such resource' >&2; exit 1").await, @r"
        overlays/shop/kustomization.yaml: couldn't build overlays/shop with kustomize (exit status: 1): no such resource
          → see what `kustomize build overlays/shop` says in the workspace
        ");
        insta::assert_snapshot!(built("printf '\\377'").await, @r"
        overlays/shop/kustomization.yaml: couldn't take what kustomize has built of overlays/shop: it is not UTF-8 text
          → save the kustomization's files as UTF-8
        ");
    }

    #[tokio::test]
    async fn endless_output_ends() {
        let text =
            built("yes aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").await;
        assert!(text.contains("it is more than 128 MiB"), "{}", &text[..200]);
    }

    #[test]
    fn a_machine_without_it_is_told_how_to_get_it() {
        if Path::new(IN_IMAGE).exists() {
            return;
        }
        let error = Kustomize::find(|_| Some("/nowhere"), Path::new("kustomization.yaml")).unwrap_err();
        insta::assert_snapshot!(crate::resource::testing::explain_one(&error), @r"
        kustomization.yaml: couldn't find kustomize, which . needs
          → the action's image has it; elsewhere install kustomize 5 (`go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.1`) on PATH
        ");
    }
}
