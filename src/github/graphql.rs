//! The second face of GitHub's API: queries that bring in one request what REST spreads over many.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::request::Repeat;
use super::{Client, Error};

/// The path of every query, below the address of the GraphQL API.
pub(super) const PATH: &str = "/graphql";

#[derive(Deserialize)]
struct Answer<T> {
    data: Option<T>,
    #[serde(default)]
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    message: String,
}

impl Client {
    /// Asks something; changes nothing, so it may be sent again. The token is the one for this owner.
    pub(super) async fn query<T: DeserializeOwned>(&self, owner: &str, query: &str, variables: Value) -> Result<T, Error> {
        self.unpacked(self.document(owner, &json!({ "query": query, "variables": variables }), Repeat::Safe).await?)
    }

    /// Sets something to a state: twice is the same as once.
    pub(super) async fn set<T: DeserializeOwned>(&self, owner: &str, query: &str, variables: Value) -> Result<T, Error> {
        self.query(owner, query, variables).await
    }

    /// Changes something; sent again only when the server says that it did not take the request.
    pub(super) async fn mutate<T: DeserializeOwned>(&self, owner: &str, query: &str, variables: Value) -> Result<T, Error> {
        self.unpacked(self.document(owner, &json!({ "query": query, "variables": variables }), Repeat::Never).await?)
    }

    /// The status of an answer is 200 for errors too (GitHub docs, "Using the GraphQL API"); a part of the data is no answer of ours.
    fn unpacked<T>(&self, answer: Answer<T>) -> Result<T, Error> {
        match answer {
            Answer { data: Some(data), errors } if errors.is_empty() => Ok(data),
            Answer { errors, .. } => {
                let messages = errors.into_iter().map(|problem| problem.message).collect();
                Err(Error::Query { host: self.host.clone(), messages })
            }
        }
    }
}
