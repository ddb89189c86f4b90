//! `WWW-Authenticate`: which proof of identity a registry wants. Pure.

/// One challenge of a 401 answer (RFC 9110 §11.6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer(Bearer),
}

/// Where tokens come from (distribution docs, spec/auth/token.md).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Bearer {
    pub(super) realm: String,
    pub(super) service: Option<String>,
    /// What the refused request needs; one challenge may hold several scopes with spaces between them.
    pub(super) scopes: Vec<String>,
    /// `invalid_token`, `insufficient_scope` (RFC 6750 §3.1).
    pub(super) error: Option<String>,
}

/// All challenges of all header values that are understood, Bearer first: a registry that offers both gets no password.
pub(super) fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = values.into_iter().flat_map(schemes).filter_map(understood).collect();
    challenges.sort_by_key(|challenge| matches!(challenge, Challenge::Basic));
    challenges
}

fn understood((scheme, parameters): (String, Vec<(String, String)>)) -> Option<Challenge> {
    match scheme.as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => {
            let mut bearer = Bearer::default();
            for (name, value) in parameters {
                match name.as_str() {
                    "realm" => bearer.realm = value,
                    "service" => bearer.service = Some(value),
                    "scope" => bearer.scopes = value.split_whitespace().map(str::to_owned).collect(),
                    "error" => bearer.error = Some(value),
                    _ => {}
                }
            }
            Some(Challenge::Bearer(bearer))
        }
        _ => None,
    }
}

/// Schemes and parameters, names in lower case. Values may be quoted and then hold commas.
fn schemes(value: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, behind) = token(rest);
        if rest.is_empty() {
            return found;
        }
        if word.is_empty() {
            // Not a token: step over it, so that the rest is still read.
            rest = rest.get(rest.chars().next().map_or(1, char::len_utf8)..).unwrap_or_default();
            continue;
        }
        let parameter = behind.trim_start().strip_prefix('=').filter(|_| !found.is_empty());
        match (parameter, found.last_mut()) {
            (Some(behind), Some((_, parameters))) => {
                let (text, behind) = quoted_or_token(behind.trim_start());
                parameters.push((word.to_ascii_lowercase(), text));
                rest = behind;
            }
            _ => {
                found.push((word.to_ascii_lowercase(), Vec::new()));
                rest = behind;
            }
        }
    }
}

fn token(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| c.is_whitespace() || c.is_control() || ",=\"".contains(c)).unwrap_or(text.len());
    text.split_at(end)
}

fn quoted_or_token(text: &str) -> (String, &str) {
    let Some(inside) = text.strip_prefix('"') else {
        let (word, rest) = token(text);
        return (word.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = inside.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &inside[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bearer(realm: &str, service: Option<&str>, scopes: &[&str], error: Option<&str>) -> Challenge {
        Challenge::Bearer(Bearer {
            realm: realm.into(),
            service: service.map(Into::into),
            scopes: scopes.iter().map(|&s| s.into()).collect(),
            error: error.map(Into::into),
        })
    }

    /// Trap: one challenge asks for several scopes, with spaces between them.
    #[test]
    fn commas_in_quotes_and_several_scopes_are_understood() {
        let value = r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:a/b:pull,push repository:c:pull""#;
        let scopes = ["repository:a/b:pull,push", "repository:c:pull"];
        assert_eq!(parse([value]), [bearer("https://auth.example/token", Some("r.example"), &scopes, None)]);
    }

    #[test]
    fn bearer_goes_before_basic_whatever_the_order() {
        let expected = [bearer("https://a/t", None, &[], Some("insufficient_scope")), Challenge::Basic];
        let one = r#"Basic realm="a, \"quoted\" realm", bearer Realm=https://a/t , error="insufficient_scope""#;
        assert_eq!(parse([one]), expected);
        let two = [r#"Basic realm="x""#, r#"Negotiate abc==, BEARER realm="https://a/t",error=insufficient_scope"#];
        assert_eq!(parse(two), expected);
    }

    #[test]
    fn unknown_schemes_are_left_out() {
        assert_eq!(parse(["Negotiate", "", ",,,", "=", r#"Digest qop="auth, x""#]), []);
    }

    proptest! {
        #[test]
        fn any_header_is_read_in_finite_time(text in "\\PC{0,80}") {
            let _ = parse([text.as_str()]);
        }
    }
}
