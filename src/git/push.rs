use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use git2::{Oid, PushOptions, RemoteCallbacks};

use super::exchange::{Exchange, Service};
use super::receive_pack::{self, Report};
use super::session::Session;
use super::snapshot::folder;
use super::{Client, Error, Remote, Snapshot};

impl Client {
    /// Pushes a commit to a branch, provided that the branch is still what the snapshot saw (its head, or absent): the lease of
    /// `git push --force-with-lease`. The branch may be rewound; that the old head may go is the caller's knowledge.
    ///
    /// # Errors
    /// [`Error::Raced`] when the branch has changed; [`Error::Rejected`] with the server's text when a hook or protection refuses.
    pub async fn push(&self, snapshot: &Snapshot, commit: Oid, branch: &str) -> Result<(), Error> {
        let (here, branch) = (snapshot.clone(), branch.to_owned());
        let expected = snapshot.branch.as_ref().map_or(Oid::ZERO_SHA1, |commit| commit.id);
        self.blocking(&snapshot.remote, move |session| here.push(session, commit, &branch, expected)).await
    }

    /// Whether the server lets us push there: it answers the first request of a push by 401 or 403 when it doesn't. Over SSH, and in
    /// folders, only the push itself tells.
    ///
    /// # Errors
    /// [`Error::Forbidden`] and [`Error::Unauthorized`] when the token has no right to; others when the server can't be asked.
    pub async fn check_right_to_push(&self, remote: &Remote) -> Result<(), Error> {
        let Remote::Http { url, .. } = remote else { return Ok(()) };
        let url = url.to_string();
        self.blocking(remote, move |session| Exchange::new(session, &url, Service::ReceivePack, None).status()).await
    }

    /// As [`Client::check_right_to_push`], of the server that a snapshot is from. A push from the snapshot, or from one that is fetched
    /// again after it, begins with the answer and does not ask for it once more.
    ///
    /// # Errors
    /// As [`Client::check_right_to_push`].
    pub async fn call_for_push(&self, snapshot: &Snapshot) -> Result<(), Error> {
        let Remote::Http { .. } = &snapshot.remote else { return Ok(()) };
        let here = snapshot.clone();
        let call = move |session: &Arc<Session>| receive_pack::call(session, &here.remote);
        if snapshot.receiver.get().is_none()
            && let Some(receiver) = self.blocking(&snapshot.remote, call).await?
        {
            // Whoever was faster has the same answer.
            let _ = snapshot.receiver.set(receiver);
        }
        Ok(())
    }

    /// Pushes a commit to the base branch itself, provided that it is still what the snapshot saw.
    ///
    /// # Errors
    /// As [`Client::push`].
    pub async fn push_to_base(&self, snapshot: &Snapshot, commit: Oid) -> Result<(), Error> {
        let here = snapshot.clone();
        self.blocking(&snapshot.remote, move |session| here.push(session, commit, &here.base_branch, here.base.id)).await
    }
}

impl Snapshot {
    fn push(&self, session: &Arc<Session>, commit: Oid, branch: &str, expected: Oid) -> Result<(), Error> {
        let reference = format!("refs/heads/{branch}");
        let report = match &self.remote {
            Remote::Http { .. } | Remote::Ssh(_) => receive_pack::push(session, self, commit, &reference, expected)?,
            Remote::Folder(path) => self.push_to_folder(path, commit, &reference, expected)?,
        };
        let (remote, branch) = (self.remote.to_string(), branch.to_owned());
        match report.refused {
            Some(reason) if is_race(&reason) || self.has_moved(session, &reference, expected) => {
                Err(Error::Raced { remote, branch, reason })
            }
            Some(reason) => Err(Error::Rejected { remote, branch, reason, text: report.text }),
            None if report.confirmed => Ok(()),
            None => {
                let reason = "the server did not confirm the update".to_owned();
                Err(Error::Rejected { remote, branch, reason, text: report.text })
            }
        }
    }

    /// Whether a reference is not any more where the refused push began, in whatever words the server says so. Only a push that began
    /// with an earlier answer of the server's did not look.
    fn has_moved(&self, session: &Arc<Session>, reference: &str, expected: Oid) -> bool {
        let looks = self.receiver.get().is_some();
        // When there is no answer, the reason of the refusal says more than that.
        looks && receive_pack::present(session, &self.remote, reference).is_ok_and(|present| present != expected)
    }

    /// libgit2 pushes to folders, from the whole history that it has fetched from there.
    fn push_to_folder(&self, path: &Path, commit: Oid, reference: &str, expected: Oid) -> Result<Report, Error> {
        let fail = |source| Error::Push { remote: self.remote.to_string(), source };
        let repository = self.open().map_err(fail)?;
        let mut remote = repository.remote_anonymous(&folder(path)?).map_err(fail)?;
        let (report, raced) = (RefCell::new(Report::default()), RefCell::new(None));
        let mut callbacks = RemoteCallbacks::new();
        callbacks.push_negotiation(|updates| match updates.iter().find(|update| update.src() != expected) {
            None => Ok(()),
            Some(update) => {
                *raced.borrow_mut() = Some(format!("expected {expected}, found {}", update.src()));
                Err(git2::Error::from_str("the branch has changed"))
            }
        });
        // libgit2 says "ok" for the push as a whole; only this tells that the reference was updated.
        callbacks.push_update_reference(|name, refused| {
            let mut report = report.borrow_mut();
            report.refused = refused.map(str::to_owned).or(report.refused.take());
            report.confirmed |= refused.is_none() && name == reference;
            Ok(())
        });
        let mut options = PushOptions::new();
        options.remote_callbacks(callbacks);
        let result = remote.push(&[format!("+{commit}:{reference}")], Some(&mut options));
        drop(options);
        if let Some(reason) = raced.into_inner() {
            return Err(Error::Raced { remote: self.remote.to_string(), branch: reference.to_owned(), reason });
        }
        result.map_err(fail)?;
        Ok(report.into_inner())
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
