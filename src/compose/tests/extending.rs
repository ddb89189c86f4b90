use super::*;

#[test]
fn begins_with_what_the_other_service_says() {
    insta::assert_snapshot!(compose("services:\n  web: {extends: base, image: acme/web}\n  worker: {extends: {service: web}, build: {tags: [t]}, profiles: [w]}\n  base: {image: acme/base, build: {context: ., tags: [b]}, profiles: [b]}\n"), @"
    shop (compose.yaml)
      base: acme/base, built, tags b, profiles b
      web: acme/web, built, tags b, profiles b
      worker: acme/web, built, tags b t, profiles b w
    ");
}

#[test]
fn files_are_relative_to_the_file_that_extends() {
    let files = [
        (
            "deploy/compose.yaml",
            "services:\n  web: {extends: {file: ../common/base.yaml, service: web}}\n  api: {extends: {file: ../common/base.yaml, service: api}}\n",
        ),
        (
            "common/base.yaml",
            "services:\n  web: {image: 'acme/web:${TAG:-1}', extends: {file: deep/x.yaml, service: x}}\n  api: {extends: web, image: acme/api}\n",
        ),
        ("common/deep/x.yaml", "services: {x: {build: .}}\n---\nservices: {x: {profiles: [deep]}}\n"),
    ];
    insta::assert_snapshot!(shop(&files).files(&["deploy/compose.yaml"]).show(), @"
    deploy (deploy/compose.yaml)
      api: acme/api, built, profiles deep
      web: acme/web:1, built, profiles deep
    ");
}

#[test]
fn reset_and_override_reach_what_is_extended_and_the_files_before() {
    let a = "services: {web: {image: one, build: .}, top: {image: top, build: .}}";
    let b = "services:\n  base: {image: base, build: {tags: [b]}, profiles: [b]}\n  web: {extends: base, build: !reset null, profiles: !override [w]}\n  top: {extends: web}\n";
    insta::assert_snapshot!(shop(&[("a.yaml", a), ("b.yaml", b)]).files(&["a.yaml", "b.yaml"]).show(), @"
    shop (a.yaml, b.yaml)
      base: base, built, tags b, profiles b
      top: base, built, profiles w
      web: base, profiles w
    ");
}

#[test]
fn reset_and_override_in_an_extended_file_reach_what_it_extends() {
    let files = [
        ("compose.yaml", "services:\n  a: {extends: {file: base.yaml, service: x}}\n  b: {extends: {file: base.yaml, service: y}}\n"),
        (
            "base.yaml",
            "services:\n  x: {build: !reset null, extends: z}\n  y: {build: !override {tags: [y]}, extends: z}\n  z: {image: z, build: {tags: [z]}}\n",
        ),
    ];
    insta::assert_snapshot!(shop(&files).show(), @"
    shop (compose.yaml)
      a: z
      b: z, built, tags y
    ");
}

#[test]
fn a_cycle_prints_its_path() {
    insta::assert_snapshot!(compose("services:\n  a: {extends: b}\n  b: {extends: c}\n  c:\n    extends:\n      service: b\n  d: {extends: d}\n"), @"
    compose.yaml:3:16: couldn't extend service b (compose.yaml): it extends itself: b (compose.yaml) → c (compose.yaml) → b (compose.yaml)
      hint: remove one `extends` of the cycle
    compose.yaml:7:16: couldn't extend service d (compose.yaml): it extends itself: d (compose.yaml) → d (compose.yaml)
      hint: remove one `extends` of the cycle
    ");
    let files = [
        ("compose.yaml", "services: {web: {extends: {file: other.yaml, service: web}}}"),
        ("other.yaml", "services: {web: {extends: {file: ./compose.yaml, service: web}}}"),
    ];
    insta::assert_snapshot!(shop(&files).show(), @"
    compose.yaml:1:18: couldn't extend service web (compose.yaml): it extends itself: web (compose.yaml) → web (other.yaml) → web (compose.yaml)
      hint: remove one `extends` of the cycle
    ");
}

#[test]
fn tells_what_is_not_there() {
    let text = "services:\n  a: {extends: none}\n  b:\n    extends: {file: none.yaml, service: x}\n  c: {extends: {file: other.yaml, service: x}}\n  d: {extends: [x]}\n  e: {extends: {file: other.yaml}}\n  f: {extends: {file: 'https://github.com/a/b.git', service: x}}\n";
    insta::assert_snapshot!(shop(&[("compose.yaml", text), ("other.yaml", "services: {y: {image: y}}")]).show(), @"
    compose.yaml:2:16: couldn't extend service a: there is no service none in compose.yaml
      hint: correct `extends`; a service of another file needs `file:` beside `service:`, even if both files are in `compose-files`
    compose.yaml:4:5: couldn't find the compose file none.yaml
      hint: correct the path in compose.yaml:4:5; `include` and `extends` paths are relative to the project directory or to the file that has them
    compose.yaml:5:7: couldn't extend service c: there is no service x in other.yaml
      hint: correct `extends`; a service of another file needs `file:` beside `service:`, even if both files are in `compose-files`
    compose.yaml:6:7: couldn't understand extends of service d: expected the name of a service or a mapping, found a list
      hint: write the name of a service or a mapping here, as the Compose Specification says
    compose.yaml:7:7: couldn't understand extends of service e: expected a mapping with `service`, found one without it
      hint: write a mapping with `service` here, as the Compose Specification says
    compose.yaml:8:7: couldn't read the compose file https://github.com/a/b.git: a remote Git repository can't be used here
      hint: get it in an earlier step, by checking out its repository for example, and name the local path
    ");
    let files = [("a.yaml", "services: {base: {image: a}}"), ("b.yaml", "services: {web: {extends: base}}")];
    insta::assert_snapshot!(shop(&files).files(&["a.yaml", "b.yaml"]).show(), @"
    b.yaml:1:27: couldn't extend service web: there is no service base in b.yaml
      hint: correct `extends`; a service of another file needs `file:` beside `service:`, even if both files are in `compose-files`
    ");
}

#[test]
fn refuses_a_chain_without_end() {
    let services: String = (0..500).map(|index| format!("  s{index}: {{extends: s{}}}\n", index + 1)).collect();
    let shown = compose(&format!("services:\n{services}  s500: {{image: x}}\n"));
    assert!(shown.contains("more than 100 services that extend each other"), "{shown}");
}
