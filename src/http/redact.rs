use url::Url;

/// Query parameters that are safe to show: they name things and hold no secret. Everything else is replaced.
const SHOWN: [&str; 9] = ["service", "scope", "n", "last", "tag", "digest", "page", "per_page", "state"];

/// A URL as it may appear in logs and errors: no user, no password, no fragment, unknown query values replaced.
pub fn redacted(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_fragment(None);
    // Both fail only for URLs that can't have a user, such as `data:`.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    if url.query().is_none() {
        return shown.into();
    }
    shown.set_query(None);
    let pairs = url.query_pairs().map(|(key, value)| match SHOWN.contains(&key.as_ref()) {
        true => format!("{key}={value}"),
        false => format!("{key}=…"),
    });
    format!("{shown}?{}", pairs.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_a_url_are_not_shown() {
        let url = "https://ada:secret@auth.example/token?service=r&scope=repository:a/b:pull&sig=abc#x".parse().unwrap();
        assert_eq!(redacted(&url), "https://auth.example/token?service=r&scope=repository:a/b:pull&sig=…");
    }
}
