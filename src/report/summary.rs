use std::fmt::Write as _;
use std::time::Duration;

use super::{Outcome, Report};
use crate::action::markdown::{block, code, plain, table};
use crate::error::Exit;
use crate::image::Digest;

impl Report {
    /// The step summary, in markdown. Texts from outside are escaped or fenced.
    pub fn summary(&self, exit: Exit) -> String {
        let mut text = format!("## {}\n\n{}.\n\n", self.title(exit), capitalised(&plain(&self.closing(exit))));
        for problem in &self.problems {
            let place = problem.place.as_ref().map(|place| format!("{} ", code(place))).unwrap_or_default();
            let mut lines = problem.text.lines();
            let _ = writeln!(text, "> [!CAUTION]\n> {place}{}", plain(lines.next().unwrap_or_default()));
            for line in lines {
                let _ = writeln!(text, ">\n> {}", plain(line));
            }
            text.push('\n');
        }
        for warning in &self.warnings {
            let _ = writeln!(text, "> [!WARNING]\n> {}\n", plain(warning));
        }
        text.push_str(&self.release_section());
        text.push_str(&self.images_section());
        text.push_str(&self.waves_section());
        text.push_str(&self.objects_section());
        text.push_str(&self.repositories_section());
        text.push_str(&self.files_section());
        text.push_str(&self.evidence_section());
        text.push_str(&self.changes_section());
        text.push_str(&self.durations_section());
        text.push_str(&self.next_section());
        text
    }

    fn title(&self, exit: Exit) -> String {
        let mark = match self.outcome(exit) {
            Outcome::Done | Outcome::Unchanged => "✅",
            Outcome::Planned => "📝",
            Outcome::Failed | Outcome::Refused | Outcome::TimedOut => "❌",
            Outcome::Cancelled => "⏹️",
        };
        let Some(mode) = self.mode else { return format!("{mark} Tagboat: its inputs") };
        let what = self.release.as_ref().map_or_else(|| "no release".to_owned(), |release| plain(&release.tag));
        format!("{mark} Tagboat {mode}: {what}")
    }

    fn release_section(&self) -> String {
        let Some(release) = &self.release else { return String::new() };
        let row = vec![
            code(&release.version.to_string()),
            code(&release.tag),
            plain(&release.channel),
            release.environment.as_deref().map_or_else(|| "—".to_owned(), plain),
            release.commit.as_deref().map_or_else(|| "—".to_owned(), |commit| code(&commit[..commit.len().min(12)])),
        ];
        table(&["version", "tag", "channel", "environment", "commit"], &[row])
    }

    fn images_section(&self) -> String {
        if self.images.is_empty() && self.skipped.is_empty() {
            return String::new();
        }
        let rows: Vec<Vec<String>> = self
            .images
            .iter()
            .map(|image| {
                vec![
                    plain(&image.services.join(", ")),
                    code(&format!("{}:{}", image.repository, image.tag)),
                    image.before.as_deref().map_or_else(|| "—".to_owned(), short),
                    image.digest.as_deref().map_or_else(|| "—".to_owned(), short),
                    plain(&image.action),
                ]
            })
            .collect();
        let mut text = format!("### Images\n\n{}", table(&["service", "image", "old", "new", ""], &rows));
        if !self.skipped.is_empty() {
            let skipped = self.skipped.iter().map(|s| format!("{} ({}: {})", plain(&s.service), code(&s.image), plain(&s.reason)));
            let _ = writeln!(text, "Not ours: {}.\n", skipped.collect::<Vec<_>>().join(", "));
        }
        text
    }

    fn waves_section(&self) -> String {
        self.waves.as_ref().map_or_else(String::new, |waves| format!("### Waves\n\n{}", block("mermaid", &waves.mermaid)))
    }

    fn objects_section(&self) -> String {
        // Of a plan without a cluster, the picture of the waves tells it all.
        if self.objects.iter().all(|object| object.action == "planned") {
            return String::new();
        }
        let changed: Vec<Vec<String>> = self
            .objects
            .iter()
            .filter(|object| object.action != "unchanged" || !object.status.is_empty())
            .map(|object| {
                let fields: Vec<String> = object.changes.iter().take(8).map(|change| code(change)).collect();
                let more = object.changes.len().saturating_sub(fields.len());
                let more = if more > 0 { format!("<br>and {more} more") } else { String::new() };
                vec![code(&object.object), plain(&object.action), fields.join("<br>") + &more, plain(&object.status)]
            })
            .collect();
        let unchanged = self.objects.iter().filter(|object| object.action == "unchanged").count();
        match (self.objects.len(), changed.is_empty()) {
            (0, _) => String::new(),
            (all, true) => format!("### Objects\n\nAll {all} are as they should be.\n\n"),
            _ => {
                let rest = if unchanged > 0 { format!("{unchanged} unchanged.\n\n") } else { String::new() };
                format!("### Objects\n\n{}{rest}", table(&["object", "", "fields", "rollout"], &changed))
            }
        }
    }

    fn repositories_section(&self) -> String {
        if self.repositories.is_empty() {
            return String::new();
        }
        let rows: Vec<Vec<String>> = self
            .repositories
            .iter()
            .map(|repository| {
                let link = match (&repository.url, repository.number) {
                    (Some(url), Some(number)) => format!("[#{number}]({})", url.replace([')', ' '], "")),
                    _ => code(&repository.branch),
                };
                let detail = repository
                    .error
                    .as_deref()
                    .map_or_else(|| repository.changes.iter().map(|change| code(change)).collect::<Vec<_>>().join("<br>"), plain);
                let environment = repository.environment.as_deref().map_or_else(|| "—".to_owned(), plain);
                vec![code(&repository.repository), environment, link, plain(&repository.operation), detail]
            })
            .collect();
        format!("### Infrastructure repositories\n\n{}", table(&["repository", "environment", "pull request", "", "changes"], &rows))
    }

    fn files_section(&self) -> String {
        if self.files.is_empty() {
            return String::new();
        }
        let list: String = self.files.iter().map(|file| format!("- {}\n", code(file))).collect();
        format!("### Rendered files\n\n{list}\n")
    }

    fn evidence_section(&self) -> String {
        self.evidence.as_ref().map_or_else(String::new, |evidence| format!("### What the pods say\n\n{}", block("text", evidence)))
    }

    fn changes_section(&self) -> String {
        if self.changes.is_empty() {
            return String::new();
        }
        let list: Vec<String> = self.changes.iter().map(ToString::to_string).collect();
        format!("<details><summary>All {} changes, in order</summary>\n\n{}</details>\n\n", list.len(), block("text", &list.join("\n")))
    }

    fn durations_section(&self) -> String {
        let rows: Vec<Vec<String>> = self.phases.iter().map(|(name, took)| vec![(*name).to_owned(), seconds(*took)]).collect();
        match rows.is_empty() {
            true => String::new(),
            false => format!("### Time\n\n{}", table(&["phase", "took"], &rows)),
        }
    }

    fn next_section(&self) -> String {
        if self.next.is_empty() {
            return String::new();
        }
        let list: String = self.next.iter().map(|step| format!("- {}\n", plain(step))).collect();
        format!("### Next\n\n{list}\n")
    }
}

fn short(digest: &str) -> String {
    code(digest.parse::<Digest>().as_ref().map_or(digest, Digest::short))
}

/// `0.42 s`, `12.3 s`, `3 min 5 s`.
pub fn seconds(took: Duration) -> String {
    match took.as_secs_f64() {
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 60.0 => format!("{s:.1} s"),
        s => format!("{} min {} s", s as u64 / 60, s as u64 % 60),
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
