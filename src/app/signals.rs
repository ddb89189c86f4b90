//! The runner cancels a step with SIGINT, then SIGTERM after 7.5 s, then SIGKILL after 2.5 s more (runner, ProcessInvoker.cs).
//! As the container's first process we get neither unless we ask for them.

use std::future::pending;

use tokio::signal::unix::{SignalKind, signal};

/// Returns the name of the first signal that asks us to stop.
pub(super) async fn interrupted() -> &'static str {
    let wait = async |kind| match signal(kind) {
        Ok(mut stream) => {
            stream.recv().await;
        }
        // Without a handler the signal does what it always does.
        Err(_) => pending().await,
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => "SIGINT",
        () = wait(SignalKind::terminate()) => "SIGTERM",
    }
}
