//! What makes a task claimable while somebody waits for it.

use std::time::Duration;

use runstore_core::limits::MAX_DURATION;
use runstore_core::{
    BlockTask, Claim, ClaimRequest, Clock, CompleteTask, Error, EventDraft, FinishReport,
    Heartbeat, ListEvents, NewEvent, RecordKind, RunId, Store, Task, TaskDraft, TaskId, TaskPlan,
    TaskStatus,
};

use super::waiter::{LONG, Waits};
use crate::check::{Outcome, check_eq, check_refused};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::world;

const LEASE: Duration = Duration::from_secs(60);

/// A run in which nothing is claimable: the first task is claimed without a lease, the second blocked,
/// the third depends on the first and the fourth on the second.
struct Stuck {
    run_id: RunId,
    held: Claim,
    blocked: TaskId,
}

impl Stuck {
    async fn new(store: &dyn Store) -> Outcome<Self> {
        let run_id = world::run(store).await?.id;
        let blocked = TaskId::generate();
        let draft = |title| TaskDraft::new(title, "o");
        let drafts = [
            draft("held"),
            draft("blocked").with_id(blocked),
            draft("after held").with_depends_on([0_usize]),
            draft("after blocked").with_depends_on([1_usize]),
        ];
        store.append_tasks(TaskPlan::new(run_id, drafts)).await?;
        let held = world::claim(store, run_id).await?;
        store.block_task(BlockTask::new(blocked)).await?;
        Ok(Self {
            run_id,
            held,
            blocked,
        })
    }
}

/// A write that makes one task claimable.
#[derive(Debug, Clone, Copy)]
enum Way {
    Append,
    Replace,
    RequeueHeld,
    RequeueBlocked,
    RequeueInProgress,
    Release,
    CompleteByReport,
    CompleteByOperator,
    CompleteBlocked,
}

impl Way {
    const ALL: [Self; 9] = [
        Self::Append,
        Self::Replace,
        Self::RequeueHeld,
        Self::RequeueBlocked,
        Self::RequeueInProgress,
        Self::Release,
        Self::CompleteByReport,
        Self::CompleteByOperator,
        Self::CompleteBlocked,
    ];

    /// Makes the write and gives the title of the task that is then claimable, and how often it will have
    /// been claimed.
    async fn write(self, store: &dyn Store, stuck: &Stuck) -> Outcome<(&'static str, u32)> {
        let plan = TaskPlan::new(stuck.run_id, [TaskDraft::new("new", "o")]);
        let held = stuck.held.token();
        Ok(match self {
            Self::Append => {
                store.append_tasks(plan).await?;
                ("new", 1)
            }
            Self::Replace => {
                store.replace_pending_tasks(plan).await?;
                ("new", 1)
            }
            Self::RequeueHeld => {
                store.requeue_task(held.task_id).await?;
                ("held", 2)
            }
            Self::RequeueBlocked => {
                store.requeue_task(stuck.blocked).await?;
                ("blocked", 1)
            }
            Self::RequeueInProgress => {
                store.requeue_in_progress_tasks(stuck.run_id).await?;
                ("held", 2)
            }
            Self::Release => {
                let report = FinishReport::released("not now");
                store.finish_task(held, report).await?;
                ("held", 2)
            }
            Self::CompleteByReport => {
                let report = FinishReport::completed("done");
                store.finish_task(held, report).await?;
                ("after held", 1)
            }
            Self::CompleteByOperator => {
                let complete = CompleteTask::new(held.task_id, "done");
                store.complete_task(complete).await?;
                ("after held", 1)
            }
            Self::CompleteBlocked => {
                let complete = CompleteTask::new(stuck.blocked, "done");
                store.complete_task(complete).await?;
                ("after blocked", 1)
            }
        })
    }
}

pub(crate) async fn what_is_claimable_is_given_at_once(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 4).await?;
    let other = world::run(&*c.store).await?;
    let timeouts = [Duration::ZERO, LONG, MAX_DURATION];
    for (timeout, task) in timeouts.into_iter().zip(&tasks) {
        c.clock.advance_micros(1);
        let request = ClaimRequest::of_run(run.id)
            .with_worker("w")
            .with_lease(LEASE);
        let now = c.clock.now();
        let expected = Task {
            status: TaskStatus::InProgress,
            attempt_count: 1,
            worker: Some("w".to_owned()),
            lease_expires_at: Some(now.saturating_add(LEASE)),
            updated_at: now,
            ..task.clone()
        };
        let call = c.store.claim_or_wait(request, timeout);
        let claim = c
            .patiently("a wait where a task is claimable", call)
            .await??;
        check_eq!(
            claim.map(|claim| claim.task),
            Some(expected.clone()),
            "what a wait of {timeout:?} gives where a task is claimable"
        );
        check_eq!(
            c.store.get_task(task.id).await?,
            expected,
            "a task that was waited for, as it is stored"
        );
    }
    // The lease of the first has run out, and the fourth is pending.
    c.clock
        .advance_micros(i64::try_from(LEASE.as_micros()).unwrap_or(i64::MAX));
    for (request, position, attempts) in [
        (ClaimRequest::of_run(run.id), 1, 2),
        (ClaimRequest::of_any_run(), 2, 2),
    ] {
        let call = c.store.claim_or_wait(request, LONG);
        let claim = c
            .patiently("a wait where leases have run out", call)
            .await??;
        check_eq!(
            claim.map(|claim| (claim.task.position, claim.task.attempt_count)),
            Some((position, attempts)),
            "position and attempts of what a wait gives where leases have run out"
        );
    }
    let before = Dump::of(&*c.store).await?;
    let call = c
        .store
        .claim_or_wait(ClaimRequest::of_run(other.id), Duration::ZERO);
    let none = c.patiently("a wait of no time", call).await??;
    check_eq!(
        none,
        None,
        "what a wait of no time gives where nothing is claimable"
    );
    check_unchanged(&*c.store, &before, "a wait that found nothing").await
}

pub(crate) async fn every_write_that_makes_a_task_claimable_ends_the_wait(
    c: &mut Context<'_>,
) -> Outcome {
    let waits = Waits::on(c).await?;
    for way in Way::ALL {
        let stuck = Stuck::new(&*c.store).await?;
        let before = Dump::of_run(&*c.store, stuck.run_id).await?;
        let request = ClaimRequest::of_run(stuck.run_id)
            .with_worker("patient")
            .with_lease(LEASE);
        let waiter = waits.begin(request, LONG).await?;
        let difference = before.difference(&Dump::of_run(&*c.store, stuck.run_id).await?);
        check_eq!(difference, None, "what a wait changed that goes on");
        // So that the time of the claim is not that of the call.
        c.clock.advance_micros(1_000_001);
        let expected = way.write(&*c.store, &stuck).await?;
        let claim = waits
            .claimed(waiter, &format!("a wait for what {way:?} makes claimable"))
            .await?;
        let task = c.store.get_task(claim.task.id).await?;
        check_eq!(
            claim.task,
            task,
            "the claim of a wait, by the task as it is stored"
        );
        check_eq!(
            (task.title.as_str(), task.attempt_count),
            expected,
            "title and attempts of the task that a wait ended with after {way:?}"
        );
        check_eq!(
            (task.status, task.worker.as_deref(), task.lease_expires_at),
            (
                TaskStatus::InProgress,
                Some("patient"),
                Some(c.clock.now().saturating_add(LEASE))
            ),
            "state, worker and lease of that task"
        );
        check_eq!(
            task.updated_at,
            c.clock.now(),
            "the time of that task's last change"
        );
    }
    Ok(())
}

pub(crate) async fn a_write_of_another_handle_ends_the_wait(c: &mut Context<'_>) -> Outcome {
    let waits = Waits::on(c).await?;
    let other = c.second_handle().await?;
    for way in Way::ALL {
        let stuck = Stuck::new(&*c.store).await?;
        let waiter = waits
            .begin(ClaimRequest::of_run(stuck.run_id), LONG)
            .await?;
        let expected = way.write(&*other, &stuck).await?;
        let what = format!("a wait for what {way:?} by another handle makes claimable");
        let task = waits.claimed(waiter, &what).await?.task;
        check_eq!(
            (task.title.as_str(), task.attempt_count),
            expected,
            "title and attempts of the task that a wait ended with after {way:?} by another handle"
        );
    }
    // One that another handle makes due, and nothing wakes but the time.
    let run_id = world::run(&*c.store).await?.id;
    let waiter = waits.begin(ClaimRequest::of_run(run_id), LONG).await?;
    let at = c.clock.now().saturating_add(LEASE);
    let draft = TaskDraft::new("due", "o").with_not_before(at);
    other.append_tasks(TaskPlan::new(run_id, [draft])).await?;
    waits.settle().await?;
    c.clock.set(at);
    let what = "a wait for what another handle planned for a time";
    let task = waits.claimed(waiter, what).await?.task;
    check_eq!(
        task.title,
        "due",
        "the task that a wait ended with at its time"
    );
    Ok(())
}

pub(crate) async fn what_makes_nothing_claimable_ends_no_wait(c: &mut Context<'_>) -> Outcome {
    let waits = Waits::on(c).await?;
    let store = &*c.store;
    let stuck = Stuck::new(store).await?;
    let elsewhere = world::run(store).await?.id;
    let mut waiter = waits
        .begin(ClaimRequest::of_run(stuck.run_id), LONG)
        .await?;
    let plan = |run_id, draft| TaskPlan::new(run_id, [draft]);
    let far = c.clock.now().saturating_add(LEASE);
    // Of its run: what depends on another or is for later, and what has no tasks.
    let dependent = TaskDraft::new("dependent", "o").with_depends_on([stuck.blocked]);
    store.append_tasks(plan(stuck.run_id, dependent)).await?;
    let later = TaskDraft::new("later", "o").with_not_before(far);
    store.append_tasks(plan(stuck.run_id, later)).await?;
    let note = EventDraft::new("worker", "note", "m");
    store.add_event(NewEvent::new(stuck.run_id, note)).await?;
    let beat = Heartbeat::new(stuck.held.token(), LEASE);
    store.heartbeat(beat).await?;
    waits
        .check_waits(
            &mut waiter,
            "a wait beside writes that make nothing claimable",
        )
        .await?;
    // Of another run: a task, which stays there.
    let task = store
        .append_tasks(plan(elsewhere, TaskDraft::new("elsewhere", "o")))
        .await?;
    waits
        .check_waits(
            &mut waiter,
            "a wait for a task of one run where another gets one",
        )
        .await?;
    let tasks = crate::tasks::tasks_of(store, elsewhere).await?;
    check_eq!(tasks, task, "the tasks of a run that nobody waits for");
    // The store works on, and so does the wait.
    store.requeue_task(stuck.blocked).await?;
    let claim = waits.claimed(waiter, "a wait after a requeue").await?;
    check_eq!(
        claim.task.id,
        stuck.blocked,
        "the task that the wait ended with in the end"
    );
    Ok(())
}

pub(crate) async fn a_wait_goes_on_past_a_task_whose_attempts_are_used_up(
    c: &mut Context<'_>,
) -> Outcome {
    let waits = Waits::on(c).await?;
    let store = &*c.store;
    let (run, held) = world::claimed(store).await?;
    let request = ClaimRequest::of_run(run.id).with_max_attempts(1_u32);
    let mut waiter = waits.begin_by_itself(request).await?;
    // It wakes the one that waits, whose bound it breaks.
    store.requeue_task(held.task.id).await?;
    let blocked = async {
        while store.get_task(held.task.id).await?.status != TaskStatus::Blocked {
            waits.settle().await?;
        }
        Outcome::Ok(())
    };
    c.patiently(
        "a wait that comes to a task whose attempts are used up",
        blocked,
    )
    .await??;
    waits
        .check_waits(
            &mut waiter,
            "a wait that came to a task whose attempts are used up",
        )
        .await?;
    let events = store.list_events(ListEvents::new(run.id)).await?.items;
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    check_eq!(
        kinds,
        ["run_created", "requeue_task", "max_attempts"],
        "the events of a run whose task was blocked by a wait"
    );
    let plan = TaskPlan::new(run.id, world::drafts(1));
    let task = world::first(store.append_tasks(plan).await?)?;
    let claim = waits.claimed(waiter, "a wait for a new task").await?;
    check_eq!(claim.task.id, task.id, "the task that the wait ended with");
    Ok(())
}

pub(crate) async fn a_wait_for_an_unknown_run_is_refused_at_once(c: &mut Context<'_>) -> Outcome {
    world::planned(&*c.store, 1).await?;
    let run_id = RunId::generate();
    for timeout in [Duration::ZERO, LONG] {
        let call = c.store.claim_or_wait(ClaimRequest::of_run(run_id), timeout);
        let answer = c.patiently("a wait for an unknown run", call).await?;
        check_refused!(
            answer,
            Error::NotFound { kind: RecordKind::Run, id } if id == run_id.as_uuid(),
            "a wait of {timeout:?} for a task of an unknown run"
        );
    }
    Ok(())
}
