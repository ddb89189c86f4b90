//! The heads of two branches with the objects that are needed of them, in one query.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Client, Error, Slug};

/// What the server knew of a repository at one moment.
#[derive(Debug, Clone)]
pub struct Heads {
    /// The id that mutations take.
    pub repository: String,
    /// `None` when there is no such branch.
    pub base: Option<Tip>,
    pub branch: Option<Tip>,
    /// Folders and files of the base: its root, and those that were asked for, as far as they are there.
    pub objects: Vec<Object>,
}

/// The newest commit of a branch. Ids are in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    pub oid: String,
    pub tree: String,
    pub parents: Vec<String>,
    pub author: Actor,
    pub committer: Actor,
    pub message: String,
}

/// Whose name a commit bears.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Actor {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub email: Option<String>,
}

/// An object of git's, as the server tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    Tree {
        oid: String,
        entries: Vec<Entry>,
    },
    /// A file's text. What the server takes for no text, or finds too long, has none.
    Blob {
        oid: String,
        text: Option<String>,
    },
}

/// A line of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Entry {
    pub name: String,
    /// As a number: `0o100644` is 33188.
    pub mode: u32,
    pub oid: String,
}

const COMMIT: &str = "fragment commit on Commit { oid message parents(first: 10) { nodes { oid } } author { name email } committer { name email } tree { oid } }";
const OBJECT: &str = "fragment object on GitObject { oid ... on Tree { entries { name mode oid } } ... on Blob { isTruncated text } }";

#[derive(Deserialize)]
struct Data<R> {
    repository: Option<R>,
}

#[derive(Deserialize)]
struct Found {
    id: String,
    base: Option<Reference>,
    branch: Option<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    target: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct RawTip {
    oid: String,
    #[serde(default)]
    message: String,
    parents: Nodes,
    #[serde(default)]
    author: Option<Actor>,
    #[serde(default)]
    committer: Option<Actor>,
    tree: Oid,
}

#[derive(Deserialize)]
struct Nodes {
    #[serde(default)]
    nodes: Vec<Oid>,
}

#[derive(Deserialize)]
struct Oid {
    oid: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawObject {
    oid: String,
    #[serde(default)]
    entries: Option<Vec<Entry>>,
    #[serde(default)]
    is_truncated: bool,
    #[serde(default)]
    text: Option<String>,
}

impl From<RawObject> for Object {
    fn from(raw: RawObject) -> Self {
        match raw.entries {
            Some(entries) => Self::Tree { oid: raw.oid, entries },
            None => Self::Blob { oid: raw.oid, text: raw.text.filter(|_| !raw.is_truncated) },
        }
    }
}

impl Client {
    /// Looks at the heads of two branches, and at the base's root and the given paths of it. All objects are those of one commit.
    ///
    /// # Errors
    /// When the server can't be asked, or has no such repository.
    pub async fn heads(&self, slug: &Slug, base: &str, branch: &str, paths: &[String]) -> Result<Heads, Error> {
        let mut variables = json!({
            "owner": slug.owner, "name": slug.name, "base": format!("refs/heads/{base}"), "branch": format!("refs/heads/{branch}"),
        });
        let (mut parameters, mut files) = (String::new(), String::new());
        for (n, path) in paths.iter().enumerate() {
            parameters.push_str(&format!(", $p{n}: String!"));
            files.push_str(&format!(" f{n}: file(path: $p{n}) {{ object {{ ...object }} }}"));
            variables[format!("p{n}")] = json!(path);
        }
        let query = format!(
            "query($owner: String!, $name: String!, $base: String!, $branch: String!{parameters}) {{ \
             repository(owner: $owner, name: $name) {{ id \
             base: ref(qualifiedName: $base) {{ target {{ ... on Commit {{ ...commit root: tree {{ ...object }}{files} }} }} }} \
             branch: ref(qualifiedName: $branch) {{ target {{ ...commit }} }} }} }} {COMMIT} {OBJECT}"
        );
        let data: Data<Found> = self.query(&slug.owner, &query, variables).await?;
        let found = data.repository.ok_or_else(|| self.no_repository(slug))?;
        let (base, objects) = match found.base.and_then(|reference| reference.target) {
            Some(target) => self.base(target)?,
            None => (None, Vec::new()),
        };
        let branch = match found.branch.and_then(|reference| reference.target) {
            Some(target) => Some(self.tip(target)?),
            None => None,
        };
        Ok(Heads { repository: found.id, base, branch, objects })
    }

    fn base(&self, mut target: Map<String, Value>) -> Result<(Option<Tip>, Vec<Object>), Error> {
        let mut objects = Vec::new();
        let names: Vec<String> = target.keys().cloned().collect();
        for name in names {
            let is_file = name.strip_prefix('f').is_some_and(|number| number.parse::<usize>().is_ok());
            if !is_file && name != "root" {
                continue;
            }
            let Some(mut value) = target.remove(&name) else { continue };
            if is_file {
                value = value["object"].take();
            }
            if !value.is_null() {
                objects.push(self.parsed::<RawObject>(value)?.into());
            }
        }
        Ok((Some(self.tip(target)?), objects))
    }

    fn tip(&self, target: Map<String, Value>) -> Result<Tip, Error> {
        let raw: RawTip = self.parsed(Value::Object(target))?;
        let ids = |ids: Vec<Oid>| ids.into_iter().map(|id| id.oid).collect();
        Ok(Tip {
            oid: raw.oid,
            tree: raw.tree.oid,
            parents: ids(raw.parents.nodes),
            author: raw.author.unwrap_or_default(),
            committer: raw.committer.unwrap_or_default(),
            message: raw.message,
        })
    }

    /// Reads objects by their ids; those that are not there are left out.
    ///
    /// # Errors
    /// When the server can't be asked, or has no such repository.
    pub async fn objects(&self, slug: &Slug, ids: &[String]) -> Result<Vec<Object>, Error> {
        let mut variables = json!({ "owner": slug.owner, "name": slug.name });
        let (mut parameters, mut objects) = (String::new(), String::new());
        for (n, id) in ids.iter().enumerate() {
            parameters.push_str(&format!(", $o{n}: GitObjectID!"));
            objects.push_str(&format!(" o{n}: object(oid: $o{n}) {{ ...object }}"));
            variables[format!("o{n}")] = json!(id);
        }
        let query = format!(
            "query($owner: String!, $name: String!{parameters}) {{ repository(owner: $owner, name: $name) {{{objects} }} }} {OBJECT}"
        );
        let data: Data<Map<String, Value>> = self.query(&slug.owner, &query, variables).await?;
        let found = data.repository.ok_or_else(|| self.no_repository(slug))?;
        let present = found.into_iter().map(|(_, value)| value).filter(|value| !value.is_null());
        present.map(|value| self.parsed::<RawObject>(value).map(Object::from)).collect()
    }

    /// Moves a branch from one commit to another, also back, provided that it is still at the first (`beforeOid`: what REST lacks).
    ///
    /// # Errors
    /// When the server refuses; that the branch has moved is not told apart.
    pub async fn move_branch(&self, slug: &Slug, repository: &str, branch: &str, from: &str, to: &str) -> Result<(), Error> {
        let query = "mutation($input: UpdateRefsInput!) { updateRefs(input: $input) { clientMutationId } }";
        let update = json!({ "name": format!("refs/heads/{branch}"), "beforeOid": from, "afterOid": to, "force": true });
        let input = json!({ "input": { "repositoryId": repository, "refUpdates": [update] } });
        self.mutate::<Value>(&slug.owner, query, input).await.map(drop)
    }

    fn no_repository(&self, slug: &Slug) -> Error {
        Error::Query { host: self.host.clone(), messages: vec![format!("there is no repository {slug}")] }
    }
}
