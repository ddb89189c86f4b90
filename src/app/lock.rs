//! One run at a time deploys an application: the lock is taken before the first write and given back at the end, whichever way it comes.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::Run;
use super::error::Error;
use super::prune::creates_namespace;
use crate::action::Log;
use crate::action::log::Level;
use crate::cluster::{self, Cluster};
use crate::error::Problems;
use crate::rollout::Plan;
use crate::rollout::lock::{self, Holder, Judgement, Place, Written};

/// How often a run says that it lives: three times may fail before the lock is lost.
const RENEWAL: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_secs(2);
/// How long giving it back may take: the runner kills a cancelled run after 7.5 s.
const FAREWELL: Duration = Duration::from_secs(3);

/// The lock of an application, held or about to be.
pub(super) struct Lock {
    lease: Lease,
    renewal: Option<JoinHandle<()>>,
}

/// The Lease that this run holds or is about to.
#[derive(Clone)]
struct Lease {
    place: Place,
    cluster: Cluster,
    us: Holder,
    /// As this run wrote it last, so that the next write needn't ask. Locked while one is under way: giving back waits for a renewal.
    written: Arc<Mutex<Option<Value>>>,
}

/// Whether a plan can still be trusted when the lock is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plans {
    Hold,
    /// Another run may have written since.
    MadeAgain,
}

/// How the wait for the lock ended.
enum Taken {
    Yes(Plans, Value),
    /// It can't be had here: told, and done without.
    Without,
}

impl Run<'_> {
    /// Takes the lock, waiting for the run that holds it. `begun` is when the plan was begun.
    pub(super) async fn lock(&mut self, cluster: &Cluster, plan: &Plan, namespace: &str, begun: Timestamp) -> Result<Plans, Problems> {
        if creates_namespace(plan, namespace) {
            return Ok(Plans::Hold);
        }
        let lease = Lease { place: self.place_of_lock(namespace), cluster: cluster.clone(), us: self.holder(), written: Arc::default() };
        // Known before it is taken: a run that is cancelled in between gives it back as well.
        self.lock = Some(Lock { lease: lease.clone(), renewal: None });
        match self.take(&lease, begun).await? {
            Taken::Yes(plans, written) => {
                *lease.written.lock().await = Some(written);
                let renewal = tokio::spawn(renew(lease, self.log.clone()));
                if let Some(lock) = &mut self.lock {
                    lock.renewal = Some(renewal);
                }
                Ok(plans)
            }
            Taken::Without => {
                self.lock = None;
                Ok(Plans::Hold)
            }
        }
    }

    pub(super) fn place_of_lock(&self, namespace: &str) -> Place {
        Place::of(&self.app_name(), namespace)
    }

    fn holder(&self) -> Holder {
        let run = self.environment.get("GITHUB_RUN_ID").zip(self.environment.get("GITHUB_RUN_ATTEMPT"));
        Holder::new(run, &format!("{:08x}", rand::random::<u32>()), self.environment.run_url())
    }

    async fn take(&mut self, Lease { place, cluster, us, .. }: &Lease, begun: Timestamp) -> Result<Taken, Problems> {
        let given = self.inputs.timeout;
        let deadline = Instant::now() + given;
        let mut sight = Sight::default();
        let mut told: Option<Holder> = None;
        loop {
            let lease = match place.read(cluster).await {
                Ok(lease) => lease,
                Err(error) => return self.without(place, error),
            };
            let plans = match &lease {
                Some(lease) if told.is_some() || lock::was_used_since(lease, begun) => Plans::MadeAgain,
                _ => Plans::Hold,
            };
            let written = match lease {
                None => place.create(cluster, &lock::new(place, us, Timestamp::now())).await,
                Some(lease) => match lock::judge(&lease, us, Timestamp::now(), sight.unchanged(&lease)) {
                    Judgement::Ours => Ok(Written::Yes(lease)),
                    Judgement::Held(by) => {
                        if Instant::now() + POLL > deadline {
                            return Err(Error::Locked { place: place.to_string(), by: by.to_string(), given }.into());
                        }
                        if told.as_ref() != Some(&by) {
                            self.log.say(format!("waiting for another run, which deploys this application: {by} holds {place}"));
                            told = Some(by);
                        }
                        sleep(POLL).await;
                        continue;
                    }
                    judgement => {
                        self.tell_takeover(place, &judgement);
                        place.replace(cluster, &lock::taken(&lease, us, Timestamp::now())).await
                    }
                },
            };
            match written {
                Ok(Written::Yes(lease)) => return Ok(Taken::Yes(plans, lease)),
                // Whoever was quicker is seen by the next look.
                Ok(Written::Outrun) => {}
                Err(error) => return self.without(place, error),
            }
        }
    }

    fn tell_takeover(&self, place: &Place, judgement: &Judgement) {
        match judgement {
            Judgement::Expired(by) => self.log.say(format!("{place} is taken over: its holder {by} hasn't been heard of for a minute")),
            Judgement::EarlierAttempt(by) => self.log.say(format!("{place} is taken over from an earlier attempt of this run, {by}")),
            Judgement::Ours | Judgement::Free | Judgement::Held(_) => {}
        }
    }

    /// An account that may not lock deploys all the same; any other trouble ends the run before it has written an object.
    fn without(&mut self, place: &Place, error: cluster::Error) -> Result<Taken, Problems> {
        let refused = error.refusal().is_some_and(|refusal| refusal.is_forbidden() || refusal.is_not_found());
        if !refused && !matches!(error, cluster::Error::NotServed { .. }) {
            return Err(error.into());
        }
        self.warn(None, &format!("can't use {place}, so nothing keeps another run from deploying the same at the same time: {error}"));
        Ok(Taken::Without)
    }

    /// Gives the lock back, if it is ours.
    pub(super) async fn unlock(&mut self) {
        let Some(lock) = self.lock.take() else { return };
        if let Some(renewal) = lock.renewal {
            renewal.abort();
        }
        let lease = lock.lease;
        let trouble = match timeout(FAREWELL, lease.rewrite(FAREWELL, lock::released)).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the server doesn't answer".to_owned(),
        };
        self.log.say(format!("couldn't give {} back, which the next run takes over in a minute: {trouble}", lease.place));
    }
}

impl Lease {
    /// Writes it anew as long as it is ours, and tells whether it was: from what this run wrote last, or from what is there when
    /// somebody else has written since.
    async fn rewrite(&self, limit: Duration, change: fn(&Value, Timestamp) -> Value) -> Result<bool, cluster::Error> {
        let cluster = self.cluster.until(Instant::now() + limit);
        let mut known = self.written.lock().await;
        loop {
            let lease = match known.take() {
                Some(lease) => lease,
                None => match self.place.read(&cluster).await? {
                    Some(lease) if lock::judge(&lease, &self.us, Timestamp::now(), Duration::ZERO) == Judgement::Ours => lease,
                    _ => return Ok(false),
                },
            };
            if let Written::Yes(lease) = self.place.replace(&cluster, &change(&lease, Timestamp::now())).await? {
                *known = Some(lease);
                return Ok(true);
            }
        }
    }
}

/// Says again and again that we live, until somebody else has the lock.
async fn renew(lease: Lease, log: Log) {
    loop {
        sleep(RENEWAL).await;
        match lease.rewrite(RENEWAL, lock::renewed).await {
            Ok(true) => {}
            Ok(false) => {
                let text = format!("{} isn't ours any more: another run may write at the same time", lease.place);
                log.annotate(Level::Warning, None, "tagboat", &text);
                return;
            }
            Err(error) => log.say(format!("couldn't renew {}: {error}", lease.place)),
        }
    }
}

/// How long a Lease has been as it is.
#[derive(Default)]
struct Sight(Option<(Value, Instant)>);

impl Sight {
    fn unchanged(&mut self, lease: &Value) -> Duration {
        let version = &lease["metadata"]["resourceVersion"];
        match &self.0 {
            Some((seen, since)) if seen == version => since.elapsed(),
            _ => {
                self.0 = Some((version.clone(), Instant::now()));
                Duration::ZERO
            }
        }
    }
}
