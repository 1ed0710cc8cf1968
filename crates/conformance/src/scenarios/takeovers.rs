//! What becomes of a claim with a lease: its holder can report until others take the task (clause C4), and
//! worker and lease go with it (T4).

use runstore_core::{
    AbandonTask, BlockTask, ClaimRequest, Clock, CompleteTask, Error, FinishReport, Heartbeat,
    ListEvents, Store, Task, TaskPlan, TaskStanding, TaskStatus,
};
use serde_json::json;

use super::tokens::{fenced_calls, finish_calls};
use crate::calls::{call, check_all_accepted, check_all_refused};
use crate::check::{Outcome, Stop, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::leased::{
    LEASE, LONG, Way, calls_in_its_name, check_nothing_claimable, check_stale, claim, leased,
    micros, request,
};
use crate::tasks::{check_task, tasks_of, token_of};
use crate::world;

pub(crate) async fn a_holder_can_report_after_its_lease_ran_out(c: &mut Context<'_>) -> Outcome {
    for late in [0, LONG] {
        for (index, status) in [
            TaskStatus::Completed,
            TaskStatus::Blocked,
            TaskStatus::Abandoned,
            TaskStatus::Pending,
        ]
        .into_iter()
        .enumerate()
        {
            let (run, held) = leased(&*c.store).await?;
            let token = held.token();
            c.clock.advance_micros(micros(LEASE) + late);
            let mut calls = fenced_calls(&*c.store, run.id, token);
            calls.extend(finish_calls(&*c.store, token).into_iter().nth(index));
            check_all_accepted(calls).await?;
            let task = c.store.get_task(held.task.id).await?;
            check_eq!(
                (
                    task.status,
                    task.attempt_count,
                    task.worker,
                    task.lease_expires_at
                ),
                (status, 1, None, None),
                "the task that its holder reported {late} µs after its lease ran out"
            );
            c.clock.advance_micros(-late);
        }
    }
    // A heartbeat that came too late does not end the claim, and neither does a reopen.
    let (run, held) = leased(&*c.store).await?;
    c.clock.advance_micros(micros(LEASE));
    let refused = Error::StaleClaim {
        token: held.token(),
        current: Some(held.task.standing()),
    };
    let beat = call!(c.store, heartbeat(Heartbeat::new(held.token(), LEASE)));
    check_all_refused(&*c.store, vec![beat], &refused).await?;
    c.reopen().await?;
    check_all_accepted(fenced_calls(&*c.store, run.id, held.token())).await?;
    check_task(
        &*c.store,
        &held.task,
        "a task whose lease ran out, after its holder wrote",
    )
    .await?;
    let report = FinishReport::completed("late");
    let finished = c.store.finish_task(held.token(), report.clone()).await?;
    // Repeated, it is answered as ever.
    c.clock.advance_micros(1);
    let again = c.store.finish_task(held.token(), report).await?;
    check_eq!(
        again,
        finished,
        "a repeat of a report made after the lease ran out"
    );
    Ok(())
}

pub(crate) async fn a_token_is_stale_once_its_task_was_taken_over(c: &mut Context<'_>) -> Outcome {
    for lease in [None, Some(LEASE * 2)] {
        for way in Way::ALL {
            let (run, old) = leased(&*c.store).await?;
            c.clock.advance_micros(micros(LEASE));
            // The same worker makes no difference.
            let mut again = request(run.id);
            again.lease = lease;
            let none = || Stop::failed("a claim found nothing although a lease has run out");
            let taken = way.claim(&*c.store, again).await?.ok_or_else(none)?;
            check_eq!(
                taken.token().attempt_number,
                2,
                "the number of the token that {way:?} gives who takes over"
            );
            let current = TaskStanding {
                run_id: run.id,
                status: TaskStatus::InProgress,
                attempt_count: 2,
                lease_expires_at: lease.map(|lease| c.clock.now().saturating_add(lease)),
            };
            match way {
                Way::ClaimNextTask => check_stale(c, run.id, old.token(), Some(current)).await?,
                _ => {
                    let refused = Error::StaleClaim {
                        token: old.token(),
                        current: Some(current),
                    };
                    let calls = calls_in_its_name(&*c.store, run.id, old.token());
                    check_all_refused(&*c.store, calls, &refused).await?;
                }
            }
            let token = taken.token();
            check_all_accepted(fenced_calls(&*c.store, run.id, token)).await?;
            let report = FinishReport::completed("done");
            let task = c.store.finish_task(token, report).await?;
            check_eq!(
                task.implementation_summary.as_deref(),
                Some("done"),
                "the summary by who took over, after the old holder was refused"
            );
        }
    }
    Ok(())
}

pub(crate) async fn a_report_repeated_after_a_takeover_changes_nothing(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, first) = leased(&*c.store).await?;
    let report = FinishReport::released("no");
    c.store.finish_task(first.token(), report.clone()).await?;
    claim(&*c.store, request(run.id)).await?;
    c.clock.advance_micros(micros(LEASE));
    let third = claim(&*c.store, request(run.id)).await?;
    c.clock.advance_micros(1);
    let before = Dump::of(&*c.store).await?;
    check_eq!(
        c.store.finish_task(first.token(), report).await?,
        third.task,
        "the answer to a report repeated after the task was claimed again and taken over"
    );
    let what = "a report repeated after a takeover";
    check_unchanged(&*c.store, &before, what).await
}

/// Every way by which a claim ends without a new one.
const ENDS: [&str; 12] = [
    "completed by its holder",
    "blocked by its holder",
    "abandoned by its holder",
    "released by its holder",
    "completed by an operator",
    "blocked by an operator",
    "abandoned by an operator",
    "requeued",
    "requeued on resume",
    "requeued because it ran out",
    "left out of a new plan",
    "blocked by a claim because its attempts were used up",
];

/// Ends the claim that way and says in which state the task must be then.
async fn end(store: &dyn Store, held: &Task, how: &str) -> Outcome<TaskStatus> {
    let (id, run_id) = (held.id, held.run_id);
    let token = token_of(held);
    let by_holder = |index| {
        let calls = finish_calls(store, token);
        check_all_accepted(calls.into_iter().skip(index).take(1).collect())
    };
    Ok(match how {
        "completed by its holder" => {
            by_holder(0).await?;
            TaskStatus::Completed
        }
        "blocked by its holder" => {
            by_holder(1).await?;
            TaskStatus::Blocked
        }
        "abandoned by its holder" => {
            by_holder(2).await?;
            TaskStatus::Abandoned
        }
        "released by its holder" => {
            by_holder(3).await?;
            TaskStatus::Pending
        }
        "completed by an operator" => {
            store
                .complete_task(CompleteTask::new(id, "x"))
                .await?
                .status
        }
        "blocked by an operator" => store.block_task(BlockTask::new(id)).await?.status,
        "abandoned by an operator" => store.abandon_task(AbandonTask::new(id)).await?.status,
        "requeued" => store.requeue_task(id).await?.status,
        "requeued on resume" => {
            store.requeue_in_progress_tasks(run_id).await?;
            TaskStatus::Pending
        }
        "requeued because it ran out" => {
            store.requeue_expired_tasks(Some(run_id)).await?;
            TaskStatus::Pending
        }
        "left out of a new plan" => {
            store
                .replace_pending_tasks(TaskPlan::new(run_id, []))
                .await?;
            TaskStatus::Abandoned
        }
        _ => {
            let bounded = ClaimRequest::of_run(run_id).with_max_attempts(1_u32);
            store.claim_next_task(bounded).await?;
            TaskStatus::Blocked
        }
    })
}

pub(crate) async fn a_lease_is_forgotten_with_its_claim(c: &mut Context<'_>) -> Outcome {
    for how in ENDS.into_iter().filter(|how| !how.contains("because")) {
        let (run, held) = leased(&*c.store).await?;
        c.clock.advance_micros(1);
        let status = end(&*c.store, &held.task, how).await?;
        let mut task = c.store.get_task(held.task.id).await?;
        if status == TaskStatus::Pending {
            // Claimed by one who has no lease, it is not given away at the end of the one before.
            task = world::claim(&*c.store, run.id).await?.task;
        }
        for late in [0, 1, LONG] {
            c.clock.advance_micros(micros(LEASE) - 1 + late);
            let what = format!("{late} µs after the lease would have ended of a task {how}");
            check_nothing_claimable(&*c.store, run.id, &what).await?;
            let number = c.store.requeue_expired_tasks(None).await?;
            check_eq!(number, 0, "the tasks requeued as expired {what}");
            check_task(&*c.store, &task, &format!("the task {what}")).await?;
            c.clock.advance_micros(1 - micros(LEASE) - late);
        }
    }
    // A release for longer than the lease had to run is not cut short by its end.
    let (run, held) = leased(&*c.store).await?;
    let report = FinishReport::released_for(LEASE * 2, "later");
    c.store.finish_task(held.token(), report).await?;
    for _ in 0..2 {
        c.clock.advance_micros(micros(LEASE) - 1);
        let what = "before a delay is over that is longer than the lease was";
        check_nothing_claimable(&*c.store, run.id, what).await?;
        c.clock.advance_micros(1);
    }
    let again = world::claim(&*c.store, run.id).await?.task.id;
    check_eq!(
        again,
        held.task.id,
        "what is claimed once the delay is over"
    );
    Ok(())
}

pub(crate) async fn worker_and_lease_go_with_the_claim(c: &mut Context<'_>) -> Outcome {
    let mut ended = Vec::new();
    for how in ENDS {
        let (_, held) = leased(&*c.store).await?;
        c.clock.advance_micros(micros(LEASE));
        let status = end(&*c.store, &held.task, how).await?;
        let task = c.store.get_task(held.task.id).await?;
        let expected = Task {
            status,
            worker: None,
            lease_expires_at: None,
            delayed_until: None,
            updated_at: c.clock.now(),
            // What the end itself says is checked elsewhere.
            implementation_summary: task.implementation_summary.clone(),
            blocker_signature: task.blocker_signature.clone(),
            ..held.task
        };
        check_eq!(task, expected, "a leased task that was {how}");
        check_task(
            &*c.store,
            &expected,
            &format!("a leased task that was {how}"),
        )
        .await?;
        ended.push((how, expected));
    }
    c.reopen().await?;
    for (how, task) in ended {
        check_task(
            &*c.store,
            &task,
            &format!("a leased task that was {how}, after a reopen"),
        )
        .await?;
        // A claim without worker and lease does not bring them back.
        if task.status == TaskStatus::Pending {
            let again = world::claim(&*c.store, task.run_id).await?.task;
            check_eq!(
                (again.worker, again.lease_expires_at),
                (None, None),
                "worker and lease of an unleased claim on a task that was {how}"
            );
        }
    }
    Ok(())
}

pub(crate) async fn a_resume_requeues_whatever_the_leases(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 5).await?;
    let of_run = || ClaimRequest::of_run(run.id);
    for request in [
        of_run(),
        of_run().with_worker("w"),
        of_run().with_lease(LEASE),
        of_run().with_worker("w").with_lease(LEASE * 2),
    ] {
        claim(&*c.store, request).await?;
    }
    let mut expected = tasks_of(&*c.store, run.id).await?;
    c.clock.advance_micros(micros(LEASE));
    for task in expected.iter_mut().take(4) {
        *task = Task {
            status: TaskStatus::Pending,
            worker: None,
            lease_expires_at: None,
            updated_at: c.clock.now(),
            ..task.clone()
        };
    }
    check_eq!(
        c.store.requeue_in_progress_tasks(run.id).await?,
        4,
        "the tasks requeued on resume: two without a lease, one that ran out, one that did not"
    );
    check_eq!(
        tasks_of(&*c.store, run.id).await?,
        expected,
        "the tasks after that resume"
    );
    let events = c.store.list_events(ListEvents::new(run.id)).await?.items;
    let event = world::last(events)?;
    check_eq!(
        (event.seq, event.kind.as_str(), event.payload),
        (2, "requeue_in_progress", json!({"changes": 4})),
        "the one event of that resume"
    );
    for position in 1..=5 {
        let task = world::claim(&*c.store, run.id).await?.task;
        check_eq!(task.position, position, "the next claim after that resume");
    }
    Ok(())
}
