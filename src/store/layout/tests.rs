use super::*;

const IMAGE: &str = r#"{"schemaVersion":2,"config":{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0},"layers":[]  }"#;

fn repository(name: &str) -> Repository {
    name.parse::<crate::image::Reference>().unwrap().repository()
}

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

fn image() -> Manifest {
    Manifest::read(Bytes::from_static(IMAGE.as_bytes()), None, None).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let index: serde_json::Value = serde_json::from_slice(&fs::read(folder.join(INDEX)).unwrap()).unwrap();
    let name = |entry: &serde_json::Value| entry["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap().to_owned();
    index["manifests"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn one_folder_holds_several_repositories_under_full_names() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(folder.path()).unwrap();
    let (web, api) = (repository("localhost/shop/web"), repository("localhost/shop/api"));
    layout.put(&web, &Pointer::from(&tag("latest")), &image()).unwrap();
    layout.put(&api, &Pointer::from(&tag("v1")), &image()).unwrap();
    layout.put(&api, &Pointer::from(&tag("v1")), &image()).unwrap();
    assert_eq!(names(folder.path()), ["localhost/shop/web:latest", "localhost/shop/api:v1"]);
    assert_eq!(layout.digest(&web, &tag("latest")).unwrap().as_ref(), Some(image().digest()));
    assert_eq!(layout.digest(&web, &tag("v1")).unwrap(), None);
    assert_eq!(layout.tags(&api).unwrap(), [tag("v1")]);
    let back = layout.manifest(&web, &Pointer::from(&tag("latest"))).unwrap();
    assert_eq!(back.bytes(), IMAGE.as_bytes(), "verbatim, spaces and all");
    assert!(matches!(layout.manifest(&web, &Pointer::from(&tag("v9"))), Err(super::super::Error::NotFound { .. })));
}

#[test]
fn a_folder_with_short_names_is_one_repository_and_stays_so() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(folder.path()).unwrap();
    let digest = image().digest().clone();
    layout.put(&repository("x/y"), &Pointer::from(&digest), &image()).unwrap();
    let entry = format!(
        r#"{{"schemaVersion":2,"x":1,"manifests":[{{"digest":"{digest}","size":1,"platform":{{"os":"linux"}},"annotations":{{"org.opencontainers.image.ref.name":"latest"}}}}]}}"#
    );
    fs::write(folder.path().join(INDEX), entry).unwrap();
    let web = repository("ghcr.io/acme/web");
    assert_eq!(layout.digest(&web, &tag("latest")).unwrap(), Some(digest));
    layout.put(&web, &Pointer::from(&tag("v1")), &image()).unwrap();
    assert_eq!(names(folder.path()), ["latest", "v1"]);
    let text = fs::read_to_string(folder.path().join(INDEX)).unwrap();
    assert!(text.contains("\"x\": 1") && text.contains("\"os\": \"linux\""), "what others wrote is kept: {text}");
    layout.announce([(&repository("ghcr.io/acme/api"), Access::Pull)]);
    let error = layout.digest(&web, &tag("latest")).unwrap_err().to_string();
    assert!(error.contains("its tags have short names, but this run has ghcr.io/acme/api, ghcr.io/acme/web"), "{error}");
}

#[test]
fn containerds_names_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(folder.path()).unwrap();
    let entry = r#"{"schemaVersion":2,"manifests":[{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":1,
        "annotations":{"org.opencontainers.image.ref.name":"1.0","io.containerd.image.name":"docker.io/library/web:1.0"}}]}"#;
    fs::write(folder.path().join(INDEX), entry).unwrap();
    assert_eq!(layout.tags(&repository("web")).unwrap(), [tag("1.0")]);
    assert_eq!(layout.tags(&repository("api")).unwrap(), []);
}

#[test]
fn writers_at_the_same_time_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    Layout::create(folder.path()).unwrap();
    std::thread::scope(|scope| {
        for number in 0..16 {
            let path = folder.path();
            scope.spawn(move || {
                let layout = Layout::open(path).unwrap();
                layout.put(&repository("localhost/web"), &Pointer::from(&tag(&format!("v{number}"))), &image()).unwrap();
            });
        }
    });
    assert_eq!(names(folder.path()).len(), 16);
}

#[test]
fn a_changed_blob_is_noticed_and_a_folder_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = Layout::open(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("is not an OCI image layout: it has no file oci-layout"), "{error}");
    let layout = Layout::create(folder.path()).unwrap();
    let web = repository("localhost/web");
    layout.put(&web, &Pointer::from(&tag("v1")), &image()).unwrap();
    fs::write(layout.blob(image().digest()), "{}").unwrap();
    assert!(matches!(layout.manifest(&web, &Pointer::from(&tag("v1"))), Err(super::super::Error::Manifest { .. })));
}
