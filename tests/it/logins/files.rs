//! Configuration files of docker and podman.

use super::{push_all, release};
use crate::servers::Registry;
use crate::servers::token::User;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

fn shop() -> Registry {
    let registry = Registry::with_token_service(vec![User::new("ada", "correct horse").may(&["pull", "push"], "shop/")]);
    push_all(&registry);
    registry
}

fn auths(key: &str, password: &str) -> String {
    json!({"auths": {key: {"auth": STANDARD.encode(format!("ada:{password}"))}}}).to_string()
}

#[test]
fn podmans_files_come_after_dockers_and_their_keys_have_paths() {
    let registry = shop();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
    };
    let at = |name: &str| folder.path().join(name).display().to_string();
    write("run/containers/auth.json", auths(&format!("{}/shop", registry.host()), "correct horse"));
    write("home/.config/containers/auth.json", auths(&registry.host(), "wrong"));
    let runtime = [("XDG_RUNTIME_DIR", at("run")), ("HOME", at("home"))];
    let outcome = release(&registry.host(), &runtime);
    outcome.assert_released(&registry);
    outcome.assert_masked(&["correct horse"]);

    let registry = shop();
    write("auth.json", auths(&registry.host(), "correct horse"));
    write("run/containers/auth.json", auths(&registry.host(), "wrong"));
    let named = [("REGISTRY_AUTH_FILE", at("auth.json")), runtime[0].clone()];
    release(&registry.host(), &named).assert_released(&registry);

    write("home/.docker/config.json", auths(&registry.host(), "of docker"));
    let docker = [named[0].clone(), ("HOME", at("home"))];
    let outcome = release(&registry.host(), &docker);
    assert!(outcome.log.contains("it refused the credentials of"), "docker's own come first: {}", outcome.log);
    assert!(outcome.log.contains(".docker/config.json, entry"), "{}", outcome.log);
}

#[test]
fn a_file_that_was_named_and_is_not_there_is_in_the_hint() {
    let registry = shop();
    let outcome = release(&registry.host(), &[("DOCKER_CONFIG", "/host/_temp/docker_login_1".to_owned())]);
    assert!(outcome.log.contains("/host/_temp/docker_login_1/config.json of DOCKER_CONFIG is not there"), "{}", outcome.log);
}
