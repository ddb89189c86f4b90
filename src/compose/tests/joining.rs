use super::*;

#[test]
fn later_files_win() {
    let a = "services:\n  web:\n    image: one\n    build: ./web\n    profiles: [a]\n    environment: {A: 1}\n    command: x\n  api: {build: {context: ., tags: [t1, t2]}}\n";
    let b = "services:\n  web:\n    build: {tags: [acme/web:x]}\n    profiles: [b, a]\n    environment: [B=1]\n    command: [x]\n  api: {image: acme/api, build: {tags: [t2, t3]}}\n  new: {image: new}\n";
    insta::assert_snapshot!(shop(&[("a.yaml", a), ("b.yaml", b)]).files(&["a.yaml", "b.yaml"]).show(), @"
    shop (a.yaml, b.yaml)
      api: acme/api, built, tags t1 t2 t3
      new: new
      web: one, built, tags acme/web:x, profiles a b
    ");
}

#[test]
fn documents_of_one_file_lie_over_each_other() {
    insta::assert_snapshot!(compose("services: {web: {image: one}}\n---\nservices: {web: {build: .}}\n---\nservices: {web: {image: two}}\n"), @"
    shop (compose.yaml)
      web: two, built
    ");
}

#[test]
fn a_null_overrides_nothing() {
    insta::assert_snapshot!(compose("services: {web: {image: one, build: .}}\n---\nservices:\n  web:\n    image:\n    build: ~\n"), @"
    shop (compose.yaml)
      web: one, built
    ");
}

#[test]
fn reset_removes_and_override_replaces() {
    let a = "services:\n  web: {image: one, build: {context: ., tags: [a]}, profiles: [x]}\n  api: {image: api, build: {context: ., tags: [a]}}\n  gone: {image: gone}\n  whole: {image: w, build: .}\n";
    let b = "services:\n  web: {build: !reset null, profiles: !override [y]}\n  api: {build: !override {context: ./b}}\n  gone: !reset null\n  whole: !override {image: new}\n";
    insta::assert_snapshot!(shop(&[("a.yaml", a), ("b.yaml", b)]).files(&["a.yaml", "b.yaml"]).show(), @"
    shop (a.yaml, b.yaml)
      api: api, built
      web: one, profiles y
      whole: new
    ");
    insta::assert_snapshot!(compose("services:\n  web: {image: a, build: !reset .}\n"), @"
    shop (compose.yaml)
      web: a
    ");
}

#[test]
fn a_reset_inside_an_override_is_an_ordinary_value() {
    insta::assert_snapshot!(compose("services: {web: {image: w, build: {tags: [a]}}}\n---\nservices: {web: {build: !override {tags: !reset [b]}}}\n"), @"
    shop (compose.yaml)
      web: w, built, tags b
    ");
}

#[test]
fn reset_and_override_work_under_merge_keys() {
    let a = "services: {web: {image: one, build: {context: ., tags: [a]}}, api: {image: api, build: {tags: [a]}}}\n";
    let b =
        "x-off: &off {build: !reset null}\nx-new: &new {build: !override {tags: [b]}}\nservices:\n  web: {<<: *off}\n  api: {<<: [*new]}\n";
    insta::assert_snapshot!(shop(&[("a.yaml", a), ("b.yaml", b)]).files(&["a.yaml", "b.yaml"]).show(), @"
    shop (a.yaml, b.yaml)
      api: api, built, tags b
      web: one
    ");
}

#[test]
fn anchors_and_merge_keys_are_resolved() {
    insta::assert_snapshot!(compose("x-app: &app\n  image: &image acme/app:1\n  build: .\nx-more: &more {profiles: [p], image: no}\nservices:\n  web: {<<: *app}\n  worker: {<<: [*app, *more], image: acme/worker}\n  same: {image: *image}\n"), @"
    shop (compose.yaml)
      same: acme/app:1
      web: acme/app:1, built
      worker: acme/worker, built, profiles p
    ");
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "x-a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..9 {
        text += &format!("x-a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(","));
    }
    insta::assert_snapshot!(compose(&text), @"
    compose.yaml:5: couldn't read YAML
      because the aliases stand for more than 100000 nodes
      hint: correct the YAML at this line
    ");
}
