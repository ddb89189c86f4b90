use super::*;

const WEB: &str = "services:\n  web:\n    image: acme/web:${TAG}\n";

#[test]
fn the_environment_wins_over_dotenv() {
    let files = [("compose.yaml", WEB), (".env", "TAG=dotenv"), ("prod.env", "TAG=prod"), ("more.env", "TAG=$TAG-more")];
    insta::assert_snapshot!(shop(&files).show(), @"
    shop (compose.yaml)
      web: acme/web:dotenv
    ");
    insta::assert_snapshot!(shop(&files).set("TAG", "process").show(), @"
    shop (compose.yaml)
      web: acme/web:process
    ");
    insta::assert_snapshot!(shop(&files).env_file("prod.env").show(), @"
    shop (compose.yaml)
      web: acme/web:prod
    ");
    insta::assert_snapshot!(shop(&files).set("COMPOSE_ENV_FILES", "prod.env,more.env").show(), @"
    shop (compose.yaml)
      web: acme/web:prod-more
    ");
}

#[test]
fn dotenv_is_read_beside_the_first_file() {
    let files = [("deploy/compose.yaml", WEB), ("deploy/.env", "TAG=deploy"), (".env", "TAG=root\nCOMPOSE_FILE=deploy/compose.yaml")];
    insta::assert_snapshot!(shop(&files).files(&["deploy/compose.yaml"]).show(), @"
    deploy (deploy/compose.yaml)
      web: acme/web:deploy
    ");
    insta::assert_snapshot!(shop(&files).show(), @"
    deploy (deploy/compose.yaml)
      web: acme/web:root
    ");
}

#[test]
fn an_image_that_ends_in_nothing_names_the_variable() {
    let files = [("compose.yaml", WEB), (".env", "TAG=dotenv")];
    insta::assert_snapshot!(shop(&files).set("COMPOSE_DISABLE_ENV_FILE", "true").show(), @r#"
    compose.yaml:3:12: couldn't use the image "acme/web:" of service web: TAG is not set
      hint: set TAG in the step's `env:` or in the variables file, or give it a default: ${TAG:-…}
    "#);
    insta::assert_snapshot!(compose("services:\n  a:\n    image: ${A}\n  b:\n    image: acme/b:${B:-}@sha256:${C}\n  c:\n    image: ${REGISTRY}/c\n  d:\n    image: 'acme/d:'\n    build: {tags: ['acme/d:$E']}\n"), @r#"
    compose.yaml:3:12: couldn't use the image "" of service a: A is not set
      hint: set A in the step's `env:` or in the variables file, or give it a default: ${A:-…}
    compose.yaml:5:12: couldn't use the image "acme/b:@sha256:" of service b: B is empty, C is not set
      hint: set B in the step's `env:` or in the variables file, or give it a default: ${B:-…}
    compose.yaml:7:12: couldn't use the image "/c" of service c: REGISTRY is not set
      hint: set REGISTRY in the step's `env:` or in the variables file, or give it a default: ${REGISTRY:-…}
    compose.yaml:9:12: couldn't use the image "acme/d:" of service d: a part of it is missing
      hint: write the whole name
    compose.yaml:10:20: couldn't use the build tag "acme/d:" of service d: E is not set
      hint: set E in the step's `env:` or in the variables file, or give it a default: ${E:-…}
    "#);
    insta::assert_snapshot!(shop(&files).set("TAG", "").show(), @r#"
    compose.yaml:3:12: couldn't use the image "acme/web:" of service web: TAG is empty
      hint: set TAG in the step's `env:` or in the variables file, or give it a default: ${TAG:-…}
    "#);
}

#[test]
fn an_unset_variable_is_told_once_at_its_first_place() {
    insta::assert_snapshot!(compose("services:\n  web:\n    image: acme/web:1$SUFFIX\n    command: $SUFFIX $OTHER\n    environment: {A: '$$HOME', B: '${X:-}'}\n  $KEY:\n    image: k\n"), @"
    shop (compose.yaml)
      $KEY: k
      web: acme/web:1
      warning: the variable SUFFIX is not set and stands for nothing (compose.yaml:3:12)
      warning: the variable OTHER is not set and stands for nothing (compose.yaml:4:14)
    ");
}

#[test]
fn all_mistakes_are_told_at_once() {
    insta::assert_snapshot!(compose("services:\n  web:\n    image: ${IMAGE:?say which}\n    command: echo ${X!}\n  api:\n    image: acme/api:$TAG\n"), @r#"
    compose.yaml:3:12: couldn't interpolate a value
      because the variable IMAGE is required: say which
      hint: set IMAGE in the step's `env:` or in the variables file, or give it a default: ${IMAGE:-…}
    compose.yaml:4:14: couldn't interpolate a value
      because "${X!}" is not a variable expression
      hint: write a dollar sign that doesn't begin a variable as $$
    compose.yaml:6:12: couldn't use the image "acme/api:" of service api: TAG is not set
      hint: set TAG in the step's `env:` or in the variables file, or give it a default: ${TAG:-…}
    "#);
}

#[test]
fn the_project_name_is_a_variable() {
    insta::assert_snapshot!(shop(&[("compose.yaml", "name: Acme-$STAGE\nservices: {web: {image: '$COMPOSE_PROJECT_NAME/web'}}")]).set("STAGE", "Prod").show(), @"
    acme-prod (compose.yaml)
      web: acme-prod/web
    ");
    insta::assert_snapshot!(shop(&[("compose.yaml", WEB)]).set("COMPOSE_PROJECT_NAME", "My Shop").set("TAG", "1").show(), @r#"
    couldn't use the project name "My Shop": it is empty or has characters other than a-z, 0-9, _ and -
      hint: set COMPOSE_PROJECT_NAME, or `name:` in the compose file, to lower-case letters, digits, _ and -
    "#);
}

#[test]
fn mistakes_in_dotenv_have_a_place_and_keep_secrets() {
    let shown = shop(&[("compose.yaml", WEB), (".env", "# a\nTAG=1\nPASSWORD=secret${oops\n")]).show();
    assert!(!shown.contains("oops"));
    insta::assert_snapshot!(shown, @"
    .env:3: couldn't read a line of the variables file
      because a `${` is not followed by a variable, an operator and a closing brace
      hint: write NAME=value, one a line; put values with special characters into single quotes
    ");
    insta::assert_snapshot!(shop(&[("compose.yaml", WEB)]).env_file("none.env").show(), @"
    couldn't find the variables file none.env
      hint: correct the input `compose-env-file` (or COMPOSE_ENV_FILES); paths are relative to the workspace, and the repository must be checked out
    ");
    insta::assert_snapshot!(shop(&[("compose.yaml", WEB)]).set("COMPOSE_DISABLE_ENV_FILE", "maybe").show(), @r#"
    couldn't understand COMPOSE_DISABLE_ENV_FILE: "maybe" is not true or false
      hint: set COMPOSE_DISABLE_ENV_FILE to true or false, or leave it out
    "#);
}
