//! Files of variables: `.env` and the files of `COMPOSE_ENV_FILES`. Pure.
//!
//! Rules: Compose documentation, "Set environment variables, .env file syntax", and where it is silent the `dotenv` package of compose-go 2.16.

use std::collections::BTreeMap;

use super::interpolation::{Blank, Interpolated, InterpolationError, interpolate};

/// What a file of variables says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Dotenv {
    pub(super) variables: BTreeMap<String, String>,
    /// Variables that its values name but that have no value, with the line of the value.
    pub(super) blanks: Vec<(Blank, u32)>,
}

/// A line that is not an assignment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct DotenvError {
    /// Counted from 1.
    pub line: u32,
    pub reason: DotenvReason,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DotenvReason {
    #[error("unexpected {character:?} in a variable's name")]
    Name { character: char },
    #[error("a variable's name can't hold a space")]
    SpaceInName,
    #[error("the quote is never closed")]
    OpenQuote,
    #[error("the variable {variable} is required: {message}")]
    Required { variable: String, message: String },
    /// Without the text: values of such files are often secret.
    #[error("a `${{` is not followed by a variable, an operator and a closing brace")]
    Expression,
}

/// Reads `NAME=value` lines on top of `earlier` files' variables.
///
/// Unquoted and double-quoted values are interpolated: with `outer` (the process environment) first, then with what stands further up.
/// A name alone takes its value from there.
///
/// # Errors
/// The first line that is no assignment; later ones can't be trusted, since quoted values span lines.
pub(super) fn parse(text: &str, earlier: Dotenv, outer: &dyn Fn(&str) -> Option<String>) -> Result<Dotenv, DotenvError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser = Parser { rest: text, line: 1, out: earlier, outer };
    while parser.statement()? {}
    Ok(parser.out)
}

struct Parser<'a> {
    rest: &'a str,
    line: u32,
    out: Dotenv,
    outer: &'a dyn Fn(&str) -> Option<String>,
}

impl Parser<'_> {
    /// Reads one assignment; false at the end of the file.
    fn statement(&mut self) -> Result<bool, DotenvError> {
        self.skip_blanks_and_comments();
        if self.rest.is_empty() {
            return Ok(false);
        }
        if let Some(after) = self.rest.strip_prefix("export").filter(|after| after.starts_with(is_blank)) {
            self.rest = after.trim_start_matches(is_blank);
        }
        let at = self.line;
        let (name, inherited) = self.name()?;
        if inherited {
            if let Some(value) = self.lookup(&name) {
                self.out.variables.insert(name, value);
            }
            return Ok(true);
        }
        let value = match self.rest.bytes().next() {
            Some(quote @ (b'"' | b'\'')) => self.quoted(char::from(quote))?,
            _ => self.unquoted()?,
        };
        self.out.variables.insert(name, value.text);
        self.out.blanks.extend(value.blanks.into_iter().map(|blank| (blank, at)));
        Ok(true)
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            let trimmed = self.rest.trim_start();
            self.advance(self.rest.len() - trimmed.len());
            if !self.rest.starts_with('#') {
                return;
            }
            self.advance(self.rest.find('\n').unwrap_or(self.rest.len()));
        }
    }

    /// The name, and whether it stands alone on its line. Goes on to the value.
    fn name(&mut self) -> Result<(String, bool), DotenvError> {
        let end = self.rest.find(['=', ':', '\n']).unwrap_or(self.rest.len());
        let name = self.rest[..end].trim_end();
        let allowed = |c: char| c.is_alphanumeric() || is_blank(c) || matches!(c, '_' | '.' | '-' | '[' | ']');
        if let Some(character) = name.chars().find(|c| !allowed(*c)) {
            return Err(self.error(DotenvReason::Name { character }));
        }
        if name.contains(is_blank) {
            return Err(self.error(DotenvReason::SpaceInName));
        }
        let name = name.to_owned();
        let inherited = !self.rest[end..].starts_with(['=', ':']);
        self.advance((end + 1).min(self.rest.len()));
        if !inherited {
            self.rest = self.rest.trim_start_matches(is_blank);
        }
        Ok((name, inherited))
    }

    fn unquoted(&mut self) -> Result<Interpolated, DotenvError> {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let value = &self.rest[..end];
        let value = value.split_once(" #").map_or(value, |(value, _comment)| value).trim_end();
        let value = self.interpolated(value)?;
        self.advance(end);
        Ok(value)
    }

    /// A value in quotes: it may span lines, and a backslash keeps the quote from closing it.
    fn quoted(&mut self, quote: char) -> Result<Interpolated, DotenvError> {
        let mut value = String::new();
        let mut escaped = false;
        for (index, c) in self.rest.char_indices().skip(1) {
            if c == quote && !escaped {
                let value = match quote {
                    '"' => self.interpolated(&unescaped(&value))?,
                    _ => Interpolated { text: value, blanks: vec![] },
                };
                self.advance(index + 1);
                return Ok(value);
            }
            if c == '\\' && !escaped {
                escaped = true;
                continue;
            }
            if escaped && c != quote {
                value.push('\\');
            }
            escaped = false;
            value.push(c);
        }
        Err(self.error(DotenvReason::OpenQuote))
    }

    fn interpolated(&self, value: &str) -> Result<Interpolated, DotenvError> {
        interpolate(value, &|name| self.lookup(name)).map_err(|error| {
            self.error(match error {
                InterpolationError::Required { variable, message } => DotenvReason::Required { variable, message },
                InterpolationError::Malformed { .. } | InterpolationError::TooDeep => DotenvReason::Expression,
            })
        })
    }

    fn lookup(&self, name: &str) -> Option<String> {
        (self.outer)(name).or_else(|| self.out.variables.get(name).cloned())
    }

    fn advance(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at(bytes);
        self.line += u32::try_from(passed.matches('\n').count()).unwrap_or(u32::MAX);
        self.rest = rest;
    }

    fn error(&self, reason: DotenvReason) -> DotenvError {
        DotenvError { line: self.line, reason }
    }
}

/// White space that doesn't end a line.
fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}')
}

/// The escapes of double-quoted values; `\$` becomes `$$`, so that interpolation leaves the dollar sign alone.
fn unescaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(backslash) = rest.find('\\') {
        out.push_str(&rest[..backslash]);
        rest = &rest[backslash + 1..];
        let Some(next) = rest.chars().next() else {
            out.push('\\');
            break;
        };
        let plain = match next {
            'a' => "\u{7}",
            'b' => "\u{8}",
            'f' => "\u{c}",
            'n' => "\n",
            'r' => "\r",
            't' => "\t",
            'v' => "\u{b}",
            '"' => "\"",
            '\\' => "\\",
            '$' => "$$",
            '0' => {
                rest = octal(&rest[1..], &mut out);
                continue;
            }
            _ => {
                out.push('\\');
                continue;
            }
        };
        out.push_str(plain);
        rest = &rest[next.len_utf8()..];
    }
    out.push_str(rest);
    out
}

/// `\0123` is the character with the octal number 123; with fewer digits it stays text.
fn octal<'a>(digits: &'a str, out: &mut String) -> &'a str {
    let number = digits.get(..3).and_then(|number| u8::from_str_radix(number, 8).ok());
    match number {
        Some(number) => {
            out.push(char::from(number));
            &digits[3..]
        }
        None => {
            out.push_str("\\0");
            digits
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn outer(name: &str) -> Option<String> {
        (name == "OUTER").then(|| "from outside".to_owned())
    }

    fn show(text: &str) -> String {
        match parse(text, Dotenv::default(), &outer) {
            Ok(done) => {
                let values = done.variables.iter().map(|(name, value)| format!("{name}={value:?}\n"));
                let blanks = done.blanks.iter().map(|(blank, line)| format!("line {line}: {blank}\n"));
                values.chain(blanks).collect()
            }
            Err(error) => format!("line {}: {error}\n", error.line),
        }
    }

    #[test]
    fn reads_plain_lines() {
        let text = "\u{feff}# comment\r\nA=1\r\n\n  B = two words # not this\nexport C=3\nD: yaml\nE=\nF=a#b\nG=#h\nOUTER\nNOWHERE\nH.i-j[0]=x\nLAST=end";
        insta::assert_snapshot!(show(text), @r##"
        A="1"
        B="two words"
        C="3"
        D="yaml"
        E=""
        F="a#b"
        G="#h"
        H.i-j[0]="x"
        LAST="end"
        OUTER="from outside"
        "##);
    }

    #[test]
    fn reads_quoted_values() {
        let text = r#"A="x # y" # comment
B='$OUTER \n it\'s'
C="tab\there \"quoted\" \$OUTER \\ \q \0101"
D="two
lines"
E="$OUTER"
F=" spaces "
"#;
        insta::assert_snapshot!(show(text), @r#"
        A="x # y"
        B="$OUTER \\n it's"
        C="tab\there \"quoted\" $OUTER \\ \\q A"
        D="two\nlines"
        E="from outside"
        F=" spaces "
        "#);
    }

    #[test]
    fn values_may_use_variables_from_outside_and_from_above() {
        insta::assert_snapshot!(show("TAG=1\nOUTER=inside\nA=$OUTER/${TAG}-${NONE:-d}\nB=$$TAG\nC=${NONE}\n"), @r#"
        A="from outside/1-d"
        B="$TAG"
        C=""
        OUTER="inside"
        TAG="1"
        line 5: NONE is not set
        "#);
    }

    #[test]
    fn later_files_win() {
        let first = parse("A=1\nB=1", Dotenv::default(), &outer).unwrap();
        let both = parse("B=2\nC=$A", first, &outer).unwrap();
        assert_eq!(format!("{:?}", both.variables), r#"{"A": "1", "B": "2", "C": "1"}"#);
    }

    #[test]
    fn names_the_line_of_a_mistake() {
        let table = ["A=1\nB C=2", "A=1\n\n$X=3", "A=\"x\ny\n", "A=1\nB=${", "A='x\ny'\nC=${NONE:?say it}", "\"quoted\"=1"];
        let shown: String = table.iter().map(|text| show(text)).collect();
        insta::assert_snapshot!(shown, @r#"
        line 2: a variable's name can't hold a space
        line 3: unexpected '$' in a variable's name
        line 1: the quote is never closed
        line 2: a `${` is not followed by a variable, an operator and a closing brace
        line 3: the variable NONE is required: say it
        line 1: unexpected '"' in a variable's name
        "#);
    }

    proptest! {
        #[test]
        fn never_panics(text in "[A-C=:\"'\\\\${}# \n\t\r0é]{0,40}") {
            let _ = parse(&text, Dotenv::default(), &outer);
        }

        #[test]
        fn gives_back_a_value_in_single_quotes(value in "[^'\\\\\r]*") {
            let done = parse(&format!("A='{value}'"), Dotenv::default(), &outer).unwrap();
            prop_assert_eq!(&done.variables["A"], &value);
        }
    }
}
