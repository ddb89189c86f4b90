//! The step's log: groups, annotations, masks. Everything goes to one stream, because the runner does not keep the order
//! between two (runner, ContainerActionHandler.cs: stdout and stderr are read apart, and both are searched for commands).

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use super::redact::Redactor;
use crate::error::Location;

/// Where the log is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// A workflow runner: commands for groups, annotations and masks are written.
    Runner,
    /// A person at a terminal or a file.
    Person,
}

/// The weight of an annotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Error,
    Warning,
    Notice,
}

/// The runner shows at most ten annotations of each level a step (runner, ExecutionContext.cs); the log has all of them.
const ANNOTATIONS: usize = 10;
/// The runner cuts messages at this many characters.
const MESSAGE_LENGTH: usize = 4096;

/// Clones write to the same stream.
#[derive(Clone)]
pub struct Log {
    out: Arc<Mutex<Out>>,
    reader: Reader,
    redactor: Redactor,
}

struct Out {
    stream: Box<dyn Write + Send>,
    group_open: bool,
    annotations: [usize; 3],
}

impl Log {
    pub fn new(stream: Box<dyn Write + Send>, reader: Reader, redactor: Redactor) -> Self {
        Self { out: Arc::new(Mutex::new(Out { stream, group_open: false, annotations: [0; 3] })), reader, redactor }
    }

    /// Prints text, which may come from anywhere: it can't issue commands, and secrets in it are replaced.
    pub fn say(&self, text: impl std::fmt::Display) {
        let text = self.redactor.clean(&text.to_string());
        self.write(|out| {
            for line in harmless(&text).lines() {
                writeln!(out.stream, "{line}")?;
            }
            Ok(())
        });
    }

    /// Opens a group, closing the one before it: groups don't nest in the runner's view.
    pub fn group(&self, title: &str) {
        let title = self.redactor.clean(title);
        self.write(|out| {
            end_group(out, self.reader)?;
            out.group_open = true;
            match self.reader {
                Reader::Runner => writeln!(out.stream, "::group::{}", escape_data(&title)),
                Reader::Person => writeln!(out.stream, "\n== {title}"),
            }
        });
    }

    /// Closes the open group, if there is one.
    pub fn end_group(&self) {
        self.write(|out| end_group(out, self.reader));
    }

    /// Prints an annotation, and the same for people who read the log.
    pub fn annotate(&self, level: Level, location: Option<&Location>, title: &str, message: &str) {
        let (title, message) = (self.redactor.clean(title), self.redactor.clean(message));
        // In the log the runner shows the message only; the place is seen where the annotation is.
        let place = location.map(|l| format!("{l}: ")).unwrap_or_default();
        self.write(|out| {
            let shown = &mut out.annotations[level as usize];
            *shown += 1;
            let name = match level {
                Level::Error => "error",
                Level::Warning => "warning",
                Level::Notice => "notice",
            };
            if self.reader == Reader::Runner && *shown <= ANNOTATIONS {
                let mut properties = format!("title={}", escape_property(&title));
                if let Some(Location { file, line, column }) = location {
                    let line = if *line > 0 { format!("line={line},") } else { String::new() };
                    properties = format!("file={},{line}{properties}", escape_property(&file.display().to_string()));
                    if *column > 0 {
                        properties = format!("{properties},col={column}");
                    }
                }
                let cut: String = harmless(&format!("{place}{message}")).chars().take(MESSAGE_LENGTH).collect();
                return writeln!(out.stream, "::{name} {properties}::{}", escape_data(&cut));
            }
            writeln!(out.stream, "{}", harmless(&format!("{place}{name}: {title}: {message}")))
        });
    }

    /// Registers a secret: the runner masks it, and so do we in all that we write.
    pub fn mask(&self, secret: &str) {
        let fresh = self.redactor.add(secret);
        if self.reader == Reader::Runner {
            self.write(|out| {
                // One command a value of one line: older runners and act take no more; the telling lines of longer ones are among them.
                for value in fresh.iter().filter(|value| !value.contains(['\n', '\r'])) {
                    writeln!(out.stream, "::add-mask::{}", escape_data(value))?;
                }
                Ok(())
            });
        }
    }

    /// The secrets of this run.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    fn write(&self, action: impl FnOnce(&mut Out) -> std::io::Result<()>) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that can't be written has nobody to tell; the exit code still speaks.
        let _ = action(&mut out).and_then(|()| out.stream.flush());
    }
}

fn end_group(out: &mut Out, reader: Reader) -> std::io::Result<()> {
    if std::mem::take(&mut out.group_open) && reader == Reader::Runner {
        writeln!(out.stream, "::endgroup::")?;
    }
    Ok(())
}

/// Text that the runner can't take for a command: no line starts with `::`, and `##[` (found anywhere in a line) is broken up.
/// A lone carriage return starts a line for the runner too (ProcessInvoker.cs reads with .NET's ReadLine).
pub(super) fn harmless(text: &str) -> String {
    const ZERO_WIDTH: &str = "\u{200b}";
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace("##[", &format!("##{ZERO_WIDTH}["));
    let lines = text.split('\n').map(|line| match line.trim_start().starts_with("::") {
        true => line.replacen("::", &format!(":{ZERO_WIDTH}:"), 1),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Escaping of a command's message (toolkit, command.ts).
fn escape_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escaping of a command's properties.
fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn printed(reader: Reader, act: impl FnOnce(&Log)) -> String {
        let sink = Sink::default();
        act(&Log::new(Box::new(sink.clone()), reader, Redactor::default()));
        String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn text_from_outside_cannot_issue_commands() {
        let text = printed(Reader::Runner, |log| {
            log.say("  ::error::x\nfine\r::add-mask::a\n a ##[group]b\n::stop-commands::x");
        });
        assert!(!text.contains("##["));
        assert!(text.lines().all(|line| !line.trim_start().starts_with("::")), "{text}");
        assert_eq!(text.lines().count(), 5);
    }

    #[test]
    fn annotations_are_escaped_placed_and_limited() {
        let text = printed(Reader::Runner, |log| {
            let at = Location { file: "a,b:c.yaml".into(), line: 3, column: 7 };
            for _ in 0..11 {
                log.annotate(Level::Error, Some(&at), "bad: thing", "100%\nsecond line");
            }
        });
        let mut lines = text.lines();
        assert_eq!(
            lines.next().unwrap(),
            "::error file=a%2Cb%3Ac.yaml,line=3,title=bad%3A thing,col=7::a,b:c.yaml:3:7: 100%25%0Asecond line"
        );
        assert_eq!(text.matches("::error ").count(), 10);
        assert!(text.contains("a,b:c.yaml:3:7: error: bad: thing: 100%"));
    }

    #[test]
    fn groups_close_each_other_and_masks_work_on_everything() {
        let text = printed(Reader::Runner, |log| {
            log.group("One");
            log.mask("s3cr3t-value");
            log.say("it is s3cr3t-value");
            log.group("Two");
            log.end_group();
            log.end_group();
        });
        insta::assert_snapshot!(text, @r"
        ::group::One
        ::add-mask::s3cr3t-value
        it is ***
        ::endgroup::
        ::group::Two
        ::endgroup::
        ");
    }
}
