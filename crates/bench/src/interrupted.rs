//! The end of a benchmark from outside.

use std::future::pending;

/// Until somebody breaks the benchmark off: by Ctrl-C, or as a shell that is closed (`SIGHUP`) or a time limit (`SIGTERM`)
/// does. It listens from the first poll on, and is never over where it cannot listen.
pub async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        let told = [SignalKind::terminate(), SignalKind::hangup()].map(signal);
        if let [Ok(mut terminate), Ok(mut hangup)] = told {
            tokio::select! {
                Ok(()) = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            return;
        }
    }
    // Not to be listened to is no end.
    if tokio::signal::ctrl_c().await.is_err() {
        pending().await
    }
}
