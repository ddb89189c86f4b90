//! `%%NAME%%` in templates, rendered beside them: `deploy.tmpl.yaml` → `deploy.yaml`. The template stays, so the next release finds its
//! placeholders again.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::Explain as _;
use crate::resource::placeholders::{names, replace};
use crate::yaml::{self, Kind, Node, ScalarStyle};

use super::{Change, Edited, Error, File, ImagePin};

/// What a release gives; nobody else's values are shown in the table of changes, because they may be secrets.
const OF_A_RELEASE: [&str; 5] = ["VERSION", "TAG", "ENVIRONMENT", "COMMIT_HASH", "SHORT_HASH"];

/// The file that a template is rendered to, if the name is a template's.
pub fn rendered_name(template: &str) -> Option<String> {
    [".tmpl.yaml", ".tmpl.yml", ".tmpl.json"].into_iter().find_map(|ending| {
        let stem = template.strip_suffix(ending).filter(|stem| !stem.is_empty() && !stem.ends_with('/'))?;
        Some(format!("{stem}{}", ending.trim_start_matches(".tmpl")))
    })
}

/// The placeholders that images give: `API_IMAGE`, `API_TAG` and `API_DIGEST` for the service `api`.
pub fn of_images(pins: &[ImagePin]) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for pin in pins {
        let service: String = pin.service.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
        let mut put = |part: &str, value: String| drop(values.insert(format!("{service}_{part}"), value));
        put("IMAGE", crate::image::Reference::from(&pin.repository).pinned(Some(pin.tag.clone()), pin.digest.clone()).to_string());
        put("TAG", pin.tag.to_string());
        if let Some(digest) = &pin.digest {
            put("DIGEST", digest.to_string());
        }
    }
    values
}

/// Renders a template. `present` is the rendered file as it is now.
///
/// # Errors
/// Names without a value, all of them with their places; a result that is not YAML where the file's name says so.
pub fn edit(
    template: &File,
    rendered: &str,
    present: Option<&[u8]>,
    pins: &[ImagePin],
    variables: &BTreeMap<String, String>,
) -> Result<Edited, Error> {
    let images = of_images(pins);
    let mut values = variables.clone();
    values.extend(images.clone());
    let text = template.text()?;
    let new = replace(Path::new(&template.path), text, &values).map_err(|problems| {
        let line = |problem: crate::resource::Error| {
            let place = problem.location().map(|at| format!("{at}: ")).unwrap_or_default();
            format!("{place}{problem}; {}", problem.hint())
        };
        Error::Placeholders { file: template.path.clone(), problems: problems.into_iter().map(line).collect() }
    })?;
    let mut notes = Vec::new();
    if [".yaml", ".yml", ".json"].iter().any(|ending| rendered.ends_with(ending)) {
        let documents = yaml::parse(&new).map_err(|error| super::yaml::unreadable(rendered, &error))?;
        let texts: Vec<&String> = values.iter().filter(|(name, _)| is_shown(name, &images)).map(|(_, value)| value).collect();
        for document in &documents {
            numbers(rendered, &document.root, &texts, &mut notes);
        }
    }
    let changes = match present == Some(new.as_bytes()) {
        true => Vec::new(),
        false => changes(rendered, text, &new, present, &images),
    };
    Ok(Edited { bytes: new.into_owned().into_bytes(), changes, notes })
}

fn is_shown(name: &str, images: &BTreeMap<String, String>) -> bool {
    OF_A_RELEASE.contains(&name) || images.contains_key(name)
}

/// One row for each line of the template that has placeholders and is rendered to something else than before. Lines keep their numbers.
fn changes(file: &str, template: &str, new: &str, present: Option<&[u8]>, images: &BTreeMap<String, String>) -> Vec<Change> {
    let present = present.map(String::from_utf8_lossy);
    let old: Vec<&str> = present.as_deref().unwrap_or_default().lines().collect();
    let mut changes = Vec::new();
    for (index, (written, new)) in template.lines().zip(new.lines()).enumerate() {
        let names = names(written);
        let before = old.get(index).copied();
        if names.is_empty() || before == Some(new) {
            continue;
        }
        let shows = |text: &str| if names.iter().all(|name| is_shown(name, images)) { text.trim().to_owned() } else { "…".to_owned() };
        changes.push(Change {
            file: file.to_owned(),
            line: u32::try_from(index + 1).unwrap_or(u32::MAX),
            image: names.join(", "),
            old: before.map(shows),
            new: shows(new),
        });
    }
    if changes.is_empty() {
        let old = present.is_some().then(|| "another text".to_owned());
        changes.push(Change { file: file.to_owned(), line: 1, image: "template".into(), old, new: "rendered".into() });
    }
    changes
}

/// `tag: %%VERSION%%` with the value `1.10` says the number 1.1.
fn numbers(file: &str, node: &Node, texts: &[&String], notes: &mut Vec<String>) {
    if let Kind::Scalar { text, style: ScalarStyle::Plain } = &node.kind
        && texts.contains(&text)
        && !yaml::is_plain_string(text)
        && node.tag.is_none()
    {
        notes.push(format!("{file}:{}: {text} is read as something else than a text; quote the placeholder", node.line));
    }
    let children = node.entries().iter().map(|(_, value)| value).chain(node.items());
    children.for_each(|child| numbers(file, child, texts, notes));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::edit::testing::pin;

    const TEMPLATE: &str = "image: %%API_IMAGE%% # %%%%NAME%%%%\r\ntag: %%VERSION%%\r\npassword: '%%PASSWORD%%'\r\nx: 100%%";

    fn run(template: &str, present: Option<&str>) -> String {
        let file = File { path: "k/api.tmpl.yaml".into(), bytes: template.into() };
        let variables = [("VERSION", "1.10"), ("PASSWORD", "hunter2")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        match edit(&file, "k/api.yaml", present.map(str::as_bytes), &[pin("ghcr.io/acme/api ghcr.io/acme/api v1.10")], &variables) {
            Ok(edited) => {
                let rows = edited.changes.iter().map(ToString::to_string).chain(edited.notes);
                format!("{:?}\n{}", String::from_utf8(edited.bytes).unwrap(), rows.collect::<Vec<_>>().join("\n"))
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_template_is_rendered_and_only_harmless_values_are_shown() {
        let old = "image: ghcr.io/acme/api:v1.9 # %%NAME%%\r\ntag: 1.9\r\npassword: 'old'\r\nx: 100%%";
        insta::assert_snapshot!(run(TEMPLATE, Some(old)), @r#"
        "image: ghcr.io/acme/api:v1.10 # %%NAME%%\r\ntag: 1.10\r\npassword: 'hunter2'\r\nx: 100%%"
        k/api.yaml:1: API_IMAGE image: ghcr.io/acme/api:v1.9 # %%NAME%% → image: ghcr.io/acme/api:v1.10 # %%NAME%%
        k/api.yaml:2: VERSION tag: 1.9 → tag: 1.10
        k/api.yaml:3: PASSWORD … → …
        k/api.yaml:2: 1.10 is read as something else than a text; quote the placeholder
        "#);
        insta::assert_snapshot!(run("a: 1\n", None), @r#"
        "a: 1\n"
        k/api.yaml:1: template rendered (added)
        "#);
    }

    #[test]
    fn unknown_names_and_broken_results_are_refused_with_their_places() {
        insta::assert_snapshot!(run("a: %%VERSOIN%%\nb:\n  c: '%%NOTHING%%'\n", None), @"
        couldn't render k/api.tmpl.yaml:
          k/api.tmpl.yaml:1:4: the placeholder %%VERSOIN%% has no value; did you mean %%VERSION%%? Otherwise add a line `VERSOIN=…` to `variables`, or write %%%%VERSOIN%%%% for the text itself
          k/api.tmpl.yaml:3:7: the placeholder %%NOTHING%% has no value; add a line `NOTHING=…` to `variables`, or write %%%%NOTHING%%%% for the text itself
        ");
        insta::assert_snapshot!(run("a: 1\nb: [%%VERSION%%\n", None), @"couldn't read k/api.yaml:2:4: not YAML: unclosed bracket '['");
    }

    #[test]
    fn only_templates_have_a_rendered_name() {
        let names = ["a/b.tmpl.yaml", "b.tmpl.yml", ".tmpl.yaml", "a/.tmpl.yaml", "b.yaml", "b.tmpl.json"].map(rendered_name);
        insta::assert_snapshot!(format!("{names:?}"), @r#"[Some("a/b.yaml"), Some("b.yml"), None, None, None, Some("b.json")]"#);
    }
}
