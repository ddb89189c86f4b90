//! Servers that are slow, gone, forgetful or not trusted; runs that are cut off.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_or_not_trusted_is_told_at_once() {
    let shop = cluster().namespace("shop");
    let real = cluster().kubeconfig();
    let nobody = real.replace(&cluster().url(), &format!("https://127.0.0.1:{}", free_port()));
    let problems = refused(Release::new(&nobody, settings()).await.plan(shop.name()).await);
    let told = explain(&problems);
    assert!(told.contains("couldn't reach the API server https://127.0.0.1:") && told.contains("this very host"), "{told}");

    let proxy = cluster().proxy();
    let untrusted = real.replace(&cluster().url(), &proxy.url()).replace("certificate-authority-data", "unused");
    let mut release = Release::new(&untrusted, settings()).await;
    let told = explain(&refused(release.plan(shop.name()).await));
    assert!(told.contains("invalid peer certificate"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_trouble_is_asked_again() {
    let shop = cluster().namespace("shop");
    let proxy = cluster().proxy();
    let mut release =
        Release::new(&cluster().kubeconfig_through(&proxy), &(settings().to_owned() + &deployment("api", "slow:v1", 1))).await;
    let plan = release.plan(shop.name()).await.unwrap();
    let is_write = |end: &'static str| move |r: &Recorded| r.method == "PATCH" && r.path().ends_with(end);
    proxy.on(is_write("/configmaps/settings")).nth(1).fault(Fault::reply(503, "busy"));
    proxy.on(is_write("/deployments/api")).nth(1).fault(Fault::LoseAnswer);
    proxy.on(|r| r.target.contains("watch=true") && r.path().ends_with("/deployments")).first(1).fault(Fault::Reset);
    outcome(release.run(&plan).await);
    assert_eq!(shop.deployment("api").unwrap()["metadata"]["generation"], 1, "the apply that was repeated changed nothing");
    assert_eq!(release.written().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_leaves_the_truth_in_the_journal() {
    let shop = cluster().namespace("shop");
    let proxy = cluster().proxy();
    let mut release = Release::new(&cluster().kubeconfig_through(&proxy), settings()).await;
    let plan = release.plan(shop.name()).await.unwrap();
    proxy.on(|r| r.method == "PATCH").fault(Fault::Delay(Duration::from_secs(600)));
    let journal = release.journal.clone();
    let running = release.run(&plan);
    let sent = async {
        while !proxy.requests().iter().any(|r| r.method == "PATCH" && !r.target.contains("dryRun")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = running => panic!("the answer is held back"),
        () = sent => {}
    }
    let changes: Vec<String> = journal.changes().iter().map(|change| stable(&change.to_string(), shop.name())).collect();
    assert_eq!(changes, ["ConfigMap NS/settings: new, applied (sent, no answer seen: may or may not have taken effect)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_breaks_and_loses_its_history_begins_anew() {
    let shop = cluster().namespace("shop");
    let proxy = cluster().proxy();
    let is_watch = |r: &Recorded| r.target.contains("watch=true") && r.path().ends_with("/deployments");
    let resumes = move |r: &Recorded| is_watch(r) && r.target.contains("resourceVersion=");
    let gone = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410, "message": "too old resource version"});
    proxy.on(resumes).first(1).fault(Fault::reply(410, &gone.to_string()));
    // Long enough for the first event, and too short for the second.
    proxy.on(is_watch).first(1).fault(Fault::Truncate(3000));
    let mut release = Release::new(&cluster().kubeconfig_through(&proxy), &deployment("api", "slow:v1", 1)).await;
    outcome(release.deploy(shop.name()).await);
    let watches: Vec<Option<u16>> = proxy.requests().iter().filter(|r| is_watch(r)).map(|r| r.status).collect();
    assert!(watches.contains(&Some(410)), "{watches:?}");
    assert_eq!(shop.deployment("api").unwrap()["status"]["readyReplicas"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_told_once_and_not_for_every_object() {
    let shop = cluster().namespace("shop");
    let kubeconfig = shop.service_account(&json!([]));
    let token = regex::Regex::new(r#"("token":\s*"|token: )[^"\n]+"#).expect("a constant");
    let wrong = token.replace(&kubeconfig, "${1}hunter2.hunter2.hunter2").into_owned();
    assert_ne!(kubeconfig, wrong);
    let mut release = Release::new(&wrong, &(settings().to_owned() + &deployment("api", "api:v1", 1))).await;
    let problems = refused(release.plan(shop.name()).await);
    assert_eq!((problems.iter().count(), problems.exit()), (1, Exit::Failed));
    let told = explain(&problems);
    assert!(told.contains("401") && told.contains("wrong or expired") && !told.contains("hunter2"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_somebody_deletes_ends_the_wait() {
    let shop = cluster().namespace("shop");
    let mut release = Release::new(&cluster().kubeconfig(), &deployment("api", "unready:v1", 1)).await;
    let plan = release.plan(shop.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
    let deleted = async {
        while !release.told().contains("0 of 1 replica is available") {
            tokio::task::yield_now().await;
        }
        shop.kubectl_ok(&["delete", "deployment", "api", "--wait=false"]);
    };
    let (ended, ()) = tokio::join!(release.run(&plan), deleted);
    let told = explain(&failure(ended).problems);
    assert!(told.contains("somebody deleted it during the rollout"), "{told}");
}
