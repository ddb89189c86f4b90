//! GitHub's GraphQL API: queries are checked against a part of GitHub's public schema (`tests/testbed/github/schema.graphql`) and
//! answered out of the real repository.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use apollo_compiler::resolvers::{Execution, FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use apollo_compiler::response::JsonValue;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};
use serde_json::{Value, json};

use super::repository::{Git, NONE};
use super::{Queue, Repository, merging};

static SCHEMA: LazyLock<Valid<Schema>> = LazyLock::new(|| {
    let text = std::fs::read_to_string(super::super::testbed("github/schema.graphql")).expect("couldn't read GitHub's GraphQL schema");
    Schema::parse_and_validate(text, "schema.graphql").unwrap_or_else(|error| panic!("{}", error.errors))
});

/// GitHub gives no more of a file's text than this, in bytes.
const TEXT_LIMIT: usize = 512 * 1024;

/// The answer, and what is wrong with the query.
pub(super) fn respond(repositories: &mut BTreeMap<String, Repository>, body: &Value) -> (Value, Vec<String>) {
    let query = body["query"].as_str().unwrap_or_default();
    let document = match ExecutableDocument::parse_and_validate(&SCHEMA, query, "query.graphql") {
        Ok(document) => document,
        Err(error) => return (failure("the query is not valid"), vec![error.errors.to_string()]),
    };
    let is_mutation = document.operations.iter().any(|operation| operation.is_mutation());
    // Automatic merging changes the pull request before it is told; branches are git's, and move while the answer is made.
    if let Some(refusal) = merging::wish(repositories, body).filter(|_| is_mutation) {
        return (failure(&refusal), Vec::new());
    }
    let variables: JsonValue = serde_json::from_value(body["variables"].clone()).expect("JSON is JSON");
    let empty = apollo_compiler::response::JsonMap::new();
    let root = Node { repositories, kind: if is_mutation { Kind::Mutation } else { Kind::Query } };
    let execution = Execution::new(&SCHEMA, &document).raw_variable_values(variables.as_object().unwrap_or(&empty)).execute_sync(&root);
    match execution {
        Ok(response) => (serde_json::to_value(&response).expect("an answer is JSON"), Vec::new()),
        Err(error) => (failure(&error.message().to_string()), vec![error.message().to_string()]),
    }
}

/// GraphQL says 200 to what it refuses.
fn failure(message: &str) -> Value {
    json!({ "data": null, "errors": [{ "type": "UNPROCESSABLE", "message": message }] })
}

struct Node<'r> {
    repositories: &'r BTreeMap<String, Repository>,
    kind: Kind,
}

/// An object of the schema with what its fields are made of.
enum Kind {
    Query,
    Mutation,
    Repository {
        slug: String,
        git: Git,
    },
    Reference {
        git: Git,
        name: String,
        commit: String,
    },
    Commit {
        git: Git,
        id: String,
    },
    Parents {
        git: Git,
        ids: Vec<String>,
    },
    Person {
        name: String,
        email: String,
    },
    Tree {
        git: Git,
        id: String,
    },
    Entry {
        git: Git,
        line: [String; 4],
    },
    Blob {
        git: Git,
        id: String,
    },
    Pull {
        slug: String,
        number: u64,
    },
    /// The wish to merge a pull request by this method.
    Wish {
        method: String,
    },
    /// A wish for merging that was taken.
    Taken {
        slug: String,
        number: u64,
    },
    Done,
}

impl Kind {
    fn object(git: &Git, name: &str) -> Option<Kind> {
        let (kind, id) = git.object(name)?;
        let git = git.clone();
        match kind.as_str() {
            "commit" => Some(Kind::Commit { git, id }),
            "tree" => Some(Kind::Tree { git, id }),
            "blob" => Some(Kind::Blob { git, id }),
            _ => None,
        }
    }
}

impl<'r> Node<'r> {
    fn of<'a>(&self, kind: Option<Kind>) -> ResolvedValue<'a>
    where
        'r: 'a,
    {
        ResolvedValue::nullable_object(kind.map(|kind| Node { repositories: self.repositories, kind }))
    }
}

fn leaf<'a>(value: Value) -> ResolvedValue<'a> {
    ResolvedValue::leaf(serde_json::from_value::<JsonValue>(value).expect("JSON is JSON"))
}

fn argument(info: &ResolveInfo<'_>, name: &str) -> Value {
    info.arguments().get(name).map_or(Value::Null, |value| serde_json::to_value(value).expect("JSON is JSON"))
}

impl ObjectValue for Node<'_> {
    fn type_name(&self) -> &str {
        match self.kind {
            Kind::Query => "Query",
            Kind::Mutation => "Mutation",
            Kind::Repository { .. } => "Repository",
            Kind::Reference { .. } => "Ref",
            Kind::Commit { .. } => "Commit",
            Kind::Parents { .. } => "CommitConnection",
            Kind::Person { .. } => "GitActor",
            Kind::Tree { .. } => "Tree",
            Kind::Entry { .. } => "TreeEntry",
            Kind::Blob { .. } => "Blob",
            Kind::Pull { .. } => "PullRequest",
            Kind::Wish { .. } => "AutoMergeRequest",
            Kind::Taken { .. } => "EnablePullRequestAutoMergePayload",
            Kind::Done => "UpdateRefsPayload",
        }
    }

    fn resolve_field<'a>(&'a self, info: &'a ResolveInfo<'a>) -> Result<ResolvedValue<'a>, FieldError> {
        let text = |name: &str| argument(info, name).as_str().unwrap_or_default().to_owned();
        Ok(match (&self.kind, info.field_name()) {
            (Kind::Query, "repository") => {
                let slug = format!("{}/{}", text("owner"), text("name")).to_ascii_lowercase();
                let Some(repository) = self.repositories.get(&slug) else {
                    return Err(FieldError { message: format!("Could not resolve to a Repository with the name '{slug}'.") });
                };
                self.of(Some(Kind::Repository { slug, git: repository.git_here() }))
            }
            (Kind::Mutation, "updateRefs") => {
                self.update_references(&argument(info, "input"))?;
                self.of(Some(Kind::Done))
            }
            (Kind::Mutation, "enablePullRequestAutoMerge") => {
                let input = argument(info, "input");
                let found = input["pullRequestId"].as_str().and_then(merging::of_id);
                let (slug, number) = found.ok_or_else(|| FieldError { message: "Could not resolve to a node".into() })?;
                self.of(Some(Kind::Taken { slug: slug.to_owned(), number }))
            }
            (Kind::Taken { slug, number }, "pullRequest") => self.of(Some(Kind::Pull { slug: slug.clone(), number: *number })),
            (Kind::Repository { slug, .. }, "pullRequest") => {
                let number = argument(info, "number").as_u64().unwrap_or_default();
                self.of(Some(Kind::Pull { slug: slug.clone(), number }))
            }
            (Kind::Pull { slug, number }, field) => self.pull(info, slug, *number, field)?,
            (Kind::Wish { .. }, "enabledAt") => leaf(json!("2026-01-01T00:00:00Z")),
            (Kind::Wish { method }, "mergeMethod") => leaf(json!(method)),
            (Kind::Repository { slug, .. }, "id") => leaf(json!(format!("R_{slug}"))),
            (Kind::Repository { git, .. }, "ref") => {
                let name = text("qualifiedName");
                let head = name.strip_prefix("refs/heads/").and_then(|branch| git.head(branch));
                self.of(head.map(|commit| Kind::Reference { git: git.clone(), name, commit }))
            }
            (Kind::Repository { git, .. }, "object") => self.of(Kind::object(git, &text("oid"))),
            (Kind::Reference { name, .. }, "name") => leaf(json!(name)),
            (Kind::Reference { git, commit, .. }, "target") => self.of(Kind::object(git, commit)),
            (Kind::Commit { git, id }, field) => self.commit(info, git, id, field)?,
            (Kind::Parents { git, ids }, "nodes") => {
                ResolvedValue::list(ids.iter().map(|id| self.of(Some(Kind::Commit { git: git.clone(), id: id.clone() }))))
            }
            (Kind::Person { name, .. }, "name") => leaf(json!(name)),
            (Kind::Person { email, .. }, "email") => leaf(json!(email)),
            (Kind::Tree { id, .. } | Kind::Blob { id, .. }, "oid") => leaf(json!(id)),
            (Kind::Tree { git, id }, "entries") => {
                let lines = git.tree(id);
                ResolvedValue::list(lines.into_iter().map(|line| self.of(Some(Kind::Entry { git: git.clone(), line }))))
            }
            (Kind::Entry { line, .. }, "mode") => leaf(json!(i32::from_str_radix(&line[0], 8).expect("a mode is octal"))),
            (Kind::Entry { line, .. }, "oid") => leaf(json!(line[2])),
            (Kind::Entry { line, .. }, "name") => leaf(json!(line[3].rsplit('/').next())),
            (Kind::Entry { git, line }, "object") => self.of(Kind::object(git, &line[2])),
            (Kind::Blob { git, id }, "isTruncated") => leaf(json!(git.blob(id).len() > TEXT_LIMIT)),
            (Kind::Blob { git, id }, "text") => {
                let bytes = git.blob(id);
                let is_binary = bytes.contains(&0);
                leaf(if is_binary { Value::Null } else { json!(String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT_LIMIT)])) })
            }
            (Kind::Done, "clientMutationId") => leaf(Value::Null),
            _ => return Err(self.unknown_field_error(info)),
        })
    }
}

impl Node<'_> {
    fn pull<'a>(&'a self, info: &'a ResolveInfo<'a>, slug: &str, number: u64, field: &str) -> Result<ResolvedValue<'a>, FieldError> {
        let message = || format!("Could not resolve to a PullRequest with the number of {number}.");
        let found = self.repositories.get(slug).and_then(|it| Some((it, it.pulls.iter().find(|pull| pull.number == number)?)));
        let (repository, pull) = found.ok_or_else(|| FieldError { message: message() })?;
        let method = pull.automatic.as_ref().filter(|how| *how != "queue").cloned();
        Ok(match field {
            "id" => leaf(json!(merging::id(slug, number))),
            "autoMergeRequest" => self.of(method.map(|method| Kind::Wish { method })),
            "isMergeQueueEnabled" => leaf(json!(repository.queue == Queue::Required)),
            "isInMergeQueue" => leaf(json!(pull.automatic.as_deref() == Some("queue"))),
            _ => return Err(self.unknown_field_error(info)),
        })
    }

    fn commit<'a>(&'a self, info: &'a ResolveInfo<'a>, git: &Git, id: &str, field: &str) -> Result<ResolvedValue<'a>, FieldError> {
        let show = |format: &str| git.run(&["show", "--no-patch", &format!("--format={format}"), id]).unwrap_or_default();
        Ok(match field {
            "oid" => leaf(json!(id)),
            "message" => leaf(json!(show("%B"))),
            "tree" => self.of(Some(Kind::Tree { git: git.clone(), id: show("%T") })),
            "author" => self.of(Some(Kind::Person { name: show("%an"), email: show("%ae") })),
            "committer" => self.of(Some(Kind::Person { name: show("%cn"), email: show("%ce") })),
            "parents" => {
                let ids = show("%P").split_whitespace().map(str::to_owned).collect();
                self.of(Some(Kind::Parents { git: git.clone(), ids }))
            }
            "file" => {
                let path = argument(info, "path").as_str().unwrap_or_default().to_owned();
                self.of(git.line(id, &path).map(|line| Kind::Entry { git: git.clone(), line }))
            }
            _ => return Err(self.unknown_field_error(info)),
        })
    }

    /// Each reference goes from the commit that the request names; a branch that is elsewhere stays there.
    fn update_references(&self, input: &Value) -> Result<(), FieldError> {
        let fail = |message: &str| FieldError { message: message.to_owned() };
        let slug =
            input["repositoryId"].as_str().and_then(|id| id.strip_prefix("R_")).ok_or_else(|| fail("Could not resolve to a node"))?;
        let repository = self.repositories.get(slug).ok_or_else(|| fail("Could not resolve to a node"))?;
        if !repository.push {
            return Err(fail("Resource not accessible by personal access token"));
        }
        let git = repository.git_here();
        for update in input["refUpdates"].as_array().into_iter().flatten() {
            let text = |key: &str| update[key].as_str().unwrap_or_default();
            let (name, to) = (text("name"), text("afterOid"));
            let present = git.head(name.trim_start_matches("refs/heads/")).unwrap_or_else(|| NONE.to_owned());
            let from = update["beforeOid"].as_str().unwrap_or(&present);
            if update["force"] != json!(true) && present != NONE && !git.is_ancestor(&present, to) {
                return Err(fail("Update is not a fast forward"));
            }
            git.move_reference(name, from, to).map_err(|_| fail("Reference cannot be updated"))?;
        }
        Ok(())
    }
}
