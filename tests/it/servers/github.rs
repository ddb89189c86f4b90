//! A stand-in for GitHub's API: repositories, pull requests, labels, assignees, reviewers; [Apps](apps), [merging](merging),
//! [closing](closing) and [rules](rules) in their own files.
//!
//! It keeps state, looks branches up on the git server (a pull request opens only for a branch that was pushed and differs), and holds
//! every request and every answer of its own against GitHub's [description](super::openapi). It panics when it is dropped after a request
//! that GitHub would not know. Git's objects are read and made in the repository that the git server serves.

mod apps;
mod closing;
mod graphql;
mod merging;
mod objects;
mod repository;
mod rules;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::git::RepositoryHandle;
use super::http1::{Listener, Reply, Request, Upstream, serve};
use super::openapi::{self, Operation};
use super::proxy::{Proxy, Recorded};

/// Where the API begins, as on an Enterprise server.
const PREFIX: &str = "/api/v3";
const GRAPHQL: &str = "/api/graphql";
/// Who the token belongs to.
pub const USER: &str = "tagboat-bot";
pub use apps::App;
pub use merging::{Merging, Queue};
pub use rules::Rule;

/// A running stand-in.
pub struct GitHub {
    state: Arc<Mutex<State>>,
    proxy: Proxy,
    _listener: Listener,
}

#[derive(Default)]
struct State {
    token: String,
    repositories: BTreeMap<String, Repository>,
    app: Option<apps::App>,
    violations: Vec<String>,
}

struct Repository {
    folder: std::path::PathBuf,
    archived: bool,
    push: bool,
    pulls: Vec<PullRequest>,
    merging: Merging,
    queue: Queue,
    rules: Vec<Rule>,
    /// Whether commits that name no author are signed.
    signs: bool,
    /// How many lines a listing has.
    listing_limit: usize,
    /// Why the branch `main` can't be moved.
    protection: Option<String>,
}

/// A pull request as the server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequest {
    pub number: u64,
    pub title: String,
    pub body: String,
    pub head: String,
    pub base: String,
    pub draft: bool,
    pub open: bool,
    pub labels: Vec<String>,
    pub assignees: Vec<String>,
    pub reviewers: Vec<String>,
    pub team_reviewers: Vec<String>,
    pub comments: Vec<String>,
    /// The method by which it will be merged, `queue` when the queue decides.
    pub automatic: Option<String>,
    pub merged: bool,
}

impl GitHub {
    /// Takes requests with this token.
    pub fn start(token: &str) -> GitHub {
        let state = Arc::new(Mutex::new(State { token: token.to_owned(), ..State::default() }));
        let shared = state.clone();
        let listener = serve(move |request| answer(&mut lock(&shared), request));
        let proxy = Proxy::in_front_of(Upstream::plain(listener.port));
        GitHub { state, proxy, _listener: listener }
    }

    /// What `GITHUB_API_URL` is.
    pub fn url(&self) -> String {
        format!("{}{PREFIX}", self.proxy.url())
    }

    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    pub fn requests(&self) -> Vec<Recorded> {
        self.proxy.requests()
    }

    /// Method and path of each request that may change something. A pull request from a branch to itself is never opened.
    pub fn writes(&self) -> Vec<String> {
        let is_query =
            |request: &Recorded| request.path() == GRAPHQL && !String::from_utf8_lossy(&request.body).contains(r#""query":"mutation"#);
        let is_question = |request: &Recorded| {
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            request.method == "POST" && request.path().ends_with("/pulls") && body["head"] == body["base"]
        };
        let may_write = |request: &&Recorded| request.method != "GET" && !is_query(request) && !is_question(request);
        self.requests().iter().filter(may_write).map(Recorded::line).collect()
    }

    /// Makes a repository of the git server known as `owner/name`.
    pub fn add_repository(&self, slug: &str, repository: &RepositoryHandle) {
        let folder = repository.path().to_owned();
        lock(&self.state).repositories.insert(slug.to_owned(), Repository::new(folder));
    }

    pub fn archive(&self, slug: &str) {
        self.change(slug, |repository| repository.archived = true);
    }

    /// From now on the token may only read.
    pub fn forbid_push(&self, slug: &str) {
        self.change(slug, |repository| repository.push = false);
    }

    /// From now on commits are not signed, as those of a person's token.
    pub fn leave_unsigned(&self, slug: &str) {
        self.change(slug, |repository| repository.signs = false);
    }

    /// From now on listings end after so many lines.
    pub fn cut_listings(&self, slug: &str, lines: usize) {
        self.change(slug, |repository| repository.listing_limit = lines);
    }

    /// From now on nobody moves the branch `main`.
    pub fn protect(&self, slug: &str, message: &str) {
        self.change(slug, |repository| repository.protection = Some(message.to_owned()));
    }

    pub fn pulls(&self, slug: &str) -> Vec<PullRequest> {
        lock(&self.state).repositories[slug].pulls.clone()
    }

    pub fn close(&self, slug: &str, number: u64) {
        self.change(slug, |repository| repository.pulls.iter_mut().filter(|pull| pull.number == number).for_each(|pull| pull.open = false));
    }

    fn change(&self, slug: &str, change: impl FnOnce(&mut Repository)) {
        change(lock(&self.state).repositories.get_mut(slug).expect("no such repository"));
    }
}

impl Drop for GitHub {
    fn drop(&mut self) {
        let violations = std::mem::take(&mut lock(&self.state).violations);
        if !std::thread::panicking() {
            assert!(violations.is_empty(), "GitHub does not know these requests:\n{}", violations.join("\n"));
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(state: &mut State, request: &Request) -> Reply {
    if request.method == "POST" && request.path() == GRAPHQL {
        let document: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if let Some(refusal) = refusal(state, request, merging::owner(&document).as_deref()) {
            return refusal;
        }
        let (body, problems) = graphql::respond(&mut state.repositories, &document);
        state.violations.extend(problems);
        return Reply::json(200, &body);
    }
    let path = request.path().strip_prefix(PREFIX).unwrap_or_default();
    let Some((operation, parameters)) = openapi::operation(&request.method, path) else {
        state.violations.push(format!("{} {path}: no such operation", request.method));
        return Reply::json(404, &json!({ "message": "Not Found" }));
    };
    let query: Vec<(String, String)> = url::form_urlencoded::parse(request.query().as_bytes()).into_owned().collect();
    let problems = operation.check_request(&query, &request.body);
    state.violations.extend(problems.iter().map(|problem| format!("{}: {problem}", operation.name())));
    if let Some(reply) = apps::answer(state, request, &operation, &parameters) {
        return reply;
    }
    if let Some(refusal) = refusal(state, request, parameters.first().map(String::as_str)) {
        return refusal;
    }
    let (status, body) = respond(state, &operation, &parameters, &query, &request.body);
    // GitHub does not describe what it answers to a token without rights on each operation.
    if ![403, 404].contains(&status) {
        let problems = operation.check_answer(status, &body);
        state.violations.extend(problems.iter().map(|problem| format!("{} answered {status}: {problem}", operation.name())));
    }
    // 204 has no body.
    if body.is_null() { Reply::new(status, "") } else { Reply::json(status, &body) }
}

fn refusal(state: &State, request: &Request, owner: Option<&str>) -> Option<Reply> {
    if !state.knows(request, owner) {
        return Some(Reply::json(401, &json!({ "message": "Bad credentials" })));
    }
    let is_nameless = request.head.get("user-agent").is_none();
    is_nameless.then(|| Reply::json(403, &json!({ "message": "Request forbidden by administrative rules." })))
}

type Query<'q> = &'q [(String, String)];

fn respond(state: &mut State, operation: &Operation, parameters: &[String], query: Query<'_>, body: &[u8]) -> (u16, Value) {
    // Names don't differ by case.
    let slug = parameters.iter().take(2).map(|part| part.to_ascii_lowercase()).collect::<Vec<_>>().join("/");
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(repository) = state.repositories.get_mut(&slug) else { return (404, json!({ "message": "Not Found" })) };
    if !repository.push && !operation.name().starts_with("GET") {
        return (403, json!({ "message": "Resource not accessible by personal access token" }));
    }
    if let Some(answer) = repository.more(operation.name(), parameters, &body) {
        return answer;
    }
    if let Some(answer) = objects::respond(repository, operation.name(), &parameters[2..], query, &body) {
        return answer;
    }
    let number = parameters.get(2).and_then(|number| number.parse::<u64>().ok());
    match (operation.name(), number) {
        ("GET /repos/{owner}/{repo}", _) => (200, repository.to_json(&slug)),
        ("GET /repos/{owner}/{repo}/pulls", _) => (200, repository.list(&slug, query)),
        ("POST /repos/{owner}/{repo}/pulls", _) => repository.open(&slug, &body),
        (name, Some(number)) => repository.change_pull(&slug, name, number, &body),
        (name, None) => panic!("the stand-in has no {name}"),
    }
}

fn invalid(message: &str, field: &str) -> (u16, Value) {
    let error = json!({ "resource": "PullRequest", "field": field, "code": "custom", "message": message });
    (422, json!({ "message": "Validation Failed", "errors": [error], "documentation_url": "https://docs.github.com/rest" }))
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn add(to: &mut Vec<String>, names: Vec<String>) {
    for name in names {
        if !to.contains(&name) {
            to.push(name);
        }
    }
}

impl Repository {
    fn new(folder: std::path::PathBuf) -> Repository {
        let (merging, queue) = (Merging::Waits, Queue::None);
        Repository {
            folder,
            archived: false,
            push: true,
            pulls: Vec::new(),
            merging,
            queue,
            rules: Vec::new(),
            signs: true,
            listing_limit: 100_000,
            protection: None,
        }
    }

    /// What is answered in files of their own.
    fn more(&mut self, operation: &str, parameters: &[String], body: &Value) -> Option<(u16, Value)> {
        let closing = self.closing(operation, parameters, body);
        closing.or_else(|| self.merge(operation, parameters, body)).or_else(|| self.told_rules(operation, parameters))
    }

    fn git_here(&self) -> repository::Git {
        repository::Git::new(&self.folder)
    }

    fn git(&self, args: &[&str]) -> Option<String> {
        self.git_here().run(args)
    }

    fn head(&self, branch: &str) -> Option<String> {
        self.git_here().head(branch)
    }

    fn to_json(&self, slug: &str) -> Value {
        let mut json = openapi::example("full-repository-default-response");
        // The example is older than the description.
        json["language"] = json!(null);
        for key in ["source", "parent", "template_repository"] {
            json.as_object_mut().expect("a repository is an object").remove(key);
        }
        json["full_name"] = json!(slug);
        json["default_branch"] = json!(self.git(&["symbolic-ref", "--short", "HEAD"]));
        json["archived"] = json!(self.archived);
        json["permissions"] = json!({ "admin": false, "push": self.push, "pull": true });
        json
    }

    fn list(&self, slug: &str, query: Query<'_>) -> Value {
        let asked = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let owner = slug.split('/').next().unwrap_or_default();
        let is_wanted = |pull: &&PullRequest| {
            let state = match asked("state") {
                Some("all") => true,
                Some("closed") => !pull.open,
                _ => pull.open,
            };
            state
                && asked("head").is_none_or(|head| head.eq_ignore_ascii_case(&format!("{owner}:{}", pull.head)))
                && asked("base").is_none_or(|base| base == pull.base)
        };
        self.pulls.iter().filter(is_wanted).map(|pull| self.pull_json(slug, pull, "simple")).collect()
    }

    fn open(&mut self, slug: &str, body: &Value) -> (u16, Value) {
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let (head, base) = (text("head"), text("base"));
        let owner = slug.split('/').next().unwrap_or_default();
        let (Some(head_id), Some(base_id)) = (self.head(&head), self.head(&base)) else {
            return invalid("Head sha can't be blank", "head");
        };
        if self.git(&["diff", "--quiet", &base_id, &head_id]).is_some() {
            return invalid(&format!("No commits between {base} and {head}"), "head");
        }
        if self.pulls.iter().any(|pull| pull.open && pull.head == head && pull.base == base) {
            return invalid(&format!("A pull request already exists for {owner}:{head}."), "head");
        }
        let pull = PullRequest {
            number: 41 + self.pulls.len() as u64,
            title: text("title"),
            body: text("body"),
            head,
            base,
            draft: body["draft"].as_bool().unwrap_or_default(),
            open: true,
            labels: Vec::new(),
            assignees: Vec::new(),
            reviewers: Vec::new(),
            team_reviewers: Vec::new(),
            comments: Vec::new(),
            automatic: None,
            merged: false,
        };
        self.pulls.push(pull.clone());
        (201, self.pull_json(slug, &pull, "full"))
    }

    fn change_pull(&mut self, slug: &str, operation: &str, number: u64, body: &Value) -> (u16, Value) {
        let Some(index) = self.pulls.iter().position(|pull| pull.number == number) else {
            return (404, json!({ "message": "Not Found" }));
        };
        let pull = &mut self.pulls[index];
        match operation {
            "PATCH /repos/{owner}/{repo}/pulls/{pull_number}" => {
                let text = |key: &str, present: &str| body[key].as_str().unwrap_or(present).to_owned();
                (pull.title, pull.body, pull.base) = (text("title", &pull.title), text("body", &pull.body), text("base", &pull.base));
                pull.open = text("state", if pull.open { "open" } else { "closed" }) == "open";
                (200, self.pull_json(slug, &self.pulls[index], "full"))
            }
            "POST /repos/{owner}/{repo}/issues/{issue_number}/labels" => {
                add(&mut pull.labels, texts(&body["labels"]));
                (200, pull.labels.iter().map(|name| label(name)).collect())
            }
            "POST /repos/{owner}/{repo}/issues/{issue_number}/assignees" => {
                add(&mut pull.assignees, texts(&body["assignees"]));
                let mut issue = openapi::example("issue");
                issue["number"] = json!(number);
                (201, issue)
            }
            "POST /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers" => {
                let reviewers = texts(&body["reviewers"]);
                if reviewers.iter().any(|name| name == USER) {
                    return (422, json!({ "message": "Review cannot be requested from pull request author." }));
                }
                if let Some(name) = reviewers.iter().find(|name| name.starts_with("stranger")) {
                    return (
                        422,
                        json!({ "message": format!("Reviews may only be requested from collaborators. {name} is not a collaborator.") }),
                    );
                }
                add(&mut pull.reviewers, reviewers);
                add(&mut pull.team_reviewers, texts(&body["team_reviewers"]));
                (201, self.pull_json(slug, &self.pulls[index], "simple"))
            }
            other => panic!("the stand-in has no {other}"),
        }
    }

    fn pull_json(&self, slug: &str, pull: &PullRequest, kind: &str) -> Value {
        let owner = slug.split('/').next().unwrap_or_default();
        let mut json = match kind {
            "full" => openapi::example("pull-request"),
            _ => openapi::example("pull-request-simple-items")[0].clone(),
        };
        let user = |login: &str| {
            let mut user = json["user"].clone();
            user["login"] = json!(login);
            user
        };
        let (author, assignees, reviewers) = (
            user(USER),
            pull.assignees.iter().map(|login| user(login)).collect::<Value>(),
            pull.reviewers.iter().map(|login| user(login)).collect::<Value>(),
        );
        json["number"] = json!(pull.number);
        json["html_url"] = json!(format!("https://github.example/{slug}/pull/{}", pull.number));
        json["title"] = json!(pull.title);
        json["body"] = json!(pull.body);
        json["state"] = json!(if pull.open { "open" } else { "closed" });
        json["draft"] = json!(pull.draft);
        json["user"] = author;
        json["assignees"] = assignees;
        json["requested_reviewers"] = reviewers;
        let team = |slug: &String| {
            let mut team = openapi::example("pull-request-review-request")["requested_teams"][0].clone();
            (team["slug"], team["name"], team["type"]) = (json!(slug), json!(slug), json!("organization"));
            team
        };
        json["requested_teams"] = pull.team_reviewers.iter().map(team).collect();
        json["labels"] = pull.labels.iter().map(|name| label(name)).collect();
        for (side, branch) in [("head", &pull.head), ("base", &pull.base)] {
            json[side]["ref"] = json!(branch);
            json[side]["label"] = json!(format!("{owner}:{branch}"));
            json[side]["sha"] = json!(self.head(branch).unwrap_or_default());
        }
        json
    }
}

fn label(name: &str) -> Value {
    let mut label = openapi::example("label");
    label["name"] = json!(name);
    label
}
