use super::super::Withheld;
use super::*;
use crate::error::Location;
use crate::image::Reference;
use crate::retag::select::Source;
use crate::store::{self, Pointer};
use bytes::Bytes;

const IMAGE: &str = r#"{"schemaVersion":2,"config":{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0},"layers":[]}"#;

fn manifest() -> Manifest {
    Manifest::read(Bytes::from_static(IMAGE.as_bytes()), None, None).unwrap()
}

fn task(name: &str, line: u32) -> Task {
    let repository = format!("r.example/shop/{name}").parse::<Reference>().unwrap().repository();
    let source = Source { repository: repository.clone(), pointer: Pointer::latest() };
    Task { services: vec![name.into()], source, target: repository, location: Location::line("compose.yaml", line) }
}

fn step(tag: &str, role: Role, before: Option<&Digest>, overwrite: Overwrite) -> Step {
    let action = decide(role, before, manifest().digest(), overwrite);
    Step { tag: tag.parse().unwrap(), role, before: before.cloned(), action }
}

#[test]
fn a_fixed_tag_is_created_found_or_in_conflict_and_a_float_moves() {
    let (new, other) = (manifest().digest().clone(), Digest::sha256(b"other"));
    let table = [
        (Role::Fixed, None, Overwrite::Refuse, Action::Create),
        (Role::Fixed, Some(&new), Overwrite::Refuse, Action::AlreadyThere),
        (Role::Fixed, Some(&other), Overwrite::Refuse, Action::Conflict),
        (Role::Fixed, Some(&other), Overwrite::Allow, Action::Move),
        (Role::Latest, Some(&other), Overwrite::Refuse, Action::Move),
        (Role::Minor, Some(&new), Overwrite::Refuse, Action::AlreadyThere),
        (Role::Major, None, Overwrite::Refuse, Action::Create),
    ];
    for (role, before, overwrite, expected) in table {
        assert_eq!(decide(role, before, &new, overwrite), expected, "{role:?} {before:?} {overwrite:?}");
    }
}

#[test]
fn a_plan_prints_as_a_table() {
    let (same, other) = (manifest().digest().clone(), Digest::sha256(b"other"));
    let steps = vec![
        step("v1.2.3", Role::Fixed, None, Overwrite::Refuse),
        Step {
            action: Action::Withheld(Withheld::Newer("v2.0.0".parse().unwrap())),
            ..step("latest", Role::Latest, None, Overwrite::Refuse)
        },
    ];
    let api = vec![step("v1.2.3", Role::Fixed, Some(&other), Overwrite::Refuse), step("1.2", Role::Minor, Some(&other), Overwrite::Refuse)];
    let worker = vec![step("v1.2.3", Role::Fixed, Some(&same), Overwrite::Refuse)];
    let missing = store::Error::NotFound { what: "r.example/shop/db:latest".into(), source: None };
    let task_db = task("db", 9);
    let missing = Error::Source {
        services: "db".into(),
        image: task_db.source.to_string(),
        source: Box::new(missing),
        location: task_db.location.clone(),
    };
    let plan = Plan {
        images: vec![
            Image { task: task("web", 3), outcome: Outcome::Known { manifest: Box::new(manifest()), steps }, copy: None },
            Image { task: task("api", 5), outcome: Outcome::Known { manifest: Box::new(manifest()), steps: api }, copy: None },
            Image { task: task("worker", 7), outcome: Outcome::Known { manifest: Box::new(manifest()), steps: worker }, copy: None },
            Image { task: task_db, outcome: Outcome::Unknown(missing), copy: None },
        ],
        skipped: vec![Skipped { service: "redis".into(), image: Some("redis:7".into()), reason: "it has no `build`".into() }],
        notes: vec![
            Note::Renamed { asked: "1.2.3+5".into(), tag: "1.2.3-5".parse().unwrap() },
            Note::SameButBuild { version: "1.2.3+5".into(), tag: "1.2.3-4".parse().unwrap() },
        ],
        unfit: Vec::new(),
        forbidden: Vec::new(),
        look: Look::now(&Rules::default()),
    };
    insta::assert_snapshot!(plan.to_string(), @r"
    SERVICE  IMAGE                  TAG     DIGEST                                     ACTION
    web      r.example/shop/web     v1.2.3  new → sha256:e486a17198cd                  create
    web      r.example/shop/web     latest                                             left alone: v2.0.0 is newer
    api      r.example/shop/api     v1.2.3  sha256:d9298a10d1b0 → sha256:e486a17198cd  conflict
    api      r.example/shop/api     1.2     sha256:d9298a10d1b0 → sha256:e486a17198cd  move
    worker   r.example/shop/worker  v1.2.3  sha256:e486a17198cd                        already there
    db       r.example/shop/db                                                         unknown: couldn't find r.example/shop/db:latest
    1.2.3+5 is the tag 1.2.3-5: a tag may hold neither `+` nor `/`
    redis (redis:7) is not released: it has no `build`
    ");
    insta::assert_snapshot!(plan.notes[1].to_string(), @"1.2.3+5 differs from the released 1.2.3-4 in its build metadata only, which has no rank: floating tags name what is released last");
    assert!(plan.changes());
    assert_eq!(plan.pins().len(), 3);
    let problems = plan.ready().unwrap_err();
    let lines: Vec<String> = problems.iter().map(|p| format!("{}: {p}\n  {}", p.location().unwrap(), p.hint())).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    compose.yaml:5: couldn't release service api: r.example/shop/api:v1.2.3 exists and is sha256:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa, but r.example/shop/api:latest is sha256:e486a17198cd73662019b4c52f0180e1644e0172237e02c69bf62356e70dd232
      release tags don't move: to deploy what v1.2.3 names already, set `source-tag: v1.2.3`; to release the other image, choose a new version; to replace it after all, set `overwrite-tags: true`
    compose.yaml:9: couldn't read r.example/shop/db:latest, the image of service db
      push the image before this step, or set `source-tag` when it has another tag, or `source: docker` when this job has built it and pushed it nowhere; registries also answer this for private images that the credentials may not see
    ");
    assert_eq!(problems.exit(), crate::error::Exit::Refused);
}
