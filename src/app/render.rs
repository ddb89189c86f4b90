//! Writes the ordered, pinned manifests into a folder: one file a wave, so that `kubectl apply -f` takes them in their order.

use std::collections::BTreeMap;
use std::path::Path;

use super::Run;
use super::error::Error;
use super::images::Images;
use crate::action::values::DryRun;
use crate::error::Problems;
use crate::journal::Kind;
use crate::render::is_ours;

impl Run<'_> {
    pub(super) async fn render(&mut self, images: &Images) -> Result<(), Problems> {
        let (resources, catalog) = self.manifests(images).await?;
        let manifests = self.order(resources, catalog)?;
        self.log.say(manifests.order.to_string().trim_end());
        let folder = self.environment.path(&self.inputs.render_folder);
        let wanted = manifests.files()?;
        let present = present(&folder)?;
        self.report.files = wanted.keys().map(|name| self.shown(name)).collect();
        let stale: Vec<&String> = present.keys().filter(|name| !wanted.contains_key(*name)).collect();
        for (name, text) in wanted.iter().filter(|(name, text)| present.get(*name) != Some(text)) {
            self.write(&folder, name, text, present.contains_key(name))?;
        }
        for name in stale {
            self.remove(&folder, name)?;
        }
        Ok(())
    }

    fn write(&self, folder: &Path, name: &str, text: &str, is_there: bool) -> Result<(), Error> {
        let (path, shown) = (folder.join(name), self.shown(name));
        let verb = if is_there { "changed" } else { "written" };
        if self.inputs.dry_run == DryRun::Yes {
            self.log.say(format!("would be {verb}: {shown}"));
            return Ok(());
        }
        let fail = |source| Error::Write { path: path.clone(), source };
        let write = self.journal.begin(Kind::File, &shown, is_there.then(|| "another content".to_owned()), "rendered");
        // Renamed into place, so that a killed run leaves no half file.
        let result = std::fs::create_dir_all(folder)
            .and_then(|()| tempfile::NamedTempFile::new_in(folder))
            .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()).map(|()| file))
            .and_then(|file| file.persist(&path).map_err(|error| error.error))
            .and_then(|file| file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644)));
        match result {
            Ok(()) => write.done(),
            Err(source) => {
                write.failed();
                return Err(fail(source));
            }
        }
        self.log.say(format!("{verb}: {shown}"));
        Ok(())
    }

    /// A file's path as the user would write it.
    fn shown(&self, name: &str) -> String {
        self.inputs.render_folder.join(name).display().to_string()
    }

    fn remove(&self, folder: &Path, name: &str) -> Result<(), Error> {
        let (path, shown) = (folder.join(name), self.shown(name));
        if self.inputs.dry_run == DryRun::Yes {
            self.log.say(format!("would be removed: {shown}"));
            return Ok(());
        }
        let write = self.journal.begin(Kind::File, &shown, Some("rendered".to_owned()), "removed");
        std::fs::remove_file(&path).map_err(|source| Error::Write { path: path.clone(), source })?;
        write.done();
        self.log.say(format!("removed: {shown}"));
        Ok(())
    }
}

/// The files that we have written there before. Anything else in the folder means that it isn't ours.
fn present(folder: &Path) -> Result<BTreeMap<String, String>, Error> {
    let read = |path: &Path| std::fs::read_to_string(path).ok().filter(|text| is_ours(text.as_bytes()));
    let mut files = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(files) };
    for entry in entries {
        let path = entry.map_err(|source| Error::Write { path: folder.to_owned(), source })?.path();
        match (read(&path), path.file_name()) {
            (Some(text), Some(name)) => drop(files.insert(name.to_string_lossy().into_owned(), text)),
            _ => return Err(Error::ForeignFiles { folder: folder.to_owned(), file: path }),
        }
    }
    Ok(files)
}
