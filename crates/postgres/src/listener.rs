//! Hearing of what other processes made claimable: one connection that listens while somebody waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use runstore_core::rules::schedule::Place;
use runstore_core::{RunId, Timestamp, Uuid, Wakes};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Row, query};
use tokio::select;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use crate::shared::Shared;

/// For how long the connection goes on listening when nobody waits any more.
const LINGER: Duration = Duration::from_secs(10);

/// How long to wait before the next try after the connection was lost.
const PAUSE: Duration = Duration::from_millis(500);

/// Those who wait for what is heard.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    waiters: AtomicUsize,
    /// Somebody waits who found nobody waiting.
    wanted: Notify,
    /// Rises each time that listening began: what was written before is to be looked for.
    began: watch::Sender<u64>,
}

/// One who waits. Dropped, it waits no more.
#[derive(Debug)]
pub(crate) struct Waiter<'l> {
    listener: &'l Listener,
    pub(crate) began: watch::Receiver<u64>,
}

impl Listener {
    pub(crate) fn wait(&self) -> Waiter<'_> {
        let began = self.began.subscribe();
        self.waiters.fetch_add(1, Ordering::SeqCst);
        self.wanted.notify_one();
        Waiter {
            listener: self,
            began,
        }
    }

    fn is_wanted(&self) -> bool {
        self.waiters.load(Ordering::SeqCst) > 0
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.listener.waiters.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Listens whenever somebody waits, for as long as the store is there. A connection that is lost is made anew;
/// until then, those who wait poll.
pub(crate) async fn run(
    shared: Arc<Shared>,
    connect: PgConnectOptions,
    mut closed: watch::Receiver<bool>,
) {
    loop {
        select! {
            () = shared.listener.wanted.notified() => {}
            _ = closed.wait_for(|is| *is) => return,
        }
        while shared.listener.is_wanted() {
            let heard = select! {
                heard = listen(&shared, connect.clone()) => heard,
                _ = closed.wait_for(|is| *is) => return,
            };
            if let Err(error) = heard {
                tracing::debug!(%error, "the connection that listens was lost");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Listens until nobody has waited for a while.
async fn listen(shared: &Shared, connect: PgConnectOptions) -> sqlx::Result<()> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(10))
        .connect_lazy_with(connect);
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    let channel = query("SELECT wake_channel()")
        .fetch_one(&mut listener)
        .await?;
    let channel: String = channel.try_get(0)?;
    listener.listen(&channel).await?;
    // Says that somebody listens, until the connection ends: see the function somebody_waits.
    let hear = "SELECT pg_advisory_lock_shared(1920298867, 'runs'::regclass::oid::integer)";
    query(hear).execute(&mut listener).await?;
    shared.listener.began.send_modify(|count| *count += 1);
    let mut idle_since = None;
    loop {
        select! {
            heard = listener.try_recv() => match heard? {
                // What the store's own connections tell was told within the process already.
                Some(told) if shared.connections.processes().has(told.process_id()) => {}
                Some(told) => {
                    if let Some(wakes) = wakes(told.payload()) {
                        shared.wake(&wakes);
                    }
                }
                None => return Err(sqlx::Error::Io(std::io::ErrorKind::UnexpectedEof.into())),
            },
            () = sleep(LINGER) => {}
        }
        let now = tokio::time::Instant::now();
        match (shared.listener.is_wanted(), idle_since) {
            (true, _) => idle_since = None,
            (false, None) => idle_since = Some(now),
            (false, Some(since)) if now.duration_since(since) >= LINGER => return Ok(()),
            (false, Some(_)) => {}
        }
    }
}

/// What a message says, as the function `wake` writes it; `None` for what it did not write.
fn wakes(message: &str) -> Option<Wakes> {
    let mut words = message.split(' ');
    let run_id = RunId::from(words.next()?.parse::<Uuid>().ok()?);
    let ready: usize = words.next()?.parse().ok()?;
    let mut wakes = Wakes::default();
    for _ in 0..ready.min(MAX_WOKEN) {
        wakes.placed(run_id, Place::Ready);
    }
    match words.next()? {
        "gone" => wakes.gone(run_id),
        "-" => {}
        micros => {
            let due = Timestamp::from_micros(micros.parse().ok()?)?;
            wakes.placed(run_id, Place::Due(due));
        }
    }
    Some(wakes)
}

/// The most that one message wakes: more do not wait at one process.
const MAX_WOKEN: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_what_can_be_claimed_when_the_next_is_due_or_that_the_run_is_gone() {
        let run_id = RunId::generate();
        let mut expected = Wakes::default();
        expected.placed(run_id, Place::Ready);
        expected.placed(run_id, Place::Ready);
        assert_eq!(wakes(&format!("{run_id} 2 -")), Some(expected));
        let mut expected = Wakes::default();
        let due = Timestamp::from_micros(1_500_000).unwrap();
        expected.placed(run_id, Place::Due(due));
        assert_eq!(wakes(&format!("{run_id} 0 1500000")), Some(expected));
        let mut expected = Wakes::default();
        expected.gone(run_id);
        assert_eq!(wakes(&format!("{run_id} 0 gone")), Some(expected));
        for strange in [
            "",
            "x 1 -",
            &format!("{run_id}"),
            &format!("{run_id} 1 soon"),
        ] {
            assert_eq!(wakes(strange), None, "{strange}");
        }
    }
}
