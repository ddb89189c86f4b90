use super::*;
use serde_json::json;

fn channels() -> Channels {
    Channels::new([("stable", "production"), ("rc", "staging"), ("prerelease", "staging")].map(|(a, b)| (a.into(), b.into())).into())
}

fn of_ref(git_ref: &str) -> Seen {
    Seen { git_ref: Some(git_ref.into()), event_name: Some("push".into()), sha: Some("c0ffee".into()), ..Seen::default() }
}

fn line(seen: &Seen) -> String {
    match resolve(seen, None, &channels()) {
        Ok(r) => format!(
            "{} version={} channel={} environment={} prerelease={} commit={} {}",
            r.tag,
            r.version,
            r.channel,
            r.environment.as_deref().unwrap_or("-"),
            r.prerelease,
            r.commit.as_deref().unwrap_or("-"),
            r.source
        ),
        Err(error) => format!("error: {error}\n  hint: {}", error.hint()),
    }
}

#[test]
fn tags_give_version_channel_and_environment() {
    let tags = [
        "v1.2.3",
        "1.2.3",
        "api-v1.2.3",
        "api/v1.2.3",
        "team/api-1.2.3-rc.1",
        "v1.2.3-rc1",
        "v1.2.3-1.2.4",
        "v2.0.0-nightly.5+build.7",
        "v1.2.3-7",
    ];
    let lines: Vec<String> = tags.iter().map(|tag| line(&of_ref(&format!("refs/tags/{tag}")))).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    v1.2.3 version=1.2.3 channel=stable environment=production prerelease=false commit=c0ffee from GITHUB_REF
    1.2.3 version=1.2.3 channel=stable environment=production prerelease=false commit=c0ffee from GITHUB_REF
    api-v1.2.3 version=1.2.3 channel=stable environment=production prerelease=false commit=c0ffee from GITHUB_REF
    api/v1.2.3 version=1.2.3 channel=stable environment=production prerelease=false commit=c0ffee from GITHUB_REF
    team/api-1.2.3-rc.1 version=1.2.3-rc.1 channel=rc environment=staging prerelease=true commit=c0ffee from GITHUB_REF
    v1.2.3-rc1 version=1.2.3-rc1 channel=rc environment=staging prerelease=true commit=c0ffee from GITHUB_REF
    v1.2.3-1.2.4 version=1.2.3-1.2.4 channel=prerelease environment=staging prerelease=true commit=c0ffee from GITHUB_REF
    v2.0.0-nightly.5+build.7 version=2.0.0-nightly.5+build.7 channel=nightly environment=- prerelease=true commit=c0ffee from GITHUB_REF
    v1.2.3-7 version=1.2.3-7 channel=prerelease environment=staging prerelease=true commit=c0ffee from GITHUB_REF
    ");
}

#[test]
fn what_is_not_a_release_is_an_error_that_lists_what_was_seen() {
    let lines: Vec<String> = [
        of_ref("refs/heads/v1.2.3"),
        of_ref("refs/pull/7/merge"),
        Seen::default(),
        of_ref("refs/tags/nightly"),
        of_ref("refs/tags/v1.2"),
        of_ref("refs/tags/v01.2.3"),
    ]
    .iter()
    .map(line)
    .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    error: this run is not for a release: no release tag in `version` (not set), GITHUB_REF ("refs/heads/v1.2.3"), the event ("push")
      hint: start the workflow from a release or a `v*` tag (`on: release: types: [published]`), or set the input `version`; a branch is not a release, whatever its name
    error: this run is not for a release: no release tag in `version` (not set), GITHUB_REF ("refs/pull/7/merge"), the event ("push")
      hint: start the workflow from a release or a `v*` tag (`on: release: types: [published]`), or set the input `version`; a pull request is not a release
    error: this run is not for a release: no release tag in `version` (not set), GITHUB_REF (not set), the event (not set)
      hint: start the workflow from a release or a `v*` tag (`on: release: types: [published]`), or set the input `version`; GITHUB_REF is empty, as outside a workflow run
    error: the tag "nightly" (from GITHUB_REF) holds no version
      hint: tags look like v1.2.3, 1.2.3, api-v1.2.3 or api/v1.2.3; for others set `tag-pattern`, a regular expression with a group `version` (and quote versions in YAML: an unquoted 1.10 arrives as 1.1)
    error: the tag "v1.2" (from GITHUB_REF) holds no version
      hint: tags look like v1.2.3, 1.2.3, api-v1.2.3 or api/v1.2.3; for others set `tag-pattern`, a regular expression with a group `version` (and quote versions in YAML: an unquoted 1.10 arrives as 1.1)
    error: the tag "v01.2.3" (from GITHUB_REF) holds "01.2.3", which is not a SemVer version: invalid leading zero in major version number
      hint: tags look like v1.2.3, 1.2.3, api-v1.2.3 or api/v1.2.3; for others set `tag-pattern`, a regular expression with a group `version` (and quote versions in YAML: an unquoted 1.10 arrives as 1.1)
    "#);
}

#[test]
fn other_events_carry_the_tag_in_their_payload() {
    let release = json!({"release": {"tag_name": "v1.2.3", "prerelease": true}});
    let package = json!({"registry_package": {"package_version": {"container_metadata": {"tag": {"name": "v3.0.0"}}}}});
    let dispatch = json!({"client_payload": {"version": "v4.0.0"}});
    let seen = |name: &str, event: &serde_json::Value| Seen {
        git_ref: Some("refs/heads/main".into()),
        event_name: Some(name.into()),
        event: event.clone(),
        sha: Some("c0ffee".into()),
        version: None,
    };
    let by_hand = Seen { version: Some("v1.1.0".into()), ..seen("workflow_dispatch", &json!(null)) };
    let lines = [
        seen("release", &release),
        seen("registry_package", &package),
        seen("repository_dispatch", &dispatch),
        seen("push", &dispatch),
        by_hand,
    ]
    .iter()
    .map(line)
    .collect::<Vec<_>>();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    v1.2.3 version=1.2.3 channel=prerelease environment=staging prerelease=true commit=- from the release event's tag_name
    v3.0.0 version=3.0.0 channel=stable environment=production prerelease=false commit=- from the registry_package event
    v4.0.0 version=4.0.0 channel=stable environment=production prerelease=false commit=- from client_payload.version
    error: this run is not for a release: no release tag in `version` (not set), GITHUB_REF ("refs/heads/main"), the event ("push")
      hint: start the workflow from a release or a `v*` tag (`on: release: types: [published]`), or set the input `version`; a branch is not a release, whatever its name
    v1.1.0 version=1.1.0 channel=stable environment=production prerelease=false commit=- from the input `version`
    "#);
}

#[test]
fn a_tag_pattern_replaces_the_usual_forms() {
    let pattern = Regex::new(r"^release-(?P<version>.+)$").unwrap();
    let release = resolve(&of_ref("refs/tags/release-5.0.0"), Some(&pattern), &channels()).unwrap();
    assert_eq!(release.version, Version::new(5, 0, 0));
    let error = resolve(&of_ref("refs/tags/v5.0.0"), Some(&pattern), &channels()).unwrap_err();
    assert!(error.hint().contains("tag-pattern"), "{}", error.hint());
}
