use super::*;

#[test]
fn brings_in_services_with_their_own_directory_and_variables() {
    let files = [
        (
            "compose.yaml",
            "include:\n  - db/compose.yaml\n  - path: [web/a.yaml, web/b.yaml]\n    env_file: [web.env]\n    project_directory: .\nservices: {api: {image: 'acme/api:$TAG', extends: db}}\n",
        ),
        (".env", "TAG=root"),
        ("web.env", "WEB=3"),
        ("db/compose.yaml", "include: [deep/x.yaml]\nservices: {db: {image: 'postgres:$PG-$TAG', build: .}}"),
        ("db/.env", "PG=16\nTAG=db"),
        ("db/deep/x.yaml", "services: {x: {image: 'x:$PG', build: ./x}}"),
        ("web/a.yaml", "services: {web: {image: 'web:$WEB', extends: {file: web/base.yaml, service: base}}}"),
        ("web/b.yaml", "services: {web: {profiles: [b]}}"),
        ("web/base.yaml", "services: {base: {build: .}}"),
    ];
    insta::assert_snapshot!(shop(&files).show(), @"
    shop (compose.yaml)
      api: acme/api:root, built
      db: postgres:16-root, built
      web: web:3, built, profiles b
      x: x:16, built
    ");
}

#[test]
fn the_same_service_twice_is_fine_and_a_different_one_a_conflict() {
    let files = [
        ("compose.yaml", "include: [a.yaml, b.yaml]\nservices:\n  web:\n    image: mine\n"),
        ("a.yaml", "include: [c.yaml]"),
        ("b.yaml", "include: [c.yaml]\nservices: {web: {image: theirs}}"),
        ("c.yaml", "services: {c: {image: c}}"),
    ];
    insta::assert_snapshot!(shop(&files).show(), @"
    compose.yaml:3:3: couldn't include service web: it is defined differently in b.yaml:2:12
      hint: rename one of them, or put the changes into an override file of the include: `path: [included.yaml, override.yaml]`
    ");
    insta::assert_snapshot!(shop(&files).files(&["b.yaml"]).show(), @"
    shop (b.yaml)
      c: c
      web: theirs
    ");
    let over = [
        ("compose.yaml", "include: [b.yaml]"),
        ("b.yaml", files[2].1),
        files[3],
        ("compose.override.yaml", "services: {web: {image: over}}"),
    ];
    insta::assert_snapshot!(shop(&over).show(), @"
    shop (compose.yaml, compose.override.yaml)
      c: c
      web: over
    ");
}

#[test]
fn a_cycle_prints_its_path() {
    let files =
        [("compose.yaml", "include: [sub/a.yaml]"), ("sub/a.yaml", "include: [b.yaml]"), ("sub/b.yaml", "include:\n  - ../compose.yaml\n")];
    insta::assert_snapshot!(shop(&files).show(), @"
    sub/b.yaml:2:5: couldn't include compose.yaml: it includes itself: compose.yaml → sub/a.yaml → sub/b.yaml → compose.yaml
      hint: remove one `include` of the cycle
    ");
}

#[test]
fn tells_what_is_wrong() {
    insta::assert_snapshot!(compose("include:\n  - none.yaml\n  - oci://ghcr.io/a/b\n"), @"
    compose.yaml:2:5: couldn't find the compose file none.yaml
      hint: correct the path in compose.yaml:2:5; `include` and `extends` paths are relative to the project directory or to the file that has them
    compose.yaml:3:5: couldn't read the compose file oci://ghcr.io/a/b: an OCI artifact can't be used here
      hint: get it in an earlier step, by checking out its repository for example, and name the local path
    ");
    insta::assert_snapshot!(compose("include: one.yaml\n"), @"
    compose.yaml:1:10: couldn't understand include: expected a list, found text
      hint: write a list here, as the Compose Specification says
    ");
    insta::assert_snapshot!(compose("include:\n  - {env_file: x}\n"), @"
    compose.yaml:2:5: couldn't understand an entry of include: expected a mapping with `path`, found one without it
      hint: write a mapping with `path` here, as the Compose Specification says
    ");
    insta::assert_snapshot!(shop(&[("compose.yaml", "include:\n  - {path: a.yaml, env_file: none.env}\n"), ("a.yaml", "services: {}")]).show(), @"
    compose.yaml:2:5: couldn't find the variables file none.env
      hint: correct the path in compose.yaml:2:5; `include` and `extends` paths are relative to the project directory or to the file that has them
    ");
}

#[test]
fn includes_that_multiply_are_refused() {
    let files: Vec<(String, String)> =
        (0..20).map(|index| (format!("f{index}.yaml"), format!("include: [f{0}.yaml, f{0}.yaml]", index + 1))).collect();
    let mut files: Vec<(&str, &str)> = files.iter().map(|(name, content)| (name.as_str(), content.as_str())).collect();
    files.push(("f20.yaml", "services: {}"));
    let shown = shop(&files).files(&["f0.yaml"]).show();
    assert!(shown.contains("more than 1000 files"), "{shown}");
}
