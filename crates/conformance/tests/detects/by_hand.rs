//! What broken stores do with the calls of the sound one, where it has no call for what they do.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use runstore_core::*;
use runstore_memory::MemoryStore;
use tokio::task::yield_now;

use crate::fault::shifted;

pub(crate) const MICRO: Duration = Duration::from_micros(1);

/// The time that the store's clock shows.
pub(crate) async fn now(inner: &MemoryStore) -> Result<Timestamp> {
    // Of a copy, so that it leaves no trace.
    let run = inner.fork()?.create_run(NewRun::new("goal", "/")).await?;
    Ok(run.created_at)
}

/// So many microseconds from the one time to the other.
pub(crate) fn micros_to(to: Timestamp, from: Timestamp) -> i64 {
    to.as_micros().saturating_sub(from.as_micros())
}

/// The tasks of a run, or of all in creation order, by position.
pub(crate) async fn tasks_of(inner: &MemoryStore, scope: Option<RunId>) -> Result<Vec<Task>> {
    let run_ids = match scope {
        Some(run_id) => vec![run_id],
        None => {
            let runs = inner.list_runs(ListRuns::all()).await?.items;
            runs.iter().rev().map(|run| run.id).collect()
        }
    };
    let mut tasks = Vec::new();
    for run_id in run_ids {
        tasks.extend(inner.list_tasks(ListTasks::new(run_id)).await?.items);
    }
    Ok(tasks)
}

pub(crate) fn has_run_out(task: &Task, now: Timestamp) -> bool {
    task.lease_expires_at.is_some_and(|end| end <= now)
}

/// The tasks whose lease has run out.
pub(crate) async fn expired(inner: &MemoryStore, scope: Option<RunId>) -> Result<Vec<Task>> {
    let now = now(inner).await?;
    let mut tasks = tasks_of(inner, scope).await?;
    tasks.retain(|task| has_run_out(task, now));
    Ok(tasks)
}

/// What claims would take, each as it stands before and as it would be claimed.
pub(crate) async fn would_claim(
    inner: &MemoryStore,
    request: &ClaimRequest,
    limit: u32,
) -> Result<Vec<(Task, Task)>> {
    let claims = inner.fork()?.claim_tasks(request.clone(), limit).await?;
    let mut tasks = Vec::new();
    for claim in claims {
        tasks.push((inner.get_task(claim.task.id).await?, claim.task));
    }
    Ok(tasks)
}

/// What claims would find used up before they have what they want, in the order of claims, as it stands.
pub(crate) async fn would_block(
    inner: &MemoryStore,
    request: &ClaimRequest,
    limit: u32,
) -> Result<Vec<Task>> {
    let fork = inner.fork()?;
    fork.claim_tasks(request.clone(), limit).await?;
    let mut tasks = Vec::new();
    for task in tasks_of(inner, request.run_id).await? {
        if task.status != fork.get_task(task.id).await?.status
            && fork.get_task(task.id).await?.status == TaskStatus::Blocked
        {
            tasks.push(task);
        }
    }
    tasks.sort_by_key(|task| Reverse(task.priority));
    Ok(tasks)
}

/// Blocks a task as one whose attempts are used up, and tells nobody.
pub(crate) async fn block(inner: &MemoryStore, task: &Task) -> Result<Task> {
    let mut block =
        BlockTask::new(task.id).with_blocker_signature(rules::tasks::MAX_ATTEMPTS_SIGNATURE);
    block.summary.clone_from(&task.implementation_summary);
    inner.block_task(block).await
}

/// Writes the event of a task whose attempts are used up, which stood like this.
pub(crate) async fn tell(inner: &MemoryStore, task: &Task, bound: Option<u32>) -> Result<()> {
    let event = rules::events::max_attempts(task, task.status, bound);
    inner.add_event(NewEvent::new(task.run_id, event)).await?;
    Ok(())
}

/// The task of the claim, if it is held.
pub(crate) async fn held(inner: &MemoryStore, token: ClaimToken) -> Option<Task> {
    let task = inner.get_task(token.task_id).await.ok()?;
    let is_held = rules::claims::check_held(token, Some(task.standing())).is_ok();
    is_held.then_some(task)
}

/// What is told of a claim that is not held.
pub(crate) fn stale<T>(token: ClaimToken, task: &Task) -> Result<T> {
    Err(Error::StaleClaim {
        token,
        current: Some(task.standing()),
    })
}

/// Extends a claim whose lease has run out, by a heartbeat made in time.
pub(crate) async fn revive(inner: &MemoryStore, task: &Task, lease: Duration) -> Result<()> {
    let now = now(inner).await?;
    if let Some(end) = task.lease_expires_at {
        let early = micros_to(now, end).saturating_add(1);
        let lease = lease.saturating_add(Duration::from_micros(early.unsigned_abs()));
        let token = Claim { task: task.clone() }.token();
        let beat = Heartbeat::new(token, lease.min(limits::MAX_DURATION));
        shifted(early.saturating_neg(), inner.heartbeat(beat)).await?;
    }
    Ok(())
}

/// Lets others come between two steps.
pub(crate) async fn wait_for_others() {
    for _ in 0..64 {
        yield_now().await;
    }
}

/// Calls of others, for a step that lets one come before the next step.
#[derive(Default)]
pub(crate) struct Others(AtomicU32);

impl Others {
    pub(crate) fn came(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits for one of them to come; not for ever, for where nobody else calls none will.
    pub(crate) async fn let_one_come(&self) {
        let before = self.0.load(Ordering::SeqCst);
        for _ in 0..20_000 {
            if self.0.load(Ordering::SeqCst) != before {
                break;
            }
            yield_now().await;
        }
    }
}

/// Tasks that are shown otherwise than the sound store has them, as long as it has them like this.
#[derive(Default)]
pub(crate) struct Masks(Mutex<HashMap<TaskId, (Task, Task)>>);

impl Masks {
    pub(crate) fn show(&self, real: &Task, shown: Task) {
        let mut masks = self.0.lock().unwrap();
        masks.insert(real.id, (real.clone(), shown));
    }

    pub(crate) fn seen(&self, task: Task) -> Task {
        match self.0.lock().unwrap().get(&task.id) {
            Some((real, shown)) if *real == task => shown.clone(),
            _ => task,
        }
    }
}

/// The bound on the attempts of a task that holds for a claim.
pub(crate) fn bound_of(task: &Task, request: &ClaimRequest) -> Option<u32> {
    task.max_attempts.or(request.max_attempts)
}

pub(crate) fn is_used_up(task: &Task) -> bool {
    rules::tasks::is_exhausted(task, task.max_attempts)
}

/// The task as it would be back in the queue.
pub(crate) fn pending(task: Task, updated_at: Timestamp) -> Task {
    let status = TaskStatus::Pending;
    Task {
        status,
        worker: None,
        lease_expires_at: None,
        updated_at,
        ..task
    }
}

pub(crate) fn is_release(report: &FinishReport) -> bool {
    matches!(report.outcome, FinishOutcome::Released { .. })
}

/// Finishes, and shows what was released otherwise.
pub(crate) async fn releasing(
    masks: &Masks,
    inner: &MemoryStore,
    token: ClaimToken,
    report: FinishReport,
    shown: impl FnOnce(Task, Task) -> Task + Send,
) -> Result<Task> {
    let is_release = is_release(&report);
    let before = held(inner, token).await;
    let task = inner.finish_task(token, report).await?;
    if let Some(before) = before.filter(|_| is_release) {
        masks.show(&task, shown(before, task.clone()));
    }
    Ok(task)
}
