//! How fast files are edited, parsing and proof included, beside `kustomize edit set image` and `yq` on the same files. `bench/edits` runs it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement is read by people")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tagboat::image::Reference;
use tagboat::infra::ImagePin;
use tagboat::infra::edit::{self, File, helm, kustomize};

const SIZE: usize = 4_000_000;
const TAG: &str = "v1.2.4";

/// Deployments and Services of many applications, one of which is ours, or each of one of twenty.
fn manifests(name: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in 0.. {
        if text.len() >= SIZE {
            break;
        }
        let _ = write!(
            text,
            "---\n# application {number}\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{number}\n  namespace: shop\n  labels:\n    app.kubernetes.io/name: app-{number}\n    app.kubernetes.io/part-of: \"shop\"\nspec:\n  replicas: 3\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: app-{number}\n  template:\n    metadata:\n      labels:\n        app.kubernetes.io/name: app-{number}\n    spec:\n      containers:\n      - name: main # the application\n        image: ghcr.io/acme/{}:v1.2.3\n        args: [\"--listen\", \":8080\", '--level=info']\n        env:\n        - name: MODE\n          value: production\n        resources:\n          requests: {{cpu: 100m, memory: 128Mi}}\n          limits:\n            memory: 256Mi\n        readinessProbe:\n          httpGet: {{path: /healthz, port: http}}\n---\napiVersion: v1\nkind: Service\nmetadata:\n  name: app-{number}\n  namespace: shop\nspec:\n  selector:\n    app.kubernetes.io/name: app-{number}\n  ports:\n  - port: 80\n    targetPort: http\n",
            name(number)
        );
    }
    text
}

/// Resources, and as many bytes of images, one of which is ours.
fn kustomization() -> String {
    let mut text = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n".to_owned();
    for number in 0..SIZE / 80 {
        let _ = writeln!(text, "- ../base/team-{}/application-{number}", number % 97);
    }
    text += "images:\n- name: api # ours\n  newName: ghcr.io/acme/api\n  newTag: v1.2.3\n";
    for number in 0.. {
        if text.len() >= SIZE {
            break;
        }
        let _ = write!(text, "- name: ghcr.io/acme/other-{number} # of team {number}\n  newTag: v1.{number}.0\n");
    }
    text
}

/// Nothing but images, each of one of ours.
fn images(names: &[String]) -> String {
    let mut text = "images:\n".to_owned();
    for name in names.iter().cycle() {
        if text.len() >= SIZE {
            break;
        }
        let _ = write!(text, "- name: {name} # ours\n  newName: ghcr.io/acme/{name}\n  newTag: v1.2.3\n");
    }
    text
}

fn values() -> String {
    let mut text = "# values\napi:\n  image:\n    repository: ghcr.io/acme/api\n    tag: v1.2.3\n".to_owned();
    for number in 0.. {
        if text.len() >= SIZE {
            break;
        }
        let _ = write!(
            text,
            "service{number}:\n  enabled: true\n  # the image\n  image:\n    repository: ghcr.io/acme/other-{number}\n    tag: \"v1.{number}.0\"\n    pullPolicy: IfNotPresent\n  resources:\n    requests: {{cpu: 100m, memory: 128Mi}}\n  env:\n    MODE: production\n"
        );
    }
    text
}

fn pin(name: &str) -> ImagePin {
    let repository = format!("ghcr.io/acme/{name}").parse::<Reference>().unwrap().repository();
    ImagePin { service: name.into(), name: name.into(), repository, tag: TAG.parse().unwrap(), digest: None }
}

/// The best of several runs.
fn best(runs: usize, mut run: impl FnMut()) -> Duration {
    let time = |()| {
        let begun = Instant::now();
        run();
        begun.elapsed()
    };
    std::iter::repeat_n((), runs).map(time).min().unwrap()
}

fn row(work: &str, tool: &str, size: usize, wall: Duration) {
    println!(
        "| {work} | {tool} | {:.1} MB | {:.1} ms | {:.1} |",
        size as f64 / 1e6,
        wall.as_secs_f64() * 1e3,
        size as f64 / 1e6 / wall.as_secs_f64()
    );
}

/// The same edit by another program, on a copy of the file each time; nothing when the program is not there.
fn peer(work: &str, tool: &str, file: &str, text: &str, arguments: &[&str]) {
    let folder = std::env::temp_dir().join(format!("tagboat-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut walls = Vec::new();
    for _ in 0..3 {
        std::fs::write(folder.join(file), text).unwrap();
        let begun = Instant::now();
        let program = tool.split(' ').next().unwrap();
        let Ok(output) = Command::new(program).args(arguments).current_dir(&folder).stdin(Stdio::null()).output() else { break };
        assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
        walls.push(begun.elapsed());
        assert!(read(&folder.join(file)).contains(TAG), "{tool} has not edited the file");
    }
    std::fs::remove_dir_all(&folder).unwrap();
    match walls.into_iter().min() {
        Some(wall) => row(work, tool, text.len(), wall),
        None => println!("| {work} | {tool} is not installed | | | |"),
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn main() {
    println!("| work | tool | file | wall | MB/s |\n|---|---|---|---|---|");
    let edited = |work: &str, text: &str, names: &[String], expected: Option<usize>| {
        let file = File { path: "manifests.yaml".into(), bytes: text.as_bytes().to_vec() };
        let pins: Vec<ImagePin> = names.iter().map(|name| pin(name)).collect();
        let wall = best(5, || {
            let edits = edit::manifests(std::slice::from_ref(&file), &[], &pins).unwrap();
            assert!(expected.is_none_or(|expected| edits.changes.len() == expected) && !edits.changes.is_empty());
        });
        row(work, "tagboat", text.len(), wall);
    };
    let one = manifests(|number| if number == 1000 { "api".into() } else { format!("other-{number}") });
    edited("manifests, one image of many", &one, &["api".into()], Some(1));
    let expression = format!(
        "(select(.kind == \"Deployment\").spec.template.spec.containers[] | select(.image == \"ghcr.io/acme/api:*\").image) = \"ghcr.io/acme/api:{TAG}\""
    );
    peer("manifests, one image of many", "yq -i", "manifests.yaml", &one, &["-i", &expression, "manifests.yaml"]);
    let names: Vec<String> = (0..20).map(|number| format!("app{number}")).collect();
    edited("manifests, every image ours", &manifests(|number| names[number % 20].clone()), &names, None);

    let text = values();
    let file = File { path: "values.yaml".into(), bytes: text.as_bytes().to_vec() };
    let wall = best(5, || {
        let edits = helm::edit(std::slice::from_ref(&file), &[pin("api")], &helm::Options::default()).unwrap();
        assert_eq!(edits.changes.len(), 1);
    });
    row("values, found by repository", "tagboat", text.len(), wall);
    peer("values, found by repository", "yq -i", "values.yaml", &text, &["-i", &format!(".api.image.tag = \"{TAG}\""), "values.yaml"]);

    let text = kustomization();
    let wall = best(5, || {
        let edited = kustomize::edit("kustomization.yaml", text.as_bytes(), &[pin("api")]).unwrap();
        assert_eq!(edited.changes.len(), 1);
    });
    row("kustomization", "tagboat", text.len(), wall);
    let wall = best(5, || {
        let pins = ["api", "other-2000", "other-17", "new"].map(|name| ImagePin { name: format!("ghcr.io/acme/{name}"), ..pin(name) });
        let edited = kustomize::edit("kustomization.yaml", text.as_bytes(), &pins).unwrap();
        assert_eq!(edited.changes.len(), 4);
    });
    row("kustomization, three images and a new one", "tagboat", text.len(), wall);
    let set = format!("api=ghcr.io/acme/api:{TAG}");
    peer("kustomization", "kustomize edit", "kustomization.yaml", &text, &["edit", "set", "image", &set]);
    let expression = format!("(.images[] | select(.name == \"api\").newTag) = \"{TAG}\"");
    peer("kustomization", "yq -i", "kustomization.yaml", &text, &["-i", &expression, "kustomization.yaml"]);

    let text = images(&names);
    let pins: Vec<ImagePin> = names.iter().map(|name| pin(name)).collect();
    let wall = best(5, || {
        let edited = kustomize::edit("kustomization.yaml", text.as_bytes(), &pins).unwrap();
        assert!(edited.changes.len() > 20_000);
    });
    row("kustomization, every image ours", "tagboat", text.len(), wall);
}
