//! The step's outputs and summary file, in the runner's file formats.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

/// Appends one output; always in the heredoc form with a delimiter that occurs nowhere in it
/// (runner, FileCommandManager.cs: a value with a newline in the short form fails the step).
///
/// # Errors
/// When the file can't be written.
pub fn append(file: &Path, name: &str, value: &str) -> io::Result<()> {
    let delimiter = delimiter(value);
    let mut file = OpenOptions::new().append(true).create(true).open(file)?;
    write!(file, "{name}<<{delimiter}\n{value}\n{delimiter}\n")
}

/// A word that no line of the value is.
fn delimiter(value: &str) -> String {
    loop {
        let word = format!("tagboat_{:016x}{:016x}", rand::random::<u64>(), rand::random::<u64>());
        if !value.contains(&word) {
            return word;
        }
    }
}

/// A summary above 1 MiB is not uploaded at all (runner, FileCommandManager.cs), so it is cut well below.
const SUMMARY_LIMIT: usize = 900 * 1024;

/// Appends markdown to the step summary, cut at a line's end where it is too long.
///
/// # Errors
/// When the file can't be written.
pub fn append_summary(file: &Path, markdown: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(file)?;
    file.write_all(shortened(markdown).as_bytes())
}

fn shortened(markdown: &str) -> std::borrow::Cow<'_, str> {
    if markdown.len() <= SUMMARY_LIMIT {
        return markdown.into();
    }
    let mut end = SUMMARY_LIMIT;
    while !markdown.is_char_boundary(end) {
        end -= 1;
    }
    let kept = &markdown[..markdown[..end].rfind('\n').map_or(end, |newline| newline + 1)];
    // An open code block or fold would swallow the note.
    let fence = if kept.lines().filter(|line| line.trim_start().starts_with("```")).count() % 2 == 1 { "```\n" } else { "" };
    let folds = kept.matches("<details>").count().saturating_sub(kept.matches("</details>").count());
    format!("{kept}{fence}{}\n*The rest did not fit into the summary; the log has all of it.*\n", "</details>\n".repeat(folds)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_of_several_lines_keep_them() {
        let file = tempfile::NamedTempFile::new().unwrap();
        append(file.path(), "images", "a=b\nEOF\n").unwrap();
        append(file.path(), "empty", "").unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        let delimiter = text.lines().next().unwrap().strip_prefix("images<<").unwrap();
        assert!(text.starts_with(&format!("images<<{delimiter}\na=b\nEOF\n\n{delimiter}\nempty<<")), "{text}");
    }

    #[test]
    fn a_long_summary_is_cut_at_a_line_and_closes_what_is_open() {
        let long = format!("<details>\n```text\n{}", "é line\n".repeat(200_000));
        let cut = shortened(&long);
        assert!(cut.len() < 1024 * 1024);
        assert!(cut.ends_with("é line\n```\n</details>\n\n*The rest did not fit into the summary; the log has all of it.*\n"));
    }
}
