//! Git's objects and references, one by one (REST, "Git database").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Client, Error, Slug};

/// The listing of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Listing {
    pub tree: Vec<Listed>,
    /// There is more than is listed.
    #[serde(default)]
    pub truncated: bool,
}

/// A line of a listing. `path` is relative to the folder that was listed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Listed {
    pub path: String,
    /// In octal: `100644`.
    pub mode: String,
    pub sha: String,
}

/// How far down a folder is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recursive {
    Yes,
    No,
}

/// A change of one file in a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TreeChange {
    pub path: String,
    /// In octal: `100644`, `100755`.
    pub mode: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Content {
    Content(String),
    /// `null` takes the file away.
    Sha(Option<String>),
}

impl TreeChange {
    /// The file has this text.
    pub fn write(path: String, mode: &'static str, text: String) -> Self {
        Self { path, mode, kind: "blob", content: Content::Content(text) }
    }

    /// The file is gone.
    pub fn remove(path: String) -> Self {
        Self { path, mode: "100644", kind: "blob", content: Content::Sha(None) }
    }
}

/// A commit that the server has made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Made {
    pub sha: String,
    #[serde(default)]
    pub verification: Option<Verification>,
}

/// Whether the server has signed a commit, or knows its signature.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Verification {
    pub verified: bool,
    /// `valid`, `unsigned` and others.
    #[serde(default)]
    pub reason: String,
}

#[derive(Deserialize)]
struct Blob {
    content: String,
    encoding: String,
}

#[derive(Deserialize)]
struct Sha {
    sha: String,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(rename = "ref")]
    name: String,
    object: Sha,
}

impl Client {
    /// Lists a folder by its id.
    ///
    /// # Errors
    /// When there is none.
    pub async fn tree(&self, slug: &Slug, id: &str, recursive: Recursive) -> Result<Listing, Error> {
        let query = if recursive == Recursive::Yes { "?recursive=1" } else { "" };
        self.get(&format!("/repos/{slug}/git/trees/{id}{query}")).await
    }

    /// Reads a file by its id, up to 100 MB.
    ///
    /// # Errors
    /// When there is none, or the server sends something else than it says.
    pub async fn blob(&self, slug: &Slug, id: &str) -> Result<Vec<u8>, Error> {
        let path = format!("/repos/{slug}/git/blobs/{id}");
        let blob: Blob = self.get(&path).await?;
        if blob.encoding != "base64" {
            return Ok(blob.content.into_bytes());
        }
        let text: String = blob.content.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let source = |error: base64::DecodeError| serde::de::Error::custom(error);
        STANDARD.decode(text).map_err(|error| Error::Answer { host: self.host.clone(), method: "GET", path, source: source(error) })
    }

    /// Makes a tree from another one; gives its id. Trees that nothing refers to are seen by nobody, and the same changes make the same
    /// tree.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_tree(&self, slug: &Slug, base: &str, changes: &[TreeChange]) -> Result<String, Error> {
        let body = json!({ "base_tree": base, "tree": changes });
        self.add_for::<Sha>(&format!("/repos/{slug}/git/trees"), &body).await.map(|made| made.sha)
    }

    /// Makes a commit that no branch has yet. Without author and committer GitHub puts in the token's owner and, for a bot's token, signs.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_commit(&self, slug: &Slug, tree: &str, parent: &str, message: &str) -> Result<Made, Error> {
        let body = json!({ "message": message, "tree": tree, "parents": [parent] });
        self.add_for(&format!("/repos/{slug}/git/commits"), &body).await
    }

    /// Makes a branch.
    ///
    /// # Errors
    /// When the server refuses, also because it is there already.
    pub async fn create_branch(&self, slug: &Slug, branch: &str, commit: &str) -> Result<(), Error> {
        let body = json!({ "ref": format!("refs/heads/{branch}"), "sha": commit });
        self.create::<Value>(&format!("/repos/{slug}/git/refs"), &body).await.map(drop)
    }

    /// Moves a branch forward to a commit that has its present head among its ancestors.
    ///
    /// # Errors
    /// When the server refuses, also because the commit has not.
    pub async fn forward_branch(&self, slug: &Slug, branch: &str, commit: &str) -> Result<(), Error> {
        let body = json!({ "sha": commit, "force": false });
        self.patch::<Value>(&format!("/repos/{slug}/git/refs/heads/{}", in_path(branch)), &body).await.map(drop)
    }

    /// The commit that a branch is at; `None` when there is no such branch.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn branch(&self, slug: &Slug, branch: &str) -> Result<Option<String>, Error> {
        match self.get::<Reference>(&format!("/repos/{slug}/git/ref/heads/{}", in_path(branch))).await {
            Ok(found) => Ok((found.name == format!("refs/heads/{branch}")).then_some(found.object.sha)),
            Err(Error::Status { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A branch's name as a part of a path: its slashes stay.
pub(super) fn in_path(branch: &str) -> String {
    let encoded: Vec<String> = branch.split('/').map(|part| url::form_urlencoded::byte_serialize(part.as_bytes()).collect()).collect();
    // Forms write a blank as a plus; a branch's name has no blanks.
    encoded.join("/")
}
