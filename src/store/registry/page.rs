//! One page of a tag list. Pure.

use http::header;
use serde::Deserialize;
use url::Url;

use crate::http::Answer;
use crate::image::Tag;

/// The tags of a page. Registries give `null` for an empty repository; a tag that isn't one is left out, nothing can ask for it.
pub(super) fn tags(body: &[u8]) -> Result<Vec<Tag>, String> {
    #[derive(Deserialize)]
    struct Page {
        tags: Option<Vec<String>>,
    }
    let page: Page = serde_json::from_slice(body).map_err(|error| format!("it isn't a list of tags ({error})"))?;
    Ok(page.tags.unwrap_or_default().iter().filter_map(|tag| tag.parse().ok()).collect())
}

/// The page behind this one: the target of `Link: <…>; rel="next"` (RFC 8288), when it is on the same host.
pub(super) fn next(answer: &Answer, current: &Url) -> Result<Option<Url>, String> {
    let links = answer.headers.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok());
    let Some(target) = links.flat_map(|value| value.split(",")).find_map(next_target) else { return Ok(None) };
    let url = current.join(target).map_err(|_| "its link to the next page is not a URL".to_owned())?;
    if url.origin() != current.origin() {
        return Err("its link to the next page leads to another host".to_owned());
    }
    if url == *current {
        return Err("its link to the next page leads to the same page".to_owned());
    }
    Ok(Some(url))
}

fn next_target(link: &str) -> Option<&str> {
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = |parameter: &str| match parameter.trim().split_once('=') {
        Some((name, value)) => name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"').eq_ignore_ascii_case("next"),
        None => false,
    };
    parameters.split(';').any(is_next).then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, Method, StatusCode};

    fn follow(link: &'static str) -> Result<Option<String>, String> {
        let current: Url = "https://r.example/v2/a/tags/list?n=2".parse().unwrap();
        let headers = HeaderMap::from_iter([(header::LINK, HeaderValue::from_static(link))]);
        let answer = Answer { method: Method::GET, url: current.clone(), status: StatusCode::OK, headers, body: bytes::Bytes::new() };
        next(&answer, &current).map(|url| url.map(String::from))
    }

    #[test]
    fn pages_are_followed_on_the_same_host_only() {
        let expected = "https://r.example/v2/a/tags/list?last=x&n=2".to_owned();
        assert_eq!(follow(r#"</v2/a/tags/list?last=x&n=2>; rel="next""#), Ok(Some(expected.clone())));
        assert_eq!(follow("<https://r.example/v2/a/tags/list?last=x&n=2>;rel=next"), Ok(Some(expected)));
        assert_eq!(follow(r#"</x>; rel="prev""#), Ok(None));
        assert!(follow(r#"<https://evil.example/v2/a/tags/list>; rel="next""#).is_err());
        assert!(follow(r#"</v2/a/tags/list?n=2>; rel="next""#).is_err(), "a page that follows itself");
    }

    #[test]
    fn an_empty_repository_has_no_tags() {
        assert_eq!(tags(br#"{"name":"a","tags":null}"#).unwrap(), []);
        assert_eq!(tags(br#"{"name":"a","tags":["1.0","not a tag"]}"#).unwrap(), ["1.0".parse().unwrap()]);
        assert!(tags(b"<html>").is_err());
    }
}
