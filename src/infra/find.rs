//! Which files of a repository an entry means, and by which edit. All reading of repositories is here.

use crate::git::{Depth, Mode};

use super::edit::{File, ImagePin, may_name, placeholders::rendered_name};
use super::entry::{Edit, Entry};
use super::source::Source;
use super::{Error, edit::kustomize};

/// The files to edit, by the edit.
pub(super) enum Found {
    Kustomization(File),
    Chart(Vec<File>),
    /// The files that may name an image, and the names of all that were looked at.
    Manifests {
        files: Vec<File>,
        searched: Vec<String>,
    },
    Templates(Vec<Template>),
    /// The files of the folder that manifests are rendered into.
    Rendered(Vec<File>),
}

pub(super) struct Template {
    pub(super) file: File,
    pub(super) rendered: String,
    pub(super) present: Option<Vec<u8>>,
}

/// What is at the entry's path.
enum At {
    File,
    Folder,
}

pub(super) async fn find(source: &Source, entry: &Entry, images: &[ImagePin]) -> Result<Found, Error> {
    let finder = Finder { source, entry };
    let at = match entry.path.is_empty() {
        true => At::Folder,
        false => source.read(&entry.path).await?.map_or(At::Folder, |file| if file.mode == Mode::Tree { At::Folder } else { At::File }),
    };
    match finder.edit(&at).await? {
        Edit::Helm => finder.chart(&at).await,
        Edit::Manifests => finder.manifests(&at, images).await,
        Edit::Placeholders => finder.templates(&at).await,
        Edit::Render => finder.rendered(&at).await,
        Edit::Kustomize | Edit::Auto => finder.kustomization(&at).await,
    }
}

/// Checks that a file can be written at a path: what is there is a file, and what is above it are folders. Git would replace a link or
/// a file by a folder without a word.
pub(super) async fn check_place(source: &Source, path: &str) -> Result<(), Error> {
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    for end in ends {
        let Some(there) = source.read(&path[..end]).await? else { return Ok(()) };
        let what = match there.mode {
            Mode::Tree if end < path.len() => continue,
            Mode::Regular | Mode::Executable if end == path.len() => continue,
            mode => kind(mode),
        };
        return Err(Error::NotAFile { file: path[..end].to_owned(), what });
    }
    Ok(())
}

fn kind(mode: Mode) -> &'static str {
    match mode {
        Mode::Regular | Mode::Executable => "a file",
        Mode::Link => "a symbolic link",
        Mode::Tree => "a folder",
        Mode::Submodule => "a submodule",
    }
}

struct Finder<'f> {
    source: &'f Source,
    entry: &'f Entry,
}

impl Finder<'_> {
    /// The edit by the files: a kustomization, else a chart or its values, else plain manifests.
    async fn edit(&self, at: &At) -> Result<Edit, Error> {
        if self.entry.edit != Edit::Auto {
            return Ok(self.entry.edit);
        }
        if !self.entry.values.is_empty() {
            return Ok(Edit::Helm);
        }
        if !self.entry.templates.is_empty() {
            return Ok(Edit::Placeholders);
        }
        let names = match at {
            At::File => vec![self.entry.path.clone()],
            At::Folder => self.names(Depth::Folder).await?,
        };
        let mut is_kustomization = names.iter().any(|path| kustomize::FILE_NAMES.contains(&file_name(path)));
        for name in kustomize::FILE_NAMES.iter().filter(|_| matches!(at, At::Folder)) {
            // Also a link of that name, which is told as such.
            is_kustomization |= self.source.read(&self.inside(name)).await?.is_some();
        }
        Ok(match () {
            () if is_kustomization => Edit::Kustomize,
            () if names.iter().any(|path| is_of_chart(file_name(path))) => Edit::Helm,
            () => Edit::Manifests,
        })
    }

    /// `path` names the kustomization, or the folder that holds exactly one.
    async fn kustomization(&self, at: &At) -> Result<Found, Error> {
        let candidates = match at {
            At::Folder => kustomize::FILE_NAMES.map(|name| self.inside(name)).to_vec(),
            At::File => vec![self.entry.path.clone()],
        };
        let mut found = Vec::new();
        for path in &candidates {
            found.extend(self.read(path).await?);
        }
        if found.len() > 1 {
            let names: Vec<&str> = found.iter().map(|file| file.path.as_str()).collect();
            return Err(Error::Ambiguous { place: self.place(), found: names.join(" and ") });
        }
        found.pop().map(Found::Kustomization).ok_or_else(|| self.nothing("a kustomization", &candidates.join(", ")))
    }

    /// A values file, or the `Chart.yaml` and the values files of a folder.
    async fn chart(&self, at: &At) -> Result<Found, Error> {
        let paths = match at {
            At::File => vec![self.entry.path.clone()],
            At::Folder => self.names(Depth::Folder).await?.into_iter().filter(|path| is_of_chart(file_name(path))).collect(),
        };
        if paths.is_empty() {
            return Err(self.nothing("a Helm chart", &format!("{}, {}", self.inside("Chart.yaml"), self.inside("values*.yaml"))));
        }
        let mut files = Vec::new();
        for path in paths {
            files.extend(self.read(&path).await?);
        }
        Ok(Found::Chart(files))
    }

    /// YAML and JSON files below the path, without hidden ones and templates, those of charts included: they are no YAML.
    async fn manifests(&self, at: &At, images: &[ImagePin]) -> Result<Found, Error> {
        let is_manifest = |path: &str| ["yaml", "yml", "json"].into_iter().any(|end| path.rsplit('.').next() == Some(end));
        let searched = match at {
            At::File => vec![self.entry.path.clone()],
            At::Folder => {
                let names = self.names(Depth::All).await?;
                let charts: Vec<String> =
                    names.iter().filter_map(|path| Some(format!("{}templates/", path.strip_suffix("Chart.yaml")?))).collect();
                let is_template =
                    |path: &str| rendered_name(path).is_some() || charts.iter().any(|folder| path.starts_with(folder.as_str()));
                names.into_iter().filter(|path| is_manifest(path) && !is_template(path)).collect()
            }
        };
        if searched.is_empty() {
            return Err(self.nothing("manifests", &format!("{}, {}", self.inside("**/*.yaml"), self.inside("**/*.json"))));
        }
        if matches!(at, At::File) {
            let files = self.read(&self.entry.path).await?.into_iter().collect();
            return Ok(Found::Manifests { files, searched });
        }
        let files = self.source.read_all(&searched, &mut |bytes| may_name(bytes, images)).await?;
        let files = files.into_iter().map(|(path, bytes)| File { path, bytes }).collect();
        Ok(Found::Manifests { files, searched })
    }

    /// The templates of the entry, else all below the path that are named as such.
    async fn templates(&self, at: &At) -> Result<Found, Error> {
        let named = |path: String| rendered_name(&path).map(|rendered| (path, rendered));
        let pairs: Vec<(String, String)> = match at {
            _ if !self.entry.templates.is_empty() => {
                self.entry.templates.iter().map(|(from, to)| (self.inside(from), self.inside(to))).collect()
            }
            At::File => named(self.entry.path.clone()).into_iter().collect(),
            At::Folder => self.names(Depth::All).await?.into_iter().filter_map(named).collect(),
        };
        let mut templates = Vec::new();
        for (path, rendered) in pairs {
            let Some(file) = self.read(&path).await? else { return Err(self.nothing("the template", &path)) };
            check_place(self.source, &rendered).await?;
            let present = self.read(&rendered).await?.map(|file| file.bytes);
            templates.push(Template { file, rendered, present });
        }
        if templates.is_empty() {
            return Err(self.nothing("templates", &self.inside("**/*.tmpl.yaml")));
        }
        Ok(Found::Templates(templates))
    }

    async fn rendered(&self, at: &At) -> Result<Found, Error> {
        if matches!(at, At::File) {
            return Err(Error::NotAFolder { path: self.entry.path.clone() });
        }
        let paths = self.names(Depth::Folder).await?;
        let files = self.source.read_all(&paths, &mut |_| true).await?;
        Ok(Found::Rendered(files.into_iter().map(|(path, bytes)| File { path, bytes }).collect()))
    }

    fn inside(&self, name: &str) -> String {
        format!("{}/{name}", self.entry.path).trim_start_matches('/').to_owned()
    }

    fn place(&self) -> String {
        format!("{} at {}", self.entry.repository, self.source.base_branch())
    }

    fn nothing(&self, what: &'static str, looked_for: &str) -> Error {
        Error::NothingToEdit { what, place: self.place(), looked_for: looked_for.to_owned() }
    }

    /// Paths of the files in the entry's folder; what is hidden is left out.
    async fn names(&self, depth: Depth) -> Result<Vec<String>, Error> {
        self.source.list(&self.entry.path, depth).await
    }

    async fn read(&self, path: &str) -> Result<Option<File>, Error> {
        let Some(file) = self.source.read(path).await? else { return Ok(None) };
        match file.mode {
            Mode::Regular | Mode::Executable => Ok(Some(File { path: path.to_owned(), bytes: file.bytes })),
            mode => Err(Error::NotAFile { file: path.to_owned(), what: kind(mode) }),
        }
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn is_of_chart(name: &str) -> bool {
    name == "Chart.yaml" || (name.starts_with("values") && (name.ends_with(".yaml") || name.ends_with(".yml")))
}
