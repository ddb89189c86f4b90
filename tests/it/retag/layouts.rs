//! OCI image layout folders as other tools write and read them.

use std::path::Path;
use std::process::Command;

use tagboat::image::Tag;
use tagboat::retag::Route;
use tagboat::store::layout::Layout;
use tagboat::store::{Pointer, Store};

use super::copy::{is_whole, promote, promotion};
use super::crash::{attach, attached, sbom};
use super::{anonymous, repository, selection, told};
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
