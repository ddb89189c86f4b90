//! Comparisons of commits, as the real git sees them.

use serde_json::{Value, json};

use super::repository::Git;
use super::{Repository, openapi};

impl Repository {
    /// What the second commit has that the first has not, and what changes from where they part to the second.
    pub(super) fn compare(&self, operation: &str, parameters: &[String]) -> Option<(u16, Value)> {
        if operation != "GET /repos/{owner}/{repo}/compare/{basehead}" {
            return None;
        }
        let git = self.git_here();
        let basehead = parameters[2].replace("%2F", "/");
        let (base, head) = basehead.split_once("...")?;
        let id = |name: &str| git.run(&["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")]);
        let (Some(base), Some(head)) = (id(base), id(head)) else { return Some((404, json!({ "message": "Not Found" }))) };
        let parting = git.run(&["merge-base", &base, &head])?;
        let lines = |args: &[&str]| git.run(args).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
        let ahead = lines(&["rev-list", "--reverse", &format!("{base}..{head}")]);
        let mut json = openapi::example("commit-comparison");
        json["merge_base_commit"] = commit(&git, &parting);
        json["base_commit"] = commit(&git, &base);
        json["ahead_by"] = json!(ahead.len());
        json["total_commits"] = json!(ahead.len());
        json["commits"] = ahead.iter().map(|id| commit(&git, id)).collect();
        let changed = lines(&["diff", "--name-status", "--no-renames", &parting, &head]);
        json["files"] = changed.iter().map(|line| file(&git, line, &parting, &head)).collect();
        Some((200, json))
    }
}

fn commit(git: &Git, id: &str) -> Value {
    let show = |format: &str| git.run(&["show", "--no-patch", &format!("--format={format}"), id]).unwrap_or_default();
    let mut json = openapi::example("commit-comparison")["base_commit"].clone();
    let parent = json["parents"][0].clone();
    let parents = show("%P");
    let parents = parents.split_whitespace().map(|id| {
        let mut parent = parent.clone();
        parent["sha"] = json!(id);
        parent
    });
    json["parents"] = parents.collect();
    json["sha"] = json!(id);
    json["commit"]["message"] = json!(show("%B"));
    json["commit"]["tree"]["sha"] = json!(show("%T"));
    for (who, name, email) in [("author", "%an", "%ae"), ("committer", "%cn", "%ce")] {
        json["commit"][who]["name"] = json!(show(name));
        json["commit"][who]["email"] = json!(show(email));
    }
    json
}

/// A line of `git diff --name-status` with its patch, which GitHub begins at the first hunk.
fn file(git: &Git, line: &str, from: &str, to: &str) -> Value {
    let (letter, path) = line.split_once('\t').expect("git separates the path by a tab");
    let status = match letter {
        "A" => "added",
        "D" => "removed",
        _ => "modified",
    };
    let patch = git.bytes(&["diff", from, to, "--", path], &[], b"").expect("two commits have a difference");
    let patch = String::from_utf8_lossy(&patch).into_owned();
    let hunks = patch.find("\n@@").map(|at| patch[at + 1..].trim_end_matches('\n'));
    let url = "https://github.example/api/v3/contents/x";
    let side = if status == "removed" { from } else { to };
    let sha = git.run(&["rev-parse", &format!("{side}:{path}")]);
    let mut json = json!({
        "sha": sha, "filename": path, "status": status, "additions": 1, "deletions": 1, "changes": 2,
        "blob_url": url, "raw_url": url, "contents_url": url,
    });
    if let Some(hunks) = hunks {
        json["patch"] = json!(hunks);
    }
    json
}
