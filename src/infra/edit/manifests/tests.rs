use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::infra::edit::testing::pin;

const NEW: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn edited(text: &str, pins: &[&str]) -> Result<(String, Vec<String>), Error> {
    let pins: Vec<ImagePin> = pins.iter().map(|text| pin(text)).collect();
    let file = File { path: "all.yaml".into(), bytes: text.into() };
    let edited = edit(&file, &pins, &mut BTreeSet::new())?;
    let after = File { path: file.path, bytes: edited.bytes.clone() };
    assert_eq!(edit(&after, &pins, &mut BTreeSet::new()).unwrap().changes, [], "a second run changes nothing");
    let rows = edited.changes.iter().map(ToString::to_string).chain(edited.notes).collect();
    Ok((String::from_utf8(edited.bytes).unwrap(), rows))
}

const MANIFESTS: &str = "\u{feff}# shop\r
apiVersion: apps/v1\r
kind: Deployment\r
metadata: {name: api}\r
spec:\r
  template:\r
    spec:\r
      initContainers:\r
      - {name: a, image: 'ghcr.io/acme/api:v1', env: [{name: X, value: ghcr.io/acme/api:v1}]} # first\r
      containers:\r
      -   name: b\r
          image:   \"ghcr.io/acme/api@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"   # second\r
      - name: c\r
        image: &web shop-web:dev\r
      - name: d\r
        image: *web\r
---\r
apiVersion: v1\r
kind: List\r
items:\r
- {apiVersion: batch/v1, kind: CronJob, metadata: {name: x}, spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: ghcr.io/acme/api}]}}}}}}\r
---\r
apiVersion: v1\r
kind: ConfigMap\r
data: {image: ghcr.io/acme/api:v1}";

#[test]
fn image_fields_of_all_documents_change_and_no_other_byte() {
    let api = format!("ghcr.io/acme/api ghcr.io/acme/api v2 {NEW}");
    let (text, rows) = edited(MANIFESTS, &[&api, "shop-web ghcr.io/acme/web v2"]).unwrap();
    let lines = MANIFESTS.split('\n').zip(text.split('\n')).filter(|(old, new)| old != new);
    let differing: String = lines.fold(String::new(), |mut all, (_, new)| {
        let _ = writeln!(all, "{new:?}");
        all
    });
    insta::assert_snapshot!(differing, @r#"
    "      - {name: a, image: 'ghcr.io/acme/api:v2@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', env: [{name: X, value: ghcr.io/acme/api:v1}]} # first\r"
    "          image:   \"ghcr.io/acme/api:v2@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"   # second\r"
    "        image: &web ghcr.io/acme/web:v2\r"
    "- {apiVersion: batch/v1, kind: CronJob, metadata: {name: x}, spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: ghcr.io/acme/api:v2@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb}]}}}}}}\r"
    "#);
    insta::assert_snapshot!(rows.join("\n"), @"
    all.yaml:9: ghcr.io/acme/api v1 → v2@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
    all.yaml:12: ghcr.io/acme/api @sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa → v2@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
    all.yaml:14: shop-web shop-web:dev → ghcr.io/acme/web:v2
    all.yaml:21: ghcr.io/acme/api no tag → v2@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
    all.yaml:14: the value has the anchor `&web`; aliases that follow it: 1
    ");
    let (again, rows) = edited(&text, &["shop-web ghcr.io/acme/web v3"]).unwrap();
    assert_eq!((again.matches("ghcr.io/acme/web:v3").count(), rows.len()), (1, 2), "found by the repository the next time");
}

#[test]
fn what_stands_elsewhere_is_refused_with_its_place() {
    let pod = |image: &str| {
        format!(
            "x: &i ghcr.io/acme/api:v1\napiVersion: v1\nkind: Pod\nm: &m {{image: ghcr.io/acme/api:v1}}\nspec:\n  containers:\n  - {image}\n"
        )
    };
    let error = |text: &str| edited(text, &["ghcr.io/acme/api ghcr.io/acme/api v2"]).unwrap_err().to_string();
    let lines = [
        error(&pod("image: *i")),
        error(&pod("<<: *m")),
        error(&pod("image: >-\n      ghcr.io/acme/api:v1")),
        error("# api\nkind: {{ .Values.kind }}\nb: ]\n"),
        error("kind: Pod\nkind: api\n"),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r#"
    couldn't edit all.yaml:7:12: the value is an alias of `&i`, which stands elsewhere
    couldn't edit all.yaml:7:5: the value comes from a merge key, and its anchor stands elsewhere
    couldn't edit all.yaml:8:7: the value is a block scalar
    couldn't read all.yaml:3:4: not YAML: misplaced bracket
    couldn't read all.yaml:2: the key "kind" is there twice, in lines 1 and 2
    "#);
}

#[test]
fn files_without_the_images_are_not_even_read() {
    let (text, rows) = edited("{{ not: yaml }} ]", &["ghcr.io/acme/api ghcr.io/acme/api v2"]).unwrap();
    assert_eq!((text.as_str(), rows.len()), ("{{ not: yaml }} ]", 0));
}

fn quoted(text: &str, quote: usize) -> String {
    match quote {
        0 => text.to_owned(),
        1 => format!("'{text}'"),
        _ => format!("\"{text}\""),
    }
}

proptest! {
    /// Comments, blanks, line ends, quotes and the other images are arbitrary; exactly the planned spans differ.
    #[test]
    fn only_the_planned_spans_differ(
        containers in prop::collection::vec((0usize..3, 0usize..3, "[a-z0-9.]{1,8}", "( +#[ -~]{0,12})?"), 1..6),
        lead in "(#[ -~]{0,20})?",
        crlf in any::<bool>(),
        ends in any::<bool>(),
    ) {
        let names = ["ghcr.io/acme/api", "ghcr.io/acme/api-worker", "redis"];
        let eol = if crlf { "\r\n" } else { "\n" };
        let text = |new: bool| {
            let mut lines = vec![lead.clone(), "apiVersion: v1".into(), "kind: Pod".into(), "spec:".into(), "  containers:".into()];
            for (name, quote, tag, comment) in &containers {
                let tag = if new && *name == 0 { "v2" } else { tag.as_str() };
                lines.push(format!("  - image: {}{comment}", quoted(&format!("{}:x{tag}", names[*name]).replace(":xv2", ":v2"), *quote)));
            }
            lines.join(eol) + if ends { eol } else { "" }
        };
        let (after, rows) = edited(&text(false), &["ghcr.io/acme/api ghcr.io/acme/api v2"]).unwrap();
        prop_assert_eq!(after, text(true));
        prop_assert_eq!(rows.len(), containers.iter().filter(|(name, ..)| *name == 0).count());
    }
}
