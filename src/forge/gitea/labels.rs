//! Labels go by numbers here, and one that doesn't exist is left out without a word: it is made first.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Client, Error, Repeat};
use crate::github::Slug;

/// The grey that GitHub gives to labels which it makes by itself.
const COLOUR: &str = "#ededed";

#[derive(Debug, Deserialize)]
struct Label {
    id: u64,
    name: String,
}

impl Client {
    /// Adds labels of the repository or its organisation; those that neither has are made in the repository
    /// (`issueAddLabel`, `issueCreateLabel`).
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn add_labels(&self, slug: &Slug, number: u64, labels: &[String]) -> Result<(), Error> {
        let known = self.known_labels(slug).await?;
        let mut ids = Vec::new();
        for name in labels {
            let present = known.iter().find(|label| label.name.eq_ignore_ascii_case(name));
            ids.push(match present {
                Some(label) => label.id,
                None => self.make_label(slug, name).await?.id,
            });
        }
        let url = self.url(&format!("/repos/{slug}/issues/{number}/labels"));
        let what = format!("label {slug}#{number}");
        self.write::<Value>(&what, Method::POST, url, &json!({ "labels": ids }), Repeat::Safe).await.map(drop)
    }

    async fn known_labels(&self, slug: &Slug) -> Result<Vec<Label>, Error> {
        let mut labels: Vec<Label> = self.list(&format!("list the labels of {slug}"), self.url(&format!("/repos/{slug}/labels"))).await?;
        let what = format!("list the labels of {}", slug.owner);
        match self.list(&what, self.url(&format!("/orgs/{}/labels", slug.owner))).await {
            Ok(shared) => labels.extend::<Vec<Label>>(shared),
            // The owner is a person, or the token may not look: a label of the repository's own does as well.
            Err(error) if matches!(error.status(), Some(403 | 404)) => {}
            Err(error) => return Err(error),
        }
        Ok(labels)
    }

    async fn make_label(&self, slug: &Slug, name: &str) -> Result<Label, Error> {
        let body = json!({ "name": name, "color": COLOUR });
        let url = self.url(&format!("/repos/{slug}/labels"));
        self.write(&format!("make the label {name} in {slug}"), Method::POST, url, &body, Repeat::Never).await
    }
}
