use std::cell::RefCell;

use git2::{Oid, PushOptions, RemoteCallbacks};

use super::snapshot::address;
use super::transport::printable;
use super::{Client, Error, Snapshot};

/// How much of what a hook says is kept.
const SIDEBAND_LIMIT: usize = 8_000;

impl Client {
    /// Pushes a commit to a branch, provided that the branch is still what the snapshot saw (its head, or absent): the lease of
    /// `git push --force-with-lease`. The branch may be rewound; that the old head may go is the caller's knowledge.
    ///
    /// # Errors
    /// [`Error::Raced`] when the branch has changed; [`Error::Rejected`] with the server's text when a hook or protection refuses.
    pub async fn push(&self, snapshot: &Snapshot, commit: Oid, branch: &str) -> Result<(), Error> {
        let (here, branch) = (snapshot.clone(), branch.to_owned());
        self.blocking(&snapshot.remote, move || here.push(commit, &branch)).await
    }
}

/// What the server and the lease said during a push.
#[derive(Default)]
struct Answers {
    sideband: Vec<u8>,
    /// Why the server did not update the reference.
    refused: Option<String>,
    /// What the branch was when it was not what was expected.
    raced: Option<String>,
    confirmed: bool,
}

impl Snapshot {
    fn push(&self, commit: Oid, branch: &str) -> Result<(), Error> {
        let answers = RefCell::new(Answers::default());
        let reference = format!("refs/heads/{branch}");
        let result = self.send(commit, &reference, &answers);
        let answers = answers.into_inner();
        let (remote, branch) = (self.remote.to_string(), branch.to_owned());
        if let Some(reason) = answers.raced {
            return Err(Error::Raced { remote, branch, reason });
        }
        match answers.refused {
            Some(reason) if is_race(&reason) => return Err(Error::Raced { remote, branch, reason }),
            Some(reason) => return Err(Error::Rejected { remote, branch, reason, text: printable(&answers.sideband) }),
            None => {}
        }
        match result {
            Err(source) if source.code() == git2::ErrorCode::NotFastForward => {
                Err(Error::Raced { remote, branch, reason: source.message().to_owned() })
            }
            Err(source) => Err(Error::Push { remote, source }),
            // libgit2 says "ok" for the push as a whole; only the report of each reference tells that it was updated.
            Ok(()) if answers.confirmed => Ok(()),
            Ok(()) => {
                let reason = "the server did not confirm the update".to_owned();
                Err(Error::Rejected { remote, branch, reason, text: printable(&answers.sideband) })
            }
        }
    }

    fn send(&self, commit: Oid, reference: &str, answers: &RefCell<Answers>) -> Result<(), git2::Error> {
        let repository = self.open()?;
        let address = address(&self.remote).map_err(|error| git2::Error::from_str(&error.to_string()))?;
        let mut remote = repository.remote_anonymous(&address)?;
        let expected = self.branch.as_ref().map_or(Oid::ZERO_SHA1, |commit| commit.id);
        let mut callbacks = RemoteCallbacks::new();
        callbacks.push_negotiation(|updates| match updates.iter().find(|update| update.src() != expected) {
            None => Ok(()),
            Some(update) => {
                answers.borrow_mut().raced = Some(format!("expected {expected}, found {}", update.src()));
                Err(git2::Error::from_str("the branch has changed"))
            }
        });
        callbacks.sideband_progress(|bytes| {
            let sideband = &mut answers.borrow_mut().sideband;
            let room = SIDEBAND_LIMIT.saturating_sub(sideband.len());
            sideband.extend_from_slice(&bytes[..bytes.len().min(room)]);
            true
        });
        callbacks.push_update_reference(|name, refused| {
            let mut answers = answers.borrow_mut();
            match refused {
                Some(reason) => answers.refused = Some(reason.to_owned()),
                None => answers.confirmed |= name == reference,
            }
            Ok(())
        });
        let mut options = PushOptions::new();
        options.remote_callbacks(callbacks);
        remote.push(&[format!("+{commit}:{reference}")], Some(&mut options))
    }
}

/// Whether a server's reason means that the reference moved between its listing and its update (texts of git's refs backends,
/// `refs/files-backend.c`). A branch whose name is a folder of another one's is no race: it stays so.
fn is_race(reason: &str) -> bool {
    const TEXTS: [&str; 6] =
        ["cannot lock ref", "failed to lock", "failed to update ref", "incorrect old value", "reference already exists", "fetch first"];
    !reason.contains("cannot create") && TEXTS.iter().any(|text| reason.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_that_moved_is_a_race_and_a_hook_is_not() {
        assert!(is_race("cannot lock ref 'refs/heads/x': is at 1 but expected 2"));
        assert!(is_race("failed to update ref"));
        assert!(!is_race("pre-receive hook declined"));
        assert!(!is_race("cannot lock ref 'refs/heads/a/b': 'refs/heads/a' exists; cannot create 'refs/heads/a/b'"));
    }
}
