//! Where the token of a request comes from when the kubeconfig holds none: the login of a cloud, or a program.

use std::sync::Arc;

use kube::config::{AuthInfo, ExecConfig};
use secrecy::SecretString;

use super::error::Error;
use super::program::Program;
use crate::http::Patience;
use crate::login::{Clouds, Exec, Session, Way};

/// How to log in where a kubeconfig leaves it to a program.
#[derive(Debug, Clone, Default)]
pub struct Logins {
    pub clouds: Clouds,
    /// For the clouds' own services; without it programs are run.
    pub client: Option<reqwest::Client>,
}

/// Gives the token of each request, the same one as long as it holds.
#[derive(Debug)]
pub(super) enum Bearer {
    Cloud { user: String, session: Box<Session> },
    Program(Box<Program>),
}

impl Bearer {
    /// What takes the place of the exec plugin of a user. Contacts nobody and runs nothing.
    pub(super) fn of(user: &str, exec: &ExecConfig, server: &str, logins: &Logins) -> Result<Self, Error> {
        let command = exec.command.clone().unwrap_or_default();
        let pair = |entry: &std::collections::HashMap<String, String>| Some((entry.get("name")?.clone(), entry.get("value")?.clone()));
        let env = exec.env.iter().flatten().filter_map(pair).collect();
        let args = exec.args.clone().unwrap_or_default();
        let asked = Exec { command: &command, args: &args, env: &env, server };
        let way = match &logins.client {
            Some(client) => logins.clouds.way_by_plugin(&asked, client.clone(), Patience::default()),
            None => Way::None,
        };
        match way {
            // The client refuses nothing itself: a token that is sent in the clear is everybody's.
            _ if !server.starts_with("https:") => Err(Error::PlainText { user: user.to_owned(), server: server.to_owned() }),
            Way::Ready(session) => Ok(Self::Cloud { user: user.to_owned(), session }),
            Way::Lacking(lack) => Err(Error::Lacking { user: user.to_owned(), command, lack }),
            Way::None => Ok(Self::Program(Box::new(Program::new(user, exec, args, env, logins.clouds.clone())))),
        }
    }

    /// Certificates come with the first answer of a program, and stay.
    pub(super) async fn complete(&self, user: &mut AuthInfo) -> Result<(), Error> {
        match self {
            Self::Cloud { .. } => Ok(()),
            Self::Program(program) => program.complete(user).await,
        }
    }

    /// The token to send; `None` when a certificate is the proof.
    pub(super) async fn token(&self) -> Result<Option<SecretString>, Error> {
        match self {
            Self::Cloud { user, session } => match session.token().await {
                Ok(token) => Ok(Some(token)),
                Err(source) => Err(Error::Login { user: user.clone(), identity: session.identity(), source: Arc::clone(&source) }),
            },
            Self::Program(program) => program.token().await,
        }
    }

    /// The server doesn't take this token any more.
    pub(super) async fn refused(&self, token: &SecretString) {
        match self {
            Self::Cloud { session, .. } => session.refused(token).await,
            Self::Program(program) => program.refused(token).await,
        }
    }
}
