//! The second face of GitHub's API: queries that bring in one request what REST spreads over many.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

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
    /// Asks something; changes nothing.
    pub(super) async fn query<T: DeserializeOwned>(&self, query: &str, variables: Value) -> Result<T, Error> {
        // A query is sent by POST and changes nothing: it may be sent again.
        self.unpacked(self.add_for(PATH, &json!({ "query": query, "variables": variables })).await?)
    }

    /// Changes something; sent again only when the server says that it did not take the request.
    pub(super) async fn mutate<T: DeserializeOwned>(&self, query: &str, variables: Value) -> Result<T, Error> {
        self.unpacked(self.create(PATH, &json!({ "query": query, "variables": variables })).await?)
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
