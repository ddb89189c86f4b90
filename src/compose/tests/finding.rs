use super::*;

const BASE: &str = "services: {web: {image: base}, db: {image: postgres}}";

#[test]
fn an_override_file_counts_when_nobody_names_files() {
    let shop = shop(&[("docker-compose.yml", BASE), ("docker-compose.override.yml", "services: {web: {image: over}}")]);
    insta::assert_snapshot!(shop.show(), @"
    shop (docker-compose.yml, docker-compose.override.yml)
      db: postgres
      web: over
    ");
    insta::assert_snapshot!(shop.files(&["docker-compose.yml"]).show(), @"
    shop (docker-compose.yml)
      db: postgres
      web: base
    ");
}

#[test]
fn a_second_base_file_is_passed_over() {
    insta::assert_snapshot!(shop(&[("compose.yaml", BASE), ("docker-compose.yml", "services: {}")]).show(), @"
    shop (compose.yaml)
      db: postgres
      web: base
      warning: docker-compose.yml is not read: another compose file comes before it
    ");
}

#[test]
fn compose_file_may_come_from_the_environment_or_from_dotenv() {
    let files = [("a.yaml", BASE), ("b.yaml", "services: {web: {image: \"$B\"}}"), (".env", "COMPOSE_FILE=a.yaml:b.yaml\nB=dotenv")];
    insta::assert_snapshot!(shop(&files).show(), @"
    shop (a.yaml, b.yaml)
      db: postgres
      web: dotenv
    ");
    insta::assert_snapshot!(shop(&files).set("COMPOSE_FILE", "b.yaml;a.yaml").set("COMPOSE_PATH_SEPARATOR", ";").show(), @"
    shop (b.yaml, a.yaml)
      db: postgres
      web: base
    ");
}

#[test]
fn tells_what_is_not_there() {
    insta::assert_snapshot!(shop(&[]).show(), @"
    couldn't find a compose file in SHOP: there is none of compose.yaml, compose.yml, docker-compose.yml, docker-compose.yaml
      hint: name your compose file in the input `compose-files`, relative to the workspace
    ");
    insta::assert_snapshot!(shop(&[("sub/x", "")]).files(&["prod.yaml", "sub", "../elsewhere.yaml"]).show(), @"
    couldn't find the compose file prod.yaml
      hint: correct the input `compose-files` (or COMPOSE_FILE); paths are relative to the workspace, and the repository must be checked out
    couldn't read the compose file sub: it is a folder
      hint: correct the input `compose-files` (or COMPOSE_FILE); paths are relative to the workspace, and the repository must be checked out
    couldn't find the compose file OUTSIDE/elsewhere.yaml
      hint: correct the input `compose-files` (or COMPOSE_FILE); paths are relative to the workspace, and the repository must be checked out
    ");
    insta::assert_snapshot!(shop(&[]).files(&["https://github.com/acme/shop.git#main:compose.yaml", "oci://ghcr.io/acme/shop", "-"]).show(), @"
    couldn't read the compose file https://github.com/acme/shop.git#main:compose.yaml: a remote Git repository can't be used here
      hint: get it in an earlier step, by checking out its repository for example, and name the local path
    couldn't read the compose file oci://ghcr.io/acme/shop: an OCI artifact can't be used here
      hint: get it in an earlier step, by checking out its repository for example, and name the local path
    couldn't read the compose file -: standard input can't be used here
      hint: get it in an earlier step, by checking out its repository for example, and name the local path
    ");
}

#[test]
fn tells_what_is_not_text_or_not_yaml() {
    let shop = shop(&[
        ("empty.yaml", "# nothing\n"),
        ("list.yaml", "- a\n"),
        ("bad.yaml", "services:\n  web: {image: x\n  db: y\n"),
        ("twice.yaml", "services:\n  a: {image: x}\n  a: {image: y}\n"),
    ]);
    std::fs::write(shop.path().join("latin.yaml"), b"services:\n  web:\n    image: caf\xe9\n").unwrap();
    insta::assert_snapshot!(shop.files(&["empty.yaml", "list.yaml", "bad.yaml", "twice.yaml", "latin.yaml"]).show(), @r#"
    empty.yaml:1: couldn't understand the compose file: expected a mapping with `services`, found nothing
      hint: write a mapping with `services` here, as the Compose Specification says
    list.yaml:1: couldn't understand the compose file: expected a mapping with `services`, found a list
      hint: write a mapping with `services` here, as the Compose Specification says
    bad.yaml:3:5: couldn't read YAML
      because not YAML: while parsing a flow mapping, did not find expected ',' or '}'
      hint: correct the YAML at this line
    twice.yaml:3: couldn't read YAML
      because the key "a" is there twice, in lines 2 and 3
      hint: correct the YAML at this line
    latin.yaml:3: couldn't read the compose file latin.yaml: it is not UTF-8 text
      hint: save the file as UTF-8
    "#);
}

#[test]
fn refuses_files_that_are_too_large_or_endless() {
    let shop = shop(&[("large.yaml", &"# a line of a comment\n".repeat(200_000))]);
    insta::assert_snapshot!(shop.files(&["large.yaml", "/dev/zero"]).show(), @"
    couldn't read the compose file large.yaml: it has more than 4194304 bytes
      hint: check that `compose-files` (or COMPOSE_FILE) names the right file
    couldn't read the compose file /dev/zero
      because it is not a regular file
      hint: make the file readable for the user that the step runs as
    ");
}
