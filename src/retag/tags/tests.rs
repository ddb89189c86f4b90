use super::*;
use crate::error::Explain as _;

fn values(tag: &str, version: &str) -> Values {
    let commit = Some("0123456789abcdef0123456789abcdef01234567".to_owned());
    Values { tag: Some(tag.into()), version: Some(version.parse().unwrap()), prerelease: false, commit }
}

fn templates(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn printed(wanted: &[Wanted]) -> String {
    let line = |w: &Wanted| match &w.withheld {
        Some(reason) => format!("({}: {reason})", w.tag),
        None => w.tag.to_string(),
    };
    wanted.iter().map(line).collect::<Vec<_>>().join(" ")
}

const ALL: [&str; 7] = ["{{tag}}", "{{version}}", "{{major}}.{{ minor }}", "v{{major}}", "latest", "{{short_sha}}", "sha-{{sha}}"];

fn made(tag: &str, version: &str) -> String {
    printed(&expand(&templates(&ALL), &values(tag, version)).unwrap())
}

#[test]
fn templates_make_tags_and_the_git_tag_is_the_default() {
    let sha = "0123456 sha-0123456789abcdef0123456789abcdef01234567";
    assert_eq!(made("v1.2.3", "1.2.3"), format!("v1.2.3 1.2.3 1.2 v1 latest {sha}"));
    assert_eq!(made("1.2.3", "1.2.3"), format!("1.2.3 1.2 v1 latest {sha}"), "each tag once");
    assert_eq!(made("api/v1.2.3+5", "1.2.3+5"), format!("api-v1.2.3-5 1.2.3-5 1.2 v1 latest {sha}"));
    assert_eq!(printed(&expand(&[], &values("v1.2.3", "1.2.3")).unwrap()), "v1.2.3");
}

/// Trap: a release candidate gets `latest`; `0` promises what SemVer doesn't.
#[test]
fn pre_releases_move_no_floats_and_0_has_no_major_line() {
    insta::assert_snapshot!(made("v2.0.0-rc.1", "2.0.0-rc.1"), @"v2.0.0-rc.1 2.0.0-rc.1 (2.0: a pre-release moves no such tag) (v2: a pre-release moves no such tag) (latest: a pre-release moves no such tag) 0123456 sha-0123456789abcdef0123456789abcdef01234567");
    insta::assert_snapshot!(made("v0.3.1", "0.3.1"), @"v0.3.1 0.3.1 0.3 (v0: versions 0.x have no common major line) latest 0123456 sha-0123456789abcdef0123456789abcdef01234567");
    let flagged = Values { prerelease: true, ..values("v1.2.3", "1.2.3") };
    assert_eq!(expand(&templates(&["latest"]), &flagged).unwrap()[0].withheld, Some(Withheld::Prerelease));
}

fn after(version: &str, existing: &[&str]) -> String {
    let values = values(&format!("api-v{version}"), version);
    let mut wanted = expand(&templates(&["{{version}}", "{{major}}.{{minor}}", "{{major}}", "latest"]), &values).unwrap();
    let existing: Vec<Tag> = existing.iter().map(|tag| tag.parse().unwrap()).collect();
    withhold(&mut wanted, &values, &existing);
    printed(&wanted)
}

/// Trap: `latest` moves backwards when 1.2.9 comes after 2.0.0.
#[test]
fn keeps_latest_when_an_old_line_is_patched() {
    assert_eq!(after("1.2.9", &["1.2.8", "v2.0.0", "latest"]), "1.2.9 1.2 1 (latest: v2.0.0 is newer)");
    assert_eq!(after("1.2.9", &["1.10.0", "1.9.0"]), "1.2.9 1.2 (1: 1.10.0 is newer) (latest: 1.10.0 is newer)");
    assert_eq!(after("1.2.9", &["1.2.10"]), "1.2.9 (1.2: 1.2.10 is newer) (1: 1.2.10 is newer) (latest: 1.2.10 is newer)");
    assert_eq!(after("1.2.9", &["api-v2.0.0"]), "1.2.9 1.2 1 (latest: api-v2.0.0 is newer)", "by its own prefix");
}

/// Trap: two versions that differ in their build metadata only are the same to every float.
#[test]
fn a_version_that_differs_in_its_build_only_is_found_among_the_tags() {
    let found = |version: &str, existing: &[&str]| {
        let values = values(&format!("api/v{version}"), version);
        let wanted = expand(&templates(&["{{version}}", "latest"]), &values).unwrap();
        let existing: Vec<Tag> = existing.iter().map(|tag| tag.parse().unwrap()).collect();
        rival(&wanted, &values, &existing).map(ToString::to_string)
    };
    assert_eq!(found("1.2.3+5", &["1.2.2", "1.2.3-rc.1", "1.2.3-4"]).as_deref(), Some("1.2.3-4"));
    assert_eq!(found("1.2.3+5", &["api-v1.2.3"]).as_deref(), Some("api-v1.2.3"));
    assert_eq!(found("1.2.3+build.5", &["v1.2.3-build.40"]).as_deref(), Some("v1.2.3-build.40"));
    assert_eq!(found("1.2.3+0a1b2c3", &["1.2.3-4d5e6f7"]).as_deref(), Some("1.2.3-4d5e6f7"));
    for other in ["1.2.3-rc.1", "1.2.3-beta", "1.2.30", "1.2.3-5", "latest", "11.2.3"] {
        assert_eq!(found("1.2.3+5", &[other]), None, "{other}");
    }
    assert_eq!(found("1.2.3", &["1.2.3-4"]), None, "a pre-release of it");
}

/// Trap: `+` is legal in a version and in no tag.
#[test]
fn what_a_tag_was_made_of_is_kept_where_it_is_not_the_same() {
    let asked = |tag: &str, version: &str| {
        let wanted = expand(&templates(&["{{tag}}", "{{version}}", "latest"]), &values(tag, version)).unwrap();
        wanted.into_iter().map(|wanted| wanted.asked.unwrap_or_default()).collect::<Vec<_>>()
    };
    assert_eq!(asked("api/v1.2.3+5", "1.2.3+5"), ["api/v1.2.3+5", "1.2.3+5", ""]);
    assert_eq!(asked("v1.2.3", "1.2.3"), ["", "", ""]);
}

/// Trap: `1.2.9.4` or `9999` is taken as a version.
#[test]
fn pre_releases_floats_and_other_texts_hold_nothing_back() {
    assert_eq!(after("1.2.9", &["1.2.9", "2.0.0-rc.1", "2", "2.0", "9999", "nightly", "1.2.9.4"]), "1.2.9 1.2 1 latest");
    assert_eq!(after("1.2.9", &[]), "1.2.9 1.2 1 latest");
}

#[test]
fn bad_templates_are_told_all_at_once() {
    let none = Values::default();
    let errors = expand(&templates(&["{{tag}}", "{{verison}}", "{{sha}}", "a b", "{{tag", "edge"]), &none).unwrap_err();
    let lines: Vec<String> = errors.iter().map(|e| format!("{e}; {}", e.hint())).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    couldn't make a tag of "{{tag}}": this run has no release, so {{tag}} has no value; `tags` may hold {{tag}}, {{version}}, {{major}}, {{minor}}, {{patch}}, {{sha}}, {{short_sha}} and text
    couldn't make a tag of "{{verison}}": it has an unknown word "verison"; did you mean `{{version}}`?
    couldn't make a tag of "{{sha}}": this run has no commit, so {{sha}} has no value; `tags` may hold {{tag}}, {{version}}, {{major}}, {{minor}}, {{patch}}, {{sha}}, {{short_sha}} and text
    couldn't make a tag of "a b": "a b" is not a tag: only letters, digits and `_.-` are allowed; `tags` may hold {{tag}}, {{version}}, {{major}}, {{minor}}, {{patch}}, {{sha}}, {{short_sha}} and text
    couldn't make a tag of "{{tag": `{{` is not closed by `}}`; `tags` may hold {{tag}}, {{version}}, {{major}}, {{minor}}, {{patch}}, {{sha}}, {{short_sha}} and text
    "#);
}

#[test]
fn without_a_version_latest_is_simply_moved() {
    let values = Values { commit: Some("abcdef0123".into()), ..Values::default() };
    let mut wanted = expand(&templates(&["latest", "{{short_sha}}"]), &values).unwrap();
    assert!(!need_listing(&wanted, &values));
    withhold(&mut wanted, &values, &["2.0.0".parse().unwrap()]);
    assert_eq!(printed(&wanted), "latest abcdef0");
}
