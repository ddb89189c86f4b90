//! Git's objects and references over REST, made and read by the real git.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::repository::{Git, NONE};
use super::{Repository, USER, openapi};

/// Answers what is about git's objects.
pub(super) fn respond(
    repository: &Repository,
    operation: &str,
    rest: &[String],
    query: super::Query<'_>,
    body: &Value,
) -> Option<(u16, Value)> {
    let (method, path) = operation.split_once(' ')?;
    let path = path.strip_prefix("/repos/{owner}/{repo}/git/")?;
    let git = repository.git_here();
    let name = rest.join("/");
    let kind = path.split('/').next()?;
    Some(match (method, kind) {
        ("GET", "trees") => tree(&git, &name, query.iter().any(|(key, _)| key == "recursive"), repository.listing_limit),
        ("POST", "trees") => create_tree(&git, body),
        ("GET", "blobs") => blob(&git, &name),
        ("POST", "commits") => create_commit(repository, &git, body),
        ("GET", "ref") => match git.head(&name) {
            Some(id) => (200, reference(&name, &id)),
            None => (404, json!({ "message": "Not Found" })),
        },
        ("POST", "refs") => create_reference(&git, body),
        ("PATCH", "refs") => update_reference(repository, &git, &name, body),
        _ => return None,
    })
}

fn refused(message: &str) -> (u16, Value) {
    (422, json!({ "message": message, "documentation_url": "https://docs.github.com/rest" }))
}

fn tree(git: &Git, id: &str, is_recursive: bool, limit: usize) -> (u16, Value) {
    let Some((_, id)) = git.object(&format!("{id}^{{tree}}")) else { return (404, json!({ "message": "Not Found" })) };
    let lines = if is_recursive { git.whole_tree(&id) } else { git.tree(&id) };
    let url = "https://github.example/api/v3/trees/x";
    let line = |[mode, kind, sha, path]: &[String; 4]| json!({ "path": path, "mode": mode, "type": kind, "sha": sha, "url": url });
    let listed: Vec<Value> = lines.iter().take(limit).map(line).collect();
    (200, json!({ "sha": id, "url": url, "truncated": lines.len() > limit, "tree": listed }))
}

fn create_tree(git: &Git, body: &Value) -> (u16, Value) {
    let change = |change: &Value| {
        let text = |key: &str| change[key].as_str().unwrap_or_default().to_owned();
        let sha = match (change.get("sha"), change["content"].as_str()) {
            (Some(Value::Null), None) => return Ok((text("path"), None)),
            (None, Some(content)) => {
                let written = git.bytes(&["hash-object", "-w", "--stdin"], &[], content.as_bytes())?;
                String::from_utf8_lossy(&written).trim().to_owned()
            }
            (Some(sha), None) => sha.as_str().unwrap_or_default().to_owned(),
            _ => return Err("Must supply either tree.sha or tree.content".to_owned()),
        };
        Ok((text("path"), Some((text("mode"), sha))))
    };
    let made = body["tree"].as_array().into_iter().flatten().map(change).collect::<Result<Vec<Change>, String>>();
    match made.and_then(|changes| changed(git, body["base_tree"].as_str(), &changes)) {
        Ok(Some(id)) => (201, tree(git, &id, false, usize::MAX).1),
        Ok(None) => refused("the tree would be empty"),
        Err(message) => refused(&message),
    }
}

/// A path, and the mode and id that are to be there; `None` for nothing.
type Change = (String, Option<(String, String)>);

/// The id of a tree after changes; `None` when nothing is left of it. Folders that are as they were are not read.
fn changed(git: &Git, tree: Option<&str>, changes: &[Change]) -> Result<Option<String>, String> {
    let lines = tree.map(|tree| git.tree(tree)).unwrap_or_default();
    let mut lines: BTreeMap<String, [String; 3]> = lines.into_iter().map(|[mode, kind, id, name]| (name, [mode, kind, id])).collect();
    let mut below: BTreeMap<String, Vec<Change>> = BTreeMap::new();
    for (path, new) in changes {
        match (path.split_once('/'), new) {
            (Some((folder, rest)), new) => below.entry(folder.to_owned()).or_default().push((rest.to_owned(), new.clone())),
            (None, Some((mode, id))) => {
                let kind = if mode == "040000" { "tree" } else { "blob" };
                lines.insert(path.clone(), [mode.clone(), kind.to_owned(), id.clone()]);
            }
            (None, None) => drop(lines.remove(path)),
        }
    }
    for (folder, changes) in below {
        let old = lines.get(&folder).filter(|[_, kind, _]| kind == "tree").map(|[.., id]| id.clone());
        match changed(git, old.as_deref(), &changes)? {
            Some(id) => drop(lines.insert(folder, ["040000".into(), "tree".into(), id])),
            None => drop(lines.remove(&folder)),
        }
    }
    if lines.is_empty() {
        return Ok(None);
    }
    let input: String = lines.iter().map(|(name, [mode, kind, id])| format!("{mode} {kind} {id}\t{name}\0")).collect();
    let id = git.bytes(&["mktree", "-z"], &[], input.as_bytes())?;
    Ok(Some(String::from_utf8_lossy(&id).trim().to_owned()))
}

fn blob(git: &Git, id: &str) -> (u16, Value) {
    match git.object(id) {
        Some((kind, id)) if kind == "blob" => {
            let bytes = git.blob(&id);
            let mut json = openapi::example("blob");
            json["sha"] = json!(id);
            json["size"] = json!(bytes.len());
            json["encoding"] = json!("base64");
            // GitHub breaks the lines.
            let encoded = STANDARD.encode(&bytes);
            let lines: Vec<&str> = encoded.as_bytes().chunks(60).map(|line| std::str::from_utf8(line).expect("base64 is ASCII")).collect();
            json["content"] = json!(format!("{}\n", lines.join("\n")));
            (200, json)
        }
        _ => (404, json!({ "message": "Not Found" })),
    }
}

/// Author and committer are the token's owner when they aren't given; GitHub signs only then, and only for some owners.
fn create_commit(repository: &Repository, git: &Git, body: &Value) -> (u16, Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let email = format!("1+{USER}@users.noreply.github.com");
    let person = |who: &str, key: &str, default: &str| body[who][key].as_str().unwrap_or(default).to_owned();
    let author = [person("author", "name", USER), person("author", "email", &email)];
    let committer = [person("committer", "name", &author[0]), person("committer", "email", &author[1])];
    let env = [
        ("GIT_AUTHOR_NAME", author[0].as_str()),
        ("GIT_AUTHOR_EMAIL", author[1].as_str()),
        ("GIT_COMMITTER_NAME", committer[0].as_str()),
        ("GIT_COMMITTER_EMAIL", committer[1].as_str()),
    ];
    let tree = text(&body["tree"]);
    let parents: Vec<String> = super::texts(&body["parents"]);
    let mut args = vec!["commit-tree", &tree];
    args.extend(parents.iter().flat_map(|parent| ["-p", parent]));
    match git.bytes(&args, &env, text(&body["message"]).as_bytes()) {
        Err(message) => refused(&message),
        Ok(output) => {
            let is_signed = repository.signs && body.get("author").is_none() && body.get("committer").is_none();
            let mut json = openapi::example("git-commit");
            json["sha"] = json!(String::from_utf8_lossy(&output).trim());
            json["message"] = body["message"].clone();
            json["tree"]["sha"] = json!(tree);
            json["verification"]["verified"] = json!(is_signed);
            json["verification"]["reason"] = json!(if is_signed { "valid" } else { "unsigned" });
            (201, json)
        }
    }
}

fn reference(branch: &str, commit: &str) -> Value {
    let mut json = openapi::example("git-ref");
    json["ref"] = json!(format!("refs/heads/{branch}"));
    json["object"]["sha"] = json!(commit);
    json
}

fn create_reference(git: &Git, body: &Value) -> (u16, Value) {
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let (name, commit) = (text("ref"), text("sha"));
    let Some(branch) = name.strip_prefix("refs/heads/") else { return refused("Reference name must start with 'refs/'") };
    if git.object(&commit).is_none() {
        return refused("Object does not exist");
    }
    match git.move_reference(&name, NONE, &commit) {
        Ok(()) => (201, reference(branch, &commit)),
        Err(_) => refused("Reference already exists"),
    }
}

fn update_reference(repository: &Repository, git: &Git, branch: &str, body: &Value) -> (u16, Value) {
    let commit = body["sha"].as_str().unwrap_or_default().to_owned();
    let Some(present) = git.head(branch) else { return refused("Reference does not exist") };
    if git.object(&commit).is_none() {
        return refused("Object does not exist");
    }
    if let Some(message) = repository.protection.as_ref().filter(|_| branch == "main") {
        return refused(message);
    }
    if body["force"] != json!(true) && !git.is_ancestor(&present, &commit) {
        return refused("Update is not a fast forward");
    }
    match git.move_reference(&format!("refs/heads/{branch}"), &present, &commit) {
        Ok(()) => (200, reference(branch, &commit)),
        Err(message) => refused(&message),
    }
}
