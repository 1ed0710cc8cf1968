//! A store in memory whose time is tokio's and whose engine can be slow or broken, with one run.

mod delegating;
pub(crate) mod slow;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use runstore::memory::{MemoryOptions, MemoryStore};
use runstore::*;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::delegating::delegating;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// The virtual time of tokio's paused clock.
#[derive(Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let start = Timestamp::from_micros(1_772_359_201_000_000).unwrap();
        start.saturating_add(self.0.elapsed())
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// What is to happen to a call in place of what should.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It fails with this error and does nothing.
    Fail(Error),
    /// It is carried out, and its answer is lost.
    LoseAnswer,
}

pub(crate) fn unavailable() -> Error {
    Error::Unavailable {
        what: "the line is down".to_owned(),
        outcome: Outcome::NotApplied,
        source: None,
    }
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) claims: VecDeque<Fault>,
    pub(crate) heartbeats: VecDeque<Fault>,
    pub(crate) finishes: VecDeque<Fault>,
}

/// The calls of a worker go through this; what a test does itself goes to `inner`.
#[derive(Debug)]
pub(crate) struct TestStore {
    pub(crate) inner: MemoryStore,
    pub(crate) faults: Mutex<Faults>,
    /// When heartbeats came that were about a task.
    pub(crate) beats: Mutex<Vec<(Instant, TaskId)>>,
    pub(crate) beaten: Notify,
    /// The calls that claimed, each with what it claimed.
    pub(crate) batches: Mutex<Vec<usize>>,
}

impl TestStore {
    async fn faulty<T>(
        &self,
        faults: impl FnOnce(&mut Faults) -> &mut VecDeque<Fault>,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let fault = faults(&mut self.faults.lock().unwrap()).pop_front();
        match fault {
            None => call.await,
            Some(Fault::Fail(error)) => Err(error),
            Some(Fault::LoseAnswer) => {
                call.await?;
                Err(unavailable())
            }
        }
    }
}

delegating! {
    TestStore {
        async fn claim_tasks(&self, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            let claims = self.inner.claim_tasks(request, limit).await?;
            self.batches.lock().unwrap().push(claims.len());
            Ok(claims)
        }

        async fn claim_or_wait(
            &self,
            request: ClaimRequest,
            timeout: Duration,
        ) -> Result<Option<Claim>> {
            let call = self.inner.claim_or_wait(request, timeout);
            self.faulty(|faults| &mut faults.claims, call).await
        }

        async fn heartbeat(&self, beat: Heartbeat) -> Result<Option<Timestamp>> {
            let task_id = beat.token.task_id;
            if self.inner.get_task(task_id).await.is_ok() {
                self.beats.lock().unwrap().push((Instant::now(), task_id));
                self.beaten.notify_one();
            }
            let call = self.inner.heartbeat(beat);
            self.faulty(|faults| &mut faults.heartbeats, call).await
        }

        async fn finish_task(&self, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let call = self.inner.finish_task(token, report);
            self.faulty(|faults| &mut faults.finishes, call).await
        }
    }
}

/// A store with one run.
#[derive(Debug, Clone)]
pub(crate) struct Bench {
    pub(crate) store: Arc<TestStore>,
    pub(crate) run_id: RunId,
    began: Instant,
}

impl Bench {
    /// With so many tasks, called 1, 2, 3 …
    pub(crate) async fn with_tasks(tasks: usize) -> Self {
        let began = Instant::now();
        let clock = Arc::new(TokioClock(began));
        let inner = MemoryStore::open(MemoryOptions::new().with_clock(clock));
        let run = inner.create_run(NewRun::new("goal", "")).await.unwrap();
        let store = TestStore {
            inner,
            faults: Mutex::default(),
            beats: Mutex::default(),
            beaten: Notify::new(),
            batches: Mutex::default(),
        };
        let bench = Self {
            store: Arc::new(store),
            run_id: run.id,
            began,
        };
        let drafts = (1..=tasks).map(|number| TaskDraft::new(number.to_string(), ""));
        bench.plan(drafts).await;
        bench
    }

    pub(crate) async fn plan(&self, drafts: impl IntoIterator<Item = TaskDraft>) -> Vec<Task> {
        let plan = TaskPlan::new(self.run_id, drafts);
        self.store.inner.append_tasks(plan).await.unwrap()
    }

    /// A worker with a lease of 30 seconds.
    pub(crate) fn worker(&self) -> Worker {
        let request = ClaimRequest::of_run(self.run_id).with_lease(30 * SECOND);
        Worker::new(self.store.clone(), request)
    }

    /// The seconds since the bench was set up.
    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    pub(crate) async fn task(&self, position: usize) -> Task {
        self.tasks().await[position - 1].clone()
    }

    pub(crate) async fn tasks(&self) -> Vec<Task> {
        let list = ListTasks::new(self.run_id);
        self.store.inner.list_tasks(list).await.unwrap().items
    }

    pub(crate) async fn attempts(&self) -> Vec<TaskAttempt> {
        let list = ListAttempts::new(self.run_id);
        self.store.inner.list_attempts(list).await.unwrap().items
    }

    /// The seconds at which heartbeats came.
    pub(crate) fn beats(&self) -> Vec<f64> {
        let beats = self.store.beats.lock().unwrap();
        let beats = beats.iter().map(|(at, _)| *at - self.began);
        beats.map(|after| after.as_secs_f64()).collect()
    }

    pub(crate) fn faults(&self) -> std::sync::MutexGuard<'_, Faults> {
        self.store.faults.lock().unwrap()
    }
}

/// A handler that takes no time.
pub(crate) async fn done(_: Claim) -> HandlerResult {
    Ok(FinishReport::completed("done"))
}

/// Tells by its end whether it was dropped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dropped(Arc<Mutex<Option<Instant>>>);

pub(crate) struct TellsDrop(Dropped);

impl Dropped {
    pub(crate) fn guard(&self) -> TellsDrop {
        TellsDrop(self.clone())
    }

    pub(crate) fn at(&self) -> Option<Instant> {
        *self.0.lock().unwrap()
    }
}

impl Drop for TellsDrop {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap() = Some(Instant::now());
    }
}
