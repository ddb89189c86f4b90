//! Small projects in a folder, and what is read of them.

mod anything;
mod extending;
mod finding;
mod including;
mod joining;
mod reading;
mod variables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Request, load};
use crate::error::Problems;

/// A project of a few files in a folder called `shop`.
struct Shop {
    folder: tempfile::TempDir,
    files: Vec<PathBuf>,
    env_file: Option<PathBuf>,
    environment: BTreeMap<String, String>,
}

fn shop(files: &[(&str, &str)]) -> Shop {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("shop")).unwrap();
    for (name, content) in files {
        let file = folder.path().join("shop").join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }
    Shop { folder, files: vec![], env_file: None, environment: BTreeMap::new() }
}

/// What a single `compose.yaml` gives.
fn compose(content: &str) -> String {
    shop(&[("compose.yaml", content)]).show()
}

impl Shop {
    fn files(mut self, files: &[&str]) -> Self {
        self.files = files.iter().map(PathBuf::from).collect();
        self
    }

    fn env_file(mut self, file: &str) -> Self {
        self.env_file = Some(file.into());
        self
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("shop")
    }

    fn show(&self) -> String {
        let directory = self.path();
        let environment = &self.environment;
        let request = Request { project_directory: &directory, files: &self.files, env_file: self.env_file.as_deref(), environment };
        let text = match load(&request) {
            Ok(project) => project.to_string(),
            Err(problems) => told(&problems),
        };
        text.replace(&directory.display().to_string(), "SHOP").replace(&self.folder.path().display().to_string(), "OUTSIDE")
    }
}

fn told(problems: &Problems) -> String {
    let mut out = String::new();
    for problem in problems.iter() {
        let at = problem.location().map_or(String::new(), |at| format!("{at}: "));
        out += &format!("{at}{problem}\n");
        let mut cause = problem.source();
        while let Some(error) = cause {
            out += &format!("  because {error}\n");
            cause = error.source();
        }
        out += &format!("  hint: {}\n", problem.hint());
        assert_eq!(problem.exit(), crate::error::Exit::BadInput);
    }
    out
}
