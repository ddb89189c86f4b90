//! What is generated from the table of inputs: `action.yml`, the reference page, `--help`.

use std::fmt::Write as _;

use super::table::{INPUTS, OUTPUTS, Sensitivity, Spec};

/// `action.yml` as it is in the repository. Releases replace `image: Dockerfile` by the published image's digest.
///
/// The entrypoint is absolute because the user's `env:` may replace PATH, and must be declared because runners in Kubernetes
/// replace the container's command. There are no `args`: they are neither escaped nor translated (runner, ContainerActionHandler.cs).
pub fn action_yml() -> String {
    let mut text = String::from(
        "# Generated from src/action/table.rs; `UPDATE=1 cargo test --lib reference` writes it again.\n\
         name: Tagboat\n\
         description: Turns a release tag into a running deployment - retags images, orders manifests, applies them or opens pull requests.\n\
         branding: { icon: anchor, color: blue }\n\
         inputs:\n",
    );
    for spec in INPUTS {
        let _ = writeln!(text, "  {}:\n    description: {}", spec.name, quoted(&description(spec)));
        let _ = writeln!(text, "    required: false");
        if !spec.default.is_empty() {
            let _ = writeln!(text, "    default: {}", quoted(spec.default));
        }
    }
    text.push_str("outputs:\n");
    for output in OUTPUTS {
        let _ = writeln!(text, "  {}:\n    description: {}", output.name, quoted(output.help));
    }
    text.push_str("runs:\n  using: docker\n  image: Dockerfile\n  entrypoint: /usr/local/bin/tagboat\n");
    text
}

/// `docs/inputs.md`.
pub fn page() -> String {
    let mut text = String::from(
        "# Inputs and outputs\n\n\
         <!-- Generated from src/action/table.rs; `UPDATE=1 cargo test --lib reference` writes it again. -->\n\n\
         Empty means unset. Lists take one entry a line, or commas; structured inputs take YAML. Unknown inputs and misspelt values are\n\
         errors with a suggestion, reported all at once before anything is touched. Paths are relative to the workspace.\n\
         The same names work as flags: `tagboat --mode plan --compose-files compose.yaml`.\n\n\
         | input | default | meaning |\n| --- | --- | --- |\n",
    );
    for spec in INPUTS {
        let default = match (spec.default, spec.unset) {
            ("", unset) => unset.replace('|', "\\|"),
            (default, _) => format!("`{default}`"),
        };
        let _ = writeln!(text, "| `{}` | {default} | {} |", spec.name, description(spec).replace('|', "\\|"));
    }
    text.push_str("\n| output | meaning |\n| --- | --- |\n");
    for output in OUTPUTS {
        let _ = writeln!(text, "| `{}` | {} |", output.name, output.help);
    }
    text
}

/// The text of `--help`.
pub fn help() -> String {
    let mut text = String::from(
        "Tagboat turns a release tag into a running deployment.\n\nUsage: tagboat [--INPUT VALUE]...\n       tagboat --help | -V\n\nInputs (in a workflow: under `with:`):\n",
    );
    for spec in INPUTS {
        let default = match (spec.default, spec.unset) {
            ("", "") => String::new(),
            ("", unset) => format!(" [unset: {unset}]"),
            (default, _) => format!(" [default: {default}]"),
        };
        let _ = writeln!(text, "  --{:<22} {}{default}", spec.name, description(spec));
    }
    text
}

fn description(spec: &Spec) -> String {
    match spec.sensitivity {
        Sensitivity::Public => spec.help.to_owned(),
        Sensitivity::Secret => format!("{} (secret)", spec.help),
    }
}

/// A YAML scalar in double quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// The file must be what the table says; with `UPDATE=1` it is written.
    fn generated(path: &str, content: &str) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, content).unwrap();
        }
        let present = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(present == content, "{path} is out of date: run `UPDATE=1 cargo test --lib reference`");
    }

    #[test]
    fn action_yml_is_what_the_table_says() {
        generated("action.yml", &super::action_yml());
        let documents = crate::yaml::parse(&super::action_yml()).unwrap();
        let default = documents[0].root.get("inputs").unwrap().get("mode").unwrap().get("default").unwrap();
        assert_eq!(default.as_str(), Some("plan"));
    }

    #[test]
    fn the_reference_page_is_what_the_table_says() {
        generated("docs/inputs.md", &super::page());
    }
}
