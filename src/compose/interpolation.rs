//! Variables in compose values: `$NAME`, `${NAME}`, `${NAME:-default}` and the other operators. Pure.
//!
//! Rules: Compose Specification, "Interpolation" (12-interpolation.md), and where it is silent the `template` package of compose-go 2.16.

use std::fmt;

/// Defaults may hold variables with defaults; deeper than this is not a file that a person wrote.
const DEEPEST: usize = 64;

/// A text with its variables replaced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interpolated {
    pub text: String,
    /// Variables that put nothing into the text, in the order in which they stand there.
    pub blanks: Vec<Blank>,
}

/// A variable that came out as the empty text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blank {
    pub variable: String,
    pub cause: BlankCause,
}

/// Why a variable came out as the empty text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlankCause {
    /// It is set nowhere, and the text gives no default: a person should hear of it.
    Unset,
    /// It is set to nothing, or its default or alternative is nothing.
    Empty,
}

impl fmt::Display for Blank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            BlankCause::Unset => write!(f, "{} is not set", self.variable),
            BlankCause::Empty => write!(f, "{} is empty", self.variable),
        }
    }
}

/// Why a text couldn't be interpolated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InterpolationError {
    #[error("{expression:?} is not a variable expression")]
    Malformed { expression: String },
    #[error("the variable {variable} is required{}", because(.message))]
    Required { variable: String, message: String },
    #[error("variables are nested more than {DEEPEST} deep")]
    TooDeep,
}

fn because(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

/// Replaces the variables of `text` with what `lookup` knows of them.
///
/// `$$` is a dollar sign; a `$` before anything that can't begin a name stays as it is. What a variable holds is not interpolated again.
///
/// # Errors
/// `${` that isn't followed by a name, an operator and a closing brace; a required variable (`:?`, `?`) that has no value.
pub fn interpolate(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Interpolated, InterpolationError> {
    let mut out = Interpolated::default();
    expand(text, lookup, DEEPEST, &mut out)?;
    Ok(out)
}

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

fn expand(text: &str, lookup: Lookup<'_>, depth: usize, out: &mut Interpolated) -> Result<(), InterpolationError> {
    let depth = depth.checked_sub(1).ok_or(InterpolationError::TooDeep)?;
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.text.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.text.push('$');
            rest = after;
        } else if let Some(inside) = rest.strip_prefix('{') {
            let malformed = || InterpolationError::Malformed { expression: shortened(&format!("${rest}")) };
            let end = closing_brace(inside).ok_or_else(malformed)?;
            let expression = Expression::parse(&inside[..end]).ok_or_else(malformed)?;
            expression.expand(lookup, depth, out)?;
            rest = &inside[end + 1..];
        } else {
            match name_length(rest) {
                0 => out.text.push('$'),
                length => {
                    let (name, after) = rest.split_at(length);
                    put(name, lookup(name), out);
                    rest = after;
                }
            }
        }
    }
    out.text.push_str(rest);
    Ok(())
}

/// The part between the braces of `${…}`.
struct Expression<'a> {
    name: &'a str,
    operation: Option<Operation<'a>>,
}

struct Operation<'a> {
    operator: Operator,
    /// With the colon an empty value counts as no value.
    empty: EmptyCounts,
    operand: &'a str,
}

enum Operator {
    Default,
    Required,
    Alternative,
}

#[derive(Clone, Copy, PartialEq)]
enum EmptyCounts {
    AsUnset,
    AsSet,
}

impl<'a> Expression<'a> {
    fn parse(inside: &'a str) -> Option<Self> {
        let (name, after) = inside.split_at(name_length(inside));
        if name.is_empty() {
            return None;
        }
        if after.is_empty() {
            return Some(Self { name, operation: None });
        }
        let (empty, after) = match after.strip_prefix(':') {
            Some(after) => (EmptyCounts::AsUnset, after),
            None => (EmptyCounts::AsSet, after),
        };
        let operator = match after.bytes().next()? {
            b'-' => Operator::Default,
            b'?' => Operator::Required,
            b'+' => Operator::Alternative,
            _ => return None,
        };
        Some(Self { name, operation: Some(Operation { operator, empty, operand: &after[1..] }) })
    }

    fn expand(&self, lookup: Lookup<'_>, depth: usize, out: &mut Interpolated) -> Result<(), InterpolationError> {
        let value = lookup(self.name);
        let Some(Operation { operator, empty, operand }) = &self.operation else {
            put(self.name, value, out);
            return Ok(());
        };
        let counts = value.as_deref().is_some_and(|value| !value.is_empty() || *empty == EmptyCounts::AsSet);
        let use_operand = match operator {
            Operator::Default => !counts,
            Operator::Alternative => counts,
            Operator::Required if counts => false,
            Operator::Required => {
                let mut message = Interpolated::default();
                expand(operand, lookup, depth, &mut message)?;
                return Err(InterpolationError::Required { variable: self.name.to_owned(), message: message.text });
            }
        };
        let before = out.text.len();
        if use_operand {
            expand(operand, lookup, depth, out)?;
        } else {
            out.text.push_str(value.as_deref().unwrap_or_default());
        }
        if out.text.len() == before {
            out.blanks.push(Blank { variable: self.name.to_owned(), cause: BlankCause::Empty });
        }
        Ok(())
    }
}

fn put(name: &str, value: Option<String>, out: &mut Interpolated) {
    let cause = match &value {
        None => BlankCause::Unset,
        Some(value) if value.is_empty() => BlankCause::Empty,
        Some(value) => return out.text.push_str(value),
    };
    out.blanks.push(Blank { variable: name.to_owned(), cause });
}

/// Bytes of the variable name that `text` begins with: a letter or underscore, then digits too, of either case.
fn name_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    if bytes.first().is_none_or(u8::is_ascii_digit) {
        return 0;
    }
    bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count()
}

/// Where the brace closes that was opened just before `text`; braces in between pair up, with or without a dollar sign.
fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => open += 1,
            b'}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(index);
        }
    }
    None
}

/// Enough of an expression to find it again in the file.
fn shortened(expression: &str) -> String {
    let mut chars = expression.lines().next().unwrap_or_default().chars();
    let start: String = chars.by_ref().take(40).collect();
    if chars.next().is_some() { start + "…" } else { start }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lookup(name: &str) -> Option<String> {
        let value = match name {
            "TAG" => "1.2",
            "tag" => "lower",
            "EMPTY" => "",
            "DOLLAR" => "$TAG",
            "_" => "underscore",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn show(text: &str) -> String {
        match interpolate(text, &lookup) {
            Ok(done) if done.blanks.is_empty() => done.text,
            Ok(done) => format!("{} ({})", done.text, done.blanks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn replaces_variables_as_docker_compose_does() {
        let table = [
            "no variables",
            "acme/api:$TAG",
            "acme/api:${TAG}-alpine",
            "$TAG$TAG",
            "$tag ${tag}",
            "${_}",
            "acme/api:$NONE",
            "acme/api:${NONE}",
            "acme/api:${EMPTY}",
            "${EMPTY-default}",
            "${EMPTY:-default}",
            "${NONE-default}",
            "${NONE:-}",
            "${TAG:-default}",
            "${TAG:+with}",
            "${EMPTY:+with}",
            "${EMPTY+with}",
            "${NONE+with}",
            "${TAG:?}",
            "${EMPTY?}",
            "${EMPTY:?must not be empty}",
            "${NONE?}",
            "${NONE:?set NONE beside ${TAG}}",
            "${NONE:-${TAG}}",
            "${NONE:-${ALSO:-${TAG}-deep}-x}/y",
            "${NONE:-$TAG}",
            "${NONE:-{\"a\": {}}}",
            "${NONE:-a:-b?c}",
            "${NONE-:?x}",
            "${DOLLAR}",
            "$$TAG $${TAG} $$$TAG",
            "cost: 5$ or $5 or $",
            "^v[0-9]+$",
            "${}",
            "${ TAG}",
            "${TAG",
            "${TAG!x}",
            "${TAG:x}",
            "${1TAG}",
            "${NONE:-${TAG}",
            "${TAG:+${1}}",
        ];
        let shown: String = table.iter().map(|text| format!("{text} → {}\n", show(text))).collect();
        insta::assert_snapshot!(shown, @r#"
        no variables → no variables
        acme/api:$TAG → acme/api:1.2
        acme/api:${TAG}-alpine → acme/api:1.2-alpine
        $TAG$TAG → 1.21.2
        $tag ${tag} → lower lower
        ${_} → underscore
        acme/api:$NONE → acme/api: (NONE is not set)
        acme/api:${NONE} → acme/api: (NONE is not set)
        acme/api:${EMPTY} → acme/api: (EMPTY is empty)
        ${EMPTY-default} →  (EMPTY is empty)
        ${EMPTY:-default} → default
        ${NONE-default} → default
        ${NONE:-} →  (NONE is empty)
        ${TAG:-default} → 1.2
        ${TAG:+with} → with
        ${EMPTY:+with} →  (EMPTY is empty)
        ${EMPTY+with} → with
        ${NONE+with} →  (NONE is empty)
        ${TAG:?} → 1.2
        ${EMPTY?} →  (EMPTY is empty)
        ${EMPTY:?must not be empty} → error: the variable EMPTY is required: must not be empty
        ${NONE?} → error: the variable NONE is required
        ${NONE:?set NONE beside ${TAG}} → error: the variable NONE is required: set NONE beside 1.2
        ${NONE:-${TAG}} → 1.2
        ${NONE:-${ALSO:-${TAG}-deep}-x}/y → 1.2-deep-x/y
        ${NONE:-$TAG} → 1.2
        ${NONE:-{"a": {}}} → {"a": {}}
        ${NONE:-a:-b?c} → a:-b?c
        ${NONE-:?x} → :?x
        ${DOLLAR} → $TAG
        $$TAG $${TAG} $$$TAG → $TAG ${TAG} $1.2
        cost: 5$ or $5 or $ → cost: 5$ or $5 or $
        ^v[0-9]+$ → ^v[0-9]+$
        ${} → error: "${}" is not a variable expression
        ${ TAG} → error: "${ TAG}" is not a variable expression
        ${TAG → error: "${TAG" is not a variable expression
        ${TAG!x} → error: "${TAG!x}" is not a variable expression
        ${TAG:x} → error: "${TAG:x}" is not a variable expression
        ${1TAG} → error: "${1TAG}" is not a variable expression
        ${NONE:-${TAG} → error: "${NONE:-${TAG}" is not a variable expression
        ${TAG:+${1}} → error: "${1}" is not a variable expression
        "#);
    }

    #[test]
    fn does_not_look_at_a_default_that_is_not_needed() {
        assert_eq!(show("${TAG:-${NONE}}"), "1.2");
        assert_eq!(show("${TAG:-${NONE:?}}"), "1.2");
    }

    #[test]
    fn refuses_endless_nesting() {
        let text = "${A:-".repeat(100_000) + &"}".repeat(100_000);
        assert_eq!(interpolate(&text, &lookup), Err(InterpolationError::TooDeep));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[${}:?+\\-aTAG1_é \n]{0,40}") {
            let _ = interpolate(&text, &lookup);
        }

        #[test]
        fn leaves_text_without_a_dollar_as_it_is(text in "[^$]*") {
            let done = interpolate(&text, &lookup);
            prop_assert_eq!(done, Ok(Interpolated { text, blanks: vec![] }));
        }

        /// Every operator on every kind of variable, between other text.
        #[test]
        fn an_operator_is_used_as_the_table_of_the_specification_says(
            before in "[a-z0-9:/.@-]{0,8}",
            value in proptest::option::of("[a-z0-9.]{0,5}"),
            operator in proptest::sample::select(vec!["", ":-", "-", ":+", "+", ":?", "?"]),
            word in "[a-z0-9.:/-]{0,6}",
            after in "[a-z0-9:/.@-]{0,8}",
        ) {
            let is_used = |on_empty: bool| value.as_ref().is_some_and(|value| !(on_empty && value.is_empty()));
            let own = value.clone().unwrap_or_default();
            let (strict, kind) = (operator.starts_with(':'), operator.trim_start_matches(':'));
            let word = if operator.is_empty() { String::new() } else { word };
            let expected = match (kind, is_used(strict)) {
                ("", _) | ("-" | "?", true) => Some(own),
                ("-", false) | ("+", true) => Some(word.clone()),
                ("+", false) => Some(String::new()),
                _ => None,
            };
            let text = format!("{before}${{NAME{operator}{word}}}{after}");
            let done = interpolate(&text, &|name: &str| (name == "NAME").then(|| value.clone()).flatten());
            prop_assert_eq!(done.ok().map(|done| done.text), expected.map(|expected| format!("{before}{expected}{after}")), "{}", text);
        }

        #[test]
        fn gives_back_text_whose_dollars_are_doubled(text in any::<String>()) {
            let done = interpolate(&text.replace('$', "$$"), &lookup).map(|done| done.text);
            prop_assert_eq!(done, Ok(text));
        }
    }
}
