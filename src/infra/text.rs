//! Titles and texts of commits and pull requests. Pure.

use std::fmt::Write as _;

use super::edit::Change;
use super::plan::Text;
use super::{Entry, Settings};

/// GitHub's limits: 256 characters of title, 65,536 of text.
const TITLE_LIMIT: usize = 255;
const ROWS_LIMIT: usize = 200;
const CELL_LIMIT: usize = 200;

pub(super) fn pull(settings: &Settings, entry: &Entry, changes: &[Change]) -> Text {
    let title = title(settings, entry);
    let mut body = format!("{}\n\n| image | old | new | file |\n| --- | --- | --- | --- |\n", neutral(&title));
    for change in changes.iter().take(ROWS_LIMIT) {
        let old = change.old.as_deref().map_or_else(|| "—".to_owned(), code);
        let file = code(&format!("{}:{}", change.file, change.line));
        let _ = writeln!(body, "| {} | {old} | {} | {file} |", code(&change.image), code(&change.new));
    }
    if changes.len() > ROWS_LIMIT {
        let _ = writeln!(body, "\n… and {} more.", changes.len() - ROWS_LIMIT);
    }
    match &settings.release.url {
        Some(url) => {
            let _ = writeln!(body, "\nRelease: [{}]({url})", neutral(&settings.release.name));
        }
        None => {
            let _ = writeln!(body, "\nRelease: {}", neutral(&settings.release.name));
        }
    }
    let _ = write!(body, "\n{}", marker(settings, entry));
    Text { title, body }
}

pub(super) fn commit_message(settings: &Settings, entry: &Entry, changes: &[Change]) -> String {
    let mut message = format!("{}\n\n", title(settings, entry));
    for change in changes.iter().take(ROWS_LIMIT) {
        let _ = writeln!(message, "{}: {} → {}", change.image, change.old.as_deref().unwrap_or("new"), change.new);
    }
    message
}

fn title(settings: &Settings, entry: &Entry) -> String {
    let mut title = format!("Deploy {} {}", settings.app, settings.release.name);
    if let Some(environment) = &entry.environment {
        let _ = write!(title, " to {environment}");
    }
    title.chars().filter(|c| !c.is_control()).take(TITLE_LIMIT).collect()
}

/// Tells by which application and for which place a pull request was opened; a comment that nobody sees.
fn marker(settings: &Settings, entry: &Entry) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("app", &settings.app).append_pair("for", entry.distinction());
    // A comment ends at two dashes.
    format!("<!-- tagboat:{} -->", query.finish().replace('-', "%2D"))
}

/// Text of others in Markdown: it mentions nobody, closes no issue, and is no markup.
fn neutral(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars().filter(|c| !c.is_control()) {
        match character {
            '@' | '#' => out.extend([character, '\u{200b}']),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' => out.extend(['\\', character]),
            character => out.push(character),
        }
    }
    out
}

/// Text as code in a table's cell. Mentions have no effect in code.
fn code(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control() && *c != '`').take(CELL_LIMIT).collect();
    format!("`{}`", clean.replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::super::{Release, default_author, entries};
    use super::*;

    #[test]
    fn a_pull_request_shows_what_changes_and_disturbs_nobody() {
        let settings = Settings {
            app: "shop".into(),
            release: Release {
                name: "v1.2.3-@ada-#7".into(),
                url: Some("https://github.com/acme/shop/releases/tag/v1.2.3".parse().unwrap()),
            },
            publish: super::super::Publish::PullRequest,
            content: super::super::Content::default(),
            author: default_author(),
            server: "https://github.com".parse().unwrap(),
            token: None,
            workspace: ".".into(),
        };
        let entry = entries("- {repository: acme/infra, environment: pro--duction}").unwrap().remove(0);
        let change = |old: Option<&str>| Change {
            file: "overlays/shop/kustomization.yaml".into(),
            line: 12,
            image: "web".into(),
            old: old.map(str::to_owned),
            new: "v1.2.3@sha256:00".into(),
        };
        let text = pull(&settings, &entry, &[change(Some("v1|`x\n@bob")), change(None)]);
        assert_eq!(text.title, "Deploy shop v1.2.3-@ada-#7 to pro--duction");
        insta::assert_snapshot!(text.body.replace('\u{200b}', "~"), @r"
        Deploy shop v1.2.3-@~ada-#~7 to pro--duction

        | image | old | new | file |
        | --- | --- | --- | --- |
        | `web` | `v1\|x@bob` | `v1.2.3@sha256:00` | `overlays/shop/kustomization.yaml:12` |
        | `web` | — | `v1.2.3@sha256:00` | `overlays/shop/kustomization.yaml:12` |

        Release: [v1.2.3-@~ada-#~7](https://github.com/acme/shop/releases/tag/v1.2.3)

        <!-- tagboat:app=shop&for=pro%2D%2Dduction -->
        ");
    }
}
