//! OCI image layout folders as other tools write and read them.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tagboat::image::Tag;
use tagboat::journal::Journal;
use tagboat::retag::{self, Referrers, Route, Selection};
use tagboat::store::layout::Layout;
use tagboat::store::{Pointer, Store};

use super::copy::{is_whole, plan_promotion, promote, promotion};
use super::crash::{attach, attached, sbom};
use super::{SIX, anonymous, push_six, release, repository, selection, told};
use crate::servers::{Image, Platforms, Registry, command};

fn crane(arguments: &[&str]) {
    let output = Command::new(command("crane", "crane")).args(arguments).output().unwrap();
    assert!(output.status.success(), "crane {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
}

fn web() -> Image {
    Image::new(Platforms::Several).content("web")
}

fn text(folder: &Path) -> &str {
    folder.to_str().unwrap()
}

/// Trap: crane gives what it writes to a folder no name, or its full one where other tools give the tag.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_crane_has_written_is_released_whether_it_names_the_image_or_not() {
    let (source, target) = (Registry::start(), Registry::start());
    source.push("shop/web", "latest", &web());
    let image = format!("{}/shop/web:latest", source.host());
    let remote = anonymous();
    for (name, more) in [("nameless", &[][..]), ("named", &["--annotate-ref"])] {
        let folder = tempfile::tempdir().unwrap();
        crane(&[&["pull", "--format=oci"], more, &[image.as_str(), text(folder.path())]].concat());
        let layout = Store::Layout(Layout::open(folder.path()).unwrap());
        let route = Route { source: &layout, target: &remote };
        let one = || promotion(&source.host(), &["web"], &format!("{}/{name}", target.host()));
        promote(route, one()).await.unwrap_or_else(|problems| panic!("{name}: {}", told(&problems)));
        is_whole(&target, &format!("{name}/web"), "v1.2.3", &web());
        assert_eq!(promote(route, one()).await.unwrap().to_string(), "nothing written: 1 tag already there");

        // Inside the folder too, where only what is written has a name.
        promote(&layout, selection(&source.host(), &["web"])).await.unwrap_or_else(|problems| panic!("{name}: {}", told(&problems)));
        let again = promote(&layout, selection(&source.host(), &["web"])).await.unwrap();
        assert_eq!(again.to_string(), "nothing written: 1 tag already there", "{name}");

        let two = || promotion(&source.host(), &["web", "api"], &format!("{}/{name}", target.host()));
        let layout = Store::Layout(Layout::open(folder.path()).unwrap());
        let problems = promote(Route { source: &layout, target: &remote }, two()).await.unwrap_err();
        let said = told(&problems).replace(&source.host(), "HOST").replace(text(folder.path()), "FOLDER");
        let expected = match name {
            "nameless" => "couldn't tell whose image is in FOLDER: it has no name, but this run has HOST/shop/api, HOST/shop/web",
            _ => "couldn't find HOST/shop/api:latest",
        };
        assert!(said.contains(expected), "{name}: {said}");
        assert!(target.tags(&format!("{name}/api")).is_empty());
    }
}

/// Trap: the image without a name is taken for everything that isn't there yet, such as the list of what refers to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_crane_has_written_is_a_target_too() {
    let source = Registry::start();
    source.push("shop/web", "latest", &web());
    let folder = tempfile::tempdir().unwrap();
    crane(&["pull", "--format=oci", &format!("{}/shop/web:latest", source.host()), text(folder.path())]);
    attach(&source, "shop/web", &web());
    let (layout, remote) = (Store::Layout(Layout::open(folder.path()).unwrap()), anonymous());
    let outward = Route { source: &remote, target: &layout };
    promote(outward, selection(&source.host(), &["web"])).await.unwrap_or_else(|problems| panic!("{}", told(&problems)));
    let list: Tag = attached(&web())[0].parse().unwrap();
    let list = layout.manifest(&repository(&source.host(), "web"), &Pointer::from(&list)).await.unwrap();
    let list = String::from_utf8_lossy(list.bytes());
    assert!(list.contains(&sbom(&web()).digest) && !list.contains(&web().build().manifests[0].digest), "{list}");
    let again = promote(outward, selection(&source.host(), &["web"])).await.unwrap();
    assert_eq!((again.copied, again.created), (0, 0), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_ours_is_pushed_by_crane_as_it_was() {
    let (source, target) = (Registry::start(), Registry::start());
    source.push("shop/web", "latest", &web());
    let folder = tempfile::tempdir().unwrap();
    let (layout, remote) = (Store::Layout(Layout::prepare(folder.path()).unwrap()), anonymous());
    promote(Route { source: &remote, target: &layout }, selection(&source.host(), &["web"])).await.unwrap();
    crane(&["push", text(folder.path()), &format!("{}/prod/web:v1.2.3", target.host())]);
    is_whole(&target, "prod/web", "v1.2.3", &web());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_a_registry_too() {
    let registry = Registry::start();
    push_six(&registry);
    let host = registry.host();
    let folder = tempfile::tempdir().unwrap();
    let layout = Store::Layout(Layout::create(folder.path()).unwrap());
    let remote = anonymous();
    for name in SIX {
        let repository = repository(&host, name);
        let manifest = remote.manifest(&repository, &Pointer::latest()).await.unwrap();
        layout.put(&repository, &Pointer::latest(), &manifest).await.unwrap();
    }
    assert_eq!(release(&layout, &host, &SIX, &[], "1.2.3").await.unwrap().created, 6);
    let layout = Store::Layout(Layout::open(folder.path()).unwrap());
    for name in SIX {
        let digest = layout.digest(&repository(&host, name), &"v1.2.3".parse().unwrap()).await.unwrap();
        assert_eq!(digest.map(|digest| digest.to_string()), registry.digest(&format!("shop/{name}"), "latest"));
    }
    let before = std::fs::read(folder.path().join("index.json")).unwrap();
    let summary = release(&layout, &host, &SIX, &[], "1.2.3").await.unwrap();
    assert_eq!(summary.to_string(), "nothing written: 6 tags already there");
    assert_eq!(std::fs::read(folder.path().join("index.json")).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_sources_and_targets_too() {
    let (source, target) = (Registry::start(), Registry::start());
    let host = source.host();
    let image = |name: &str| Image::new(Platforms::Several).content(name).layers(2);
    for name in SIX {
        source.push(&format!("shop/{name}"), "latest", &image(name));
    }
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Nothing is made before the first write.
    let folder = one.path().join("images");
    let layout = Store::Layout(Layout::prepare(&folder).unwrap());
    let remote = anonymous();
    let outward = Route { source: &remote, target: &layout };
    let ready = plan_promotion(outward, selection(&host, &SIX), Referrers::Copy).await.ready().unwrap();
    assert!(!folder.exists());
    assert_eq!(retag::run(outward, &ready, &Journal::default(), &|_| ()).await.unwrap().copied, 6);
    assert_eq!(promote(outward, selection(&host, &SIX)).await.unwrap().to_string(), "nothing written: 6 tags already there");

    // From folder to folder, under the names that the first has.
    let first = Store::Layout(Layout::open(&folder).unwrap());
    let second = Store::Layout(Layout::prepare(two.path()).unwrap());
    let from_tag = |selection: Selection| Selection {
        images: selection
            .images
            .into_iter()
            .map(|mut task| {
                task.source.pointer = (&"v1.2.3".parse::<tagboat::image::Tag>().unwrap()).into();
                task
            })
            .collect(),
        ..selection
    };
    let inward = Route { source: &first, target: &second };
    assert_eq!(promote(inward, from_tag(selection(&host, &SIX))).await.unwrap().copied, 6);

    // And from a folder to a registry.
    let second = Store::Layout(Layout::open(two.path()).unwrap());
    let remote = anonymous();
    let route = Route { source: &second, target: &remote };
    let selection = from_tag(promotion(&host, &SIX, &format!("{}/prod", target.host())));
    assert_eq!(promote(route, selection).await.unwrap().copied, 6);
    for name in SIX {
        is_whole(&target, &format!("prod/{name}"), "v1.2.3", &image(name));
    }
    // The folder is one that others read too.
    let index: Value = serde_json::from_slice(&std::fs::read(two.path().join("index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], repository(&host, "web").to_string() + ":v1.2.3");
}
