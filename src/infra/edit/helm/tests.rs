use proptest::prelude::*;

use super::*;
use crate::infra::edit::testing::pin;

const OLD: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const NEW: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const API: &str = "ghcr.io/acme/api ghcr.io/acme/api 1.10";

fn options(keys: &[(&str, &str)], bump: Bump) -> Options {
    Options { keys: keys.iter().map(|(key, service)| Key::new(key, service).unwrap()).collect(), bump }
}

/// The file after the edit.
fn edited(name: &str, text: &str, pins: &[&str], options: &Options) -> Result<(String, Vec<String>), Error> {
    let pins: Vec<ImagePin> = pins.iter().map(|text| pin(text)).collect();
    let file = File { path: name.into(), bytes: text.into() };
    let edits = edit(std::slice::from_ref(&file), &pins, options)?;
    let after = edits.writes.first().map_or(text.to_owned(), |(_, bytes)| String::from_utf8(bytes.clone().unwrap()).unwrap());
    let again = edit(&[File { path: name.into(), bytes: after.clone().into() }], &pins, options).unwrap();
    assert_eq!(again.writes, [], "a second run changes nothing");
    Ok((after, edits.changes.iter().map(ToString::to_string).chain(edits.notes).collect()))
}

#[test]
fn images_are_found_by_their_repositories() {
    let with_digest = format!("{API} {NEW}");
    let table: Vec<(&str, &str, &str)> = vec![
        // A tag that reads like a number is quoted; quotes and comments stay.
        (
            "image:\n  repository: ghcr.io/acme/api # ours\n  tag: v1 # tag\nother: {repository: redis, tag: '7'}\n",
            API,
            "image:\n  repository: ghcr.io/acme/api # ours\n  tag: \"1.10\" # tag\nother: {repository: redis, tag: '7'}\n",
        ),
        // The registry beside it, in flow style.
        (
            "a: [{registry: ghcr.io, repository: acme/api, tag: '1.9', pullPolicy: Always}]",
            API,
            "a: [{registry: ghcr.io, repository: acme/api, tag: '1.10', pullPolicy: Always}]",
        ),
        // A tag that is not there yet, in the forms of "nothing"; CRLF, no end of line.
        ("image:\r\n  repository: ghcr.io/acme/api\r\n  tag:", API, "image:\r\n  repository: ghcr.io/acme/api\r\n  tag: \"1.10\""),
        ("image:\n  repository: ghcr.io/acme/api\n  tag: \"\"\n", API, "image:\n  repository: ghcr.io/acme/api\n  tag: \"1.10\"\n"),
        // `version`, and the image by that name.
        ("x: {image: ghcr.io/acme/api, version: 1}\n", API, "x: {image: ghcr.io/acme/api, version: \"1.10\"}\n"),
        // A whole reference.
        (
            "image: ghcr.io/acme/api:v1\nsidecarImage: 'ghcr.io/acme/api'\n",
            API,
            "image: ghcr.io/acme/api:1.10\nsidecarImage: 'ghcr.io/acme/api:1.10'\n",
        ),
        // An alias gets the repository, once.
        ("image: web:dev\n", "web ghcr.io/acme/web v2", "image: ghcr.io/acme/web:v2\n"),
        (
            "image: {registry: docker.io, repository: old/web, tag: v1}\n",
            "docker.io/old/web ghcr.io/acme/web v2",
            "image: {registry: ghcr.io, repository: acme/web, tag: v2}\n",
        ),
        // Only a merge brings the tag: it is written where it has to differ.
        (
            "d: &d {repository: ghcr.io/acme/api, tag: v1}\nimage:\n  <<: *d\n  pullPolicy: Always\n",
            API,
            "d: &d {repository: ghcr.io/acme/api, tag: \"1.10\"}\nimage:\n  <<: *d\n  pullPolicy: Always\n  tag: \"1.10\"\n",
        ),
        // Who writes the digest into the tag keeps it there.
        (
            "image: {repository: ghcr.io/acme/api, tag: 'v1@sha256:aa'}\n",
            &with_digest,
            "image: {repository: ghcr.io/acme/api, tag: '1.10@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb'}\n",
        ),
    ];
    for (before, pin, after) in table {
        let (text, changes) = edited("values.yaml", before, &[pin], &Options::default()).unwrap();
        assert_eq!(text, after);
        assert!(!changes.is_empty(), "{before}");
    }
}

#[test]
fn a_digest_never_stays_beside_another_tag() {
    let before = format!("image:\n  repository: ghcr.io/acme/api\n  tag: v1\n  digest: {OLD}\n");
    let (text, changes) = edited("values.yaml", &before, &[API], &Options::default()).unwrap();
    assert_eq!(text, "image:\n  repository: ghcr.io/acme/api\n  tag: \"1.10\"\n  digest: \"\"\n");
    insta::assert_snapshot!(changes.join("\n"), @"values.yaml:3: ghcr.io/acme/api v1@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa → 1.10");
    let (text, _) = edited("values.yaml", &before, &[&format!("{API} {NEW}")], &Options::default()).unwrap();
    assert_eq!(text, before.replace("v1", "\"1.10\"").replace(OLD, NEW));
    let (text, _) = edited("values.yaml", &before, &[API], &options(&[("image.tag", "api")], Bump::None)).unwrap();
    assert!(text.ends_with("digest: \"\"\n"), "{text}");
}

#[test]
fn named_keys_are_set_wherever_they_are() {
    let keys = [("x-tag", "api"), ("jobs[1].image", "api"), ("\"a.b\".c", "api"), ("imageDigest", "api")];
    let text =
        "x-tag: &t v1\nimage: {repository: else, tag: *t}\njobs:\n- image: x\n- image: old/api:v1 # here\na.b: {c: }\nimageDigest: ''\n";
    let (text, changes) = edited("values.yaml", text, &[&format!("{API} {NEW}")], &options(&keys, Bump::None)).unwrap();
    insta::assert_snapshot!(text, @r#"
    x-tag: &t "1.10"
    image: {repository: else, tag: *t}
    jobs:
    - image: x
    - image: ghcr.io/acme/api:1.10@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb # here
    a.b: {c: "1.10" }
    imageDigest: 'sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb'
    "#);
    insta::assert_snapshot!(changes.join("\n"), @"
    values.yaml:1: ghcr.io/acme/api v1 → 1.10
    values.yaml:5: ghcr.io/acme/api old/api:v1 → ghcr.io/acme/api:1.10@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
    values.yaml:6: ghcr.io/acme/api no tag → 1.10
    values.yaml:7: ghcr.io/acme/api no tag → sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
    values.yaml:1: the value has the anchor `&t`; aliases that follow it: 1
    ");
}

#[test]
fn a_chart_follows_its_images() {
    let chart = "apiVersion: v2\nname: shop\nversion: 1.2.3 # bumped\nappVersion: '1.9'\n";
    let bumped = |version: &str, bump| {
        let text = chart.replace("1.2.3", version);
        match edited_chart(&text, bump) {
            Ok(text) => text.lines().filter(|line| line.to_lowercase().contains("version: ")).skip(1).collect::<Vec<_>>().join(" | "),
            Err(error) => format!("{error}"),
        }
    };
    let lines = [
        bumped("1.2.3", Bump::None),
        bumped("1.2.3", Bump::Patch),
        bumped("1.2.3+build", Bump::Minor),
        bumped("1.2.3-rc.1", Bump::Patch),
        bumped("1.2.3", Bump::Major),
        bumped("1.2.3", Bump::App),
        bumped("one", Bump::Patch),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r#"
    version: 1.2.3 # bumped | appVersion: 'v1.10.0'
    version: 1.2.4 # bumped | appVersion: 'v1.10.0'
    version: 1.3.0 # bumped | appVersion: 'v1.10.0'
    version: 1.2.3 # bumped | appVersion: 'v1.10.0'
    version: 2.0.0 # bumped | appVersion: 'v1.10.0'
    version: 1.10.0 # bumped | appVersion: 'v1.10.0'
    couldn't edit c/Chart.yaml:3:10: the chart's version "one" can't be raised: unexpected character 'o' while parsing major version number
    "#);
}

/// A chart whose values change.
fn edited_chart(chart: &str, bump: Bump) -> Result<String, Error> {
    let file = |path: &str, text: &str| File { path: path.into(), bytes: text.into() };
    let files = [file("c/Chart.yaml", chart), file("c/values.yaml", "image: {repository: ghcr.io/acme/api, tag: v1}\n")];
    let pins = [pin("ghcr.io/acme/api ghcr.io/acme/api v1.10.0")];
    let edits = edit(&files, &pins, &options(&[], bump))?;
    let text = |path: &str| edits.writes.iter().find(|(name, _)| name == path).and_then(|(_, bytes)| bytes.clone()).unwrap();
    let after: Vec<File> = ["c/Chart.yaml", "c/values.yaml"].iter().map(|path| File { path: (*path).into(), bytes: text(path) }).collect();
    assert_eq!(edit(&after, &pins, &options(&[], bump)).unwrap(), Edits::default(), "an unchanged chart is not bumped again");
    Ok(String::from_utf8(text("c/Chart.yaml")).unwrap())
}

#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    let error = |text: &str, options: &Options| edited("values.yaml", text, &[API], options).unwrap_err().to_string();
    let lines = [
        error("t: &t v1\nimage:\n  repository: ghcr.io/acme/api\n  tag: *t\n", &Options::default()),
        error("image:\n  repository: ghcr.io/acme/api\n  tag: |\n    v1\n", &Options::default()),
        error("image: {repository: ghcr.io/acme/web, tag: v1}\n", &Options::default()),
        error("# acme/api\na: {{ .Values.x }}\nb: ]\n", &Options::default()),
        error("image: {tag: v1}\n", &options(&[("image.tga", "api")], Bump::None)),
        error("image: {tag: v1}\n", &options(&[("image.tag", "apo")], Bump::None)),
        error("image: {tag: {a: 1}}\n", &options(&[("image.tag", "api")], Bump::None)),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r#"
    couldn't edit values.yaml:4:8: the value is an alias of `&t`, which stands elsewhere
    couldn't edit values.yaml:4:5: the value is a block scalar
    couldn't find the image of the service api: looked for ghcr.io/acme/api in values.yaml
    couldn't read values.yaml:3:4: not YAML: misplaced bracket
    couldn't find the key image.tga in values.yaml
    couldn't set the key image.tag: there is no service "apo" of ours
    couldn't edit values.yaml:1:14: `image.tag` holds a mapping where a text was expected
    "#);
}

/// A piece of a values file: what stands before the tag, and what behind it.
#[derive(Debug, Clone)]
struct Piece {
    before: String,
    tag: String,
    after: String,
    is_ours: bool,
}

/// Images in each of the forms that charts have, among values that only look like them; quotes, comments and depth are arbitrary.
fn piece() -> impl Strategy<Value = Piece> {
    let names = prop::sample::select(vec!["acme/api", "acme/api-worker", "acme/web"]);
    (names, 0usize..4, 0usize..3, 0usize..3, "v[0-9]{1,3}", "( +#[ -~]{0,12})?").prop_map(|(name, form, depth, quote, tag, comment)| {
        let quote = ["", "'", "\""][quote];
        let (before, after) = match form {
            0 => (format!("image:{comment}\n  repository: ghcr.io/{name}\n  tag: {quote}"), format!("{quote}{comment}\n")),
            1 => {
                (format!("image: {{registry: ghcr.io, repository: '{name}', tag: {quote}"), format!("{quote}, x: [1, 'a b']}}{comment}\n"))
            }
            2 => (format!("image: {quote}ghcr.io/{name}:"), format!("{quote}{comment}\n")),
            _ => (format!("note: {quote}use ghcr.io/{name} with "), format!(" only{quote}{comment}\n")),
        };
        let indent = |text: &str| (0..depth).fold(text.to_owned(), |text, _| text.replace('\n', "\n  "));
        let path: String = (0..depth).map(|level| format!("{}k{level}:\n", "  ".repeat(level))).collect();
        let before = format!("{path}{}{}", "  ".repeat(depth), indent(&before));
        Piece { before, tag, after, is_ours: name == "acme/api" && form < 3 }
    })
}

proptest! {
    #[test]
    fn only_the_tags_of_the_image_differ(pieces in prop::collection::vec(piece(), 1..8), crlf in any::<bool>(), ends in any::<bool>()) {
        prop_assume!(pieces.iter().any(|piece| piece.is_ours));
        let text = |new: bool| {
            let mut text = String::from("# values\n");
            for (index, piece) in pieces.iter().enumerate() {
                let tag = if new && piece.is_ours { "v2.0.0" } else { &piece.tag };
                text += &format!("part{index}:\n  {}{tag}{}", piece.before.replace('\n', "\n  "), piece.after);
            }
            let text = if ends { text } else { text.trim_end_matches('\n').to_owned() };
            if crlf { text.replace('\n', "\r\n") } else { text }
        };
        let (after, rows) = edited("values.yaml", &text(false), &["ghcr.io/acme/api ghcr.io/acme/api v2.0.0"], &Options::default()).unwrap();
        prop_assert_eq!(after, text(true));
        prop_assert_eq!(rows.len(), pieces.iter().filter(|piece| piece.is_ours).count());
    }
}
