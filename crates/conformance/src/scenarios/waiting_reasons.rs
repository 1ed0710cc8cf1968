//! Why a task waits (clause C9), in every state and at every boundary.

use std::time::Duration;

use runstore_core::{
    AbandonTask, BlockTask, ClaimRequest, Clock, Error, FinishReport, RecordKind, TaskId,
    TaskStatus, WaitingReason,
};

use crate::calls::{call, check_each_refused};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::planning::{
    append, append_one, check_claims, check_next, check_reason, complete, draft, finish, ids,
    in_micros, named, replace, unmet, until, waits_for, waits_for_one,
};
use crate::tasks::{task_in, task_with_a_past};
use crate::world;

const PENDING: TaskStatus = TaskStatus::Pending;
const IN_PROGRESS: TaskStatus = TaskStatus::InProgress;
const BLOCKED: TaskStatus = TaskStatus::Blocked;
const ABANDONED: TaskStatus = TaskStatus::Abandoned;

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

pub(crate) async fn a_task_waits_until_the_later_of_its_times(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let (early, late) = (in_micros(c, 100), in_micros(c, 200));
    let planned = draft("t").with_not_before(early);
    let task_id = append_one(store, run_id, planned).await?.id;
    check_reason(store, task_id, until(early), "as planned").await?;
    c.clock.set(early.saturating_add_micros(-1));
    check_reason(
        store,
        task_id,
        until(early),
        "a microsecond before its time",
    )
    .await?;
    c.clock.set(early);
    check_reason(
        store,
        task_id,
        WaitingReason::Claimable,
        "at the very instant",
    )
    .await?;
    // Released with a delay that is over later than the time that was planned.
    let claim = world::claim(store, run_id).await?;
    let report = FinishReport::released_for(Duration::from_micros(100), "no");
    store.finish_task(claim.token(), report).await?;
    check_reason(store, task_id, until(late), "released with a delay").await?;
    c.clock.set(early.saturating_add_micros(-50));
    check_reason(store, task_id, until(late), "when the clock ran back").await?;
    c.clock.set(late.saturating_add_micros(-1));
    check_reason(
        store,
        task_id,
        until(late),
        "a microsecond before the delay ends",
    )
    .await?;
    c.clock.set(late);
    check_reason(
        store,
        task_id,
        WaitingReason::Claimable,
        "at the end of the delay",
    )
    .await?;
    // And with one that is over sooner, for the clock ran back.
    let claim = world::claim(store, run_id).await?;
    c.clock.set(early.saturating_add_micros(-90));
    let report = FinishReport::released_for(Duration::from_micros(10), "no");
    store.finish_task(claim.token(), report).await?;
    check_reason(
        store,
        task_id,
        until(early),
        "released with a shorter delay",
    )
    .await
}

pub(crate) async fn a_claimed_task_tells_by_whom_and_until_when(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 4).await?;
    let requests = [
        (None, None),
        (Some("w"), None),
        (None, Some(10)),
        (Some(""), Some(20)),
    ];
    for (worker, lease) in requests {
        let mut request = ClaimRequest::of_run(run.id);
        request.worker = worker.map(str::to_owned);
        request.lease = lease.map(Duration::from_micros);
        let claim = c.store.claim_tasks(request, 1).await?;
        let task_id = world::first(claim)?.task.id;
        let expires = lease.map(|lease| in_micros(c, i64::try_from(lease).unwrap_or(0)));
        let held = WaitingReason::InProgress {
            worker: worker.map(str::to_owned),
            lease_expires_at: expires,
        };
        check_reason(&*c.store, task_id, held.clone(), "just claimed").await?;
        let start = c.clock.now();
        match expires {
            None => {
                c.clock.advance_micros(1_000_000_000);
                check_reason(&*c.store, task_id, held, "claimed without a lease").await?;
            }
            Some(expires) => {
                c.clock.set(expires.saturating_add_micros(-1));
                let what = "a microsecond before its lease runs out";
                check_reason(&*c.store, task_id, held.clone(), what).await?;
                c.clock.set(expires);
                let what = "from the instant on at which its lease has run out";
                check_reason(&*c.store, task_id, WaitingReason::Claimable, what).await?;
                c.clock.advance_micros(-1);
                check_reason(&*c.store, task_id, held, "when the clock ran back").await?;
            }
        }
        c.clock.set(start);
    }
    Ok(())
}

pub(crate) async fn an_expired_task_with_no_attempt_left_is_exhausted(
    c: &mut Context<'_>,
) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let drafts = [
        draft("bounded").with_max_attempts(1_u32),
        draft("one left").with_max_attempts(2_u32),
        draft("unbounded"),
    ];
    append(&*c.store, run_id, drafts).await?;
    // The claim's own bound is no bound of the task.
    let request = ClaimRequest::of_run(run_id)
        .with_lease(Duration::from_micros(10))
        .with_max_attempts(1_u32);
    let claims = c.store.claim_tasks(request, 3).await?;
    c.clock.advance_micros(9);
    for claim in &claims {
        let held = WaitingReason::InProgress {
            worker: None,
            lease_expires_at: claim.task.lease_expires_at,
        };
        check_reason(&*c.store, claim.task.id, held, &claim.task.title).await?;
    }
    c.clock.advance_micros(1);
    for claim in &claims {
        let expected = match claim.task.title.as_str() {
            "bounded" => WaitingReason::Exhausted,
            _ => WaitingReason::Claimable,
        };
        let what = format!("whose lease has run out, {}", claim.task.title);
        check_reason(&*c.store, claim.task.id, expected, &what).await?;
    }
    let expected = ["one left", "unbounded"];
    check_claims(&*c.store, run_id, &expected, "once the leases had run out").await?;
    let settled = WaitingReason::Settled { status: BLOCKED };
    let bounded = world::first(claims)?.task.id;
    check_reason(&*c.store, bounded, settled, "once a claim had come to it").await
}

pub(crate) async fn what_is_not_completed_is_named_in_its_order(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [pending, held, done, blocked, gone, waiting] = ids();
    let drafts = [
        named(held, "held"),
        named(pending, "pending"),
        named(done, "done"),
        named(blocked, "blocked"),
        named(gone, "gone"),
        named(waiting, "waiting").with_depends_on([gone, done, pending, held, blocked]),
    ];
    append(store, run_id, drafts).await?;
    check_next(store, run_id, Some("held"), "of the plan").await?;
    complete(store, done).await?;
    store.block_task(BlockTask::new(blocked)).await?;
    store.abandon_task(AbandonTask::new(gone)).await?;
    let expected = [
        unmet(gone, ABANDONED, false),
        unmet(pending, PENDING, true),
        unmet(held, IN_PROGRESS, true),
        unmet(blocked, BLOCKED, false),
    ];
    let what = "which depends on a task in each state";
    check_reason(store, waiting, waits_for(expected), what).await?;
    for task_id in [pending, blocked, held] {
        complete(store, task_id).await?;
    }
    let last = [unmet(gone, ABANDONED, false)];
    check_reason(store, waiting, waits_for(last), "when one is left").await?;
    store.requeue_task(gone).await?;
    let last = [unmet(gone, PENDING, true)];
    check_reason(
        store,
        waiting,
        waits_for(last),
        "when the last was requeued",
    )
    .await?;
    complete(store, gone).await?;
    check_reason(
        store,
        waiting,
        WaitingReason::Claimable,
        "when all are completed",
    )
    .await?;
    store.requeue_task(done).await?;
    let again = [unmet(done, PENDING, true)];
    check_reason(store, waiting, waits_for(again), "when one was requeued").await
}

pub(crate) async fn a_time_is_told_besides_while_it_is_still_to_come(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let time = in_micros(c, 10);
    let [a, b] = ids();
    let second = named(b, "b").with_not_before(time).with_depends_on([a]);
    append(store, run_id, [named(a, "a"), second]).await?;
    let both = |until| WaitingReason::Dependencies {
        tasks: vec![unmet(a, PENDING, true)],
        until,
    };
    check_reason(store, b, both(Some(time)), "before its time").await?;
    c.clock.set(time.saturating_add_micros(-1));
    check_reason(store, b, both(Some(time)), "a microsecond before its time").await?;
    c.clock.set(time);
    check_reason(store, b, both(None), "at its time").await?;
    c.clock.advance_micros(-1);
    complete(store, a).await?;
    check_reason(store, b, until(time), "when its dependency is completed").await?;
    c.clock.set(time);
    check_reason(store, b, WaitingReason::Claimable, "when both have come").await?;
    // A delay counts like a time that was planned.
    let claim = world::claim(store, run_id).await?;
    let report = FinishReport::released_for(Duration::from_micros(7), "no");
    store.finish_task(claim.token(), report).await?;
    store.requeue_task(a).await?;
    let what = "released with a delay, and its dependency requeued";
    check_reason(store, b, both(Some(time.saturating_add_micros(7))), what).await
}

pub(crate) async fn whether_a_dependency_can_complete_is_told_through_chains(
    c: &mut Context<'_>,
) -> Outcome {
    const LINKS: usize = 12;
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let drafts = (0..LINKS).map(|link| match link.checked_sub(1) {
        Some(before) => draft(link.to_string()).with_depends_on([before]),
        None => draft("0"),
    });
    let tasks = append(store, run_id, drafts).await?;
    let check = async |from: usize, status, can_complete, what: &str| -> Outcome {
        for pair in tasks.windows(2).skip(from) {
            let [before, task] = pair else { continue };
            let is_first = Some(before.id) == tasks.get(from).map(|task| task.id);
            let status = if is_first { status } else { PENDING };
            // One that is set aside itself can be completed by nobody's claim.
            let expected = waits_for([unmet(before.id, status, can_complete)]);
            let what = format!("link {} of a chain whose link {from} is {what}", task.title);
            check_reason(store, task.id, expected, &what).await?;
        }
        Ok(())
    };
    check(0, PENDING, true, "pending").await?;
    let first = world::claim(store, run_id).await?;
    check(0, IN_PROGRESS, true, "in progress").await?;
    store.block_task(BlockTask::new(first.task.id)).await?;
    check(0, BLOCKED, false, "blocked").await?;
    store.abandon_task(AbandonTask::new(first.task.id)).await?;
    check(0, ABANDONED, false, "abandoned").await?;
    store.requeue_task(first.task.id).await?;
    check(0, PENDING, true, "requeued").await?;
    complete(store, first.task.id).await?;
    check(1, PENDING, true, "the first to be done").await
}

pub(crate) async fn a_completed_link_hides_what_it_waited_for(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, b, held, last] = ids();
    let drafts = [
        named(a, "a"),
        named(b, "b").with_depends_on([a]),
        named(held, "held").with_depends_on([a]),
        draft("c").with_depends_on([b]).with_key("c"),
        named(last, "last").with_depends_on(["c"]),
        draft("d").with_depends_on([held]).with_key("d"),
    ];
    let tasks = append(store, run_id, drafts).await?;
    complete(store, a).await?;
    check_claims(store, run_id, &["b", "held"], "once a was completed").await?;
    complete(store, b).await?;
    store.requeue_task(a).await?;
    store.block_task(BlockTask::new(a)).await?;
    let id = |title: &str| {
        tasks
            .iter()
            .find(|task| task.title == title)
            .map(|task| task.id)
    };
    let (c_id, d_id) = (id("c").unwrap_or(a), id("d").unwrap_or(a));
    let expected = waits_for([unmet(c_id, PENDING, true)]);
    let what = "behind one that waits for a completed task, whatever that waited for";
    check_reason(store, last, expected, what).await?;
    check_reason(store, c_id, WaitingReason::Claimable, what).await?;
    // Who works on a task can complete it, whatever it depends on.
    let expected = waits_for([unmet(held, IN_PROGRESS, true)]);
    let what = "behind one in progress, which depends on a blocked task";
    check_reason(store, d_id, expected, what).await
}

pub(crate) async fn one_stuck_branch_is_enough(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [top, left, right, side, end] = ids();
    let drafts = [
        named(top, "top"),
        named(left, "left").with_depends_on([top]),
        named(right, "right").with_depends_on([top, side]),
        named(side, "side"),
        named(end, "end").with_depends_on([left, right]),
        draft("behind").with_depends_on([end]),
    ];
    let tasks = append(store, run_id, drafts).await?;
    let behind = world::last(tasks)?.id;
    let check = async |left_can, right_can, what: &str| -> Outcome {
        let sides = [
            unmet(left, PENDING, left_can),
            unmet(right, PENDING, right_can),
        ];
        check_reason(store, end, waits_for(sides), what).await?;
        let end = unmet(end, PENDING, left_can && right_can);
        check_reason(store, behind, waits_for([end]), what).await
    };
    check(true, true, "of a diamond, as planned").await?;
    store.block_task(BlockTask::new(side)).await?;
    check(true, false, "of a diamond, one side of which is stuck").await?;
    complete(store, side).await?;
    store.abandon_task(AbandonTask::new(top)).await?;
    check(false, false, "of a diamond whose top is given up").await?;
    store.requeue_task(top).await?;
    check(true, true, "of a diamond whose top was requeued").await
}

pub(crate) async fn a_delay_keeps_no_dependency_from_completing(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [delayed, expired, behind] = ids();
    let drafts = [
        named(expired, "expired").with_max_attempts(1_u32),
        named(delayed, "delayed").with_not_before(in_micros(c, 1_000_000)),
        named(behind, "behind").with_depends_on([delayed, expired]),
    ];
    append(store, run_id, drafts).await?;
    let leased = ClaimRequest::of_run(run_id).with_lease(Duration::from_micros(1));
    store.claim_next_task(leased).await?;
    c.clock.advance_micros(5);
    // The expired one can still be finished by its holder.
    let expected = [
        unmet(delayed, PENDING, true),
        unmet(expired, IN_PROGRESS, true),
    ];
    let what = "which depends on a delayed task and on an expired one";
    check_reason(store, behind, waits_for(expected), what).await
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
