//! What may stand at a path: links, folders behind links, several files that could be meant. Through both ways.

use super::*;

const WAYS: [&str; 2] = ["git", "api"];
const KUSTOMIZATION_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Files as git keeps them: mode, path, content. The content of a link is where it leads.
type Lines<'l> = &'l [(&'l str, &'l str, &'l str)];

/// A repository of these files, and nothing else.
fn repository(world: &World, lines: Lines<'_>) -> RepositoryHandle {
    let repository = world.git.create_repository("acme/infra", &[("x", b"")]);
    let files: Vec<(&str, &[u8])> = lines.iter().map(|(_, path, text)| (*path, text.as_bytes())).collect();
    let modes: Vec<(&str, &str)> = lines.iter().map(|(mode, path, _)| (*mode, *path)).collect();
    repository.commit_with_modes("main", &files, &modes, "Files with their modes");
    world.github.add_repository("acme/infra", &repository);
    repository
}

fn entry(way: &str, rest: &str) -> Vec<Entry> {
    entries(&format!("- {{repository: acme/infra, environment: production, publish: {way}, {rest}}}"))
}

/// What a run says to these files, through both ways; it writes nothing.
async fn refused(lines: Lines<'_>, rest: &str, content: infra::Content) -> String {
    let mut said = Vec::new();
    for way in WAYS {
        let world = World::new();
        let repository = repository(&world, lines);
        let outcome = world.verb_of(content.clone()).run(&entry(way, rest), &images("1.10"), &|_| {}).await.remove(0);
        let error = outcome.result.unwrap_err();
        said.push(format!("{error} (exit {})", error.exit().code()));
        assert_eq!((repository.branches(), world.written()), (vec!["main".to_owned()], vec![]), "{way}");
    }
    assert_eq!(said[0], said[1], "both ways say the same");
    said.remove(0)
}

fn rendered(name: &str) -> infra::Content {
    let text = format!("{}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\n", tagboat::render::MARK);
    infra::Content { rendered: [(name.to_owned(), text)].into(), variables: [("VERSION".to_owned(), "1.10".to_owned())].into() }
}

#[tokio::test]
async fn a_kustomization_may_have_three_names_and_a_folder_only_one_of_them() {
    for (n, name) in KUSTOMIZATION_NAMES.iter().enumerate() {
        for way in WAYS {
            let (world, path) = (World::new(), format!("k/{name}"));
            let repository = repository(&world, &[("100644", &path, KUSTOMIZATION)]);
            assert_eq!(state(&world.run(&entry(way, "path: k"), "1.10").await[0]), State::Opened);
            assert_eq!(repository.read(BRANCH, &path).unwrap(), KUSTOMIZATION.replace("'1.9'", "'1.10'").as_bytes());
        }
        let other = KUSTOMIZATION_NAMES[(n + 1) % 3];
        let (one, other) = (format!("k/{name}"), format!("k/{other}"));
        let said = refused(&[("100644", &one, KUSTOMIZATION), ("100644", &other, KUSTOMIZATION)], "path: k", rendered("x")).await;
        assert!(said.starts_with("couldn't choose a kustomization in acme/infra at main: there are k/"), "{said}");
        assert!(said.contains(&one) && said.contains(&other) && said.ends_with("and kustomize takes exactly one (exit 2)"), "{said}");
    }
}

#[tokio::test]
async fn links_are_neither_followed_nor_written_over() {
    let file = ("100644", "real/kustomization.yaml", KUSTOMIZATION);
    let said = [
        // The file, the folder, a folder on the way.
        refused(&[file, ("120000", "k/kustomization.yaml", "../real/kustomization.yaml")], "path: k", rendered("x")).await,
        refused(&[file, ("120000", "k", "real")], "path: k", rendered("x")).await,
        refused(&[file, ("120000", "k", "..")], "path: k/real", rendered("x")).await,
        refused(&[file, ("120000", "k", "../../etc")], "path: k, edit: manifests", rendered("x")).await,
        // What would be written.
        refused(&[file, ("120000", "k", "real")], "path: k, edit: render", rendered("a.yaml")).await,
        refused(&[file, ("120000", "k/a.yaml", "../real/x")], "path: k, edit: render", rendered("a.yaml")).await,
        refused(&[file, ("120000", "k", "real")], "path: k/below, edit: render", rendered("a.yaml")).await,
        refused(&[("100644", "k", "a file\n")], "path: k/below, edit: render", rendered("a.yaml")).await,
        refused(
            &[("100644", "t/a.yaml", "a: 1\n"), ("120000", "t/b.yaml", "a.yaml")],
            "path: t, templates: {a.yaml: b.yaml}",
            rendered("x"),
        )
        .await,
        refused(&[("100644", "t/a.yaml", "a: 1\n"), ("120000", "t/l", "../real")], "path: t, templates: {a.yaml: l/b.yaml}", rendered("x"))
            .await,
    ];
    insta::assert_snapshot!(said.join("\n"), @"
    couldn't edit k/kustomization.yaml: it is a symbolic link (exit 2)
    couldn't edit k: it is a symbolic link (exit 2)
    couldn't find manifests in acme/infra at main: looked for k/real/**/*.yaml, k/real/**/*.json (exit 2)
    couldn't edit k: it is a symbolic link (exit 2)
    couldn't render into k: it is a file (exit 2)
    couldn't edit k/a.yaml: it is a symbolic link (exit 2)
    couldn't edit k: it is a symbolic link (exit 2)
    couldn't edit k: it is a file (exit 2)
    couldn't edit t/b.yaml: it is a symbolic link (exit 2)
    couldn't edit t/l: it is a symbolic link (exit 2)
    ");
}

#[tokio::test]
async fn templates_of_charts_are_no_manifests() {
    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: a, image: 'web:1.9'}\n";
    let template = "{{- if .Values.on }}\nimage: web:{{ .Values.tag }}\n{{- end }}\n";
    for way in WAYS {
        let world = World::new();
        let files: Lines<'_> = &[
            ("100644", "apps/pod.yaml", POD),
            ("100644", "apps/templates/pod.yaml", POD),
            ("100644", "apps/chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
            ("100644", "apps/chart/templates/web/deployment.yaml", template),
        ];
        let repository = repository(&world, files);
        assert_eq!(state(&world.run(&entry(way, "path: apps"), "1.10").await[0]), State::Opened);
        let changed = repository.git(&["diff", "--name-only", "main", BRANCH]);
        assert_eq!(changed, "apps/pod.yaml\napps/templates/pod.yaml", "{way}");
    }
}
