use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

use super::Error;
use crate::http::is_loopback;

/// The socket that is used when `DOCKER_HOST` isn't set.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Where the daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Socket(PathBuf),
    /// Without TLS, so on this machine only: host and port.
    Loopback(String, u16),
}

impl Default for Address {
    fn default() -> Self {
        Self::Socket(DEFAULT_SOCKET.into())
    }
}

impl FromStr for Address {
    type Err = Error;

    /// Reads the value of `DOCKER_HOST` (docker/cli, opts/hosts.go).
    fn from_str(text: &str) -> Result<Self, Error> {
        let fail = |reason| Error::Address { address: text.to_owned(), reason };
        if let Some(path) = text.strip_prefix("unix://") {
            return match path.starts_with('/') {
                true => Ok(Self::Socket(path.into())),
                false => Err(fail("the path of a socket begins with a slash")),
            };
        }
        let Some(rest) = text.strip_prefix("tcp://").or_else(|| text.strip_prefix("http://")) else {
            return Err(fail("only unix:// sockets and tcp:// addresses of this machine can be used"));
        };
        let url = Url::parse(&format!("http://{rest}")).map_err(|_| fail("it is not an address"))?;
        // Whoever can talk to a daemon owns its machine: nothing of that goes over a network in clear text.
        match (is_loopback(&url), url.host_str(), rest.trim_end_matches('/').contains('/')) {
            (true, Some(host), false) => Ok(Self::Loopback(host.to_owned(), url.port().unwrap_or(2375))),
            (false, ..) => Err(fail("a daemon on another machine can't be spoken to without TLS")),
            _ => Err(fail("it has a path")),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix://{}", path.display()),
            Self::Loopback(host, port) => write!(f, "tcp://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_is_at_a_socket_or_on_this_machine() {
        let table = [
            "unix:///var/run/docker.sock",
            "tcp://127.0.0.1:2375",
            "tcp://localhost",
            "tcp://[::1]:99/",
            "http://127.0.0.1:1",
            "tcp://10.0.0.1:2375",
            "tcp://docker:2376",
            "tcp://127.0.0.1:1/x",
            "ssh://ada@build.example",
            "unix://docker.sock",
            "npipe:////./pipe/docker_engine",
            "tcp://",
            "",
        ];
        let shown = table.map(|text| text.parse::<Address>().map_or_else(|error| format!("error: {error}"), |a| a.to_string()));
        insta::assert_snapshot!(shown.join("\n"), @r#"
        unix:///var/run/docker.sock
        tcp://127.0.0.1:2375
        tcp://localhost:2375
        tcp://[::1]:99
        tcp://127.0.0.1:1
        error: couldn't use DOCKER_HOST ("tcp://10.0.0.1:2375"): a daemon on another machine can't be spoken to without TLS
        error: couldn't use DOCKER_HOST ("tcp://docker:2376"): a daemon on another machine can't be spoken to without TLS
        error: couldn't use DOCKER_HOST ("tcp://127.0.0.1:1/x"): it has a path
        error: couldn't use DOCKER_HOST ("ssh://ada@build.example"): only unix:// sockets and tcp:// addresses of this machine can be used
        error: couldn't use DOCKER_HOST ("unix://docker.sock"): the path of a socket begins with a slash
        error: couldn't use DOCKER_HOST ("npipe:////./pipe/docker_engine"): only unix:// sockets and tcp:// addresses of this machine can be used
        error: couldn't use DOCKER_HOST ("tcp://"): it is not an address
        error: couldn't use DOCKER_HOST (""): only unix:// sockets and tcp:// addresses of this machine can be used
        "#);
        assert_eq!(Address::default().to_string(), "unix:///var/run/docker.sock");
    }
}
