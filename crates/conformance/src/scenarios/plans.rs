//! Plans: tasks that are replaced and appended (clauses T1 and T2).

use std::sync::Arc;

use futures_util::future::BoxFuture;
use runstore_core::{
    BlockTask, Clock, ListTasks, Result, RunId, SnapshotRequest, Store, Task, TaskDraft, TaskId,
    TaskPlan, TaskStatus, Timestamp, Uuid,
};

use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::tasks::{check_task, tasks_of};
use crate::ticking::TickingClock;
use crate::world;

/// Either of the two calls that take a plan.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PlanCall {
    Replace,
    Append,
}

impl PlanCall {
    pub(crate) const BOTH: [Self; 2] = [Self::Replace, Self::Append];

    pub(crate) fn make(
        self,
        store: &dyn Store,
        plan: TaskPlan,
    ) -> BoxFuture<'_, Result<Vec<Task>>> {
        match self {
            Self::Replace => store.replace_pending_tasks(plan),
            Self::Append => store.append_tasks(plan),
        }
    }
}

/// Drafts of all shapes, each with an id.
fn drafts_of_all_shapes() -> Vec<TaskDraft> {
    let full = |title: &str| {
        TaskDraft::new(title, "objective")
            .with_acceptance_criteria(["criterion 1", "criterion 2"])
            .with_verification_steps(["step 1", "step 2", "step 3"])
            .with_allowed_paths(["src/**"])
    };
    let drafts = [
        full("all fields"),
        TaskDraft::new("bare", ""),
        full("empty entries")
            .with_acceptance_criteria([""])
            .with_verification_steps(["", ""])
            .with_allowed_paths(["", "a", ""]),
        TaskDraft::new("\0\n\"'\\%,[]{}\u{1f600}", " \0 objective \n")
            .with_allowed_paths(["a,b", "[\"c\"]", "d\0e", "é"]),
        full("all fields"),
    ];
    let with_id = |draft: TaskDraft| draft.with_id(TaskId::generate());
    drafts.into_iter().map(with_id).collect()
}

/// The task that a draft with an id becomes.
fn expected(run_id: RunId, position: u64, draft: TaskDraft, now: Timestamp) -> Task {
    Task {
        id: draft.id.unwrap_or_else(TaskId::generate),
        run_id,
        position,
        title: draft.title,
        objective: draft.objective,
        acceptance_criteria: draft.acceptance_criteria,
        verification_steps: draft.verification_steps,
        allowed_paths: draft.allowed_paths,
        status: TaskStatus::Pending,
        attempt_count: 0,
        implementation_summary: None,
        blocker_signature: None,
        priority: draft.priority,
        not_before: draft.not_before,
        depends_on: vec![],
        max_attempts: draft.max_attempts,
        delayed_until: None,
        worker: None,
        lease_expires_at: None,
        created_at: now,
        updated_at: now,
    }
}

fn positions(tasks: &[Task]) -> Vec<u64> {
    tasks.iter().map(|task| task.position).collect()
}

pub(crate) async fn a_draft_becomes_a_pending_task_with_all_its_fields(
    c: &mut Context<'_>,
) -> Outcome {
    for call in PlanCall::BOTH {
        let run_id = world::run(&*c.store).await?.id;
        c.clock.advance_micros(1_001);
        let drafts = drafts_of_all_shapes();
        let expected: Vec<Task> = (1..)
            .zip(drafts.clone())
            .map(|(position, draft)| expected(run_id, position, draft, c.clock.now()))
            .collect();
        let planned = call.make(&*c.store, TaskPlan::new(run_id, drafts)).await?;
        check_eq!(planned, expected, "the tasks that {call:?} returns");
        for reopened in [false, true] {
            if reopened {
                c.reopen().await?;
            }
            let listed = tasks_of(&*c.store, run_id).await?;
            check_eq!(listed, expected, "the tasks of the run after {call:?}");
            for task in &expected {
                check_task(&*c.store, task, "a planned task").await?;
            }
        }
    }
    Ok(())
}

pub(crate) async fn a_draft_without_an_id_gets_one(c: &mut Context<'_>) -> Outcome {
    for call in PlanCall::BOTH {
        let run_id = world::run(&*c.store).await?.id;
        let named = TaskId::generate();
        let mut drafts = world::drafts(4);
        if let Some(draft) = drafts.get_mut(2) {
            draft.id = Some(named);
        }
        let tasks = call.make(&*c.store, TaskPlan::new(run_id, drafts)).await?;
        let mut ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
        check_eq!(ids.get(2), Some(&named), "the id of the draft that has one");
        ids.sort_unstable();
        ids.dedup();
        check_eq!(ids.len(), 4, "the number of ids of four tasks");
    }
    Ok(())
}

pub(crate) async fn drafts_become_tasks_in_their_order(c: &mut Context<'_>) -> Outcome {
    for call in PlanCall::BOTH {
        let run_id = world::run(&*c.store).await?.id;
        // Neither ids nor titles are in this order.
        let base = run_id.as_uuid().as_u128() & !0xff;
        let drafts: Vec<TaskDraft> = (0..12)
            .map(|index| {
                let number = (index * 7 + 5) % 12;
                TaskDraft::new(format!("title {number}"), "o")
                    .with_id(TaskId::from(Uuid::from_u128(base + number)))
            })
            .collect();
        let ids: Vec<_> = drafts.iter().map(|draft| draft.id).collect();
        let planned = call.make(&*c.store, TaskPlan::new(run_id, drafts)).await?;
        for (tasks, what) in [
            (planned, "returned"),
            (tasks_of(&*c.store, run_id).await?, "listed"),
        ] {
            let tasks_ids: Vec<_> = tasks.iter().map(|task| Some(task.id)).collect();
            check_eq!(tasks_ids, ids, "the tasks of {call:?} in order, {what}");
            let expected: Vec<u64> = (1..=12).collect();
            check_eq!(positions(&tasks), expected, "their positions, {what}");
        }
    }
    Ok(())
}

pub(crate) async fn a_new_plan_abandons_what_is_pending_or_in_progress_and_nothing_else(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, before) = world::populated(&*c.store).await?;
    c.clock.advance_micros(1_001);
    let plan = TaskPlan::new(run.id, world::drafts(2));
    let planned = c.store.replace_pending_tasks(plan).await?;
    let mut expected: Vec<Task> = before
        .into_iter()
        .map(|task| match task.status {
            TaskStatus::Pending | TaskStatus::InProgress => Task {
                status: TaskStatus::Abandoned,
                updated_at: c.clock.now(),
                ..task
            },
            _ => task,
        })
        .collect();
    expected.extend(planned);
    check_eq!(
        tasks_of(&*c.store, run.id).await?,
        expected,
        "the tasks of a run with one in each state after a new plan of two"
    );
    for task in &expected {
        check_task(&*c.store, task, "a task after a new plan").await?;
    }
    Ok(())
}

pub(crate) async fn abandoned_tasks_keep_their_data(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let drafts = drafts_of_all_shapes();
    let plan = TaskPlan::new(run_id, drafts);
    for task in c.store.append_tasks(plan).await? {
        // Claimed and blocked before, so that there is something of every kind to keep.
        world::claim(&*c.store, run_id).await?;
        let block = BlockTask::new(task.id)
            .with_summary("summary before")
            .with_blocker_signature("signature before");
        c.store.block_task(block).await?;
    }
    for task in tasks_of(&*c.store, run_id).await? {
        c.store.requeue_task(task.id).await?;
    }
    for _ in 0..2 {
        world::claim(&*c.store, run_id).await?;
    }
    let before = tasks_of(&*c.store, run_id).await?;
    c.clock.advance_micros(1_000_000);
    let plan = TaskPlan::new(run_id, world::drafts(1));
    c.store.replace_pending_tasks(plan).await?;
    let now = c.clock.now();
    for task in before {
        let expected = Task {
            status: TaskStatus::Abandoned,
            updated_at: now,
            ..task
        };
        check_task(&*c.store, &expected, "a task that a new plan abandoned").await?;
    }
    Ok(())
}

pub(crate) async fn all_tasks_of_a_plan_have_one_time(c: &mut Context<'_>) -> Outcome {
    let fixture = c.with_clock(Arc::new(TickingClock::default())).await?;
    let store = fixture.store();
    let run_id = world::run(&*store).await?.id;
    for call in [PlanCall::Append, PlanCall::Replace, PlanCall::Append] {
        let before = tasks_of(&*store, run_id).await?.len();
        let plan = TaskPlan::new(run_id, world::drafts(40));
        let planned = call.make(&*store, plan).await?;
        let time = planned.first().map(|task| task.created_at);
        let listed = tasks_of(&*store, run_id).await?;
        let new = listed.into_iter().skip(before);
        for task in planned.into_iter().chain(new) {
            check_eq!(
                (Some(task.created_at), Some(task.updated_at)),
                (time, time),
                "the times of task {} of a plan given by {call:?}",
                task.position
            );
        }
    }
    Ok(())
}

pub(crate) async fn a_plan_comes_after_every_task_the_run_ever_had(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let mut last = 0;
    let calls = [
        PlanCall::Replace,
        PlanCall::Append,
        PlanCall::Replace,
        PlanCall::Replace,
        PlanCall::Append,
    ];
    for (call, count) in calls.into_iter().zip([3, 2, 0, 4, 1]) {
        c.clock.advance_micros(-10);
        let plan = TaskPlan::new(run_id, world::drafts(count));
        let planned = call.make(&*c.store, plan).await?;
        let expected: Vec<u64> = (last + 1..).take(count).collect();
        check_eq!(
            positions(&planned),
            expected,
            "the positions of {count} tasks given by {call:?} when the run had {last} before"
        );
        last += count as u64;
        let all: Vec<u64> = (1..=last).collect();
        let listed = tasks_of(&*c.store, run_id).await?;
        check_eq!(positions(&listed), all, "the positions of all tasks");
        c.reopen().await?;
    }
    Ok(())
}

pub(crate) async fn a_plan_without_tasks_is_a_plan(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 3).await?;
    world::claim(&*c.store, run.id).await?;
    let nothing = || TaskPlan::new(run.id, []);
    let planned = c.store.replace_pending_tasks(nothing()).await?;
    check_eq!(planned, [], "what a plan without tasks returns");
    let statuses: Vec<_> = tasks_of(&*c.store, run.id)
        .await?
        .into_iter()
        .map(|task| task.status)
        .collect();
    check_eq!(
        statuses,
        [TaskStatus::Abandoned; 3],
        "the states of the tasks that it left out"
    );
    // Once more: it is no repeat, for new tasks are there to be abandoned.
    let plan = TaskPlan::new(run.id, world::drafts(1));
    let task = world::first(c.store.append_tasks(plan).await?)?;
    check_eq!(task.position, 4, "the position of a task after it");
    c.store.replace_pending_tasks(nothing()).await?;
    let task = c.store.get_task(task.id).await?;
    check_eq!(
        task.status,
        TaskStatus::Abandoned,
        "the state of a task after a second plan without tasks"
    );
    let before = Dump::of(&*c.store).await?;
    c.clock.advance_micros(1);
    c.store.replace_pending_tasks(nothing()).await?;
    check_unchanged(
        &*c.store,
        &before,
        "a plan without tasks for a run with nothing to abandon",
    )
    .await
}

pub(crate) async fn appending_changes_nothing_else(c: &mut Context<'_>) -> Outcome {
    let (run, before) = world::populated(&*c.store).await?;
    let all = SnapshotRequest::of_run(run.id);
    let snapshot = c.store.snapshot(all.clone()).await?;
    let dump = Dump::of(&*c.store).await?;
    c.clock.advance_micros(1);
    let nothing = c.store.append_tasks(TaskPlan::new(run.id, [])).await?;
    check_eq!(nothing, [], "what appending no tasks returns");
    check_unchanged(&*c.store, &dump, "appending no tasks").await?;
    let plan = TaskPlan::new(run.id, world::drafts(2));
    let added = c.store.append_tasks(plan).await?;
    let mut expected = snapshot;
    expected.pending_tasks.extend(added.clone());
    expected.counts.pending += 2;
    check_eq!(
        c.store.snapshot(all).await?,
        expected,
        "the snapshot after two tasks were appended"
    );
    let tasks = [before, added].concat();
    check_eq!(
        tasks_of(&*c.store, run.id).await?,
        tasks,
        "the tasks after two were appended"
    );
    Ok(())
}

pub(crate) async fn a_plan_leaves_the_other_runs(c: &mut Context<'_>) -> Outcome {
    world::populated(&*c.store).await?;
    let before = Dump::of(&*c.store).await?;
    let (run, _) = world::populated(&*c.store).await?;
    c.clock.advance_micros(1);
    for call in PlanCall::BOTH {
        let plan = TaskPlan::new(run.id, world::drafts(3));
        call.make(&*c.store, plan).await?;
    }
    c.store.delete_run(run.id).await?;
    check_unchanged(&*c.store, &before, "plans of another run").await
}

pub(crate) async fn a_plan_may_have_thousands_of_tasks(c: &mut Context<'_>) -> Outcome {
    const COUNT: usize = 2_000;
    let (run, _) = world::planned(&*c.store, 1).await?;
    for round in 0..2_u64 {
        c.clock.advance_micros(1_000_000);
        let first = 2 + round * COUNT as u64;
        let plan = TaskPlan::new(run.id, world::drafts(COUNT));
        let planned = c.store.replace_pending_tasks(plan).await?;
        let expected: Vec<u64> = (first..).take(COUNT).collect();
        check_eq!(
            positions(&planned),
            expected,
            "the positions of 2,000 tasks"
        );
        let pending = ListTasks::new(run.id).with_statuses([TaskStatus::Pending]);
        let pending = c.store.list_tasks(pending).await?.items;
        check!(
            pending == planned,
            "the pending tasks after a plan of 2,000 must be these, but there are {}",
            pending.len()
        );
        let now = c.clock.now();
        let abandoned = ListTasks::new(run.id).with_statuses([TaskStatus::Abandoned]);
        let abandoned = c.store.list_tasks(abandoned).await?.items;
        check_eq!(
            abandoned.len() as u64,
            first - 1,
            "the number of abandoned tasks"
        );
        let stale = abandoned.iter().filter(|task| task.updated_at == now);
        let replaced = if round == 0 { 1 } else { COUNT };
        check_eq!(stale.count(), replaced, "how many of them just changed");
        let claim = world::claim(&*c.store, run.id).await?;
        check_eq!(claim.task.position, first, "the position of the next claim");
    }
    Ok(())
}
