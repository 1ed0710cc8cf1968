//! The process that does the work: a worker loop with several handlers at a time, a planner beside it,
//! and the end when nothing of the run is open.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runstore::{
    AttemptStatus, Backoff, Claim, ClaimEnd, ClaimRequest, ClaimToken, Error, ListTasks,
    NewCheckpoint, PageRequest, RunStatus, Store, TaskStatus, Worker, WorkerEvent, WorkerHandle,
};
use serde_json::json;
use tokio::sync::{OwnedRwLockReadGuard, OwnedSemaphorePermit, RwLock, Semaphore, mpsc};

use super::handler::Seat;
use super::message::{Acknowledgement, Job, Message, Report};
use super::{closing, replan};
use crate::failure::{Context, Failure};

/// How long a claim is held without a heartbeat. Short, for whoever watches the demo waits for it.
const LEASE: Duration = Duration::from_secs(2);

/// What the handlers of one process and its planner share.
pub(crate) struct Crew {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) job: Job,
    pub(crate) report: Report,
    /// Held for writing by the planner, so that no report of this process comes too late by a replan of its own;
    /// for reading around each report, and not while a handler works.
    pub(crate) planning: Arc<RwLock<()>>,
    /// One permit a task that may still be settled.
    settlements: Arc<Semaphore>,
    /// What is held for the reports that are not answered yet.
    holds: Mutex<HashMap<ClaimToken, Hold>>,
    seats: Mutex<Vec<Seat>>,
    told: mpsc::UnboundedSender<Message>,
}

/// What is held from before a report until it is answered.
struct Hold {
    _plan_stands: OwnedRwLockReadGuard<()>,
    permit: Option<OwnedSemaphorePermit>,
}

/// Takes the run up and works until it is closed, or as far as the job goes.
pub(crate) async fn work(store: Arc<dyn Store>, job: Job, report: Report) -> Result<(), Failure> {
    let (crew, mut heard) = Crew::new(store, job, report);
    let crew = Arc::new(crew);
    crew.take_up().await?;
    replan::replan_if_due(&crew).await?;
    while crew.is_open().await? {
        crew.work_until_idle(&mut heard).await?;
        // A claim that finds the attempts of a task used up blocks it, and tells nobody.
        replan::replan_if_due(&crew).await?;
    }
    if crew.job.settle_at_most.is_some() {
        std::future::pending::<()>().await;
    }
    match crew.job.plans {
        true => closing::close(&crew).await,
        false => Ok(()),
    }
}

impl Crew {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        job: Job,
        report: Report,
    ) -> (Self, mpsc::UnboundedReceiver<Message>) {
        let (told, heard) = mpsc::unbounded_channel();
        let limit = job.settle_at_most.unwrap_or(Semaphore::MAX_PERMITS);
        let crew = Self {
            store,
            seats: Mutex::new(
                (0..job.workers)
                    .rev()
                    .map(|number| Seat::new(job.first_seat.saturating_add(number)))
                    .collect(),
            ),
            job,
            report,
            planning: Arc::default(),
            settlements: Arc::new(Semaphore::new(limit)),
            holds: Mutex::default(),
            told,
        };
        (crew, heard)
    }

    /// What a process does first that takes up a run. It gives back nothing: what another had in progress
    /// comes back when its lease has run out.
    async fn take_up(&self) -> Result<(), Failure> {
        let run_id = self.job.run_id;
        let take_up = async {
            let in_progress = ListTasks::new(run_id).with_statuses([TaskStatus::InProgress]);
            let in_progress = self.store.list_tasks(in_progress).await?.items.len() as u64;
            if !self.job.plans {
                return Ok(in_progress);
            }
            let run = self.store.increment_cycle(run_id).await?;
            let state = json!({ "cycle": run.cycle_count, "inProgress": in_progress });
            let checkpoint = NewCheckpoint::new(run_id, RunStatus::Running, state);
            self.store.add_checkpoint(checkpoint).await?;
            Ok::<_, Error>(in_progress)
        };
        let in_progress = take_up.await.or_fail("cannot take up the run")?;
        (self.report)(Message::TookUp {
            process_id: std::process::id(),
            in_progress,
        })
    }

    /// Works until the run has no open task, or nothing could be claimed for as long as a lease.
    async fn work_until_idle(
        self: &Arc<Self>,
        heard: &mut mpsc::UnboundedReceiver<Message>,
    ) -> Result<(), Failure> {
        let request = ClaimRequest::of_run(self.job.run_id)
            .with_worker(format!("process {}", std::process::id()))
            .with_lease(LEASE);
        let (crew, observing) = (Arc::clone(self), Arc::clone(self));
        let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(1));
        let worker = Worker::new(Arc::clone(&self.store), request)
            .with_concurrency(usize::from(self.job.workers))
            .with_idle_timeout(LEASE)
            .with_retry_backoff(backoff)
            .with_observer(move |event| observing.observe(event));
        let handle = worker.handle();
        let mut working = pin!(worker.run(move |claim| Arc::clone(&crew).carry_out(claim)));
        loop {
            tokio::select! {
                // What was told before the end comes before the end.
                biased;
                Some(message) = heard.recv() => self.hear(message, &handle).await?,
                worked = &mut working => {
                    while let Ok(message) = heard.try_recv() {
                        self.hear(message, &handle).await?;
                    }
                    return worked.map(drop).or_fail("cannot work on the tasks");
                }
            }
        }
    }

    /// Notes the end of a claim.
    fn observe(&self, event: WorkerEvent<'_>) {
        let WorkerEvent::Ended { claim, end } = event else {
            return;
        };
        let token = claim.token();
        let hold = self.holds().remove(&token);
        let acknowledged = |status, task_status| {
            Message::Acknowledged(Acknowledgement {
                task_id: token.task_id,
                attempt_number: token.attempt_number,
                status,
                task_status,
                title: claim.task.title.clone(),
            })
        };
        let message = match end {
            ClaimEnd::Finished(task) => {
                // A report that took effect uses its permit up; one that was refused gives it back.
                if let Some(permit) = hold.and_then(|hold| hold.permit) {
                    permit.forget();
                }
                let status = match task.status {
                    TaskStatus::Completed => AttemptStatus::Completed,
                    _ => AttemptStatus::Blocked,
                };
                acknowledged(status, task.status)
            }
            ClaimEnd::Failed(task) => acknowledged(AttemptStatus::Failed, task.status),
            ClaimEnd::Lost => Message::Stale {
                task_id: token.task_id,
            },
            // The end of the worker tells it.
            _ => return,
        };
        self.tell(message);
    }

    async fn hear(&self, message: Message, worker: &WorkerHandle) -> Result<(), Failure> {
        let task_status = match &message {
            Message::Acknowledged(told) => Some(told.task_status),
            _ => None,
        };
        (self.report)(message)?;
        if task_status == Some(TaskStatus::Blocked) {
            replan::replan_if_due(self).await?;
        }
        if task_status.is_some() && !self.is_open().await? {
            worker.stop();
        }
        Ok(())
    }

    /// Tells the demo, in the order of what is told.
    pub(crate) fn tell(&self, message: Message) {
        // Nobody hears it if the work is being given up.
        let _ = self.told.send(message);
    }

    /// Waits until a report may be made, and holds what it needs until it is answered.
    pub(crate) async fn hold(&self, claim: &Claim, is_settlement: bool) {
        // Before the plan is held: a planner must not wait for a permit that never comes.
        let permit = match is_settlement {
            true => self.permit(claim).await,
            false => None,
        };
        let hold = Hold {
            _plan_stands: Arc::clone(&self.planning).read_owned().await,
            permit,
        };
        self.holds().insert(claim.token(), hold);
    }

    async fn permit(&self, claim: &Claim) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.settlements).try_acquire_owned() {
            return Some(permit);
        }
        self.tell(Message::Kept {
            task_id: claim.task.id,
        });
        Arc::clone(&self.settlements).acquire_owned().await.ok()
    }

    fn holds(&self) -> MutexGuard<'_, HashMap<ClaimToken, Hold>> {
        // Each change of it is whole, so a panic elsewhere cannot have left half of one.
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn seats(&self) -> MutexGuard<'_, Vec<Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a task is pending or in progress, or is going to be.
    async fn is_open(&self) -> Result<bool, Failure> {
        let is_open = async {
            // A replan that another process ended between the first two looks is seen by the third.
            Ok::<_, Error>(
                self.has_open_tasks().await?
                    || self.is_replan_due().await?
                    || self.has_open_tasks().await?,
            )
        };
        is_open.await.or_fail("cannot tell what is left to do")
    }

    async fn has_open_tasks(&self) -> Result<bool, Error> {
        let open = ListTasks::new(self.job.run_id)
            .with_statuses([TaskStatus::Pending, TaskStatus::InProgress])
            .with_page(PageRequest::first(1));
        Ok(!self.store.list_tasks(open).await?.items.is_empty())
    }
}
