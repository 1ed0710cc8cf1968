//! Plans whose tasks are told apart by their titles, and what claims give of them.

use std::panic::Location;

use runstore_core::{
    Claim, ClaimRequest, Clock, CompleteTask, Dependency, FinishReport, RunId, Store, Task,
    TaskDraft, TaskId, TaskPlan, TaskStatus, Timestamp, UnmetDependency, WaitingReason,
};

use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::world;

/// The time so many microseconds from now.
pub(crate) fn in_micros(c: &Context<'_>, micros: i64) -> Timestamp {
    c.clock.now().saturating_add_micros(micros)
}

/// Ids for tasks that are to be named before they are planned.
pub(crate) fn ids<const COUNT: usize>() -> [TaskId; COUNT] {
    std::array::from_fn(|_| TaskId::generate())
}

/// A draft with this title.
pub(crate) fn draft(title: impl Into<String>) -> TaskDraft {
    TaskDraft::new(title, "objective")
}

/// A draft with this title and id.
pub(crate) fn named(id: TaskId, title: impl Into<String>) -> TaskDraft {
    draft(title).with_id(id)
}

/// A draft of this priority, which is its title too.
pub(crate) fn of_priority(priority: i32) -> TaskDraft {
    draft(priority.to_string()).with_priority(priority)
}

/// A plan of three tasks, where the last waits for the others: the ids of all three.
pub(crate) async fn waits_for_two(store: &dyn Store, run_id: RunId) -> Outcome<[TaskId; 3]> {
    let [a, b, c] = ids();
    let last = named(c, "c").with_depends_on([a, b]);
    append(store, run_id, [named(a, "a"), named(b, "b"), last]).await?;
    Ok([a, b, c])
}

/// A plan of two tasks, where the second, `b`, waits for the first, `a`: the ids of both.
pub(crate) async fn waits_for_one(store: &dyn Store, run_id: RunId) -> Outcome<[TaskId; 2]> {
    let [a, b] = ids();
    let second = named(b, "b").with_depends_on([a]);
    append(store, run_id, [named(a, "a"), second]).await?;
    Ok([a, b])
}

/// Gives the drafts to the run.
pub(crate) async fn append(
    store: &dyn Store,
    run_id: RunId,
    drafts: impl IntoIterator<Item = TaskDraft>,
) -> Outcome<Vec<Task>> {
    Ok(store.append_tasks(TaskPlan::new(run_id, drafts)).await?)
}

/// Gives the drafts to the run in the place of what is pending or in progress.
pub(crate) async fn replace(
    store: &dyn Store,
    run_id: RunId,
    drafts: impl IntoIterator<Item = TaskDraft>,
) -> Outcome<Vec<Task>> {
    let plan = TaskPlan::new(run_id, drafts);
    Ok(store.replace_pending_tasks(plan).await?)
}

/// Gives one draft to the run.
pub(crate) async fn append_one(
    store: &dyn Store,
    run_id: RunId,
    draft: TaskDraft,
) -> Outcome<Task> {
    world::first(append(store, run_id, [draft]).await?)
}

/// Completes a task, as an operator does.
pub(crate) async fn complete(store: &dyn Store, task_id: TaskId) -> Outcome<Task> {
    let complete = CompleteTask::new(task_id, "done");
    Ok(store.complete_task(complete).await?)
}

/// Ends a claim with its task done.
pub(crate) async fn finish(store: &dyn Store, claim: &Claim) -> Outcome<Task> {
    let report = FinishReport::completed("done");
    Ok(store.finish_task(claim.token(), report).await?)
}

/// A claim of the next task of the run, or of any.
pub(crate) fn next_of(scope: impl Into<Option<RunId>>) -> ClaimRequest {
    match scope.into() {
        Some(run_id) => ClaimRequest::of_run(run_id),
        None => ClaimRequest::of_any_run(),
    }
}

fn title(claim: Claim) -> String {
    claim.task.title
}

/// The titles of claims, in order.
pub(crate) fn titles(claims: Vec<Claim>) -> Vec<String> {
    claims.into_iter().map(title).collect()
}

/// Checks which task the next claim in the run, or in any, takes.
#[track_caller]
pub(crate) fn check_next(
    store: &dyn Store,
    scope: impl Into<Option<RunId>>,
    expected: Option<&str>,
    what: &str,
) -> impl Future<Output = Outcome<Option<Claim>>> {
    let (place, request) = (Location::caller(), next_of(scope));
    async move {
        let claim = store.claim_next_task(request).await?;
        check_eq!(
            claim.as_ref().map(|claim| claim.task.title.as_str()),
            expected,
            "the task of the next claim, {what} (checked at {place})"
        );
        Ok(claim)
    }
}

/// Checks that claims in the run, or in any, take just these tasks, in this order, and then find nothing.
#[track_caller]
pub(crate) fn check_claims(
    store: &dyn Store,
    scope: impl Into<Option<RunId>>,
    expected: &[&str],
    what: &str,
) -> impl Future<Output = Outcome<Vec<Claim>>> {
    let (place, request) = (Location::caller(), next_of(scope));
    async move {
        let mut claims = Vec::new();
        // One more than can be, to see that there are no more.
        while claims.len() <= expected.len()
            && let Some(claim) = store.claim_next_task(request.clone()).await?
        {
            claims.push(claim);
        }
        check_eq!(
            titles(claims.clone()),
            expected,
            "the tasks of all claims, one after the other, {what} (checked at {place})"
        );
        Ok(claims)
    }
}

/// Checks that nothing can be claimed, by any call that claims.
#[track_caller]
pub(crate) fn check_nothing(
    store: &dyn Store,
    run_id: RunId,
    what: &str,
) -> impl Future<Output = Outcome> {
    let place = Location::caller();
    async move {
        for scope in [Some(run_id), None] {
            check_next(store, scope, None, what).await?;
            let batch = store.claim_tasks(next_of(scope), 10).await?;
            check_eq!(
                titles(batch),
                Vec::<String>::new(),
                "the tasks of a batch, {what} (checked at {place})"
            );
        }
        Ok(())
    }
}

/// Checks the answer of an inquiry into why a task waits.
#[track_caller]
pub(crate) fn check_reason(
    store: &dyn Store,
    task_id: TaskId,
    expected: WaitingReason,
    what: &str,
) -> impl Future<Output = Outcome> {
    let place = Location::caller();
    async move {
        check_eq!(
            store.waiting_reason(task_id).await?,
            expected,
            "why a task waits, {what} (checked at {place})"
        );
        Ok(())
    }
}

/// A task that another waits for.
pub(crate) const fn unmet(
    task_id: TaskId,
    status: TaskStatus,
    can_complete: bool,
) -> UnmetDependency {
    UnmetDependency {
        task_id,
        status,
        can_complete,
    }
}

/// The reason of a task that waits for others and for no time.
pub(crate) fn waits_for(tasks: impl IntoIterator<Item = UnmetDependency>) -> WaitingReason {
    WaitingReason::Dependencies {
        tasks: tasks.into_iter().collect(),
        until: None,
    }
}

/// The reason of a task that waits for a time.
pub(crate) const fn until(time: Timestamp) -> WaitingReason {
    WaitingReason::Until { time }
}

/// The ways in which a draft can name another one of its plan.
pub(crate) fn spellings(index: usize, key: &str, id: TaskId) -> [(&'static str, Dependency); 3] {
    [
        ("index", index.into()),
        ("key", key.into()),
        ("id", id.into()),
    ]
}
