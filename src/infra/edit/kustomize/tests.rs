use proptest::prelude::*;

use super::*;
use crate::error::Explain as _;
use crate::infra::edit::testing::pin;
use crate::infra::edit::yaml::Editor;

const OLD: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const NEW: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn edited(text: &str, pins: &[&str]) -> Result<(String, Vec<String>, Vec<String>), Error> {
    let pins: Vec<ImagePin> = pins.iter().map(|text| pin(text)).collect();
    let edited = edit("k.yaml", text.as_bytes(), &pins)?;
    let changes = edited.changes.iter().map(Change::to_string).collect();
    Ok((String::from_utf8(edited.bytes).unwrap(), changes, edited.notes))
}

#[test]
fn entries_get_their_tags_and_digests() {
    let api = "ghcr.io/acme/api ghcr.io/acme/api 1.10";
    let api_digest = format!("{api} {NEW}");
    let web = "web ghcr.io/acme/web v2";
    let table: Vec<(&str, &str, &str)> = vec![
        // A tag that reads like a number is quoted; comments and the other entries stay.
        (
            "images: # ours\n- name: ghcr.io/acme/api # api\n  newTag: v1 # tag\n- name: redis\n  newTag: \"7\"\n",
            api,
            "images: # ours\n- name: ghcr.io/acme/api # api\n  newTag: \"1.10\" # tag\n- name: redis\n  newTag: \"7\"\n",
        ),
        // An entry is found by its newName too.
        (
            "images:\n- name: api\n  newName: ghcr.io/acme/api\n  newTag: '1.9'\n",
            api,
            "images:\n- name: api\n  newName: ghcr.io/acme/api\n  newTag: '1.10'\n",
        ),
        // An alias keeps its name, and gets the repository when it has another or none.
        ("images:\n- name: web\n  newTag: v1\n", web, "images:\n- name: web\n  newTag: v2\n  newName: ghcr.io/acme/web\n"),
        (
            "images:\n- name: web\n  newName: old.io/web\n  newTag: v1\n",
            web,
            "images:\n- name: web\n  newName: ghcr.io/acme/web\n  newTag: v2\n",
        ),
        // The alias is not there: an entry for it is added beside that of the repository.
        (
            "images:\n- name: ghcr.io/acme/web\n  newTag: v1\n",
            web,
            "images:\n- name: ghcr.io/acme/web\n  newTag: v1\n- name: web\n  newName: ghcr.io/acme/web\n  newTag: v2\n",
        ),
        // Both entries of one name.
        (
            "images:\n- name: web\n  newName: ghcr.io/acme/web\n  newTag: v1\n- {name: web, newName: ghcr.io/acme/web, newTag: v0}\n",
            web,
            "images:\n- name: web\n  newName: ghcr.io/acme/web\n  newTag: v2\n- {name: web, newName: ghcr.io/acme/web, newTag: v2}\n",
        ),
        // No image yet.
        ("resources:\n  - ../base\n", api, "resources:\n  - ../base\nimages:\n  - name: ghcr.io/acme/api\n    newTag: \"1.10\"\n"),
        // Another tag only.
        (
            "images:\n- name: ghcr.io/acme/api:1.0\n  newTag: x\n",
            api,
            "images:\n- name: ghcr.io/acme/api:1.0\n  newTag: x\n- name: ghcr.io/acme/api\n  newTag: \"1.10\"\n",
        ),
        // A name with brackets is escaped: it is a regular expression.
        ("resources: []\n", "[::1]:5000/x [::1]:5000/x v1", "resources: []\nimages:\n- name: \\[::1\\]:5000/x\n  newTag: v1\n"),
        (
            "images:\n- name: ghcr\\.io/acme/api\n  newTag: v1\n",
            "ghcr.io/acme/api ghcr.io/acme/api v2",
            "images:\n- name: ghcr\\.io/acme/api\n  newTag: v2\n",
        ),
        // JSON is YAML.
        (
            "{\"images\": [{\"name\": \"ghcr.io/acme/api\", \"newTag\": \"1.9\"}]}",
            &api_digest,
            "{\"images\": [{\"name\": \"ghcr.io/acme/api\", \"newTag\": \"1.10\", \"digest\": \"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"}]}",
        ),
    ];
    for (before, pin, after) in table {
        let (text, changes, _) = edited(before, &[pin]).unwrap();
        assert_eq!(text, after);
        assert_eq!(changes.is_empty(), before == after);
        let (again, changes, _) = edited(&text, &[pin]).unwrap();
        assert_eq!((again, changes), (text, Vec::new()), "a second run changes nothing");
    }
}

#[test]
fn a_digest_never_stays_beside_another_tag() {
    let before = format!("images:\n- name: ghcr.io/acme/api\n  digest: {OLD} # pinned\n  newTag: v1\n");
    let (text, changes, _) = edited(&before, &["ghcr.io/acme/api ghcr.io/acme/api v2"]).unwrap();
    assert_eq!(text, "images:\n- name: ghcr.io/acme/api\n  newTag: v2\n");
    insta::assert_snapshot!(changes.join("\n"), @"k.yaml:3: ghcr.io/acme/api v1@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa → v2");

    let (text, changes, _) = edited(&before, &[&format!("ghcr.io/acme/api ghcr.io/acme/api v1 {NEW}")]).unwrap();
    assert_eq!(text, before.replace(OLD, NEW), "the same tag with another digest");
    assert_eq!(changes.len(), 1);
}

#[test]
fn what_a_person_should_know_is_noted() {
    let text = "images:\n- name: ghcr.io/acme/.*\n  newTag: v1\n- name: web\n  newName: ghcr.io/acme/web\n  newTag: &t v1\nconfigMapGenerator:\n- name: c\n  literals: [*t]\n";
    let (_, changes, notes) = edited(text, &["web ghcr.io/acme/web v2", "ghcr.io/acme/api ghcr.io/acme/api v2"]).unwrap();
    insta::assert_snapshot!([changes, notes].concat().join("\n"), @r#"
    k.yaml:6: web v1 → v2
    k.yaml:8: ghcr.io/acme/api v2 (added)
    k.yaml: images[0] has the name "ghcr.io/acme/.*", which as a regular expression matches ghcr.io/acme/api too
    k.yaml:6: the value has the anchor `&t`; aliases that follow it: 1
    "#);
}

/// Trap: an entry's name is a regular expression, so that another entry can undo what ours says, or make it void.
#[test]
fn an_entry_that_would_get_in_the_way_is_refused_with_its_place() {
    let (api, own) = ("ghcr.io/acme/api ghcr.io/acme/api v2", "- {name: ghcr.io/acme/api, newTag: v1}\n");
    let told = |lines: &str| match edited(&format!("images:\n{lines}"), &[api]) {
        Ok((text, ..)) => format!("fine: {:?}", text.trim_start_matches("images:\n")),
        Err(error) => format!("{error}; {}", error.hint()),
    };
    let table = [
        format!("{own}- {{name: ghcr.io/acme/.*, newTag: v1}}\n"),
        format!("{own}- {{name: .*/api, digest: '{OLD}'}}\n"),
        format!("- {{name: ghcr.io/.*, newName: mirror.example/api}}\n{own}"),
        // Ours gives the image the name that the other matches.
        "- {name: api, newName: ghcr.io/acme/api}\n- {name: ghcr.io/acme/.*, newTag: v1}\n".into(),
        // It is ours that is missing; it would come last, and see another name.
        "- {name: 'ghcr.io/acme/a.*', newName: mirror.example/api, newTag: v1}\n".into(),
        // What comes before ours is overridden by it, and a name alone changes no tag.
        format!("- {{name: ghcr.io/acme/.*, newTag: v1}}\n{own}"),
        format!("{own}- {{name: ghcr.io/.*, newName: mirror.example/api}}\n"),
        format!("{own}- {{name: ghcr.io/other/.*, newTag: v1}}\n- {{name: '(', newTag: v1}}\n"),
    ];
    insta::assert_snapshot!(table.map(|lines| told(&lines)).join("\n"), @r#"
    couldn't pin ghcr.io/acme/api at k.yaml:3:3: the name "ghcr.io/acme/.*" there is a regular expression that matches ghcr.io/acme/api too, and it comes after ours; write an entry there for each image by its whole name, or move that one before ours without `newName`
    couldn't pin ghcr.io/acme/api at k.yaml:3:3: the name ".*/api" there is a regular expression that matches ghcr.io/acme/api too, and it comes after ours; write an entry there for each image by its whole name, or move that one before ours without `newName`
    couldn't pin ghcr.io/acme/api at k.yaml:2:3: the name "ghcr.io/.*" there is a regular expression that matches ghcr.io/acme/api too, and it gives the image another name before ours comes; write an entry there for each image by its whole name, or move that one before ours without `newName`
    couldn't pin ghcr.io/acme/api at k.yaml:3:3: the name "ghcr.io/acme/.*" there is a regular expression that matches ghcr.io/acme/api too, and it comes after ours; write an entry there for each image by its whole name, or move that one before ours without `newName`
    couldn't pin ghcr.io/acme/api at k.yaml:2:3: the name "ghcr.io/acme/a.*" there is a regular expression that matches ghcr.io/acme/api too, and it gives the image another name before ours comes; write an entry there for each image by its whole name, or move that one before ours without `newName`
    fine: "- {name: ghcr.io/acme/.*, newTag: v1}\n- {name: ghcr.io/acme/api, newTag: v2}\n"
    fine: "- {name: ghcr.io/acme/api, newTag: v2}\n- {name: ghcr.io/.*, newName: mirror.example/api}\n"
    fine: "- {name: ghcr.io/acme/api, newTag: v2}\n- {name: ghcr.io/other/.*, newTag: v1}\n- {name: '(', newTag: v1}\n"
    "#);
}

#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    let table = [
        "a: [\n",
        "- a\n",
        "a: 1\n---\nb: 1\n",
        "",
        "images: x\n",
        "images:\n- newTag: v1\n",
        "images:\n- name: web\n  newTag: v1\n  newTag: v2\n",
        "x: &x {name: web, newTag: v1}\nimages:\n- *x\n",
        "x: &t v1\nimages:\n- name: web\n  newName: ghcr.io/acme/web\n  newTag: *t\n",
        "images:\n- name: web\n  newName: ghcr.io/acme/web\n  newTag: |\n    v1\n",
    ];
    let errors: Vec<String> = table.iter().map(|text| edited(text, &["web ghcr.io/acme/web v2"]).unwrap_err().to_string()).collect();
    insta::assert_snapshot!(errors.join("\n"), @r#"
    couldn't read k.yaml:1:4: not YAML: unclosed bracket '['
    couldn't edit k.yaml:1:1: there is a list where a kustomization was expected
    couldn't edit k.yaml:1: a kustomization is one document, and there are 2
    couldn't edit k.yaml:1: a kustomization is one document, and there are 0
    couldn't edit k.yaml:1:9: `images` holds text where a list was expected
    couldn't edit k.yaml:2:3: an entry of `images` has no `name`
    couldn't read k.yaml:4: the key "newTag" is there twice, in lines 3 and 4
    couldn't edit k.yaml:3:3: the mapping is an alias of `&x`; change it there
    couldn't edit k.yaml:5:11: the value is an alias of `&t`; change it there
    couldn't edit k.yaml:5:5: the value is a block scalar
    "#);
    let error = edited("images:\n- name: web\n", &["web ghcr.io/acme/web v2", "web ghcr.io/acme/web v3"]).unwrap_err();
    insta::assert_snapshot!(error, @"couldn't edit k.yaml:2:3: the images web and web want this entry to be different things");
    assert!(matches!(edit("k", b"\xff", &[]), Err(Error::Encoding { .. })));
}

#[test]
fn entries_that_are_plainly_of_other_images_are_not_read() {
    let others: String = (0..100).map(|number| format!("- name: ghcr.io/acme/other-{number} # api\n  newTag: \"{number}\"\n")).collect();
    let read = |ours: &str, pins: &[&str]| -> Vec<usize> {
        let pins: Vec<ImagePin> = pins.iter().map(|text| pin(text)).collect();
        let text = format!("images:\n{others}{ours}{others}");
        let (_, entries) = Images::read("k.yaml", &text, &pins).unwrap();
        entries.iter().map(|entry| entry.index).collect()
    };
    let api = ["ghcr.io/acme/api ghcr.io/acme/api v2"];
    assert_eq!(read("", &api), [199], "the last one shows how another is added");
    for ours in [
        "- name: ghcr.io/acme/api\n",
        "- name: x\n  newName: 'ghcr.io/acme/api'\n",
        "- name: ghcr.io/acme/a.i\n",
        "- name: ghcr\\.io/acme/other\n",
        "- name: other-.*\n",
        "- {name: other}\n",
        "- name: |\n    other\n",
    ] {
        assert_eq!(read(ours, &api), [100, 200], "{ours}");
    }
    assert_eq!(read("", &["other-7 ghcr.io/acme/web v2"]), [7, 107, 199]);
    assert_eq!(read("- name: &a x\n", &api).len(), 201, "an anchor may be used anywhere");
}

/// An item of `images`, most of them plainly written.
fn item() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "ghcr.io/acme/api",
        "ghcr.io/acme/web",
        "web",
        "api",
        "ghcr.io/acme/a.i",
        "w.b",
        "ghcr.io/acme/other",
        "docker.io/library/redis",
        "redis",
        "x",
        "localhost:5000/web",
        "web:v1",
        "7",
    ]);
    let odd_names = prop::sample::select(vec![
        "'redis'",
        "\"web\"",
        "\"w\\x65b\"",
        "null",
        "web@x",
        "acme/.*",
        "ghcr\\.io/acme/api",
        "\"it's\"",
        "&n web",
        "!!str web",
        "",
    ]);
    let shapes = prop::sample::select(vec![
        "- name: @\n  newTag: v1\n",
        "- name: \"@\" # web\n  newTag: \"1.0\" # c\n",
        "- newTag: 1.0\n  name: '@'\n\n",
        "# about web\n- name: x/y\n  newName: @\n",
        "- name: @\n  newName: ghcr.io/acme/web\n  newTag: v2\n",
        "-   name: @\n    # it's why\n    digest: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n    newTag: v2\n",
        "- digest: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n  name: @\n",
    ]);
    let odd_shapes = prop::sample::select(vec![
        "- {name: @, newTag: v1}\n",
        "-\n  name: @\n  newTag: v1\n",
        "- name: |-\n    web\n  newTag: @\n",
        "- <<: {name: @}\n  newTag: v1\n",
        "- name: x\n  newName: web\n  newTag: *n\n",
        "- newTag: @\n",
        "- @\n",
        "- name: @\n  name: b\n",
        "- name: @\n  b\n",
        "- [name,\n- @]\n",
    ]);
    let usual = (shapes.clone(), names.clone());
    let pair = prop_oneof![20 => usual, 2 => (shapes, odd_names), 1 => (odd_shapes, names)];
    pair.prop_map(|(shape, name)| shape.replace('@', name))
}

#[test]
fn a_key_that_a_merge_brings_is_set_in_the_entry_itself() {
    let text = "x-defaults: &d {newTag: v1}\nimages:\n- <<: *d\n  name: ghcr.io/acme/api\n";
    let (text, ..) = edited(text, &["ghcr.io/acme/api ghcr.io/acme/api v2"]).unwrap();
    assert_eq!(text, "x-defaults: &d {newTag: v1}\nimages:\n- <<: *d\n  name: ghcr.io/acme/api\n  newTag: v2\n");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn only_the_values_of_our_entries_change(
        others in prop::collection::vec(("[a-z]{3,8}", "[0-9.]{1,4}", 0..4_u8), 0..5),
        at in any::<prop::sample::Index>(),
        tag in "[A-Za-z0-9_][A-Za-z0-9_.-]{0,10}",
        has_digest: bool,
        crlf: bool,
    ) {
        let other = |(name, tag, style): &(String, String, u8)| match style {
            0 => format!("  - name: x/{name}\n    newTag: \"{tag}\" # c\n"),
            1 => format!("  - {{name: x/{name}, newTag: '{tag}'}}\n"),
            2 => format!("  # about {name}\n  - newTag: t{tag}\n    name: x/{name}\n\n"),
            _ => format!("  -   name: x/{name}\n      digest: {OLD}\n"),
        };
        let mut items: Vec<String> = others.iter().map(other).collect();
        items.insert(at.index(items.len() + 1), "  - name: ghcr.io/acme/api\n    newTag: @@\n".into());
        let text = format!("# top\nimages:\n{}\n# end\nresources: []\n", items.concat());
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let (before, after) = text.split_once("@@").unwrap();
        let digest = if has_digest { format!(" {NEW}") } else { String::new() };
        let (result, changes, _) = edited(&format!("{before}old{after}"), &[&format!("ghcr.io/acme/api ghcr.io/acme/api {tag}{digest}")]).unwrap();
        let middle = result.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).unwrap_or_else(|| panic!("{result}"));
        let mut lines = middle.lines();
        let written: serde_json::Value = serde_yaml::from_str(lines.next().unwrap()).unwrap();
        prop_assert_eq!(written.as_str(), Some(tag.as_str()));
        prop_assert_eq!(lines.next().map(|line| line.trim().to_owned()), has_digest.then(|| format!("digest: {NEW}")));
        prop_assert_eq!(changes.len(), usize::from(tag != "old" || has_digest));
    }

    #[test]
    fn what_is_not_read_makes_no_difference(
        items in prop::collection::vec(item(), 0..8),
        wanted in prop::sample::subsequence(
            vec!["ghcr.io/acme/api ghcr.io/acme/api 1.10", "web ghcr.io/acme/web v2", "redis docker.io/library/redis v2", "new x.io/new v1"], 1..4,
        ),
        (before, after) in (0..9_usize, 0..9_usize),
        [bom, crlf, indent, digest, no_end] in any::<[bool; 5]>(),
    ) {
        let indent = if indent { "  " } else { "" };
        let lines: String = items.concat().split_inclusive('\n').map(|line| if line == "\n" { line.into() } else { format!("{indent}{line}") }).collect();
        let before = ["# top\nresources:\n- a\n", "patches:\n- patch: |\n    it's\n"].get(before).copied().unwrap_or_default();
        let after = ["# end\nresources:\n- a\n", "x: [1,\n  2]\n"].get(after).copied().unwrap_or_default();
        let text = format!("{}{before}images: # ours\n{lines}{after}", if bom { "\u{feff}" } else { "" });
        let text = if no_end { text.trim_end().to_owned() } else { text };
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let digest = if digest { format!(" {NEW}") } else { String::new() };
        let pins: Vec<ImagePin> = wanted.iter().map(|text| pin(&format!("{text}{digest}"))).collect();
        let whole = Editor::new("k.yaml", &text).and_then(|editor| {
            let (images, entries) = Images::whole("k.yaml", editor)?;
            carry_out(images, &entries, "k.yaml", &pins)
        });
        prop_assert_eq!(edit("k.yaml", text.as_bytes(), &pins), whole);
    }
}
