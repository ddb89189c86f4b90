//! What every error of the house can say about itself, so that one renderer can explain it to a person.

use std::fmt;
use std::path::PathBuf;

/// How a run ends; the number is the process's exit code (product contract: 0 done or already done, 1 an operation failed,
/// 2 bad input and nothing touched, 3 refused by policy and nothing touched, 4 timed out, 130 cancelled).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    BadInput = 2,
    Refused = 3,
    TimedOut = 4,
    Cancelled = 130,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// A place in a file of the user's, as annotations and error lines show it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Path as the user knows it: relative to the workspace where it lies inside it.
    pub file: PathBuf,
    /// Line, counted from 1; 0 when only the file is known.
    pub line: u32,
    /// Column in characters, counted from 1; 0 when only the line is known.
    pub column: u32,
}

impl Location {
    /// A whole line of a file.
    pub fn line(file: impl Into<PathBuf>, line: u32) -> Self {
        Self { file: file.into(), line, column: 0 }
    }

    /// A file as a whole.
    pub fn file(file: impl Into<PathBuf>) -> Self {
        Self::line(file, 0)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        Ok(())
    }
}

/// An error that can tell a person what to do about it.
///
/// `Display` says what went wrong in one lower-case sentence without a full stop; causes come from `source()`.
pub trait Explain: std::error::Error + Send + Sync + 'static {
    /// What to change or try next; names the input where there is one.
    fn hint(&self) -> String;

    /// The exit code that this situation ends a run with.
    fn exit(&self) -> Exit;

    /// The place in the user's files that the error is about.
    fn location(&self) -> Option<&Location> {
        None
    }
}

/// One or more problems found in the same phase; never empty.
#[derive(Debug)]
pub struct Problems(Vec<Box<dyn Explain>>);

impl Problems {
    /// A collection of one.
    pub fn one(problem: impl Explain) -> Self {
        Self(vec![Box::new(problem)])
    }

    /// `Ok(())` when there is nothing to complain about.
    pub fn check<E: Explain>(problems: Vec<E>) -> Result<(), Self> {
        if problems.is_empty() {
            return Ok(());
        }
        Err(Self(problems.into_iter().map(|p| Box::new(p) as Box<dyn Explain>).collect()))
    }

    /// Appends the problems of another check.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The problems in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Explain> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// The exit code of the whole: the highest of its problems' codes.
    pub fn exit(&self) -> Exit {
        self.iter().map(Explain::exit).max().unwrap_or(Exit::Failed)
    }
}

impl<E: Explain> From<E> for Problems {
    fn from(problem: E) -> Self {
        Self::one(problem)
    }
}
