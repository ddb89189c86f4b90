//! Small projects in a folder, and what is read of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Request, load};
use crate::error::Problems;

/// A project of a few files in a folder called `shop`.
struct Shop {
    folder: tempfile::TempDir,
    files: Vec<PathBuf>,
    env_file: Option<PathBuf>,
    environment: BTreeMap<String, String>,
}

fn shop(files: &[(&str, &str)]) -> Shop {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("shop")).unwrap();
    for (name, content) in files {
        let file = folder.path().join("shop").join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }
    Shop { folder, files: vec![], env_file: None, environment: BTreeMap::new() }
}

/// What a single `compose.yaml` gives.
fn compose(content: &str) -> String {
    shop(&[("compose.yaml", content)]).show()
}

impl Shop {
    fn files(mut self, files: &[&str]) -> Self {
        self.files = files.iter().map(PathBuf::from).collect();
        self
    }

    fn env_file(mut self, file: &str) -> Self {
        self.env_file = Some(file.into());
        self
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("shop")
    }

    fn show(&self) -> String {
        let directory = self.path();
        let environment = &self.environment;
        let request = Request { project_directory: &directory, files: &self.files, env_file: self.env_file.as_deref(), environment };
        let text = match load(&request) {
            Ok(project) => project.to_string(),
            Err(problems) => told(&problems),
        };
        text.replace(&directory.display().to_string(), "SHOP").replace(&self.folder.path().display().to_string(), "OUTSIDE")
    }
}

fn told(problems: &Problems) -> String {
    let mut out = String::new();
    for problem in problems.iter() {
        let at = problem.location().map_or(String::new(), |at| format!("{at}: "));
        out += &format!("{at}{problem}\n");
        let mut cause = problem.source();
        while let Some(error) = cause {
            out += &format!("  because {error}\n");
            cause = error.source();
        }
        out += &format!("  hint: {}\n", problem.hint());
        assert_eq!(problem.exit(), crate::error::Exit::BadInput);
    }
    out
}

mod finding {
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
}

mod variables {
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
}

mod joining {
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
        let b = "x-off: &off {build: !reset null}\nx-new: &new {build: !override {tags: [b]}}\nservices:\n  web: {<<: *off}\n  api: {<<: [*new]}\n";
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
}

mod extending {
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
}

mod including {
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
        let files = [
            ("compose.yaml", "include: [sub/a.yaml]"),
            ("sub/a.yaml", "include: [b.yaml]"),
            ("sub/b.yaml", "include:\n  - ../compose.yaml\n"),
        ];
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
}

mod anything {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_read_or_explained(lines in proptest::collection::vec(
            proptest::sample::select(vec![
                "services:", "  a:", "  b: {image: x}", "  c: &c {image: '$X:-', build: .}", "    image: a:${X:-1}", "    image: !reset", "    <<: *c",
                "    extends: b", "    extends: {file: compose.yaml, service: a}", "    build: {tags: [a, a]}", "    build: !override", "    x-tagboat: {skip: 1}",
                "include: [compose.yaml]", "include: [b.yaml]", "---", "name: $X", "  - a", "x: [*c", "\tx", "a: ? b", "    profiles: &c [*c]",
            ]), 0..12,
        )) {
            let content = lines.join("\n");
            let shown = shop(&[("compose.yaml", &content), ("b.yaml", "services: {b: {image: x}}"), (".env", "X=${Y-}")]).show();
            prop_assert!(!shown.is_empty());
        }
    }
}

mod reading {
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
}
