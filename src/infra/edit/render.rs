//! The ordered, pinned manifests of the application in a folder, one file a wave.

use std::collections::BTreeMap;

use crate::render::is_ours;

use super::{Change, Edits, Error, File, manifests};

/// Where a file of this name is in a folder; the root has no name.
pub fn place(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Compares what is to be there with what is. `present` are the files of the folder; those that Tagboat has not written stay.
///
/// # Errors
/// When a file of another hand has the name of one of ours.
pub fn edit(folder: &str, wanted: &BTreeMap<String, String>, present: &[File]) -> Result<Edits, Error> {
    let mut edits = Edits::default();
    let path_of = |name: &str| place(folder, name);
    for (name, text) in wanted {
        let path = path_of(name);
        let old = present.iter().find(|file| file.path == path);
        if old.is_some_and(|file| file.bytes == text.as_bytes()) {
            continue;
        }
        if let Some(foreign) = old.filter(|file| !is_ours(&file.bytes)) {
            return Err(Error::Foreign { file: foreign.path.clone() });
        }
        let before = old.map(File::text).transpose()?;
        let changes = manifests::compare(&path, before, text)?;
        if changes.is_empty() {
            edits.changes.push(row(&path, before.map(|_| "other objects"), "rendered"));
        }
        edits.changes.extend(changes);
        edits.writes.push((path, Some(text.clone().into_bytes())));
    }
    for stale in present.iter().filter(|file| is_ours(&file.bytes) && !wanted.keys().any(|name| path_of(name) == file.path)) {
        edits.changes.push(row(&stale.path, Some("rendered"), "removed"));
        edits.writes.push((stale.path.clone(), None));
    }
    Ok(edits)
}

fn row(path: &str, old: Option<&str>, new: &str) -> Change {
    Change { file: path.to_owned(), line: 1, image: "manifests".into(), old: old.map(str::to_owned), new: new.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::MARK;

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), bytes: text.into() }
    }

    #[test]
    fn only_our_own_files_are_changed_and_removed() {
        let pod = |tag: &str| {
            format!("{MARK}---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n  - image: ghcr.io/acme/api:{tag}\n")
        };
        let wanted: BTreeMap<String, String> = [("01-a.yaml".to_owned(), pod("v2")), ("02-b.yaml".to_owned(), MARK.to_owned())].into();
        let present = [file("k/01-a.yaml", &pod("v1")), file("k/09-old.yaml", MARK), file("k/kustomization.yaml", "resources: []\n")];
        let edits = edit("k", &wanted, &present).unwrap();
        let rows: Vec<String> = edits.changes.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(rows.join("\n"), @"
        k/01-a.yaml:9: ghcr.io/acme/api v1 → v2
        k/02-b.yaml:1: manifests rendered (added)
        k/09-old.yaml:1: manifests rendered → removed
        ");
        let writes: Vec<(&str, bool)> = edits.writes.iter().map(|(path, bytes)| (path.as_str(), bytes.is_some())).collect();
        assert_eq!(writes, [("k/01-a.yaml", true), ("k/02-b.yaml", true), ("k/09-old.yaml", false)]);

        let after = [file("k/01-a.yaml", &pod("v2")), file("k/02-b.yaml", MARK)];
        assert_eq!(edit("k", &wanted, &after).unwrap(), Edits::default());
        let foreign = edit("", &wanted, &[file("02-b.yaml", "a: 1\n")]).unwrap_err();
        insta::assert_snapshot!(foreign, @"couldn't write 02-b.yaml: Tagboat has not written what is there");
    }
}
