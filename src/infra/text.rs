//! Titles and texts of commits and pull requests. Pure.

use std::fmt::Write as _;

use url::Url;

use super::downgrade::Downgrade;
use super::edit::Change;
use super::marker::Marker;
use super::plan::Text;
use super::{Entry, Release, Settings};

/// GitHub's limits: 256 characters of title, 65,536 of text.
const TITLE_LIMIT: usize = 255;
const ROWS_LIMIT: usize = 200;
const CELL_LIMIT: usize = 200;

pub(super) fn pull(settings: &Settings, entry: &Entry, changes: &[Change], downgrade: Option<&Downgrade>) -> Text {
    let title = title(settings, entry, downgrade);
    let mut body = format!("{}\n\n", neutral(&title));
    if let Some(Downgrade { what, from, to }) = downgrade {
        let _ = writeln!(body, "**This is a downgrade:** {} goes from {from} back to {to}, as it was asked for.\n", code(what));
    }
    body.push_str("| image | old | new | file |\n| --- | --- | --- | --- |\n");
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
    if let Some((name, url)) = comparison(&settings.release, changes) {
        let _ = writeln!(body, "Changes: [{}]({url})", neutral(&name));
    }
    let _ = write!(body, "\n{}", marker(settings, entry));
    Text { title, body }
}

/// Whose the pull request is.
pub(super) fn marker(settings: &Settings, entry: &Entry) -> Marker {
    Marker { app: settings.app.clone(), place: entry.distinction().to_owned(), version: settings.release.version.clone() }
}

/// The page with the commits between two releases, where an image's tags are the git tags of both: they look alike but for their digits.
fn comparison(release: &Release, changes: &[Change]) -> Option<(String, Url)> {
    let tag = |text: &str| text.split('@').next().unwrap_or_default().rsplit(':').next().unwrap_or_default().to_owned();
    let shape = |tag: &str| tag.split('-').next().unwrap_or_default().replace(|c: char| c.is_ascii_digit(), "");
    let old = changes.iter().find_map(|change| {
        let (old, new) = (tag(change.old.as_deref()?), tag(&change.new));
        (new == release.name && old != new && !old.is_empty() && shape(&old) == shape(&new)).then_some(old)
    })?;
    let name = format!("{old}...{}", release.name);
    let mut url = release.repository.clone()?;
    url.path_segments_mut().ok()?.pop_if_empty().extend(["compare", &name]);
    Some((name, url))
}

pub(super) fn commit_message(settings: &Settings, entry: &Entry, changes: &[Change], downgrade: Option<&Downgrade>) -> String {
    let mut message = format!("{}\n\n", title(settings, entry, downgrade));
    for change in changes.iter().take(ROWS_LIMIT) {
        let line = format!("{}: {} → {}", change.image, change.old.as_deref().unwrap_or("new"), change.new);
        let _ = writeln!(message, "{}", quiet(&line));
    }
    message
}

fn title(settings: &Settings, entry: &Entry, downgrade: Option<&Downgrade>) -> String {
    let mut title = format!("Deploy {} {}", settings.app, settings.release.name);
    if let Some(environment) = &entry.environment {
        let _ = write!(title, " to {environment}");
    }
    if downgrade.is_some() {
        title.push_str(" (downgrade)");
    }
    quiet(&title).chars().take(TITLE_LIMIT).collect()
}

/// Text of others on one plain line: it mentions nobody and refers to no issue. Titles become the messages of commits. Behind a letter or
/// a digit, as in `v1@sha256:…`, there is no mention.
fn quiet(text: &str) -> String {
    let (mut out, mut before) = (String::new(), ' ');
    for character in text.chars().filter(|c| !c.is_control()) {
        out.push(character);
        if character == '#' || (character == '@' && !before.is_alphanumeric()) {
            out.push('\u{200b}');
        }
        before = character;
    }
    out
}

/// Text of others in Markdown: it mentions nobody, closes no issue, and is no markup.
fn neutral(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars().filter(|c| !c.is_control() && *c != '\u{200b}') {
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
    use super::super::{Downgrades, default_author, entries};
    use super::*;

    #[test]
    fn a_pull_request_shows_what_changes_and_disturbs_nobody() {
        let settings = Settings {
            app: "shop".into(),
            release: Release {
                name: "v1.2.3-@ada-#7".into(),
                url: Some("https://github.com/acme/shop/releases/tag/v1.2.3".parse().unwrap()),
                version: semver::Version::parse("1.2.3").ok(),
                repository: Some("https://github.com/acme/shop".parse().unwrap()),
            },
            downgrades: Downgrades::Refuse,
            publish: super::super::Publish::PullRequest,
            content: super::super::Content::default(),
            author: default_author(),
            server: "https://github.com".parse().unwrap(),
            tokens: None.into(),
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
        let changes = [change(Some("v1|`x\n@bob")), change(None)];
        let text = pull(&settings, &entry, &changes, None);
        assert_eq!(text.title.replace('\u{200b}', "~"), "Deploy shop v1.2.3-@~ada-#~7 to pro--duction");
        let [one, other] = changes;
        let message = commit_message(&settings, &entry, &[one, Change { image: "@ops".into(), ..other }], None);
        insta::assert_snapshot!(message.replace('\u{200b}', "~"), @"
        Deploy shop v1.2.3-@~ada-#~7 to pro--duction

        web: v1|`x@bob → v1.2.3@sha256:00
        @~ops: new → v1.2.3@sha256:00
        ");
        insta::assert_snapshot!(text.body.replace('\u{200b}', "~"), @r"
        Deploy shop v1.2.3-@~ada-#~7 to pro--duction

        | image | old | new | file |
        | --- | --- | --- | --- |
        | `web` | `v1\|x@bob` | `v1.2.3@sha256:00` | `overlays/shop/kustomization.yaml:12` |
        | `web` | — | `v1.2.3@sha256:00` | `overlays/shop/kustomization.yaml:12` |

        Release: [v1.2.3-@~ada-#~7](https://github.com/acme/shop/releases/tag/v1.2.3)

        <!-- tagboat:app=shop&for=pro%2D%2Dduction&version=1.2.3 -->
        ");

        let settings = Settings { release: Release { name: "v1.2.3".into(), ..settings.release }, ..settings };
        let back = Downgrade { what: "web in f:1".into(), from: semver::Version::new(2, 0, 0), to: semver::Version::new(1, 2, 3) };
        let back_to = Change { new: "ghcr.io/acme/web:v1.2.3@sha256:00".into(), ..change(Some("ghcr.io/acme/web:v2.0.0")) };
        let text = pull(&settings, &entry, &[back_to], Some(&back));
        insta::assert_snapshot!(format!("{}\n\n{}", text.title, text.body), @"
        Deploy shop v1.2.3 to pro--duction (downgrade)

        Deploy shop v1.2.3 to pro--duction (downgrade)

        **This is a downgrade:** `web in f:1` goes from 2.0.0 back to 1.2.3, as it was asked for.

        | image | old | new | file |
        | --- | --- | --- | --- |
        | `web` | `ghcr.io/acme/web:v2.0.0` | `ghcr.io/acme/web:v1.2.3@sha256:00` | `overlays/shop/kustomization.yaml:12` |

        Release: [v1.2.3](https://github.com/acme/shop/releases/tag/v1.2.3)
        Changes: [v2.0.0...v1.2.3](https://github.com/acme/shop/compare/v2.0.0...v1.2.3)

        <!-- tagboat:app=shop&for=pro%2D%2Dduction&version=1.2.3 -->
        ");
    }
}
