//! Repositories with a new name: the server leads readers there, and whoever writes too, but a write is never sent again to another place.

use super::*;

on_each_server! {
    a_repository_with_a_new_name_is_told_by_it_before_anything_is_written,
}

async fn a_repository_with_a_new_name_is_told_by_it_before_anything_is_written(server: &'static Gitea) {
    let acme = Acme::new(server);
    let slug = acme.repository("infra");
    acme.on.ask("PATCH", &format!("/repos/{slug}"), Some(&json!({ "name": "infrastructure" })));
    let outcome = acme.run(&acme.entry(&slug, ""), "1.10").await.remove(0);
    insta::assert_snapshot!(told(&acme, &outcome), @"
    couldn't find acme/infra any more: it is acme/infrastructure now (exit 1)
    put acme/infrastructure into `repository` of the input `infra`
    ");
    assert_eq!(acme.written(), 0);
    let renamed = slug.replace("/infra", "/infrastructure");
    assert_eq!(state(&acme.run(&acme.entry(&renamed, ""), "1.10").await[0]), State::Opened);
}
