//! Engines that push something else than they are told to, and registries that are late to tell of it.

use std::io::{BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::json;
use tagboat::journal::{Certainty, Journal};
use tagboat::retag::{self, Overwrite};
use tagboat::store::Store;
use tagboat::store::docker::Daemon;
use tagboat::store::registry::Keychain;

use super::daemon::{Shop, uploads};
use super::races::late;
use super::{client, told};
use crate::servers::docker::{Built, engine};
use crate::servers::http1::{Head, Listener, Reply, Request, read_body, serve};
use crate::servers::{Fault, Registry};

/// A door before the engine that changes what it answers: as engines do that keep their images in containerd's store.
fn door(change: impl Fn(&Request, &mut Reply) + Send + Sync + 'static) -> Listener {
    serve(move |request| {
        let mut reply = ask_engine(request).unwrap();
        change(request, &mut reply);
        reply
    })
}

fn ask_engine(request: &Request) -> std::io::Result<Reply> {
    let mut connection = BufReader::new(UnixStream::connect(engine().host().trim_start_matches("unix://"))?);
    let mut head = request.head.clone();
    head.set("Connection", "close");
    connection.get_mut().write_all(&[head.to_bytes(), request.body.clone()].concat())?;
    let head = Head::read(&mut connection)?.ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let body = read_body(&mut connection, head.response_framing(&request.method)?)?;
    let mut reply = Reply { status: head.status()?, headers: head.headers, body };
    reply.headers.retain(|(name, _)| !["transfer-encoding", "connection", "content-length"].contains(&name.to_ascii_lowercase().as_str()));
    Ok(reply)
}

/// Adds to the answer about an image what an engine tells that has the index itself.
fn with_index(request: &Request, reply: &mut Reply, arm64_is_there: bool) {
    if !request.path().ends_with("/json") || reply.status != 200 {
        return;
    }
    let mut image = reply.value();
    let child = |digit: &str, architecture: &str, available: bool| {
        json!({"ID": format!("sha256:{}", digit.repeat(64)), "Available": available, "Kind": "image",
            "ImageData": {"Platform": {"os": "linux", "architecture": architecture}}})
    };
    let digest = format!("sha256:{}", "c".repeat(64));
    image["Descriptor"] = json!({"mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest, "size": 1});
    image["Manifests"] = json!([child("a", "amd64", true), child("b", "arm64", arm64_is_there)]);
    *reply = Reply::json(200, &image);
}

/// Trap: an engine with containerd's store pushes one platform instead of the index, or drops platforms that it lacks, and ends as if all were well.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_pushes_something_else_than_the_index_fails_the_release() {
    let selected = format!("sha256:{}", "a".repeat(64));
    let note = json!({"aux": {"manifestPushedInsteadOfIndex": true, "originalIndex": {}, "selectedManifest": {"digest": selected}}});
    let table = [
        ("lacks a platform", false, None, "the Docker daemon lacks linux/arm64", false),
        ("tells of it", true, Some(note.to_string()), "it pushed sha256:… instead of the index sha256:…", true),
        ("tells another digest at the end", true, None, "it pushed sha256:… instead of the index sha256:…", true),
    ];
    for (name, is_whole, line, expected, is_pushed) in table {
        let registry = Registry::start();
        let shop = Shop::new(&registry, &["web"]);
        let _image = Built::new(&shop.names[0], name);
        let door = door(move |request, reply| {
            with_index(request, reply, is_whole);
            if request.path().ends_with("/push")
                && let Some(line) = &line
            {
                reply.body.splice(0..0, format!("{line}\r\n").into_bytes());
            }
        });
        let address = format!("tcp://{}", door.host()).parse().unwrap();
        let store = Store::Daemon(Daemon::new(address, client(Keychain::default())));
        let plan = shop.plan(&store, &["{{tag}}", "latest"], "1.2.3", Overwrite::Refuse).await;
        let journal = Journal::default();
        let problems = match plan.ready() {
            Ok(ready) => retag::run(&store, &ready, &journal, &|_| ()).await.unwrap_err(),
            Err(problems) => problems,
        };
        let said = shop.shown(&told(&problems));
        assert!(said.contains(expected), "{name}: {said}");
        assert!(said.contains("with `docker buildx build --push` and use `source: registry`"), "{name}: {said}");
        assert_eq!(uploads(&registry.requests()) > 0, is_pushed, "{name}");
        // What the engine has written can't be taken back; no other tag follows it, and the journal doesn't call it done.
        assert!(registry.digest(&format!("shop/{}", shop.names[0]), "latest").is_none(), "{name}");
        let certainty: Vec<Certainty> = journal.changes().iter().map(|change| change.certainty).collect();
        assert_eq!(certainty, if is_pushed { vec![Certainty::Unknown] } else { vec![] }, "{name}");
    }
}

/// Trap: some registries answer "manifest unknown" for seconds after a push, the daemon's too.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_pushed_is_waited_for_where_registries_are_late() {
    let registry = Registry::start();
    let shop = Shop::new(&registry, &["web"]);
    let _image = Built::new(&shop.names[0], "late");
    let unknown = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
    registry
        .proxy()
        .on(|request| request.method == "GET" && request.path().contains("/manifests/"))
        .first(3)
        .fault(Fault::reply(404, unknown));
    let store = Store::Daemon(Daemon::new(engine().host().parse().unwrap(), late(&registry, Duration::from_secs(60))));
    let ready = shop.plan(&store, &["{{tag}}", "latest"], "1.2.3", Overwrite::Refuse).await.ready().unwrap();
    let summary = retag::run(&store, &ready, &Journal::default(), &|_| ()).await.unwrap_or_else(|problems| panic!("{}", told(&problems)));
    assert_eq!(summary.created, 2);
}
