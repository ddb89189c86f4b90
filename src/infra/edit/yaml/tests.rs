use proptest::prelude::*;

use super::*;

/// Sets `a` of a mapping, as far as the editor allows it.
fn set(text: &str, value: &str) -> Result<String, Error> {
    let mut editor = Editor::new("f.yaml", text)?;
    editor.set(0, &[Step::Key("a")], value)?;
    editor.finish().map(|finished| finished.text)
}

#[test]
fn a_scalar_keeps_its_style_and_everything_around_it() {
    let table = [
        ("a: v1\n", "v2", "a: v2\n"),
        ("a:   v1   # c\n", "v2", "a:   v2   # c\n"),
        ("a: 'v1'\n", "v2", "a: 'v2'\n"),
        ("a: \"v1\"\n", "v2", "a: \"v2\"\n"),
        ("a: v1", "v2", "a: v2"),
        ("\u{feff}x: 1\r\na: v1\r\n", "v2", "\u{feff}x: 1\r\na: v2\r\n"),
        ("a: &t v1\nb: *t\n", "v2", "a: &t v2\nb: *t\n"),
        ("a: !!str 1\n", "2", "a: !!str \"2\"\n"),
        ("{a: v1, b: 2}\n", "x,y", "{a: \"x,y\", b: 2}\n"),
        ("{\"a\":\"v1\"}", "v2", "{\"a\":\"v2\"}"),
        ("a: b\n  c\nd: 1\n", "v2", "a: v2\nd: 1\n"),
        ("a:\nb: 1\n", "v2", "a: v2\nb: 1\n"),
        ("a:   # none\nb: 1\n", "v2", "a: v2   # none\nb: 1\n"),
        ("a: ~\n", "v2", "a: v2\n"),
        ("---\na: v1\n---\na: v1\n", "v2", "---\na: v2\n---\na: v1\n"),
        ("a: 'v1'\n", "it's", "a: 'it''s'\n"),
        ("a: \"v1\"\n", "v1", "a: \"v1\"\n"),
    ];
    for (before, value, after) in table {
        assert_eq!(set(before, value).unwrap(), after, "{before:?}");
    }
}

#[test]
fn a_plain_scalar_is_quoted_when_any_reader_would_take_it_for_something_else() {
    for typed in
        ["1.26", "12345e6", "0123456", "20240101", "true", "y", "No", "null", "~", "0x1f", "0o7", "1_000", "1:30", "2024-01-02", ".5", "1."]
    {
        assert_eq!(set("a: v1\n", typed).unwrap(), format!("a: \"{typed}\"\n"));
    }
    for text in ["1.10.0", "v1", "1.2.3-rc.1", "8f3a", "12ab", "1e", "latest", "2024-01"] {
        assert_eq!(set("a: v1\n", text).unwrap(), format!("a: {text}\n"));
    }
    assert_eq!(set("a: 1.26\n", "1.26").unwrap(), "a: \"1.26\"\n", "a number is not the text of the same letters");
}

#[test]
fn what_cannot_be_changed_in_place_is_refused_with_its_place() {
    let table = ["t: &t v1\na: *t\n", "a: |\n  v1\n", "a: [v1]\n", "a: {b: 1}\n", "a: !!int 1\n", "b: 1\n"];
    let errors: Vec<String> = table.iter().map(|text| set(text, "v2").unwrap_err().to_string()).collect();
    insta::assert_snapshot!(errors.join("\n"), @r"
    couldn't edit f.yaml:2:4: the value is an alias of `&t`; change it there
    couldn't edit f.yaml:2:3: the value is a block scalar
    couldn't edit f.yaml:1:4: there is a list where a text was expected
    couldn't edit f.yaml:1:4: there is a mapping where a text was expected
    couldn't edit f.yaml:1:10: the value has a tag that is not `!!str`
    couldn't edit f.yaml:1:1: the value is not there
    ");
}

fn fields() -> Vec<Fields> {
    vec![vec![("name", "x".to_owned()), ("newTag", "1.0".to_owned())]]
}

#[test]
fn list_items_are_added_as_their_neighbours_are_written() {
    let table = [
        ("l:\n- name: a\n", "l:\n- name: a\n- name: x\n  newTag: \"1.0\"\n"),
        ("l:\n  - name: a # c\n\n# end\nz: 1\n", "l:\n  - name: a # c\n  - name: x\n    newTag: \"1.0\"\n\n# end\nz: 1\n"),
        ("l:\n  -   name: a\n      newTag: v1", "l:\n  -   name: a\n      newTag: v1\n  -   name: x\n      newTag: \"1.0\""),
        ("l:\r\n- name: a\r\n", "l:\r\n- name: a\r\n- name: x\r\n  newTag: \"1.0\"\r\n"),
        ("l: [] # none\nz: 1\n", "l: # none\n- name: x\n  newTag: \"1.0\"\nz: 1\n"),
        ("r:\n  - a.yaml\nl: []\n", "r:\n  - a.yaml\nl:\n  - name: x\n    newTag: \"1.0\"\n"),
        ("l:\nz: 1\n", "l:\n- name: x\n  newTag: \"1.0\"\nz: 1\n"),
        ("r:\n  - a.yaml\n\n# end\n", "r:\n  - a.yaml\nl:\n  - name: x\n    newTag: \"1.0\"\n\n# end\n"),
        ("r: [a.yaml]", "r: [a.yaml]\nl:\n- name: x\n  newTag: \"1.0\""),
        ("l: [{name: a}]\n", "l: [{name: a}, {name: x, newTag: \"1.0\"}]\n"),
        ("l: [\n  {name: a}, # c\n]\n", "l: [\n  {name: a}, {name: x, newTag: \"1.0\"}, # c\n]\n"),
        ("{\"r\":[],\"l\":[]}", "{\"r\":[],\"l\":[{\"name\": \"x\", \"newTag\": \"1.0\"}]}"),
        ("{\"r\":[]}", "{\"r\":[], \"l\": [{\"name\": \"x\", \"newTag\": \"1.0\"}]}"),
        ("l:\n-\n  name: a\n- name: b\n  # c\n", "l:\n-\n  name: a\n- name: b\n- name: x\n  newTag: \"1.0\"\n  # c\n"),
    ];
    for (before, after) in table {
        let mut editor = Editor::new("f.yaml", before).unwrap();
        editor.append(0, &[], "l", &fields()).unwrap();
        assert_eq!(editor.finish().unwrap().text, after, "{before:?}");
    }
}

#[test]
fn keys_are_removed_with_their_line_and_nothing_else() {
    let table = [
        ("m:\n- name: a\n  digest: x # old\n  newTag: v1\n", "m:\n- name: a\n  newTag: v1\n"),
        ("m:\n- name: a\n  digest: x", "m:\n- name: a"),
        ("m:\r\n- name: a\r\n  digest: x", "m:\r\n- name: a"),
        ("m:\n- digest: x\n  name: a\n", "m:\n- name: a\n"),
        ("m: [{name: a, digest: x, newTag: v1}]\n", "m: [{name: a, newTag: v1}]\n"),
        ("m: [{digest: x, name: a}]\n", "m: [{name: a}]\n"),
        ("m: [{name: a, digest: x}]\n", "m: [{name: a}]\n"),
    ];
    for (before, after) in table {
        let mut editor = Editor::new("f.yaml", before).unwrap();
        editor.remove(0, &[Step::Key("m"), Step::Item(0)], "digest").unwrap();
        assert_eq!(editor.finish().unwrap().text, after, "{before:?}");
    }
    let mut editor = Editor::new("f.yaml", "m:\n- digest: x\n  # keep\n  name: a\n").unwrap();
    let error = editor.remove(0, &[Step::Key("m"), Step::Item(0)], "digest").unwrap_err();
    insta::assert_snapshot!(error, @"couldn't edit f.yaml:2:3: `digest` can't be removed without touching what is beside it");
}

/// A YAML text made of lines that real files have, in any order.
fn yaml() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("# comment: {".to_owned()),
        Just(String::new()),
        "[b-z]{1,4}: [a-z0-9.]{0,6}( # c)?",
        "[b-z]{1,4}: '[a-z \"]{0,6}'",
        "[b-z]{1,4}: \\[[a-z]{1,3}, \\{k: v\\}\\]",
        Just("blk: |\n  text\n   more\n\n".to_owned()),
        Just("lst:\n- one\n- two: 2\n  three: [3]".to_owned()),
        Just("map:\n    deep: &d x\n    more: *d".to_owned()),
    ];
    (prop::collection::vec(line, 0..8), any::<prop::sample::Index>(), any::<[bool; 3]>()).prop_map(
        |(mut lines, at, [bom, crlf, newline])| {
            lines.insert(at.index(lines.len() + 1), "a: v1 # here".to_owned());
            let text = lines.join("\n") + if newline { "\n" } else { "" };
            let text = if crlf { text.replace('\n', "\r\n") } else { text };
            if bom { format!("\u{feff}{text}") } else { text }
        },
    )
}

#[test]
fn a_key_takes_the_place_of_one_that_goes_from_a_flow_mapping() {
    let table = [
        ("{a: 1, old: 2}\n", "{a: 1, x: \"1\", z: v}\n"),
        ("{a: 1, old: 2, b: 3}\n", "{a: 1, b: 3, x: \"1\", z: v}\n"),
        ("{old: 2, a: 1}\n", "{a: 1, x: \"1\", z: v}\n"),
        ("{a: 1, old: 2,}\n", "{a: 1, x: \"1\", z: v}\n"),
        ("{\"a\": 1, \"old\": 2}", "{\"a\": 1, \"x\": \"1\", \"z\": \"v\"}"),
        ("a: 1\nold: 2\n", "a: 1\nx: \"1\"\nz: v\n"),
        ("old: 2 # c\na: 1\n", "a: 1\nx: \"1\"\nz: v\n"),
    ];
    for (before, after) in table {
        let mut editor = Editor::new("f.yaml", before).unwrap();
        editor.remove(0, &[], "old").unwrap();
        editor.insert(0, &[], "x", "1").unwrap();
        editor.insert(0, &[], "z", "v").unwrap();
        assert_eq!(editor.finish().unwrap().text, after, "{before:?}");
    }
}

proptest! {
    #[test]
    fn setting_a_value_changes_no_other_byte(text in yaml(), value in "\\PC{1,12}") {
        prop_assume!(yaml::parse(&text).is_ok());
        let (before, after) = text.split_once("v1 # here").unwrap();
        let edited = set(&text, &value).unwrap();
        let written = edited.strip_prefix(before).and_then(|rest| rest.strip_suffix(&format!(" # here{after}")));
        prop_assert!(written.is_some(), "{edited:?}");
        let node = yaml::parse(&edited).unwrap().remove(0).root;
        prop_assert_eq!(node.get("a").unwrap().as_str(), Some(value.as_str()));
        prop_assert_eq!(set(&edited, &value).unwrap(), edited, "a second run changes nothing");
    }

    #[test]
    fn appending_adds_lines_and_touches_none(text in yaml()) {
        prop_assume!(yaml::parse(&text).is_ok());
        let mut editor = Editor::new("f.yaml", &text).unwrap();
        editor.append(0, &[], "images", &fields()).unwrap();
        let edited = editor.finish().unwrap().text;
        let eol = layout::eol(&text);
        let added = format!("{eol}images:{eol}- name: x{eol}  newTag: \"1.0\"");
        prop_assert_eq!(edited.replacen(&added, "", 1), text);
    }
}
