use std::collections::BTreeSet;

use super::super::environment::Environment;
use super::super::table;
use super::*;
use crate::error::{Exit, Explain as _};

fn given(pairs: &[(&str, &str)], arguments: &[&str]) -> Given {
    let variables = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
    Given::collect(&Environment::new(variables, "/"), &arguments)
}

fn messages(problems: &Problems) -> String {
    problems.iter().map(|p| format!("{p}\n  hint: {}", p.hint())).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_path_of_a_kubeconfig_is_no_secret_and_everything_else_is() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("kubeconfig"), "").unwrap();
    let workspace = folder.path().display().to_string();
    for (value, secret) in [
        ("kubeconfig", false),
        ("kubeconfig:/elsewhere/config", false),
        ("/home/runner/.kube/config", false),
        ("~/.kube/config", false),
        ("ci/not-there", true),
        ("YXBpVmVyc2lvbjogdjEK", true),
        ("ghp_hunter2hunter2hunter2", true),
        ("apiVersion: v1\nkind: Config", true),
    ] {
        let given = given(&[("GITHUB_WORKSPACE", &workspace), ("INPUT_KUBECONFIG", value)], &[]);
        assert_eq!(given.secrets().any(|text| text == value), secret, "{value}");
    }
}

#[test]
fn every_input_of_the_table_is_read_and_no_other() {
    let given = BTreeMap::new();
    let reader = Reader::new(&given);
    let _ = Inputs::typed(&reader);
    assert!(reader.errors.borrow().is_empty(), "the defaults are valid");
    let table: BTreeSet<&str> = table::INPUTS.iter().map(|spec| spec.name).collect();
    assert_eq!(*reader.asked.borrow(), table);
    assert_eq!(table.len(), table::INPUTS.len(), "no name twice");
}

#[test]
fn empty_is_unset_and_flags_win() {
    let given = given(&[("INPUT_MODE", "plan"), ("INPUT_COMPOSE-FILES", "a.yml\nb.yml"), ("INPUT_REGISTRY", "")], &["--mode", "retag"]);
    let inputs = Inputs::read(given).unwrap();
    assert_eq!(inputs.mode, Mode::Retag);
    assert_eq!(inputs.compose_files, [PathBuf::from("a.yml"), PathBuf::from("b.yml")]);
    assert_eq!(inputs.registry, None);
    assert_eq!(inputs.tags, ["{{tag}}"]);
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let given = given(
        &[("INPUT_MODE", "pull-requst"), ("INPUT_TIMEOUT", "10"), ("INPUT_WAIT", "yes"), ("INPUT_REGISTRY-USERNAME", "u")],
        &["--tag-pattern=v(.*)", "--compose-file", "x"],
    );
    let problems = Inputs::read(given).unwrap_err();
    assert_eq!(problems.exit(), Exit::BadInput);
    insta::assert_snapshot!(messages(&problems), @r#"
    there is no input `compose-file`
      hint: did you mean `compose-files`?
    the input `mode` is "pull-requst", but it must be one of plan, retag, apply, pull-request, commit, render
      hint: did you mean `mode: pull-request`?
    the input `tag-pattern` is "v(.*)", but it has no group `version`; write one as (?P<version>…)
      hint: change `tag-pattern` under `with:`: regular expression for git tags, with a group `version`: `^release-(?P<version>.+)$`
    the input `wait` is "yes", but it must be true or false
      hint: change `wait` under `with:`: wait until what was applied has rolled out
    the input `timeout` is "10", but it has no unit; write it as 90s, 10m or 1h30m
      hint: change `timeout` under `with:`: one deadline for all of the registry's work, and one for the whole rollout: `90s`, `10m`, `1h30m`
    the input `registry-username` is given without `registry-password`
      hint: give `registry-password` too, or remove `registry-username`; a secret that is not set arrives empty
    the input `registry-username` is given without `registry`
      hint: give `registry` too, or remove `registry-username`; a secret that is not set arrives empty
    "#);
}

#[test]
fn unknown_names_get_a_suggestion() {
    let errors = given(&[("INPUT_COMPOSE-FILE", "x"), ("INPUT_ARGS", "x")], &["--kube_config", "x", "stray"]).mistakes;
    let lines: Vec<String> = errors.iter().map(|e| format!("{e}; {}", e.hint())).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    couldn't read the argument "stray"; arguments are inputs: `--name value` or `--name=value`; `--help` lists them
    there is no input `compose-file`; did you mean `compose-files`?
    there is no input `kube_config`; did you mean `kubeconfig`?
    "#);
}

#[test]
fn a_mode_names_the_inputs_that_it_needs() {
    let of = |mode: &str| messages(&Inputs::read(given(&[("INPUT_MODE", mode)], &[])).unwrap_err());
    insta::assert_snapshot!([of("apply"), of("pull-request")].join("\n"), @"
    `mode: apply` needs the input `manifests`
      hint: add `manifests` under `with:`: the files, folders or globs to apply
    `mode: pull-request` needs the input `infra`
      hint: add `infra` under `with:`: a YAML list of the repositories to change
    ");
}
