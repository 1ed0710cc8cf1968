//! What is told of a task in each state, and that asking changes nothing.

use std::time::Duration;

use runstore_core::{
    AbandonTask, BlockTask, ClaimRequest, Error, RecordKind, TaskId, TaskStatus, WaitingReason,
};

use super::{ABANDONED, BLOCKED, PENDING};
use crate::calls::{call, check_each_refused};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::planning::{
    append, append_one, check_claims, check_reason, complete, draft, finish, ids, in_micros, named,
    replace, waits_for_one,
};
use crate::tasks::{task_in, task_with_a_past};
use crate::world;

pub(crate) async fn a_task_in_each_state_tells_why_it_waits(c: &mut Context<'_>) -> Outcome {
    for status in TaskStatus::ALL {
        let task = task_in(&*c.store, status).await?;
        let expected = match status {
            TaskStatus::Pending => WaitingReason::Claimable,
            TaskStatus::InProgress => WaitingReason::InProgress {
                worker: None,
                lease_expires_at: None,
            },
            status => WaitingReason::Settled { status },
        };
        for _ in 0..2 {
            let what = format!("which is {status}");
            check_reason(&*c.store, task.id, expected.clone(), &what).await?;
            let second = c.second_handle().await?;
            check_reason(&*second, task.id, expected.clone(), &what).await?;
            drop(second);
            c.reopen().await?;
        }
    }
    let task = task_with_a_past(&*c.store).await?;
    check_reason(&*c.store, task.id, WaitingReason::Claimable, "requeued").await
}

pub(crate) async fn an_unknown_task_waits_for_nothing_that_can_be_told(
    c: &mut Context<'_>,
) -> Outcome {
    let deleted = task_in(&*c.store, PENDING).await?;
    c.store.delete_run(deleted.run_id).await?;
    let (run, _) = world::populated(&*c.store).await?;
    let run_as_task = TaskId::from(run.id.as_uuid());
    let calls = [TaskId::generate(), deleted.id, run_as_task].map(|task_id| {
        let refused = Error::not_found(RecordKind::Task, task_id);
        (call!(c.store, waiting_reason(task_id)), refused)
    });
    check_each_refused(&*c.store, calls.into()).await
}

pub(crate) async fn asking_why_changes_nothing(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::populated(&*c.store).await?;
    let [a, b] = ids();
    let drafts = [
        named(a, "a").with_not_before(in_micros(c, 5)),
        named(b, "b").with_depends_on([a]),
        draft("exhausted").with_priority(9).with_max_attempts(1_u32),
    ];
    append(&*c.store, run.id, drafts).await?;
    let leased = ClaimRequest::of_run(run.id).with_lease(Duration::from_micros(5));
    c.store.claim_next_task(leased).await?;
    let before = Dump::of(&*c.store).await?;
    for micros in [1, 4, 100] {
        c.clock.advance_micros(micros);
        let tasks = crate::tasks::tasks_of(&*c.store, run.id).await?;
        for task in tasks {
            c.store.waiting_reason(task.id).await?;
        }
        check_unchanged(&*c.store, &before, "asking why tasks wait").await?;
    }
    Ok(())
}

pub(crate) async fn a_task_behind_others_is_claimable(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let first = append_one(&*c.store, run_id, draft("first").with_priority(9)).await?;
    let last = append_one(&*c.store, run_id, draft("last").with_priority(-9)).await?;
    check_reason(
        &*c.store,
        last.id,
        WaitingReason::Claimable,
        "behind another",
    )
    .await?;
    check_reason(&*c.store, first.id, WaitingReason::Claimable, "the first").await
}

pub(crate) async fn what_is_settled_waits_for_nothing(c: &mut Context<'_>) -> Outcome {
    for status in [TaskStatus::Completed, BLOCKED, ABANDONED] {
        let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
        let [a] = ids();
        let waiting = draft("b")
            .with_not_before(in_micros(c, 10))
            .with_depends_on([a]);
        append(store, run_id, [named(a, "a")]).await?;
        let task_id = append_one(store, run_id, waiting).await?.id;
        match status {
            BLOCKED => store.block_task(BlockTask::new(task_id)).await?,
            ABANDONED => store.abandon_task(AbandonTask::new(task_id)).await?,
            _ => complete(store, task_id).await?,
        };
        let settled = WaitingReason::Settled { status };
        let what = "settled while it waited for a time and a task";
        check_reason(store, task_id, settled, what).await?;
    }
    // By a new plan too.
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [_, b] = waits_for_one(store, run_id).await?;
    replace(store, run_id, []).await?;
    let settled = WaitingReason::Settled { status: ABANDONED };
    check_reason(store, b, settled, "left out by a new plan").await
}

pub(crate) async fn what_is_said_to_be_claimable_is_claimed(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, b, d, e, f] = ids();
    let drafts = [
        named(a, "a"),
        named(b, "b").with_depends_on([a]),
        named(d, "d").with_not_before(in_micros(c, 20)),
        named(e, "e")
            .with_not_before(in_micros(c, 10))
            .with_depends_on([b]),
        named(f, "f").with_priority(1),
    ];
    append(store, run_id, drafts).await?;
    for round in 0..6 {
        let mut expected = Vec::new();
        for task in crate::tasks::tasks_of(store, run_id).await? {
            if store.waiting_reason(task.id).await? == WaitingReason::Claimable {
                expected.push((std::cmp::Reverse(task.priority), task.title));
            }
        }
        expected.sort();
        let expected: Vec<_> = expected.iter().map(|(_, title)| title.as_str()).collect();
        let what = format!("in round {round}, which were said to be claimable");
        for claim in check_claims(store, run_id, &expected, &what).await? {
            finish(store, &claim).await?;
        }
        c.clock.advance_micros(5);
    }
    let done = crate::tasks::tasks_of(store, run_id).await?;
    let done = done
        .iter()
        .filter(|task| task.status == TaskStatus::Completed);
    check_eq!(
        done.count(),
        5,
        "the number of tasks that are completed in the end"
    );
    Ok(())
}
