//! What a person would look at when pods don't start: their last log lines, and the events around them.

use serde_json::Value;

use super::error::Error;
use super::object::{escaped, with_query};
use super::wire::Call;
use super::{Cluster, Endpoint};

/// Which run of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instance {
    Current,
    /// The one that ended before it.
    Previous,
}

/// Whose log lines, and how many of them.
#[derive(Debug, Clone, Copy)]
pub struct LogLines<'a> {
    pub namespace: &'a str,
    pub pod: &'a str,
    pub container: &'a str,
    pub instance: Instance,
    /// The last so many lines.
    pub lines: u32,
}

impl Cluster {
    /// The last lines of a container's log; at most 64 KiB.
    ///
    /// # Errors
    /// A refusal with status 400 when the container hasn't run yet; otherwise what the wire or the server said.
    pub async fn logs(&self, wanted: &LogLines<'_>) -> Result<Vec<String>, Error> {
        let path = format!("/api/v1/namespaces/{}/pods/{}/log", escaped(wanted.namespace), escaped(wanted.pod));
        let lines = wanted.lines.to_string();
        let mut query = vec![("container", wanted.container), ("tailLines", lines.as_str()), ("limitBytes", "65536")];
        if wanted.instance == Instance::Previous {
            query.push(("previous", "true"));
        }
        let text = self.wire.call(&Call::get(with_query(&path, &query)), self.deadline).await?;
        Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
    }

    /// The warnings among a namespace's events.
    ///
    /// # Errors
    /// What the wire or the server said.
    pub async fn warning_events(&self, namespace: &str) -> Result<Vec<Value>, Error> {
        self.list(&Endpoint::built_in("", "v1", "Event", "events", Some(namespace)), &[("fieldSelector", "type=Warning")]).await
    }
}
