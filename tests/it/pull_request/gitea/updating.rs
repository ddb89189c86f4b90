//! The button "Update branch by merge".

use std::time::Instant;

use super::merging::PATIENCE;
use super::*;

/// Changes a file on the base.
fn change(acme: &Acme, slug: &str, path: &str, text: &str) {
    let content = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    let present = acme.on.ask("GET", &format!("/repos/{slug}/contents/{path}?ref=main"), None);
    let body = json!({ "sha": present["sha"], "content": content, "message": "Somebody's change", "branch": "main" });
    acme.on.ask("PUT", &format!("/repos/{slug}/contents/{path}"), Some(&body));
}

/// Presses the button, and waits until the server knows where branch and base part now, and shows the pull request so.
async fn update_branch(acme: &Acme, slug: &str) -> String {
    let number = acme.pull(slug)["number"].clone();
    let (pull, shown) = (format!("/repos/{slug}/pulls/{number}"), format!("/repos/{slug}/git/refs/pull/{number}/head"));
    let base = acme.on.ask("GET", &format!("/repos/{slug}/branches/main"), None)["commit"]["id"].clone();
    acme.on.ask("POST", &format!("{pull}/update"), None);
    let begun = Instant::now();
    loop {
        let (told, shown) = (acme.on.ask("GET", &pull, None), acme.on.ask("GET", &shown, None));
        let shown = shown.as_array().and_then(|all| all.first()).unwrap_or(&shown);
        if told["merge_base"] == base && shown["object"]["sha"] == told["head"]["sha"] {
            return told["head"]["sha"].as_str().unwrap().to_owned();
        }
        assert!(begun.elapsed() < PATIENCE, "{told} {shown}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

on_each_server! { a_branch_that_somebody_brought_up_to_date_is_made_anew_and_one_with_their_work_is_not }

async fn a_branch_that_somebody_brought_up_to_date_is_made_anew_and_one_with_their_work_is_not(server: &'static Gitea) {
    let acme = Acme::new(server);
    let slug = acme.repository("infra");
    let entries = acme.entry(&slug, "");
    assert_eq!(state(&acme.run(&entries, "1.10").await[0]), State::Opened);
    change(&acme, &slug, "README.md", "new\n");
    update_branch(&acme, &slug).await;
    change(&acme, &slug, FILE, &KUSTOMIZATION.replace("of the shop", "of our shop"));
    update_branch(&acme, &slug).await;

    let outcome = acme.run(&entries, "2.0.0").await.remove(0);
    assert_eq!(state(&outcome), State::Updated);
    assert_eq!(acme.on.log(&slug, BRANCH)[..2], ["Deploy shop v1.10 to production", "Somebody's change"]);
    let text = acme.on.read(&slug, BRANCH, FILE);
    assert!(text.contains("newTag: '2.0.0'") && text.contains("of our shop"), "{text}");
    let writes = acme.on.writes();
    assert_eq!(state(&acme.run(&entries, "2.0.0").await[0]), State::Proposed);
    assert_eq!(acme.on.writes(), writes);

    let mine = json!({ "content": "bWluZQo=", "message": "A person's work", "branch": BRANCH });
    acme.on.ask("POST", &format!("/repos/{slug}/contents/mine"), Some(&mine));
    change(&acme, &slug, "README.md", "newer\n");
    let theirs = update_branch(&acme, &slug).await;
    let error = acme.run(&entries, "2.0.1").await.remove(0).result.unwrap_err();
    assert!(matches!(error, infra::Error::ForeignCommit { .. }), "{error}");
    assert_eq!(acme.pull(&slug)["head"]["sha"], theirs);
}
