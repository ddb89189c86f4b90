use super::*;

#[test]
fn a_build_without_an_image_gets_the_projects_name() {
    let text = "services:\n  web: {build: ./web}\n  api: {build: {context: .}, image: acme/api}\n";
    insta::assert_snapshot!(compose(text), @"
    shop (compose.yaml)
      api: acme/api, built
      web: no image, built as shop-web
    ");
    insta::assert_snapshot!(shop(&[("compose.yaml", text)]).set("COMPOSE_COMPATIBILITY", "1").set("COMPOSE_PROJECT_NAME", "x").show(), @"
    x (compose.yaml)
      api: acme/api, built
      web: no image, built as x_web
    ");
}

#[test]
fn build_tags_are_each_there_once() {
    insta::assert_snapshot!(compose("services: {web: {image: a, build: {tags: [b, c, b, 'a']}}}"), @"
    shop (compose.yaml)
      web: a, built, tags b c a
    ");
}

#[test]
fn the_extension_is_read_strictly() {
    insta::assert_snapshot!(compose("services:\n  a: {image: a, x-tagboat: {skip: '${SKIP:-true}'}}\n  b: {image: b, x-tagboat: {image: acme/b, source: 'acme/b:edge'}}\n  c: {image: c, x-other: {skip: maybe}, x-tagboat: }\n"), @"
    shop (compose.yaml)
      a: a, skip
      b: b, tag acme/b, from acme/b:edge
      c: c
    ");
    insta::assert_snapshot!(compose("services:\n  a:\n    image: a\n    x-tagboat:\n      skp: true\n      other: 1\n  b: {image: b, x-tagboat: {skip: maybe}}\n  c: {image: c, x-tagboat: [skip]}\n  d: {image: d, x-tagboat: {image: 'acme/d:$D', source: {}}}\n"), @r#"
    compose.yaml:5:12: couldn't understand x-tagboat of service a: unknown key "skp"
      hint: did you mean `skip`?
    compose.yaml:6:14: couldn't understand x-tagboat of service a: unknown key "other"
      hint: x-tagboat knows image, skip, source
    compose.yaml:7:35: couldn't understand x-tagboat skip of service b: "maybe" is not true or false
      hint: write true or false here
    compose.yaml:8:17: couldn't understand x-tagboat of service c: expected a mapping with skip, image or source, found a list
      hint: write a mapping with skip, image or source here, as the Compose Specification says
    compose.yaml:9:36: couldn't use the x-tagboat image "acme/d:" of service d: D is not set
      hint: set D in the step's `env:` or in the variables file, or give it a default: ${D:-…}
    compose.yaml:9:49: couldn't understand x-tagboat source of service d: expected text, found a mapping
      hint: write text here, as the Compose Specification says
    "#);
}

#[test]
fn images_in_other_places_are_mentioned() {
    insta::assert_snapshot!(compose("services:\n  web:\n    image: w\n    pre_start: [{image: acme/migrate}, {command: x}]\n    volumes: ['a:/a', {type: image, source: acme/assets, target: /x}, {type: bind, source: /y, target: /y}]\n"), @"
    shop (compose.yaml)
      web: w, uses acme/migrate acme/assets
    ");
}

#[test]
fn a_service_needs_an_image_a_build_or_a_provider() {
    insta::assert_snapshot!(compose("services:\n  a:\n    command: x\n  b: {provider: {type: model}}\n  c: ~\n"), @"
    compose.yaml:2:3: couldn't find an image of service a: it has neither `image` nor `build`
      hint: add `image`, or `build`
    compose.yaml:5:3: couldn't find an image of service c: it has neither `image` nor `build`
      hint: add `image`, or `build`
    ");
}

#[test]
fn shapes_are_checked() {
    insta::assert_snapshot!(compose("services: []\n"), @"
    compose.yaml:1:1: couldn't understand services: expected a mapping, found a list
      hint: write a mapping here, as the Compose Specification says
    ");
    insta::assert_snapshot!(compose("services:\n  web: nginx\n"), @"
    compose.yaml:2:8: couldn't understand service web: expected a mapping, found text
      hint: write a mapping here, as the Compose Specification says
    ");
    insta::assert_snapshot!(compose("services:\n  web:\n    image: [a]\n    build: [a]\n    profiles: one\n  api:\n    image: {a: b}\n    build: {tags: x}\n"), @"
    compose.yaml:3:5: couldn't understand image of service web: expected text, found a list
      hint: write text here, as the Compose Specification says
    compose.yaml:4:5: couldn't understand build of service web: expected a path or a mapping, found a list
      hint: write a path or a mapping here, as the Compose Specification says
    compose.yaml:5:15: couldn't understand profiles of service web: expected a list of texts, found text
      hint: write a list of texts here, as the Compose Specification says
    compose.yaml:7:5: couldn't understand image of service api: expected text, found a mapping
      hint: write text here, as the Compose Specification says
    compose.yaml:8:19: couldn't understand tags of service api: expected a list of texts, found text
      hint: write a list of texts here, as the Compose Specification says
    ");
}

#[test]
fn nesting_without_end_is_refused() {
    let shown = compose(&format!("services:\n  web:\n    image: {}", "[".repeat(100_000)));
    assert!(shown.contains("couldn't read YAML"), "{}", &shown[..200]);
}

#[test]
fn jobs_are_warned_about() {
    insta::assert_snapshot!(compose("services: {a: {image: a}}\njobs:\n  migrate: {image: m}\n"), @"
    shop (compose.yaml)
      a: a
      warning: images of `jobs` are not looked at (compose.yaml:2:1)
    ");
}

#[test]
fn prints_as_docker_compose_config_does() {
    let shop = shop(&[(
        "compose.yaml",
        "services:\n  a: {image: a, build: {context: ., tags: [t]}, profiles: [p]}\n  b: {image: b, x-tagboat: {skip: true}}\n",
    )]);
    let environment = BTreeMap::new();
    let project = load(&Request { project_directory: &shop.path(), files: &[], env_file: None, environment: &environment }).unwrap();
    insta::assert_snapshot!(project.to_json(), @r#"{"name":"shop","services":{"a":{"build":{"context":".","tags":["t"]},"image":"a","profiles":["p"]},"b":{"image":"b","x-tagboat":{"skip":true}}}}"#);
    assert_eq!(project.files, [Path::new("compose.yaml")]);
    assert_eq!(project.services[0].at.to_string(), "compose.yaml:2:14");
}
